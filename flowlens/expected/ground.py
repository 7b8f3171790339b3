"""What it costs to admit space or to leave an address out, and what may not be admitted at all.

Costs are exact: weights and prices are fractions, so all of them are multiplied by their common
denominator and counted in whole numbers of any size.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from math import isfinite, lcm
from numbers import Rational

from flowlens.errors import UsageError
from flowlens.expected.prefixes import WIDTH, end, key, keys, outermost, written

__all__ = ["Amount", "Amounts", "Ground", "Terms"]

#: A weight or a price; a fraction is taken exactly as it is.
Amount = int | float | Fraction

#: Amounts by prefix or address as text, or one for all.
Amounts = Mapping[str, Amount] | Amount

_Key = tuple[int, int]  # family and key


@dataclass(frozen=True, slots=True)
class Ground:
    """The space of one family.

    Attributes:
        family: 4 or 6.
        prices: Cost of leaving a prefix out, by key.
        price: Cost of leaving another one out; null if it must be admitted.
        banned: Sorted keys of what may not be admitted; none lies in another.
        cost: Cost of so many addresses from a number on, if all are foreign.
    """

    family: int
    prices: Mapping[int, int]
    price: int | None
    banned: Sequence[int]
    cost: Callable[[int, int], int]

    def forbidden(self, first: int, size: int) -> int | None:
        """Return the key of forbidden space in a range; null where there is none."""
        # Of disjoint prefixes only the last that begins before the end can reach in.
        place = bisect_left(self.banned, first + size << 8)
        if place and end(self.family, self.banned[place - 1]) > first:
            return self.banned[place - 1]
        return None


class Terms:
    """Both spaces, with costs in one unit.

    Args:
        forbidden: Addresses and prefixes that may not be admitted.
        weight: Cost of a foreign address, by prefix, of which the longest counts (1 elsewhere),
            or of every one.
        penalty: Price of leaving an address or a prefix out, by address, or of every one; what
            has none must be admitted.

    Attributes:
        grounds: The space of each family.
        scale: What costs are multiplied by to be whole.

    Raises:
        UsageError: A prefix is none, or an amount is not a finite number from 0 on.
    """

    def __init__(
        self,
        forbidden: Iterable[object] = (),
        weight: Amounts | None = None,
        penalty: Amounts | None = None,
    ) -> None:
        weights, common = _read(weight, "weight")
        prices, price = _read(penalty, "penalty")
        common = Fraction(1) if common is None else common
        every = (*weights.values(), *prices.values(), common, price or Fraction(0))
        self.scale = lcm(*{each.denominator for each in every})
        banned = keys(forbidden, "forbidden")
        self.grounds = {
            family: Ground(
                family,
                self._whole(prices, family),
                None if price is None else int(price * self.scale),
                outermost(family, banned[family]),
                _cost(family, self._whole(weights, family), int(common * self.scale)),
            )
            for family in WIDTH
        }

    def _whole(self, amounts: Mapping[_Key, Fraction], family: int) -> dict[int, int]:
        return {k: int(v * self.scale) for (of, k), v in amounts.items() if of == family}

    def amount(self, cost: int) -> int | float:
        """Return a cost in the caller's unit; whole where it is."""
        whole, rest = divmod(cost, self.scale)
        return float(Fraction(cost, self.scale)) if rest else whole


def _cost(family: int, weights: Mapping[int, int], base: int) -> Callable[[int, int], int]:
    """Return a function of first address and size that adds up the weights of a range."""
    if not weights:
        return lambda _, size: size * base
    whole = 1 << WIDTH[family]
    marks = {0: base}
    stack = [(whole, base)]
    for each in sorted(weights):
        _close(stack, each >> 8, marks)
        marks[each >> 8] = weights[each]
        stack.append((end(family, each), weights[each]))
    _close(stack, whole, marks)
    starts = sorted(marks)
    costs = [marks[start] for start in starts]
    steps = ((b - a) * cost for (a, b), cost in zip(pairwise(starts), costs, strict=False))
    sums = list(accumulate(steps, initial=0))

    def below(number: int) -> int:
        step = bisect_right(starts, number) - 1
        return sums[step] + (number - starts[step]) * costs[step]

    return lambda first, size: below(first + size) - below(first)


def _close(stack: list[tuple[int, int]], until: int, marks: dict[int, int]) -> None:
    """End the prefixes that end before a number; behind each, the one around it goes on."""
    while len(stack) > 1 and stack[-1][0] <= until:
        stop, _ = stack.pop()
        marks[stop] = stack[-1][1]


def _read(amounts: Amounts | None, what: str) -> tuple[dict[_Key, Fraction], Fraction | None]:
    """Return amounts by prefix, and the one for all others where there is one."""
    if amounts is None:
        return {}, None
    if not isinstance(amounts, Mapping):
        return {}, _exact(amounts, what, "everything")
    found: dict[_Key, Fraction] = {}
    for text, value in amounts.items():
        place, amount = key(text, f"{what} of"), _exact(value, what, text)
        if found.setdefault(place, amount) != amount:
            msg = f"{what} of {written(*place)} is both {found[place]} and {amount}; expected one"
            raise UsageError(msg)
    return found, None


def _exact(value: object, what: str, where: object) -> Fraction:
    amount = None
    if isinstance(value, Rational):
        amount = Fraction(int(value.numerator), int(value.denominator))
    elif isinstance(value, float) and isfinite(value):
        amount = Fraction(value)
    if amount is not None and amount >= 0:
        return amount
    msg = f"{what} {value!r} of {where}; expected a finite number from 0 on"
    raise UsageError(msg)
