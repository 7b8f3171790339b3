"""Rows in parts: what several threads put in, in any order, comes back part by part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from threading import local

import numpy as np
from numpy.typing import NDArray

from flowlens.conversations.room import room
from flowlens.conversations.spool import Kept, Spool
from flowlens_parsers.machine import load
from flowlens_parsers.tokens import Words, address

__all__ = ["Pile"]

TOGETHER = 16  # parts that are fetched at once: they lie side by side in every block


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows of a desk, sorted by part."""

    desk: int
    starts: NDArray[np.int64]
    rows: Kept


class _Desk:
    """Rows of one thread that are not sorted yet, and their parts."""

    def __init__(self, number: int, width: int) -> None:
        self.number, self.width, self.count = number, width, 0
        self.rows, self.parts = np.empty(0, np.uint64), np.empty(0, np.uint16)

    def grow(self, more: int) -> None:
        """Make room for so many more rows, behind those that are there."""
        if self.count + more > len(self.parts):
            size = 1 << max(12, (self.count + more - 1).bit_length())
            rows, parts = np.empty(size * self.width, np.uint64), np.empty(size, np.uint16)
            rows[: self.count * self.width] = self.rows[: self.count * self.width]
            parts[: self.count] = self.parts[: self.count]
            self.rows, self.parts = rows, parts


class Pile:
    """Rows of integers in parts, sorted by part in large blocks.

    Each thread has a desk of its own, since batches are often small and each block costs
    something in every part.

    Args:
        spool: where they lie.
        parts: how many parts there are, at most 2 ** 16.
        width: integers of a row.
        least: rows of a block, but for the last one of a thread.
    """

    def __init__(self, spool: Spool, parts: int, width: int, least: int) -> None:
        self.spool, self.width, self.least = spool, width, least
        self.parts = range(parts)
        self._scatter = load("flowlens.conversations.rowkernel")["scatter"]
        self._blocks: list[_Block] = []
        self._desks: list[_Desk] = []
        self._mine = local()
        self._turns = count(0)

    @property
    def groups(self) -> list[range]:
        """Parts that are best fetched by one thread."""
        return [self.parts[at : at + TOGETHER] for at in self.parts[::TOGETHER]]

    @property
    def turn(self) -> int:
        """The number of this thread's desk."""
        return self._desk().number

    def _desk(self) -> _Desk:
        desk: _Desk | None = getattr(self._mine, "desk", None)
        if desk is None:
            desk = self._mine.desk = _Desk(next(self._turns), self.width)
            self._desks.append(desk)
        return desk

    def desk(self, count: int) -> tuple[Words, NDArray[np.uint16]]:
        """Return room of this thread for so many rows, and for their parts."""
        desk = self._desk()
        desk.grow(count)
        return desk.rows[desk.count * self.width :], desk.parts[desk.count :]

    def put(self, count: int) -> None:
        """Take what this thread wrote into its room: so many rows."""
        desk = self._desk()
        desk.count += count
        if desk.count >= self.least:
            self._sort(desk)

    def renew(self) -> None:
        """Sort what this thread has; what comes next is of another desk."""
        desk = self._desk()
        self._sort(desk)
        desk.number = next(self._turns)

    def close(self) -> None:
        """Sort what is left; nothing more comes."""
        for desk in self._desks:
            self._sort(desk)
        self._desks.clear()
        self._mine = local()

    def clear(self) -> None:
        """Let go of all rows, and of what else is in the spool."""
        self._blocks.clear()
        self.spool.clear()

    def count(self, parts: range) -> int:
        """Return how many rows some neighbouring parts have."""
        spans = (block.starts[[parts.start, parts.stop]] for block in self._blocks)
        return sum(int(end - begin) for begin, end in spans)

    def each(self, parts: range) -> Iterator[Words]:
        """Yield the rows of each of some neighbouring parts, in room of this thread."""
        whole, spans, _ = self.fetch(parts)
        for some in (spans * self.width).tolist():
            yield self._joined([whole[begin:end] for begin, end in some if begin < end])

    def fetch(self, parts: range) -> tuple[Words, NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of some neighbouring parts, in room of this thread.

        Returns:
            the rows; by part and block, where they begin and end; the desk of each block.
        """
        whole = room("together", self.count(parts) * self.width, np.uint64)
        spans = np.empty((len(parts), len(self._blocks), 2), np.int64)
        to = 0
        for at, block in enumerate(self._blocks):
            starts = block.starts[parts.start : parts.stop + 1]
            begin, size = int(starts[0]), int(starts[-1] - starts[0])
            out = whole[to * self.width : (to + size) * self.width]
            self.spool.fill(out, block.rows, begin * self.width)
            spans[:, at, 0], spans[:, at, 1] = starts[:-1] + (to - begin), starts[1:] + (to - begin)
            to += size
        return whole, spans, np.array([block.desk for block in self._blocks], np.int64)

    def pieces(self, part: int) -> Iterator[tuple[int, Words]]:
        """Yield the rows of a part, block by block, with its desk; nobody may change them."""
        for block in self._blocks:
            begin, end = (int(at) * self.width for at in block.starts[part : part + 2])
            yield block.desk, self.spool.give(block.rows, begin, end)

    def _joined(self, pieces: Sequence[Words]) -> Words:
        if len(pieces) == 1:
            return pieces[0]
        rows = room("rows", sum(map(len, pieces)), np.uint64)
        return np.concatenate(pieces, out=rows) if pieces else rows

    def _sort(self, desk: _Desk) -> None:
        """Keep the rows of a desk, if there are any."""
        if not desk.count:
            return
        rows, parts = desk.rows[: desk.count * self.width], desk.parts[: desk.count]
        starts = np.zeros(len(self.parts) + 1, np.int64)
        np.bincount(parts, minlength=len(self.parts)).cumsum(out=starts[1:])
        if len(self.parts) > 1 and len(parts):
            found, rows, turn = rows, room("sorted", rows.size, np.uint64), starts.copy()
            self._scatter(
                *(address(found), len(parts), self.width),
                *(address(parts), address(turn), address(rows)),
            )
        self._blocks.append(_Block(desk.number, starts, self.spool.keep(rows)))
        desk.count = 0
