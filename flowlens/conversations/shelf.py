"""Rows of records, sorted by part, in memory or in a file; merged into flows part by part.

A *row* is eight integers, ten where the format has ``pkt-*`` fields: lower and higher end, where,
what, bytes, packets, times, bits, and with ten the raw addresses and the services, as
`flowlens.conversations.kernel` lays them out. Rows lie in parts by a hash of their two addresses:
a part is merged within the processor's cache, and a flow, a 5-tuple and a conversation are always
within one part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import local

import numpy as np
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING
from flowlens.conversations.flows import IDENTIFYING
from flowlens.conversations.room import room, table
from flowlens.conversations.spool import Kept, Spool
from flowlens_parsers.machine import load
from flowlens_parsers.packing import Words, address

__all__ = ["EVER", "FLOW", "Shelf"]

FLOW = 14  # integers of a flow
WIDE, NARROW = 10, 8  # integers of a row
EVER = 2**33  # seconds: after any time that a row can hold
JOIN = 1 << 18  # rows of a block at least, but for a thread's last one
MOST = 1 << 20  # rows that are merged at once

#: Odd numbers that make of what a flow's rows share (lo, hi, where, what) a number.
MIX = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63], np.uint64
)


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows sorted by part."""

    starts: NDArray[np.int64]
    rows: Kept


class _Desk:
    """Rows of one thread that are not sorted yet, and their parts.

    Batches are often small, and each block costs something in every part.
    """

    def __init__(self, width: int) -> None:
        self.width, self.count = width, 0
        self.rows, self.parts = np.empty(0, np.uint64), np.empty(0, np.uint16)

    def room(self, more: int) -> tuple[Words, NDArray[np.uint16]]:
        """Return room for so many more rows, behind those that are there."""
        if self.count + more > len(self.parts):
            size = 1 << max(12, (self.count + more - 1).bit_length())
            rows, parts = np.empty(size * self.width, np.uint64), np.empty(size, np.uint16)
            rows[: self.count * self.width] = self.rows[: self.count * self.width]
            parts[: self.count] = self.parts[: self.count]
            self.rows, self.parts = rows, parts
        return self.rows[self.count * self.width :], self.parts[self.count :]


class Shelf:
    """Rows that several threads put in, and that come out merged into flows.

    Args:
        bits: there are 2 ** bits parts.
        spool: where rows lie.
        columns: fields of the records, over all formats; they tell whether rows have raw addresses
            and services, and whether exact duplicates can be told, which then count once.
        most: rows that are merged at once.
    """

    def __init__(
        self, *, bits: int, spool: Spool, columns: frozenset[str], most: int = MOST
    ) -> None:
        self.bits, self.most, self.once = bits, most, columns >= IDENTIFYING
        self.width = WIDE if any(name.startswith("pkt_") for name in columns) else NARROW
        self._spool = spool
        self._kernel = load("flowlens.conversations.kernel")
        self._blocks: list[_Block] = []
        self._desks: list[_Desk] = []
        self._mine = local()

    @property
    def parts(self) -> range:
        """The numbers of the parts."""
        return range(2**self.bits)

    def put(
        self,
        records: Words,
        codes: NDArray[np.uint32] | None = None,
        *,
        log: int = NOTHING,
        since: int = 0,
        until: int = EVER,
    ) -> int:
        """Keep packed records that start in a window of seconds; return how many.

        Args:
            records: as `flowlens_parsers.packing` has them.
            codes: the dictionary's code of each of the packer's; None where they are that.
            log: code of the flow log that wrote them; without one their versions stand for it.
            since: first second.
            until: first second no longer in.
        """
        records, desk = np.ascontiguousarray(records), self._desk()
        rows, parts = desk.room(len(records))
        done = self._kernel["place"](
            *(address(records), len(records), 0 if codes is None else address(codes)),
            *(codes is None, log, since, until, self.bits, self.width),
            *(address(rows), address(parts)),
        )
        desk.count += done
        if desk.count >= JOIN:
            self._sort(desk)
        return done

    def close(self) -> None:
        """Sort what is left; nothing more comes."""
        for desk in self._desks:
            self._sort(desk)
        self._desks.clear()
        self._mine = local()

    def _desk(self) -> "_Desk":
        """Return the desk of this thread."""
        desk: _Desk | None = getattr(self._mine, "desk", None)
        if desk is None:
            desk = self._mine.desk = _Desk(self.width)
            self._desks.append(desk)
        return desk

    def _sort(self, desk: "_Desk") -> None:
        """Keep the rows of a desk sorted by part."""
        rows, parts = desk.rows[: desk.count * self.width], desk.parts[: desk.count]
        starts = np.zeros(2**self.bits + 1, np.int64)
        np.bincount(parts, minlength=2**self.bits).cumsum(out=starts[1:])
        if self.bits and len(parts):
            found, rows, turn = rows, room("sorted", rows.size, np.uint64), starts.copy()
            self._kernel["scatter"](
                *(address(found), len(parts), self.width),
                *(address(parts), address(turn), address(rows)),
            )
        self._blocks.append(_Block(starts, self._spool.keep(rows)))
        desk.count = 0

    def flows(self, part: int, ranks: NDArray[np.uint32]) -> Words:
        """Merge the rows of a part into flows, `FLOW` integers each, in room of this thread.

        Args:
            part: its number.
            ranks: place of the text of each code in the order of all texts.
        """
        spans = [block.starts[part : part + 2] * self.width for block in self._blocks]
        count = sum(int(end - begin) for begin, end in spans) // self.width
        if count <= self.most:
            return self._merged(self._all(spans), ranks)
        slices = self._slices(spans, -(-count // self.most))
        return np.concatenate([self._merged(rows, ranks).copy() for rows in slices])

    def _merged(self, rows: Words, ranks: NDArray[np.uint32]) -> Words:
        count = len(rows) // self.width
        copies, places = table(count, "copies")
        again, _ = table(count, "again")
        flows = room("flows", count * FLOW, np.uint64)
        total = self._kernel["merge"](
            *(address(rows), count, self.width, self.once, address(ranks)),
            *(address(copies), places, address(again), address(flows)),
        )
        return flows[: total * FLOW]

    def _slices(self, spans: Sequence[NDArray[np.int64]], number: int) -> Iterator[Words]:
        """Yield the rows of a part in so many slices, a flow's in one of them.

        Two addresses that speak all day make a part that no number of parts would divide.
        """
        slices: list[list[Kept]] = [[] for _ in range(number)]
        for block, (begin, end) in zip(self._blocks, spans, strict=True):
            each = self._spool.give(block.rows, int(begin), int(end)).reshape(-1, self.width)
            hash = np.bitwise_xor.reduce(each[:, : len(MIX)] * MIX, axis=1) >> np.uint64(32)
            of = hash % np.uint64(number)
            for at, kept in enumerate(slices):
                kept.append(self._spool.keep(each[of == at].ravel()))
        for kept in slices:
            yield np.concatenate([self._spool.give(some) for some in kept])

    def _all(self, spans: Sequence[NDArray[np.int64]]) -> Words:
        """Return the rows of a part, in room of this thread."""
        rows, to = room("rows", sum(int(end - begin) for begin, end in spans), np.uint64), 0
        for block, (begin, end) in zip(self._blocks, spans, strict=True):
            size = int(end - begin)
            self._spool.fill(rows[to : to + size], block.rows, int(begin))
            to += size
        return rows

    def clear(self) -> None:
        """Let go of the rows."""
        self._blocks.clear()
        self._spool.close()
