"""The least cost of admitting a forest with at most so many prefixes, and how to come by it.

Each node has a *curve*: what it costs with at most 0, 1, 2, … prefixes. A parent's curve is, for
each number, the better of the node as one prefix and the best way to share the number out between
its children (the tree knapsack, at most leaves × budget steps). A curve ends where more prefixes
help no more. Of each of its entries only the left child's share is kept.

Small forests are worked off in Python's own numbers, large ones in compiled code.
"""

from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import add

import numpy as np
from numpy.typing import NDArray

from flowlens.expected.trie import Forest
from flowlens_parsers.machine import load, ready
from flowlens_parsers.tokens import address

__all__ = ["WHOLE", "Ease", "Plan", "compiled", "eased", "plain", "plan"]

WHOLE = -1  # in place of a share: the node is one prefix

#: Steps that Python has made before compiled code is loaded, and before it is compiled.
LOADED, COMPILED = 500_000, 40_000_000

_MODULE = "flowlens.expected.kernel"
_BITS = 63  # of a word
_MASK = (1 << _BITS) - 1
_SHARE = 31  # bits of a share
_PART = (1 << _SHARE) - 1
_DEPTH = 136  # curves that wait: one for each bit of an address, and a few


@dataclass(frozen=True, slots=True)
class Ease:
    """What each node takes where the budget does not matter.

    References index these lists: inner nodes come first, and leaves from the end.

    Attributes:
        counts: The fewest prefixes that make the cost least.
        whole: Whether that is the node as one prefix.
        need: The fewest prefixes that admit what must be admitted, whatever the cost.
        bound: A cost that no possible one exceeds.
    """

    counts: list[int]
    whole: list[bool]
    need: list[int]
    bound: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a budget is shared out.

    Attributes:
        size: Prefixes used, of all ways with the least cost the fewest.
        share: What a node's left child gets of so many prefixes, or `WHOLE`.
    """

    size: int
    share: Callable[[int, int], int]


def eased(forest: Forest) -> Ease:
    """Solve a forest for any number of prefixes."""
    never, inner = forest.never, len(forest.left)
    best = [
        min((skip, 0), (take, 1)) for skip, take in zip(forest.skips, forest.takes, strict=True)
    ]
    best.reverse()
    least = [0] * inner + [cost for cost, _ in best]
    counts = [0] * inner + [count for _, count in best]
    whole = [False] * inner + [count == 1 for _, count in best]
    need = [0] * inner + [int(skip == never) for skip in reversed(forest.skips)]
    most = [0] * len(least)
    nodes = zip(forest.left, forest.right, forest.ones, strict=True)
    for node, (left, right, one) in enumerate(nodes):
        cost, count = least[left] + least[right], counts[left] + counts[right]
        whole[node] = (one, 1) <= (cost, count)
        least[node], counts[node] = (one, 1) if whole[node] else (cost, count)
        must = need[left] + need[right]
        need[node] = min(must, 1) if one < never else must
        most[node] = one if one < never else most[left] + most[right]
    top = most[forest.root] if forest.root is not None else 0
    return Ease(counts, whole, need, top + sum(s for s in forest.skips if s < never))


def plan(forest: Forest, budget: int, ease: Ease) -> Plan:
    """Share a budget out at the least cost.

    Args:
        forest: Not empty.
        budget: At most so many prefixes, and enough for what must be admitted.
        ease: What `eased` returns.
    """
    assert forest.root is not None
    root = forest.root
    if ease.counts[root] <= budget:
        counts, whole, left = ease.counts, ease.whole, forest.left
        return Plan(counts[root], lambda node, _: WHOLE if whole[node] else counts[left[node]])
    if budget == 0:
        return Plan(0, lambda *_: 0)
    most = [min(count, budget) for count in ease.counts]
    steps = _steps(forest, most)
    if steps > LOADED and (steps > COMPILED or ready(_MODULE)):
        with suppress(ImportError):  # no compiler, or nothing that loads what it made
            return compiled(forest, most, ease.bound)
    return plain(forest, most)


def _steps(forest: Forest, most: Sequence[int]) -> int:
    pairs = zip(forest.left, forest.right, strict=True)
    return sum((most[left] + 1) * (most[right] + 1) for left, right in pairs)


def compiled(forest: Forest, most: Sequence[int], bound: int) -> Plan:
    """Work off a forest in compiled code."""
    kernel, inner, leaves = load(_MODULE)["share"], len(forest.left), len(forest.leaves)
    words = (bound.bit_length() + _BITS) // _BITS
    given = (forest.left, forest.right, most[:inner], most[: inner - 1 : -1])
    links = [np.array(values, np.int64) for values in given]
    ends = (0, forest.never)
    costs = [_words(values, words, bound) for values in (forest.ones, forest.skips, ends)]
    room = links[2] + 1
    starts = np.cumsum(room) - room
    shares = np.empty(room.sum(), np.int32)
    curve = int(room.max())
    stack = np.empty(min(_DEPTH * curve, 2 * leaves + inner + 4) * words, np.uint64)
    best = np.empty(curve * words, np.uint64)
    size = kernel(
        *(inner, *map(address, links), *map(address, costs), words),
        *(address(stack), address(best), address(shares)),
    )
    return Plan(size, lambda node, number: int(shares[starts[node] + number]))


def _words(costs: Sequence[int], words: int, bound: int) -> NDArray[np.uint64]:
    """Return costs as words of 63 bits, the highest first, moved up so that it decides most."""
    free = _BITS * words - 1 - bound.bit_length()
    never = 1 << _BITS * words - 1
    moved = [cost << free if cost <= bound else never for cost in costs]
    parts = [[cost >> _BITS * word & _MASK for cost in moved] for word in reversed(range(words))]
    return np.array(parts, np.uint64).T.copy()


def plain(forest: Forest, most: Sequence[int]) -> Plan:
    """Work off a forest, whose numbers may be of any size, without compiled code."""
    stack: list[list[int]] = []
    shares, starts = array("i"), array("q")

    def curve(node: int) -> list[int]:
        return stack.pop() if node >= 0 else [forest.skips[~node], 0][: most[node] + 1]

    for node, one in enumerate(forest.ones):
        right, left = curve(forest.right[node]), curve(forest.left[node])
        # One number holds a cost and below it the left child's share: the least has both.
        sums = _sums(
            [cost << _SHARE | share for share, cost in enumerate(left)],
            [cost << _SHARE for cost in right],
            most[node],
            forest.never << _SHARE,
        )
        whole = one << _SHARE
        starts.append(len(shares))
        shares.append(0)
        shares.extend([WHOLE if whole <= best else best & _PART for best in sums[1:]])
        costs = [sums[0] >> _SHARE, *[min(whole, best) >> _SHARE for best in sums[1:]]]
        stack.append(costs)
    size = costs.index(costs[-1])
    return Plan(size, lambda node, number: shares[starts[node] + number])


def _sums(left: list[int], right: list[int], most: int, never: int) -> list[int]:
    """Return the least sums of an entry of each of two curves, by the sum of their places."""
    short, long = (left, right) if len(left) < len(right) else (right, left)
    if len(short) == 2:
        none = [cost + short[0] for cost in long]
        one = [cost + short[1] for cost in long]
        return list(map(min, [*none, never], [never, *one]))[: most + 1]
    last = len(right) - 1
    back = right[::-1]
    found = []
    for number in range(most + 1):
        low, skip = max(0, number - last), max(0, last - number)
        sums = map(add, left[low : number + 1], back[skip:])
        found.append(min(min(sums, default=never), never))
    return found
