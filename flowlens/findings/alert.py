"""A finding as an alert: what every format for other systems says, in plain values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import polars as pl

from flowlens.findings.severity import LEVELS
from flowlens.findings.taxonomy import UNUSUAL, Kind, Technique, kind, techniques
from flowlens.words import proto, service

__all__ = ["Alert", "alerts", "version"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One finding, ready to be written in a format of others.

    Args:
        row: the row of FINDINGS it is made of, with `place` where that is known.
        kind: the words of its kind.
        techniques: of ATT&CK.
    """

    row: Mapping[str, Any]
    kind: Kind
    techniques: tuple[Technique, ...]

    @property
    def id(self) -> str:
        """The finding's id: the same in every run over the same evidence."""
        return str(self.row["id"])

    @property
    def level(self) -> int:
        """Severity as a number, 1 (info) to 5 (critical)."""
        return LEVELS.index(self.row["severity"]) + 1

    @property
    def title(self) -> str:
        """One short line: what it is, who, where."""
        owner, where = self.owner, self.row["destination"] or self.row["server"]
        told = f"{self.kind.title}: {owner or self.row['client'] or 'unknown'}"
        if where is None:
            return told
        return f"{told} to {where} {service(self.row['protocol'], self.row['server_port'])}"

    @property
    def owner(self) -> str | None:
        """Who it is about: candidates are all named, never one of them."""
        return " or ".join(self.candidates) or None

    @property
    def candidates(self) -> list[str]:
        """Who may hold our end's address."""
        return list(self.row["owner"] or [])

    @property
    def place(self) -> Mapping[str, str | None]:
        """Account, Region and interface, each null where it is not known."""
        return self.row.get("place") or {}

    @property
    def times(self) -> tuple[datetime | None, datetime | None]:
        """First and last sighting."""
        first, last = self.row["first_seen"], self.row["last_seen"]
        return first or last, last or first

    @property
    def numbers(self) -> dict[str, Any]:
        """The numbers that are known."""
        return {
            name: value
            for name, value in (self.row["numbers"] or {}).items()
            if value is not None and not isinstance(value, list | dict)
        }

    @property
    def refused(self) -> bool:
        """Whether every record was rejected."""
        told = self.numbers
        return bool(told.get("records")) and told.get("rejected") == told.get("records")

    @property
    def inward(self) -> bool | None:
        """Whether the other end opened it; null where it is not known which end is ours."""
        end = self.place.get("end")
        return None if end is None else end == "server"

    @property
    def protocol(self) -> str | None:
        """Name of the protocol."""
        number = self.row["protocol"]
        return None if number is None else proto(number)

    @property
    def filter(self) -> str | None:
        """The filter that gives back the records behind it."""
        told = (self.row["evidence"] or {}).get("filter")
        return told or None

    @property
    def lines(self) -> list[Mapping[str, Any]]:
        """The quoted records."""
        return list((self.row["evidence"] or {}).get("lines") or [])

    @property
    def types(self) -> tuple[str, ...]:
        """Types in Security Hub's taxonomy: namespace/category."""
        tactics = (one.tactic.type for one in self.techniques if one.tactic)
        return tuple(dict.fromkeys((*tactics, UNUSUAL)))


def alerts(findings: pl.DataFrame) -> Iterator[Alert]:
    """Yield each finding as an alert, in the order of the table.

    Args:
        findings: a table of schema FINDINGS, with the column `place` of `place.place` if what is
            to be written needs account, Region or interface.
    """
    for row in findings.iter_rows(named=True):
        yield Alert(row, kind(row["kind"]), techniques(row["technique"]))


def version(address: str | None) -> int | None:
    """Return 4 or 6 for an address, null for what is none (as after ``--redact``).

    >>> version("10.0.0.1"), version("2001:db8::1"), version("ip-1"), version(None)
    (4, 6, None, None)
    """
    try:
        return ip_address(address or "").version
    except ValueError:
        return None
