"""What is wrong with a document that keeps to its schema, with the lines."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from flowlens.expected import firewalls
from flowlens.expected.budget import beyond, sizes
from flowlens.expected.document import Document, Entry
from flowlens.expected.ground import Terms
from flowlens.expected.overlap import overlaps
from flowlens.expected.prefixes import end, key, shown
from flowlens.expected.quotas import QUOTAS
from flowlens.expected.returns import answers

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["FORBIDDEN", "LEVELS", "PROBLEMS", "check"]

#: From the mildest.
LEVELS = ("note", "warning", "error")

PROBLEMS: dict[str, pl.DataType] = {
    "line": pl.UInt32(),
    "level": pl.String(),  # one of LEVELS
    "kind": pl.String(),  # quota, answers, forbidden, expired, overlap, unused
    "text": pl.String(),
}

#: The instance metadata service: who reaches it gets the credentials of the workload.
#: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
FORBIDDEN = ("169.254.169.254", "fd00:ec2::254")

_Row = tuple[int, str, str, str]


def check(
    document: Document,
    inventory: "Inventory | None" = None,
    *,
    now: datetime,
    forbidden: Iterable[str] = (),
    limits: Mapping[str, int] | None = None,
) -> pl.DataFrame:
    """Return what is wrong with a document.

    Args:
        document: What should happen.
        inventory: For the sizes of prefix lists; without it they are told as not counted.
        now: Entries that ended by then are expired.
        forbidden: Addresses and prefixes that no entry may admit, beside `FORBIDDEN`.
        limits: The account's own quotas, by the names of `quotas.QUOTAS`.

    Returns:
        A table of schema `PROBLEMS`, in the order of the file.

    Raises:
        UsageError: A forbidden prefix is none.
    """
    own = {name: quota.default for name, quota in QUOTAS.items()} | dict(limits or {})
    rows: list[_Row] = [
        (line, level, "quota", text)
        for line, level, text in _amounts(document, sizes(inventory), own)
    ]
    rows += [
        (line, level, "quota", text)
        for line, level, text in firewalls.beyond(document, inventory, now, own)
    ]
    rows += [
        (line, level, "answers", text) for line, level, text in answers(document, inventory, own)
    ]
    rows += [(line, "error", "forbidden", text) for line, text in _admitted(document, forbidden)]
    rows += [(line, "warning", "expired", text) for line, text in _expired(document, now)]
    rows += [(line, "warning", "overlap", text) for line, text in overlaps(document)]
    rows += [(1, "note", "unused", f"name {name!r} is never used") for name in _unused(document)]
    return pl.DataFrame(sorted(rows), schema=PROBLEMS, orient="row")


def _entries(document: Document) -> Iterator[Entry]:
    return (entry for rule in document.rules for entry in rule.entries)


def _amounts(
    document: Document, known: Mapping[str, tuple[int, int]], limits: Mapping[str, int]
) -> Iterator[tuple[int, str, str]]:
    yield from beyond(document, known, limits)
    lines = {
        v: e.line
        for e in reversed(list(_entries(document)))
        if e.kind == "domain"
        for v in e.values
    }
    for name, line in lines.items():
        if len(name) > limits["dns_name"]:
            text = f"domain {name[:40]}… has {len(name)} characters; DNS Firewall takes "
            yield line, "error", f"{text}{limits['dns_name']}"
    for quota in ("firewall_capacity", "dns_domains"):
        if len(lines) > limits[quota]:
            text = f"{len(lines):,} domains; {QUOTAS[quota].what}: {limits[quota]:,}; "
            yield max(lines.values()), "error", f"{text}take *.names for several of them"


def _admitted(document: Document, forbidden: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield entries whose addresses hold forbidden ones, or lie among them."""
    grounds = Terms((*FORBIDDEN, *forbidden)).grounds
    for entry in _entries(document):
        prefixes = entry.values if entry.kind == "cidr" else ()
        if entry.kind == "name":
            prefixes = tuple(p for value in entry.values for p in document.names[value])
        if entry.kind == "any":
            prefixes = ("0.0.0.0/0", "::/0")
        for text in prefixes:
            family, code = key(text)
            hit = grounds[family].forbidden(code >> 8, end(family, code) - (code >> 8))
            if hit is not None:
                yield entry.line, f"{text} admits {shown(family, hit)}, which is forbidden"


def _expired(document: Document, now: datetime) -> Iterator[tuple[int, str]]:
    for entry in _entries(document):
        if entry.until is not None and entry.until <= now:
            ended = f"{entry.until:%Y-%m-%d %H:%M} UTC"
            yield entry.line, f"{entry} ended {ended}; drop it or give it a later until"


def _unused(document: Document) -> list[str]:
    used = {value for entry in _entries(document) if entry.kind == "name" for value in entry.values}
    return [name for name in document.names if name not in used]
