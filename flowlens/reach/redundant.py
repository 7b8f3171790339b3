"""Which rules another rule makes redundant: everything they let through passes by it as well."""

from collections.abc import Mapping, Sequence

from flowlens.reach.account import Row
from flowlens.reach.atlas import block
from flowlens.reach.groups import Groups
from flowlens.reach.rulebook import ANY, Rule
from flowlens.reach.spans import Span, merged, within

__all__ = ["covered", "spans"]

#: A rule, its ports, and its addresses.
_Shape = tuple[Row, Rule, list[Span] | None]


def covered(
    rules: Sequence[Row], groups: Groups, carriers: Mapping[str, frozenset[str]]
) -> dict[str, list[str]]:
    """Return for each rule the ids of those that each let through all that it does.

    Of two equal rules in the same place the first covers the second, so that one remains.

    Args:
        rules: of one direction.
        groups: what is known about them.
        carriers: group -> its interfaces. A rule of another group covers only if every interface
            with the one group has the other as well.
    """
    shapes: dict[str, list[_Shape]] = {}
    for row in rules:
        shapes.setdefault(row["group_id"], []).append((row, Rule.of(row), spans(row, groups)))
    found: dict[str, list[str]] = {}
    for group, own in shapes.items():
        beside = [name for name in _beside(group, carriers) if name in shapes]
        # Of rules that cover each other the first remains: in its group, or the first group.
        equal = {name for name in beside if carriers.get(name) == carriers.get(group)}
        for n, mine in enumerate(own):
            for name in beside:
                for m, other in enumerate(shapes[name]):
                    first = (name, m) < (group, n) or name not in equal
                    if mine is other or not _covers(other, mine, groups):
                        continue
                    if first or not _covers(mine, other, groups):
                        found.setdefault(mine[0]["rule_id"], []).append(other[0]["rule_id"])
    return {name: sorted(names) for name, names in found.items()}


def _beside(group: str, carriers: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the groups that every interface with a group has, itself among them."""
    mine = carriers.get(group, frozenset())
    return [name for name, held in carriers.items() if mine and mine <= held] or [group]


def _covers(wide: _Shape, narrow: _Shape, groups: Groups) -> bool:
    """Say whether one rule lets through all that another does."""
    (other, theirs, there), (row, mine, here) = wide, narrow
    return _speaks(theirs, mine) and _reaches(row, other, here, there, groups)


def _speaks(wide: Rule, narrow: Rule) -> bool:
    """Say whether a rule has all protocols, ports, types and codes of another."""
    if wide.protocol in (narrow.protocol, ANY):
        pairs = ((wide.a, narrow.a), (wide.b, narrow.b))
        return all(one[0] <= other[0] and one[1] >= other[1] for one, other in pairs)
    return False


def spans(row: Row, groups: Groups) -> list[Span] | None:
    """Return the addresses that a rule names as blocks or by a list; None if it does not."""
    texts = [row["cidr"]] if row["cidr"] else groups.lists.blocks.get(row["prefix_list_id"])
    if texts is None:
        return None
    return merged(span for text in texts if (span := block(text)))


def _reaches(
    row: Row, other: Row, mine: list[Span] | None, theirs: list[Span] | None, groups: Groups
) -> bool:
    """Say whether a rule has all addresses of another."""
    if mine is not None and theirs is not None:
        return within(mine, theirs) == mine
    keys = ("referenced_group", "prefix_list_id", "peering_id")
    named = row["referenced_group"] or row["prefix_list_id"]
    return (
        bool(named)
        and all(row[key] == other[key] for key in keys)
        and not groups.permits.stale(other)
    )
