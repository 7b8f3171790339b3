"""A document and an inventory as one table of rules, which every rendering is made from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from flowlens.expected.document import Document, Entry, Port
from flowlens.expected.render import text
from flowlens.expected.render.facts import Facts, facts
from flowlens.expected.render.peers import Peer, Unsaid, peers
from flowlens.expected.render.places import Place, places
from flowlens.words import proto

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["RULES", "Grant", "Plan", "plan"]

RULES: dict[str, pl.DataType] = {
    "name": pl.String(),  # stable: of group, protocol, ports and destination
    "group": pl.String(),  # null: which one is not known
    "direction": pl.String(),
    "protocol": pl.String(),  # of AWS: a name, a number; all
    "from_port": pl.UInt16(),
    "to_port": pl.UInt16(),
    "kind": pl.String(),  # one of peers.KINDS
    "destination": pl.String(),
    "description": pl.String(),
    "workloads": pl.String(),
    "line": pl.UInt32(),
}

_FAMILY = {1: 4, 58: 6}  # ICMP and ICMPv6 belong to one family


@dataclass(frozen=True, slots=True)
class Grant:
    """One destination and what may be spoken with it, with the reason.

    Attributes:
        peer: The destination.
        port: Protocol and ports.
        lines: Where the document says so.
        why: The owner's reasons.
        until: When the last of the entries ends; null: never.
    """

    peer: Peer
    port: Port
    lines: tuple[int, ...]
    why: tuple[str, ...]
    until: datetime | None

    @property
    def key(self) -> tuple[object, ...]:
        """What it is, whatever the reason: rules with the same key are one rule."""
        return (
            self.port.protocol,
            self.port.first,
            self.port.last,
            self.peer.kind,
            self.peer.value,
        )

    @property
    def ends(self) -> str | None:
        """The end as words."""
        return f"until {self.until:%Y-%m-%d}" if self.until else None

    @property
    def description(self) -> str:
        """Reasons, name and end as the description of a rule, which hold no line numbers.

        A description with a line would change with every edit above it.
        """
        return text.described(", ".join(self.why), self.peer.called, self.ends)

    def evidence(self, source: str) -> str:
        """Where it stands, and why, as a comment."""
        where = ", ".join(map(str, self.lines))
        rest = [", ".join(self.why), self.peer.called or "", self.ends or ""]
        return text.comment(f"{source}:{where} {'; '.join(part for part in rest if part)}".strip())

    def join(self, other: "Grant") -> "Grant":
        """Return both as one, which lasts as long as the longer of them."""
        ends = None if None in (self.until, other.until) else max(self.until, other.until)  # type: ignore[type-var]
        lines = tuple(sorted({*self.lines, *other.lines}))
        return replace(self, lines=lines, why=_distinct((*self.why, *other.why)), until=ends)


@dataclass(frozen=True)
class Plan:
    """What a document asks for.

    Attributes:
        source: The document's file.
        places: Where each rule of the document goes.
        grants: What each rule of the document lets through, in the same order.
        known: What the inventory says.
        unsaid: What of each rule of the document could not be made one, or not exactly.
    """

    source: str
    places: tuple[Place, ...]
    grants: tuple[tuple[Grant, ...], ...]
    known: Facts
    unsaid: tuple[tuple[Unsaid, ...], ...]

    @property
    def doubts(self) -> dict[Unsaid, None]:
        """What could not be made a rule, or not exactly, each once and in order."""
        return dict.fromkeys(each for some in self.unsaid for each in some)

    def table(self) -> pl.DataFrame:
        """Return the rules as a table of schema `RULES`."""
        rows = [
            row
            for place, grants in zip(self.places, self.grants, strict=True)
            for group in place.groups or (None,)
            for row in (_row(group, place, grant) for grant in grants)
        ]
        order = ("group", "line", "destination", "protocol", "from_port")
        return pl.DataFrame(rows, schema=RULES, orient="row").sort(order, nulls_last=True)


def plan(document: Document, inventory: "Inventory | None", *, now: datetime) -> Plan:
    """Return the rules that a document asks for.

    Args:
        document: What should happen.
        inventory: Says which groups workloads have, and the addresses behind names of AWS.
        now: Entries that ended by then are left out, and told.
    """
    known = facts(inventory)
    unsaid = []
    grants = []
    for rule in document.rules:
        found: list[Grant] = []
        lost: list[Unsaid] = []
        for entry in rule.entries:
            if entry.until is not None and entry.until <= now:
                ended = f"{entry} ended {entry.until:%Y-%m-%d %H:%M} UTC"
                lost.append(Unsaid(entry.line, ended, left=False))
                continue
            for each in peers(entry, document, known):
                if isinstance(each, Unsaid):
                    lost.append(each)
                else:
                    found += _spoken(each, entry)
        grants.append(tuple(merged(found)))
        unsaid.append(tuple(lost))
    located = tuple(places(document, known, inventory))
    return Plan(document.source, located, tuple(grants), known, tuple(unsaid))


def merged(grants: Iterable[Grant]) -> Iterator[Grant]:
    """Yield grants, those of the same key as one, in the order of the first."""
    found: dict[tuple[object, ...], Grant] = {}
    for grant in grants:
        found[grant.key] = found[grant.key].join(grant) if grant.key in found else grant
    yield from found.values()


def _spoken(peer: Peer, entry: Entry) -> Iterator[Grant]:
    why = (entry.why,) if entry.why else ()
    for port in entry.ports:
        family = _FAMILY.get(port.protocol or 0)
        if family is None or family in peer.families:
            yield Grant(peer, port, (entry.line,), why, entry.until)


def _row(group: str | None, place: Place, grant: Grant) -> tuple[object, ...]:
    port, ported = grant.port, grant.port.protocol in (6, 17, 132)
    return (
        text.name(group, *grant.key),
        group,
        "egress",
        "all" if port.protocol is None else proto(port.protocol),
        port.first if ported else None,
        port.last if ported else None,
        grant.peer.kind,
        grant.peer.value,
        grant.description,
        ", ".join(place.who),
        grant.lines[0],
    )


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
