"""The number lines of both address families, cut where any block of an account begins or ends.

All addresses between two cuts are alike to every rule, route and interface: they are one *place*.
A block is a run of places, so that "is this address in that block" is two comparisons of small
integers, whatever the family.
"""

import socket
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.filters.prefixes import sortable4

__all__ = ["Atlas", "Block", "Ints", "block"]

Ints = NDArray[np.int64]

#: Family (4, 6), first address and the one after the last, as numbers.
Block = tuple[int, int, int]

_BITS = {4: 32, 6: 128}


def block(text: str | None) -> Block | None:
    """Read an address or a block; None where it is neither. Host bits are cut off.

    >>> block("10.0.0.0/30"), block("10.0.0.1"), block("?")
    ((4, 167772160, 167772164), (4, 167772161, 167772162), None)
    """
    address, slash, length = (text or "").strip().partition("/")
    family = 6 if ":" in address else 4
    try:
        value = int.from_bytes(socket.inet_pton(_inet(family), address))
        size = int(length) if slash else _BITS[family]
    except (OSError, ValueError):
        return None
    if not 0 <= size <= _BITS[family]:
        return None
    span = 1 << (_BITS[family] - size)
    first = value // span * span
    return family, first, first + span


def _inet(family: int) -> int:
    return socket.AF_INET6 if family == 6 else socket.AF_INET


class Atlas:
    """Places of an account.

    Args:
        texts: every block and address that matters; unreadable ones have no places.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._blocks = {text: block(text) for text in set(texts)}
        self._runs: dict[str, tuple[int, int] | None] = {}  # many rules name the same blocks
        cuts: dict[int, set[int]] = {4: {0, 1 << 32}, 6: {0, 1 << 128}}
        for found in self._blocks.values():
            if found:
                cuts[found[0]].update(found[1:])
        self._four, self._six = sorted(cuts[4]), sorted(cuts[6])
        #: Places of IPv4 come first, those of IPv6 after them.
        self.four = len(self._four) - 1
        self.size = self.four + len(self._six) - 1
        self._cuts4 = np.array(self._four[:-1], np.uint64)
        self._cuts6 = np.array([cut.to_bytes(16) for cut in self._six[:-1]], "S16")

    def run(self, text: str | None) -> tuple[int, int] | None:
        """Return the first place of a block and the one after its last; None if unreadable."""
        if not text:
            return None
        if text not in self._runs:
            self._runs[text] = self._run(text)
        return self._runs[text]

    def _run(self, text: str) -> tuple[int, int] | None:
        found = self._blocks.get(text)
        if found is None:
            return None
        family, first, end = found
        cuts, base = (self._four, 0) if family == 4 else (self._six, self.four)
        return base + bisect_left(cuts, first), base + bisect_left(cuts, end)

    def bounds(self, place: int) -> Block:
        """Return the family of a place, its first address and the one after its last."""
        if place < self.four:
            return 4, self._four[place], self._four[place + 1]
        return 6, self._six[place - self.four], self._six[place - self.four + 1]

    def place(self, family: int, number: int) -> int:
        """Return the place of an address by its number."""
        if family == 4:
            return bisect_right(self._four, number) - 1
        return self.four + bisect_right(self._six, number) - 1

    def bits(self, text: str) -> int:
        """Return how many bits of an address a readable block leaves open."""
        found = self._blocks[text]
        assert found is not None
        return (found[2] - found[1]).bit_length() - 1

    def length(self, text: str) -> int:
        """Return the prefix length of a readable block."""
        found = self._blocks[text]
        assert found is not None
        return _BITS[found[0]] - self.bits(text)

    def inner(self, text: str) -> str | None:
        """Return the IPv4 address in the last 32 bits of an IPv6 one; None if it is none."""
        packed = _pack(text)
        return socket.inet_ntoa(packed[12:]) if packed else None

    def locate(self, addresses: pl.Series) -> Ints:
        """Return the place of each address; -1 where the text is none.

        Args:
            addresses: texts, each once.
        """
        places = np.full(len(addresses), -1, np.int64)
        six = addresses.str.contains(":", literal=True).fill_null(value=False).to_numpy()
        numbers = addresses.to_frame("a").select(sortable4(pl.col("a")).cast(pl.Int64)).to_series()
        four = ~six & numbers.is_not_null().to_numpy()
        known = numbers.fill_null(0).to_numpy()[four].astype(np.uint64)
        places[four] = np.searchsorted(self._cuts4, known, "right") - 1
        packed = [_pack(text) for text in addresses.filter(pl.Series(six)).to_list()]
        good = np.array([each is not None for each in packed], bool)
        raw = np.frombuffer(b"".join(each for each in packed if each is not None), "S16")
        where = np.flatnonzero(six)[good]
        places[where] = self.four + np.searchsorted(self._cuts6, raw, "right") - 1
        return places


def _pack(text: str) -> bytes | None:
    try:
        return socket.inet_pton(socket.AF_INET6, text)
    except OSError:
        return None
