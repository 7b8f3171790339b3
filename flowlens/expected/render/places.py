"""Where the rules of a document go: which security groups, which blocks of addresses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowlens.expected.document import Document, Rule
from flowlens.expected.render.facts import Facts, Unit
from flowlens.expected.subjects import applying
from flowlens.words import noun

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["Place", "places"]

_FEW = 3  # names told
_LAMBDA = ("lambda", "lambda_managed_instance", "lambda_connector")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one rule of the document goes.

    Attributes:
        who: The workloads in the words of the document.
        groups: The security groups that get its rules, sorted.
        blocks: Prefixes its workloads send from, sorted; empty where they are not known.
        subnets: Blocks among them that whole subnets have, of which it is only a part.
        vpcs: Where its workloads are, as far as that is known.
        others: Who carries one of the groups without being meant, by group.
        lost: Workloads that no group of `groups` lets out, and why.
        covered: The groups of all its workloads.
        meant: The names of its workloads.
    """

    who: tuple[str, ...]
    groups: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    vpcs: tuple[str, ...] = ()
    others: Mapping[str, tuple[str, ...]] | None = None
    lost: tuple[str, ...] = ()
    covered: frozenset[str] = frozenset()
    meant: frozenset[str] = frozenset()


def places(document: Document, known: Facts, inventory: "Inventory | None") -> list[Place]:
    """Return where each rule of a document goes, in its order.

    A rule that names a security group goes there. Any other goes, for each workload, into the one
    of its groups that the fewest others carry: security groups add up, one is enough.
    """
    seats = known.seats
    found = applying(known.workloads(), document, inventory).iter_rows() if seats else ()
    meant = [_Meant({}, {}, {}) for _ in document.rules]
    for seat, candidate, rule, doubt in found:
        at, address, _ = seats[seat]
        unit = known.units[at]
        if doubt is None:
            meant[rule].units.setdefault(at, set()).add(candidate)
            meant[rule].addresses.setdefault(at, set()).add(address)
        elif unit.groups:
            meant[rule].doubts[unit.label] = doubt
    return [
        _place(rule, document, known, some)
        for rule, some in zip(document.rules, meant, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Meant:
    """Whom a rule is about: names and addresses by unit, and who it may be about, and why."""

    units: dict[int, set[str | None]]
    addresses: dict[int, set[str | None]]
    doubts: dict[str, str]


def _place(
    rule: Rule,
    document: Document,
    known: Facts,
    meant: _Meant,
) -> Place:
    units, doubts = [known.units[n] for n in sorted(meant.units)], meant.doubts
    strangers = _strangers(known.units, meant)
    named = {s.value for s in rule.subjects if s.kind == "security_group"}
    if any(s.kind == "any" for s in rule.subjects) and not known.units:
        named |= {s.value for r in document.rules for s in r.subjects if s.kind == "security_group"}
    groups = _chosen(named, units, strangers)
    gone = [] if known.groups is None else sorted(named - set(known.groups) - set(strangers))
    lost = [f"{g} is not in the inventory" for g in gone]
    lost += [f"{unit.label}: no security group filters it" for unit in units if _bare(unit)]
    if doubts:
        lost.append(f"{told(sorted(doubts))} may be meant: {min(doubts.items())[1]}")
    if not groups and not lost:
        lost = ["nothing in the inventory is meant by it" if known.units else "needs -i INVENTORY"]
    kept = sorted(groups - set(gone))
    vpcs = {unit.vpc for unit in units} | {(known.groups or {}).get(g) for g in kept}
    friends = {
        name for n, chosen in meant.units.items() for name in _friends(known.units[n], chosen)
    }
    return Place(
        who=tuple(f"{s.kind} {s.value}" if s.kind != "any" else "any" for s in rule.subjects),
        groups=tuple(kept),
        blocks=_blocks(rule, units, known),
        subnets=_subnets(rule, units, known),
        vpcs=tuple(sorted(vpc for vpc in vpcs if vpc)),
        others={g: tuple(sorted(strangers[g])) for g in kept if strangers.get(g)},
        lost=tuple(lost),
        covered=frozenset(g for unit in units for g in unit.groups or ()) | set(kept),
        meant=frozenset(friends),
    )


def _strangers(units: Iterable[Unit], meant: _Meant) -> dict[str, set[str]]:
    """Return who carries a group without being meant: names, and addresses of those who are."""
    found: dict[str, set[str]] = {}
    for n, unit in enumerate(units):
        unmeant = set(unit.names) - _friends(unit, meant.units.get(n, set()))
        if n in meant.units:
            unmeant |= set(unit.addresses) - meant.addresses[n]
        for group in unit.groups or ():
            found.setdefault(group, set()).update(unmeant)
    return found


def _friends(unit: Unit, chosen: set[str | None]) -> set[str]:
    """Return the names of a unit that are meant; one without owners is meant as it is."""
    return set(unit.names) if None in chosen else {name for name in chosen if name}


def _chosen(named: set[str], units: Iterable[Unit], strangers: Mapping[str, set[str]]) -> set[str]:
    """Return groups of which every unit carries one, carried by as few others as can be."""
    groups = set(named)
    carried = [set(unit.groups or ()) for unit in units]
    uses = {g: sum(g in each for each in carried) for each in carried for g in each}
    for each in sorted(carried, key=lambda each: (len(each), sorted(each))):
        if each and not each & groups:
            groups.add(min(each, key=lambda g: (len(strangers.get(g, ())), -uses[g], g)))
    return groups


def _bare(unit: Unit) -> bool:
    """Say whether a workload goes out past every security group: a function outside of VPCs."""
    return unit.kind in _LAMBDA and not unit.groups


def _blocks(rule: Rule, units: Iterable[Unit], known: Facts) -> tuple[str, ...]:
    """Return where packets of the workloads come from.

    Functions get the blocks of their subnets, because their addresses come and go.
    """
    found = set(_subnets(rule, units, known))
    for subject in rule.subjects:
        if subject.kind == "any":
            return ("0.0.0.0/0", "::/0")
        if subject.kind == "cidr":
            found.add(subject.value)
        tables = {"subnet": known.subnets, "vpc": known.vpcs}
        found.update(tables.get(subject.kind, {}).get(subject.value, ()))
    for unit in units if not (_spatial(rule) and found) else ():
        if unit.kind not in _LAMBDA:
            found.update(f"{a}/{128 if ':' in a else 32}" for a in unit.addresses)
    return tuple(sorted(found))


def _subnets(rule: Rule, units: Iterable[Unit], known: Facts) -> tuple[str, ...]:
    """Return the blocks of the subnets that functions are in."""
    if _spatial(rule) or any(s.kind == "any" for s in rule.subjects):
        return ()
    homes = {s for unit in units if unit.kind in _LAMBDA for s in unit.subnets}
    return tuple(sorted({block for s in homes for block in known.subnets.get(s, ())}))


def _spatial(rule: Rule) -> bool:
    """Say whether a rule is about places and whoever is there."""
    return all(s.kind in ("cidr", "subnet", "vpc") for s in rule.subjects)


def told(names: Iterable[str]) -> str:
    """Return names as one phrase, the first few of many.

    >>> told(["a", "b", "c", "d", "e"])
    'a, b, c and 2 others'
    """
    every = list(names)
    rest = len(every) - _FEW
    head = ", ".join(every[:_FEW])
    return head if rest <= 0 else f"{head} and {noun(rest, 'other')}"
