"""The rows of the may map: ranges by how far the ways to them lead, and the workloads that may."""

from dataclasses import dataclass, field
from typing import Any

from flowlens_graphs.may import named, spoken, target
from flowlens_graphs.words import counted

__all__ = ["HEADINGS", "Place", "budget", "lines", "listed"]

#: How far ways lead, the farthest first -> the class whose colour and shape they have.
HEADINGS = {
    "The internet, straight": ("unexpected", ("internet gateway",)),
    "The internet, behind NAT": ("rest", ("nat",)),
    "Other networks": ("known", ()),
    "Endpoints of services": ("aws", ("interface endpoint", "gateway endpoint")),
    "Inside the VPC": ("inside", ("local",)),
}
#: Ways that are no destination of anybody's choice.
APART = ("none", "hypervisor")
ROWS, SENDERS = 30, 24


@dataclass(slots=True)
class Place:
    """A row on the right: a range that may be reached."""

    label: str
    group: str
    senders: dict[str, int] = field(default_factory=dict)  # sender -> bytes sent
    ports: dict[str, None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def add(self, other: "Place") -> None:
        """Take in another row."""
        for name, sent in other.senders.items():
            self.senders[name] = self.senders.get(name, 0) + sent
        self.ports |= other.ports
        self.used |= other.used


def _group(way: str | None) -> str:
    """Return the heading of a way."""
    for name, (_, ways) in HEADINGS.items():
        if way in ways:
            return name
    return "Other networks"


def listed(rows: list[dict[str, Any]]) -> list[Place]:
    """Return the ranges of a may table, by how far they lead and how many may reach them."""
    found: dict[tuple[str, str], Place] = {}
    for row in rows:
        label = target(row)
        if label is None or row["way"] in APART:
            continue
        group, name = _group(row["way"]), named(row)
        place = found.setdefault((group, label), Place(label, group))
        sent = row.get("bytes_out") or 0
        place.senders[name] = place.senders.get(name, 0) + sent
        place.ports[spoken(row)] = None
        if sent or row.get("conversations"):
            place.used.add(name)
    order = list(HEADINGS)
    return sorted(
        found.values(),
        key=lambda each: (order.index(each.group), -len(each.senders), each.label),
    )


def budget(places: list[Place], most: int = ROWS) -> list[Place]:
    """Return at most so many rows: the last of each class become one."""
    if len(places) <= most:
        return places
    groups = list(dict.fromkeys(each.group for each in places))
    room = max(1, most // len(groups))
    found: list[Place] = []
    for group in groups:
        mine = [each for each in places if each.group == group]
        keep = mine if len(mine) <= room else mine[: room - 1]
        rest = mine[len(keep) :]
        found += keep
        if rest:
            one = Place(f"{counted(len(rest), 'further range')}", group)
            for each in rest:
                one.add(each)
            found.append(one)
    return found


def lines(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return workloads and the rows on the left on which they stand: beyond a number, one."""
    names = sorted({named(row) for row in rows})
    if len(names) <= SENDERS:
        return {name: name for name in names}
    rest = f"{len(names) - SENDERS + 1:,} further workloads"
    return {name: name if n < SENDERS - 1 else rest for n, name in enumerate(names)}
