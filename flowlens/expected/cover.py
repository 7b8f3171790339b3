"""The best cover: at most so many prefixes that admit given addresses and the least besides.

The answer is exact. Among covers of equal cost the one with the fewest prefixes counts; among
these, from the widest prefix down, one prefix rather than several, admitting rather than leaving
out, and then the fewest prefixes in the lower half. So it is the same whatever the order of input.
"""

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar, overload

from flowlens.errors import UsageError
from flowlens.expected.ground import Amounts, Terms
from flowlens.expected.knapsack import WHOLE, eased, plan
from flowlens.expected.prefixes import WIDTH, end, keys, shown, written
from flowlens.expected.trie import Forest, required

__all__ = ["Cover", "optimal_cover", "shared_cover"]

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Cover:
    """Prefixes to admit.

    Attributes:
        prefixes: In order, IPv4 first; none lies in another.
        extra: Addresses they admit beyond the given ones, or their weight.
        left: What was given and is left out, in order; empty without penalties.
        price: The penalties of what is left out.
    """

    prefixes: tuple[str, ...]
    extra: int | float
    left: tuple[str, ...] = ()
    price: int | float = 0

    @property
    def cost(self) -> int | float:
        """What was made as small as the budget allows."""
        return self.extra + self.price


def optimal_cover(
    addresses: Iterable[object],
    budget: int,
    *,
    forbidden: Iterable[object] = (),
    weight: Amounts | None = None,
    penalty: Amounts | None = None,
) -> Cover:
    """Return at most `budget` prefixes that admit all addresses and the fewest others.

    IPv4 and IPv6 addresses share the budget, and an address counts the same in both; where their
    quotas are separate, call this for each.

    Args:
        addresses: Addresses or networks, as text or objects of `ipaddress`, in any order.
        budget: The most prefixes.
        forbidden: Addresses and networks that are never admitted.
        weight: What a foreign address costs, by prefix, of which the longest counts (1 elsewhere),
            or one number for all; 0 for space that does no harm.
        penalty: What it costs to leave an address out, by address as in `addresses`, or one
            number for all, in the unit of `weight`. What has no price must be admitted.

    Raises:
        UsageError: Something is no address, amount or budget; an address that must be admitted is
            forbidden; or the budget cannot do it.

    >>> optimal_cover(["10.0.0.0", "10.0.0.1", "10.0.0.7"], 2)
    Cover(prefixes=('10.0.0.0/31', '10.0.0.7/32'), extra=0, left=(), price=0)
    >>> optimal_cover(["10.0.0.0", "10.0.0.1", "10.0.0.7"], 1).extra
    5
    >>> optimal_cover(["10.0.0.0", "10.0.0.1", "10.0.0.7"], 1, penalty={"10.0.0.7": 3}).left
    ('10.0.0.7',)
    """
    terms = Terms(forbidden, weight, penalty)
    return _covers([addresses], budget, terms)[0]


@overload
def shared_cover(
    groups: Mapping[Name, Iterable[object]],
    budget: int,
    *,
    forbidden: Iterable[object] = (),
    weight: Amounts | None = None,
    penalty: Amounts | None = None,
) -> dict[Name, Cover]: ...


@overload
def shared_cover(
    groups: Sequence[Iterable[object]],
    budget: int,
    *,
    forbidden: Iterable[object] = (),
    weight: Amounts | None = None,
    penalty: Amounts | None = None,
) -> list[Cover]: ...


def shared_cover(
    groups: Mapping[Name, Iterable[object]] | Sequence[Iterable[object]],
    budget: int,
    *,
    forbidden: Iterable[object] = (),
    weight: Amounts | None = None,
    penalty: Amounts | None = None,
) -> dict[Name, Cover] | list[Cover]:
    """Return the best covers of several sets that have one budget together.

    An example is the rules of one security group, where each set has ports of its own. What one
    set admits does not count for another; the sum of all costs is the least.

    Args:
        groups: Sets of addresses as in `optimal_cover`, by name or in a list.
        budget: The most prefixes in all of them together.
        forbidden: As in `optimal_cover`, for every set.
        weight: Likewise.
        penalty: Likewise; an address in several sets has its price in each.

    Returns:
        A cover for each set, by its name or in the order of the list.

    Raises:
        UsageError: As in `optimal_cover`.

    >>> shared = shared_cover({"https": ["10.0.0.0", "10.0.0.7"], "dns": ["10.0.0.2"]}, 2)
    >>> {name: cover.prefixes for name, cover in shared.items()}
    {'https': ('10.0.0.0/29',), 'dns': ('10.0.0.2/32',)}
    """
    terms = Terms(forbidden, weight, penalty)
    if isinstance(groups, Mapping):
        return dict(zip(groups, _covers(groups.values(), budget, terms), strict=True))
    return _covers(groups, budget, terms)


def _covers(groups: Iterable[Iterable[object]], budget: int, terms: Terms) -> list[Cover]:
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 0:
        msg = f"budget {budget!r}; expected a number of prefixes from 0 on"
        raise UsageError(msg)
    given = [_given(group, terms) for group in groups]
    # Sets are taken in the order of what is in them, so that theirs decides nothing.
    turns = sorted(range(len(given)), key=given.__getitem__)
    forest = Forest(_never(given, terms))
    bounds = [0]
    for turn in turns:
        for members, ground in zip(given[turn], terms.grounds.values(), strict=True):
            if members:
                forest.plant(members, ground)
        bounds.append(len(forest.leaves))
    nodes = _solved(forest, budget)
    covers = {
        turn: _cover(forest, nodes, span, terms)
        for turn, span in zip(turns, pairwise(bounds), strict=True)
    }
    return [covers[turn] for turn in range(len(given))]


def _given(group: Iterable[object], terms: Terms) -> list[list[int]]:
    """Return the prefixes of each family of a set.

    Raises:
        UsageError: One is none, or must be admitted and is forbidden.
    """
    found = keys(group)
    kept = [required(found[family], ground) for family, ground in terms.grounds.items()]
    for members, ground in zip(kept, terms.grounds.values(), strict=True):
        for each in members if ground.banned else ():
            size = end(ground.family, each) - (each >> 8)
            banned = ground.forbidden(each >> 8, size)
            if banned is not None and ground.prices.get(each, ground.price) is None:
                msg = f"{shown(ground.family, each)} must be admitted, but forbidden is "
                msg += f"{shown(ground.family, banned)}; expected addresses outside; "
                msg += "try without it, or with a penalty for leaving it out"
                raise UsageError(msg)
    return kept


def _never(given: list[list[list[int]]], terms: Terms) -> int:
    """Return a cost above any that covers of these sets can have."""
    never = 1
    for group in given:
        for members, ground in zip(group, terms.grounds.values(), strict=True):
            never += ground.cost(0, 1 << WIDTH[ground.family])
            never += sum(ground.prices.values()) + (ground.price or 0) * len(members)
    return never


def _solved(forest: Forest, budget: int) -> list[int]:
    """Return the references of the nodes to admit, in order.

    Raises:
        UsageError: The budget is too small.
    """
    if forest.root is None:
        return []
    ease = eased(forest)
    if ease.need[forest.root] > budget:
        msg = f"budget {budget} is too small: what must be admitted needs at least "
        msg += f"{ease.need[forest.root]} prefixes clear of forbidden space; try that many"
        raise UsageError(msg)
    chosen = plan(forest, budget, ease)
    found, todo = [], [(forest.root, chosen.size)]
    while todo:
        node, number = todo.pop()
        if number == 0:
            continue
        share = chosen.share(node, number) if node >= 0 else WHOLE
        if share == WHOLE:
            found.append(node)
        else:
            todo += [(forest.right[node], number - share), (forest.left[node], share)]
    return found


def _cover(forest: Forest, nodes: list[int], span: tuple[int, int], terms: Terms) -> Cover:
    """Return the cover of the set whose leaves lie in a span."""
    begin, stop = span
    first, last = (bisect_left(nodes, leaf, key=lambda node: forest.span(node)[0]) for leaf in span)
    own = nodes[first:last]
    edges = [begin, *(edge for node in own for edge in forest.span(node)), stop]
    left = [leaf for a, b in zip(edges[::2], edges[1::2], strict=True) for leaf in range(a, b)]
    return Cover(
        tuple(written(*forest.prefix(node)) for node in own),
        terms.amount(sum(forest.ones[node] for node in own if node >= 0)),
        tuple(shown(*forest.prefix(~leaf)) for leaf in left),
        terms.amount(sum(forest.skips[leaf] for leaf in left)),
    )
