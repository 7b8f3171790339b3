"""Rows of records, sorted by part, in memory or in a file; merged into flows part by part.

A *row* lies here in four integers, five where the format has ``pkt-*`` fields: lower end and
sender, higher end and duration, bytes and packets, start and the numbers of its `stamps`, and the
raw addresses. Rows lie in parts by a hash of their two addresses: a part is merged within the
processor's cache, and a flow, a 5-tuple and a conversation are always within one part. To be
merged a row becomes whole, seven integers or nine: lower and higher end, where, action and bits,
bytes, packets, times, and with nine the raw addresses and the services, as
`flowlens.conversations.rowkernel` has them.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING
from flowlens.conversations.flows import IDENTIFYING
from flowlens.conversations.pile import Pile
from flowlens.conversations.room import room, table
from flowlens.conversations.spool import Kept, Spool
from flowlens.conversations.stamps import SIGN, Stamps
from flowlens_parsers.machine import load
from flowlens_parsers.tokens import Words, address

__all__ = ["EVER", "FLOW", "Shelf"]

FLOW = 14  # integers of a flow
WIDE, NARROW = 9, 7  # integers of a whole row
FOLDED = {WIDE: 5, NARROW: 4}  # as it lies here
EVER = 2**33  # seconds: after any time that a row can hold
BLOCK = 1 << 19  # rows of a block
MOST = 1 << 20  # rows that are merged at once

#: Odd numbers that make of what a flow's rows share (lo, hi, where) a number.
MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


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
        self._width = WIDE if any(name.startswith("pkt_") for name in columns) else NARROW
        self._pile = Pile(spool, 2**bits, FOLDED[self._width], BLOCK)
        self._stamps: dict[int, Stamps] = {}  # by desk
        self._places = self._signs = np.empty(0, np.uint64)  # of one desk after the other
        self._bases = np.empty((0, 2), np.int64)  # where those of each desk begin
        self._merge = load("flowlens.conversations.kernel")["merge"]
        self._unfold = load("flowlens.conversations.rowkernel")["unfold"]

    @property
    def spool(self) -> Spool:
        """Where rows lie."""
        return self._pile.spool

    @property
    def groups(self) -> list[range]:
        """Parts that are best merged by one thread, one after the other."""
        return self._pile.groups

    def put(
        self,
        records: Words,
        codes: NDArray[np.uint32] | None = None,
        *,
        log: int = NOTHING,
        versions: bool = True,
        since: int = 0,
        until: int = EVER,
    ) -> int:
        """Keep packed records that start in a window of seconds; return how many.

        Args:
            records: as `flowlens_parsers.packing` has them.
            codes: the dictionary's code of each of the packer's; None where they are that.
            log: code of the flow log that wrote them.
            versions: whether what they have as version stands for it where there is none.
            since: first second.
            until: first second no longer in.
        """
        records = np.ascontiguousarray(records)
        how = (0 if codes is None else address(codes), codes is None, log, versions, since, until)
        total = 0
        while True:
            desk = self._pile.turn
            stamps = self._stamps.get(desk) or self._stamps.setdefault(desk, Stamps())
            rows, parts = self._pile.desk(len(records))
            shape = (self.bits, self._pile.width)
            read, done = stamps.fold(records, (*how, *shape), address(rows), parts)
            self._pile.put(done)
            total, records = total + done, records[read:]
            if not len(records):
                return total
            self._pile.renew()

    def close(self) -> None:
        """Nothing more comes."""
        self._pile.close()
        each = [self._stamps[desk] for desk in range(len(self._stamps))]
        sizes = [[0, 0], *([len(one.places), len(one.signs) // SIGN] for one in each)]
        self._bases = np.cumsum(np.array(sizes, np.int64), axis=0)
        nothing = np.empty(0, np.uint64)
        self._places = np.concatenate([nothing, *(one.places for one in each)])
        self._signs = np.concatenate([nothing, *(one.signs for one in each)])
        self._stamps.clear()

    def flows(self, parts: range, ranks: NDArray[np.uint32]) -> Iterator[Words]:
        """Merge the rows of each of some neighbouring parts into flows, `FLOW` integers each.

        They lie in room of this thread, until the next ones.

        Args:
            parts: their numbers.
            ranks: place of the text of each code in the order of all texts.
        """
        if self._pile.count(parts) <= self.most:
            rows, spans, desks = self._pile.fetch(parts)
            bases = self._bases[desks]
            yield from (self._merged(self._whole(rows, some, bases), ranks) for some in spans)
            return
        for part in parts:
            number = -(-self._pile.count(range(part, part + 1)) // self.most)
            slices = self._slices(part, number)
            yield np.concatenate([self._merged(rows, ranks).copy() for rows in slices])

    def _whole(self, rows: Words, spans: NDArray[np.int64], bases: NDArray[np.int64]) -> Words:
        """Return whole rows, in room of this thread.

        Args:
            rows: some, as they lie here.
            spans: where the stretches of them that are asked for begin and end.
            bases: where places and signs of each stretch begin.
        """
        count = int((spans[:, 1] - spans[:, 0]).sum())
        out, spans = room("rows", count * self._width, np.uint64), np.ascontiguousarray(spans)
        self._unfold(
            *(address(rows), address(spans), len(spans), address(bases), self._pile.width),
            *(address(self._places), address(self._signs), address(out), self._width),
        )
        return out

    def _merged(self, rows: Words, ranks: NDArray[np.uint32]) -> Words:
        count = len(rows) // self._width
        copies, places = table(count, "copies")
        again, _ = table(count, "again")
        flows = room("flows", count * FLOW, np.uint64)
        total = self._merge(
            *(address(rows), count, self._width, self.once, address(ranks)),
            *(address(copies), places, address(again), address(flows)),
        )
        return flows[: total * FLOW]

    def _slices(self, part: int, number: int) -> Iterator[Words]:
        """Yield the rows of a part in so many slices, a flow's in one of them.

        Two addresses that speak all day make a part that no number of parts would divide.
        """
        slices: list[list[Kept]] = [[] for _ in range(max(1, number))]
        spool = self._pile.spool
        for desk, rows in self._pile.pieces(part):
            spans = np.array([[0, len(rows) // self._pile.width]])
            each = self._whole(rows, spans, self._bases[[desk]]).reshape(-1, self._width)
            hash = np.bitwise_xor.reduce(each[:, : len(MIX)] * MIX, axis=1) >> np.uint64(32)
            of = hash % np.uint64(len(slices))
            for at, kept in enumerate(slices):
                kept.append(spool.keep(each[of == at].ravel()))
        for kept in slices:
            yield np.concatenate([np.empty(0, np.uint64), *(spool.give(some) for some in kept)])

    def clear(self) -> None:
        """Let go of the rows."""
        self._pile.clear()
