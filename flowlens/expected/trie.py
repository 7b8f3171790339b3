"""The compressed binary trie of given prefixes, with the cost of admitting each of its nodes.

A best cover needs no prefixes but the nodes: any other one can shrink to the longest common
prefix of the given ones that it holds, and admits nothing more by that (Soldo, Markopoulou and
Argyraki, "Optimal source-based filtering of malicious traffic", INFOCOM 2009,
https://arxiv.org/abs/1006.1165, there for what to block).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from flowlens.expected.ground import Ground
from flowlens.expected.prefixes import WIDTH, end, outermost

__all__ = ["Forest", "required"]


def required(given: Sequence[int], ground: Ground) -> list[int]:
    """Return sorted prefixes without those inside one that must be admitted anyway."""
    if ground.price is None and not ground.prices:
        return outermost(ground.family, given)
    kept, free = [], 0
    for each in given:
        if each >> 8 >= free:
            if ground.prices.get(each, ground.price) is None:
                free = end(ground.family, each)
            kept.append(each)
    return kept


@dataclass(slots=True)
class Forest:
    """Tries beside each other, joined by nodes that stand for no prefix.

    A *reference* is the number of an inner node, or ``~leaf``. Nodes are numbered so that all
    below a left child comes before all below its sister, and that before their parent.

    Attributes:
        never: A cost above all that can come about.
        leaves: Keys of the given prefixes.
        families: Family of each leaf.
        skips: Price of leaving each leaf out; `never` if it must be admitted.
        takes: Cost of admitting each leaf: 0, or `never` if it holds forbidden space.
        left: Reference of each inner node's left child.
        right: Of its right child.
        ones: Cost of admitting each inner node as one prefix.
        lengths: Length of that prefix.
        begins: First leaf below each inner node.
        stops: The leaf behind the last.
        root: Reference of the node above all; null while there is nothing.
    """

    never: int
    leaves: list[int] = field(default_factory=list)
    families: list[int] = field(default_factory=list)
    skips: list[int] = field(default_factory=list)
    takes: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    ones: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    root: int | None = None

    def plant(self, given: Sequence[int], ground: Ground) -> None:
        """Add the trie of prefixes of one family.

        Args:
            given: At least one, as `required` returns them.
            ground: The costs.
        """
        base = len(self.leaves)
        self.leaves += given
        self.families += [ground.family] * len(given)
        other = self.never if ground.price is None else ground.price
        self.skips += [ground.prices.get(each, other) for each in given]
        self.takes += self._taken(given, ground)
        root = self._grow(base, _shared(given, WIDTH[ground.family]))
        self.ones += self._rated(base, given, ground)
        if self.root is not None:
            root = self._join(self.root, root)
        self.root = root

    def span(self, node: int) -> tuple[int, int]:
        """Return the first leaf below a reference, and the one behind the last."""
        return (self.begins[node], self.stops[node]) if node >= 0 else (~node, ~node + 1)

    def prefix(self, node: int) -> tuple[int, int]:
        """Return the family and the key of a reference."""
        leaf = self.span(node)[0]
        family, key = self.families[leaf], self.leaves[leaf]
        if node < 0:
            return family, key
        free = WIDTH[family] - self.lengths[node] + 8
        return family, key >> free << free | self.lengths[node]

    def _taken(self, given: Sequence[int], ground: Ground) -> list[int]:
        if not ground.banned:
            return [0] * len(given)
        width = WIDTH[ground.family]
        spaces = ((each >> 8, 1 << width - (each & 255)) for each in given)
        return [0 if ground.forbidden(*space) is None else self.never for space in spaces]

    def _grow(self, base: int, shared: Sequence[int]) -> int:
        """Join neighbours, those with the most bits in common first; return the root.

        Args:
            base: Number of the first leaf.
            shared: How many bits each leaf has in common with the next; -1 behind the last.
        """
        # The roots of what is joined so far, where each begins, and what parts it from the next.
        nodes: list[int] = []
        begins: list[int] = []
        bounds: list[int] = []
        number = len(self.left)
        for leaf, bits in enumerate(shared, base):
            node, begin = ~leaf, leaf
            while bounds and bounds[-1] >= bits:
                begin = begins.pop()
                self.left.append(nodes.pop())
                self.right.append(node)
                self.lengths.append(bounds.pop())
                self.begins.append(begin)
                self.stops.append(leaf + 1)
                node = number
                number += 1
            nodes.append(node)
            begins.append(begin)
            bounds.append(bits)
        return nodes[0]

    def _join(self, left: int, right: int) -> int:
        """Put two tries under a node that cannot be admitted."""
        self.left.append(left)
        self.right.append(right)
        self.lengths.append(0)
        self.begins.append(self.span(left)[0])
        self.stops.append(self.span(right)[1])
        self.ones.append(self.never)
        return len(self.left) - 1

    def _rated(self, base: int, given: Sequence[int], ground: Ground) -> Iterator[int]:
        """Yield what each new inner node costs."""
        width, cost = WIDTH[ground.family], ground.cost
        own, around = _around(given, ground)
        sums = list(accumulate(own, initial=0))
        new = slice(len(self.ones), None)
        for length, begin, stop in zip(
            self.lengths[new], self.begins[new], self.stops[new], strict=True
        ):
            free = width - length
            first, size = given[begin - base] >> 8 + free << free, 1 << free
            if ground.banned and ground.forbidden(first, size) is not None:
                yield self.never
            elif length >= around[begin - base]:
                yield 0  # all of it is given
            else:
                yield cost(first, size) - sums[stop - base] + sums[begin - base]


def _shared(given: Sequence[int], width: int) -> list[int]:
    """Return how many bits each prefix has in common with the next; -1 behind the last."""
    # Keys that differ in their length only differ in nothing above it.
    bits = [
        min(width + 8 - (one ^ two).bit_length(), one & 255, two & 255)
        for one, two in pairwise(given)
    ]
    return [*bits, -1]


def _around(given: Sequence[int], ground: Ground) -> tuple[list[int], list[int]]:
    """Return the cost of each prefix that lies in no other given one, 0 for others.

    Beside it, the length of the widest given prefix that holds each.
    """
    width, cost = WIDTH[ground.family], ground.cost
    own, around = [], []
    length = free = 0
    for each in given:
        first = each >> 8
        if first >= free:
            length = each & 255
            size = 1 << width - length
            free = first + size
            own.append(cost(first, size))
        else:
            own.append(0)
        around.append(length)
    return own, around
