"""Rules as columns of numbers, and which of them fit which packets."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from flowlens.reach.atlas import Ints
from flowlens.reach.bits import Bools
from flowlens.reach.packets import ICMP, ICMP6, TCP, UDP

__all__ = ["ANY", "UNREADABLE", "Rule", "Rulebook", "parts", "protocol"]

ANY, UNREADABLE = -1, -2
_NAMES = {"-1": ANY, "all": ANY, "icmp": ICMP, "tcp": TCP, "udp": UDP, "icmpv6": ICMP6}


@lru_cache(maxsize=1024)
def protocol(text: str | None) -> int:
    """Return a protocol's number, `ANY`, or `UNREADABLE`.

    >>> protocol("tcp"), protocol("58"), protocol("-1"), protocol("carrier pigeon")
    (6, 58, -1, -2)
    """
    word = (text or "").strip().lower()
    if word in _NAMES:
        return _NAMES[word]
    return int(word) if word.isdecimal() and int(word) <= 255 else UNREADABLE


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: protocol, bounds of port or type (`a`) and code (`b`), run of places."""

    protocol: int
    a: tuple[int, int]
    b: tuple[int, int]
    run: tuple[int, int]

    @classmethod
    def ported(
        cls, number: int, ends: tuple[int | None, int | None], run: tuple[int, int]
    ) -> "Rule":
        """Return a rule whose two numbers are ports, or ICMP type and code, or mean nothing."""
        first, last = (-1 if each is None else each for each in ends)
        every = (0, 1 << 16)
        if number in (ICMP, ICMP6):
            kind = every if first < 0 else (first, first)
            # A code counts only together with a type (API reference of IpPermission).
            return cls(number, kind, every if first < 0 or last < 0 else (last, last), run)
        if number in (TCP, UDP) and first >= 0:
            return cls(number, (first, every[1] if last < 0 else last), every, run)
        return cls(number, every, every, run)

    @classmethod
    def of(cls, row: Mapping[str, Any], run: tuple[int, int] = (0, 0)) -> "Rule":
        """Return a rule of a security group as AWS describes it."""
        return cls.ported(protocol(row["protocol"]), (row["from_port"], row["to_port"]), run)


class Rulebook:
    """Rules of one owner and direction, in the order in which they are given.

    Args:
        rules: the rules.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        rows = [(each.protocol, *each.a, *each.b, *each.run) for each in rules]
        table = np.array(rows, np.int64).reshape(-1, 7).T
        self.protocol, *bounds = (np.ascontiguousarray(column) for column in table)
        self.a, self.b, self.run = (tuple(bounds[n : n + 2]) for n in (0, 2, 4))
        self._coded = bool(((self.b[0] > 0) | (self.b[1] < 255)).any())

    def __len__(self) -> int:
        return len(self.protocol)

    def fits(self, protocol: Ints, a: Ints, b: Ints) -> Bools:
        """Return which rules (columns) fit packets (rows) by protocol, port, type and code.

        A rule with an unreadable protocol fits none; see `unreadable`.
        """
        found: Bools = (self.protocol == ANY) | (self.protocol == protocol[:, None])
        found &= (a[:, None] >= self.a[0]) & (a[:, None] <= self.a[1])
        if self._coded:
            found &= (b[:, None] >= self.b[0]) & (b[:, None] <= self.b[1])
        return found

    def inside(self, place: Ints) -> Bools:
        """Return which rules' blocks hold which places."""
        found: Bools = (place[:, None] >= self.run[0]) & (place[:, None] < self.run[1])
        return found

    @property
    def unreadable(self) -> Bools:
        """Which rules have a protocol that cannot be read."""
        found: Bools = self.protocol == UNREADABLE
        return found

    def cuts(self, number: int) -> tuple[list[int], list[int]]:
        """Return the bounds that rules for a protocol draw between ports or types, and codes."""
        mine = (self.protocol == number) | (self.protocol == ANY)
        return tuple(
            np.unique(np.concatenate([low[mine], high[mine] + 1])).tolist()
            for low, high in (self.a, self.b)
        )


def parts(owner: Ints, height: int) -> Iterator[tuple[int, Ints]]:
    """Yield each owner with its rows, a few rows at a time so that tables stay small."""
    if not len(owner):
        return
    order = np.argsort(owner, kind="stable")
    names, starts = np.unique(owner[order], return_index=True)
    ends = np.append(starts[1:], len(owner))
    for name, start, end in zip(names.tolist(), starts, ends, strict=True):
        for at in range(int(start), int(end), height):
            yield name, order[at : min(at + height, int(end))]
