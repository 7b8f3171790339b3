"""What a document comes to in AWS Network Firewall and in DNS Firewall, against their limits."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from flowlens.expected.document import Document, Entry
from flowlens.expected.quotas import QUOTAS

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["beyond"]

_Row = tuple[int, str, str]


def beyond(
    document: Document, inventory: "Inventory | None", now: datetime, limits: Mapping[str, int]
) -> Iterator[_Row]:
    """Yield line, level and text of what does not fit into the rules of a firewall.

    Args:
        document: What should happen.
        inventory: For the addresses and the entries of lists that rules hold.
        now: Entries that ended by then take no room.
        limits: By the names of `quotas.QUOTAS`.
    """
    from flowlens.expected.render.plan import plan
    from flowlens.expected.render.suricata import overfull, wires

    found, _ = wires(plan(document, inventory, now=now))
    yield from ((line, "warning", text) for line, text in overfull(found, limits))
    yield from _sets(document, limits)
    yield from _lists(document, limits)


def _entries(document: Document) -> Iterator[Entry]:
    return (entry for rule in document.rules for entry in rule.entries)


def _sets(document: Document, limits: Mapping[str, int]) -> Iterator[_Row]:
    """Yield the entry with which lists become more than a rule group can refer to."""
    lines: dict[str, int] = {}
    for entry in _entries(document):
        for value in entry.values if entry.kind in ("prefix_list", "aws_service") else ():
            lines.setdefault(f"{value} {entry.region or ''}", entry.line)
    most = limits["firewall_sets"]
    if len(lines) > most:
        what = f"{len(lines)} prefix lists; {QUOTAS['firewall_sets'].what}: {most}"
        yield (
            [*lines.values()][most],
            "note",
            f"{what}; as Suricata rules their entries are written",
        )


def _lists(document: Document, limits: Mapping[str, int]) -> Iterator[_Row]:
    """Yield the workloads with whose names DNS Firewall has more rules or lists than it can."""
    firsts: dict[tuple[object, ...], int] = {}
    sizes: dict[tuple[object, ...], dict[str, int]] = {}
    for rule in document.rules:
        for entry in rule.entries if rule.subjects else ():
            for name in entry.values if entry.kind == "domain" else ():
                firsts.setdefault(rule.subjects, entry.line)
                sizes.setdefault(rule.subjects, {}).setdefault(name, entry.line)
    lines = [*firsts.values()]
    for name in ("dns_rules", "dns_lists"):  # the last one is for everything else
        if len(lines) >= limits[name]:
            what = f"{len(lines)} workloads with domains and a last rule for the rest; "
            what += f"{QUOTAS[name].what}: {limits[name]:,}; put workloads together in `from`"
            yield lines[limits[name] - 1], "warning", what
    most = limits["dns_file"]
    for held in sizes.values():
        if len(held) > most:
            what = f"{len(held):,} domains of one workload; {QUOTAS['dns_file'].what}: {most:,}"
            yield [*held.values()][most], "warning", what
