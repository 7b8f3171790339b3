"""Stamps: what rows have in common with many others, each written down once."""

import numpy as np
from numpy.typing import NDArray

from flowlens_parsers.machine import load
from flowlens_parsers.packing import Words, address

__all__ = ["STAMP", "Stamps"]

STAMP = 5  # integers of a stamp
READ, DONE, STAMPS = range(3)  # the kernel's counters


class Stamps:
    """The stamps of the rows of one thread; a row has the number of its own.

    A stamp is who saw a record and through which flow log, what became of it, its facts and
    services, and the high bits of its sizes and duration.
    """

    def __init__(self) -> None:
        self._kernel = load("flowlens.conversations.rowkernel")
        self._state = np.zeros(3, np.int64)
        self._room = 1 << 10
        self._rows: Words = np.empty(self._room * STAMP, np.uint64)
        self._hash()

    def _hash(self) -> None:
        self._table = np.zeros(2 * self._room, np.uint32)
        self._arguments = (
            *(address(self._rows), address(self._table), len(self._table) - 1, self._room),
            address(self._state),
        )

    @property
    def rows(self) -> Words:
        """The stamps, `STAMP` integers each, in one row."""
        return self._rows[: int(self._state[STAMPS]) * STAMP]

    def fold(
        self, records: Words, how: tuple[int, ...], rows: int, parts: NDArray[np.uint16]
    ) -> int:
        """Write packed records as rows; return how many are of the asked time.

        Args:
            records: as `flowlens_parsers.packing` has them.
            how: what the kernel takes between the number of records and the rows.
            rows: where there is room for the rows.
            parts: room for their parts.
        """
        self._state[:STAMPS] = 0
        while True:
            self._kernel["fold"](
                *(address(records), len(records), *how, rows, address(parts)), *self._arguments
            )
            if self._state[READ] == len(records):
                return int(self._state[DONE])
            self._grow()

    def _grow(self) -> None:
        self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._room *= 2
        self._hash()
        table, mask = self._table, len(self._table) - 1
        self._kernel["refold"](address(self._rows), address(table), mask, address(self._state))
