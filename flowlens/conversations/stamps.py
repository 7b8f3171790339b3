"""What rows have in common with many others, each written down once.

A *place* is who saw a record and through which flow log; a *sign* is what became of it, its facts
and services, and the high bits of its sizes and duration.
"""

import numpy as np
from numpy.typing import NDArray

from flowlens_parsers.machine import load
from flowlens_parsers.tokens import Words, address

__all__ = ["SIGN", "Stamps"]

SIGN = 4  # integers of a sign
READ, DONE, PLACES, SIGNS = range(4)  # the kernel's counters
FIRST = 1 << 10  # places, and signs, that there is room for at first
MOST = (2**24, 2**15)  # places and signs that rows have numbers for; powers of two
KERNEL = "flowlens.conversations.rowkernel"


class _Entries:
    """Places or signs, and the table that finds them."""

    def __init__(self, width: int, most: int) -> None:
        self.width, self.most, self.room = width, most, min(FIRST, most)
        self.rows: Words = np.empty(self.room * width, np.uint64)
        self._hash()

    def _hash(self) -> None:
        self._table = np.zeros(2 * self.room, np.uint32)  # at most half full
        #: Entries, table, its mask and how many there may be, for the kernel.
        self.arguments = (
            *(address(self.rows), address(self._table), len(self._table) - 1, self.room),
        )

    def grow(self) -> None:
        """Make room for as many again; all that there is room for is taken."""
        count, self.room = self.room, 2 * self.room
        self.rows = np.concatenate([self.rows, np.empty_like(self.rows)])
        self._hash()
        rows, table, mask, _ = self.arguments
        load(KERNEL)["rehash"](rows, count, self.width, table, mask)


class Stamps:
    """The places and signs of the rows of one desk; a row has the numbers of its own."""

    def __init__(self) -> None:
        self._fold = load(KERNEL)["fold"]
        self._state = np.zeros(4, np.int64)
        self._entries = (_Entries(1, MOST[0]), _Entries(SIGN, MOST[1]))

    @property
    def places(self) -> Words:
        """The places, one after the other."""
        return self._entries[0].rows[: self._state[PLACES]]

    @property
    def signs(self) -> Words:
        """The signs, `SIGN` integers each."""
        return self._entries[1].rows[: self._state[SIGNS] * SIGN]

    def fold(
        self, records: Words, how: tuple[int, ...], rows: int, parts: NDArray[np.uint16]
    ) -> tuple[int, int]:
        """Write packed records as rows, until there are too many places or signs.

        Args:
            records: as `flowlens_parsers.packing` has them.
            how: what the kernel takes between the number of records and the rows.
            rows: where there is room for the rows.
            parts: room for their parts.

        Returns:
            how many records are done, and how many of these are of the asked time.
        """
        self._state[:PLACES] = 0
        given = (address(records), len(records), *how, rows, address(parts))
        places, signs = self._entries
        while True:
            self._fold(*given, *places.arguments, *signs.arguments, address(self._state))
            read, done, *counts = self._state.tolist()
            full = [
                one for one, count in zip(self._entries, counts, strict=True) if count == one.room
            ]
            if read == len(records) or any(one.room >= one.most for one in full):
                return read, done
            for one in full:
                one.grow()
