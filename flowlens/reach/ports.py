"""Stretches of ports and ICMP types that no rule tells apart."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from flowlens.reach.packets import ANSWERS, ICMP, ICMP6, TCP, UDP
from flowlens.reach.points import OCTET, PORTS
from flowlens.reach.rulebook import ANY, Rule

__all__ = ["REST", "SCHEMA", "Bounds"]

#: Stands for every protocol that nothing names.
REST = 256
#: The last port or type of a protocol; others have none.
LAST = {TCP: PORTS, UDP: PORTS, ICMP: OCTET, ICMP6: OCTET}
#: Protocols of one family only.
_FAMILY = {ICMP: 4, ICMP6: 6}

SCHEMA = {"family": pl.UInt8, "protocol": pl.UInt16, "first": pl.UInt16, "last": pl.UInt16}


@dataclass(frozen=True)
class Bounds:
    """Where stretches begin, by protocol; a protocol without ports has none but is there."""

    cuts: dict[int, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Bounds":
        """Return the bounds that rules draw."""
        found: dict[int, set[int]] = {}
        for rule in rules:
            if rule.protocol not in (ANY, REST) and rule.protocol >= 0:
                found.setdefault(rule.protocol, set()).update((rule.a[0], rule.a[1] + 1))
        return cls({number: frozenset(cuts) for number, cuts in found.items()})

    def __or__(self, other: "Bounds") -> "Bounds":
        """Return the bounds of both."""
        numbers = {*self.cuts, *other.cuts}
        none: frozenset[int] = frozenset()
        return Bounds({n: self.cuts.get(n, none) | other.cuts.get(n, none) for n in numbers})

    def stretches(self) -> pl.DataFrame:
        """Return every stretch of every protocol, for each family: columns as in `SCHEMA`."""
        rows = []
        for number in sorted({*LAST, *self.cuts}):
            families = [_FAMILY[number]] if number in _FAMILY else [4, 6]
            for first, last in self._of(number):
                rows += [(family, number, first, last) for family in families]
        rows += [(family, REST, 0, 0) for family in (4, 6)]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")

    def _of(self, number: int) -> list[tuple[int, int]]:
        if number not in LAST:
            return [(0, 0)]
        top = LAST[number]
        cuts = {0, *self.cuts.get(number, ()), *_answers(number)}
        firsts = sorted(cut for cut in cuts if cut <= top)
        return list(zip(firsts, [*(cut - 1 for cut in firsts[1:]), top], strict=True))

    @property
    def rest(self) -> int:
        """A protocol that nothing names."""
        return next(n for n in range(253, 0, -1) if n not in self.cuts and n not in LAST)


def _answers(number: int) -> set[int]:
    """Return the bounds of ICMP types that are asked or answered."""
    types = {each for pair in ANSWERS.get(number, {}).items() for each in pair}
    return types | {each + 1 for each in types}
