"""What an entry of the document means on the wire: blocks, lists, groups and names."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

import polars as pl

from flowlens.destinations.known import code, region
from flowlens.expected.document import Document, Entry
from flowlens.expected.render.facts import Facts
from flowlens.expected.subjects import pattern

__all__ = ["KINDS", "Peer", "Unsaid", "peers"]

#: What a rule may be about.
KINDS = ("ipv4", "ipv6", "list", "group", "domain")

_EVERYTHING = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class Peer:
    """A destination.

    Attributes:
        kind: One of `KINDS`.
        value: Prefix, id or domain.
        called: What the document calls it, where that is not `value`.
        families: The families it can have: 4, 6.
    """

    kind: str
    value: str
    called: str | None = None
    families: tuple[int, ...] = (4, 6)


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Something of the document that a rendering does not say, or says with a difference.

    Attributes:
        line: Where it stands.
        text: What, and why.
        left: Whether it is left out; else it is said, and this is to be known about it.
    """

    line: int
    text: str
    left: bool = True


def peers(entry: Entry, document: Document, known: Facts) -> Iterator[Peer | Unsaid]:
    """Yield the destinations of an entry, and what of it cannot be found."""
    for value in entry.values:
        if entry.kind == "cidr":
            yield _block(value)
        elif entry.kind == "any":
            yield from (_block(each, "any") for each in _EVERYTHING)
        elif entry.kind == "name":
            yield from (_block(each, value) for each in document.names[value])
        elif entry.kind == "security_group":
            yield Peer("group", value)
        elif entry.kind == "domain":
            yield Peer("domain", value)
        elif entry.kind == "prefix_list":
            yield _listed(value, known)
        else:
            yield from _FOUND[entry.kind](entry, value, known)


def _block(cidr: str, called: str | None = None) -> Peer:
    family = ip_network(cidr).version
    return Peer(f"ipv{family}", cidr, called, (family,))


def _addresses(addresses: list[str], called: str) -> Iterator[Peer]:
    for address in sorted(addresses, key=lambda each: (":" in each, each)):
        yield _block(f"{address}/{128 if ':' in address else 32}", called)


def _listed(name: str, known: Facts, called: str | None = None) -> Peer:
    found = (known.lists or {}).get(name)
    families = {"IPv4": (4,), "IPv6": (6,)}.get(found.family or "" if found else "", (4, 6))
    return Peer("list", name, called, families)


def _service(entry: Entry, value: str, known: Facts) -> Iterator[Peer | Unsaid]:
    """Yield AWS's own prefix lists of a service."""
    what = f"aws_service {value}"
    if not known.lists:
        yield Unsaid(entry.line, f"{what}: its prefix list is not known; give -i INVENTORY")
        return
    rows = [(name, each.name) for name, each in sorted(known.lists.items())]
    schema = {"id": pl.String(), "name": pl.String()}
    table = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        code=code(pl.col("name")), region=region(pl.col("name"))
    )
    ours = table.filter(pl.col("code") == value)
    ours = ours if entry.region is None else ours.filter(pl.col("region") == entry.region)
    if ours.is_empty():
        place = f" of {entry.region}" if entry.region else ""
        yield Unsaid(entry.line, f"{what}{place}: the inventory has no prefix list of it")
    for name, full in ours.select("id", "name").iter_rows():
        yield _listed(name, known, full)
    if entry.region is None and not ours.is_empty():
        told = ", ".join(ours["region"].unique().sort().to_list())
        text = f"{what}: every Region is meant, rules have the prefix lists of {told}"
        yield Unsaid(entry.line, text, left=False)


def _endpoint(entry: Entry, value: str, known: Facts) -> Iterator[Peer | Unsaid]:
    """Yield the addresses of an endpoint's interfaces, or the prefix list that leads to it."""
    row = (known.endpoints or {}).get(value)
    if row is None:
        why = "give -i INVENTORY" if known.endpoints is None else "it is not in the inventory"
        yield Unsaid(entry.line, f"endpoint {value}: its addresses are not known; {why}")
        return
    if row["type"] == "Gateway":
        lists = known.lists or {}
        same = [name for name, each in sorted(lists.items()) if each.name == row["service"]]
        yield from (_listed(name, known, f"endpoint {value}") for name in same)
        if not same:
            text = f"endpoint {value}: the inventory has no prefix list {row['service']}"
            yield Unsaid(entry.line, text)
        return
    held = set(row["interfaces"] or ())
    found = [a for unit in known.units if unit.label in held for a in unit.addresses]
    yield from _addresses(found, f"endpoint {value}")
    if not found:
        yield Unsaid(entry.line, f"endpoint {value}: its interfaces are not in the inventory")


def _owner(entry: Entry, value: str, known: Facts) -> Iterator[Peer | Unsaid]:
    """Yield the addresses of interfaces that are an owner's for sure."""
    mine = [unit for unit in known.units if unit.addresses and unit.owners]
    names = pl.Series("name", sorted({o for unit in mine for o in unit.owners or ()}), pl.String)
    fits = set(names.filter(names.str.contains(pattern(value))))
    found = [a for unit in mine if fits.issuperset(unit.owners or ()) for a in unit.addresses]
    yield from _addresses(found, f"owner {value}")
    if not found:
        hint = "nothing there is its alone" if known.units else "give -i INVENTORY"
        yield Unsaid(entry.line, f"owner {value}: its addresses are not known; {hint}")


_FOUND = {"aws_service": _service, "endpoint": _endpoint, "owner": _owner}
