"""Rows of records, sorted by part, in memory or in a file; merged part by part.

A *row* is eight integers, ten where the format has ``pkt-*`` fields: lower and higher end, where,
what, bytes, packets, times, bits, and with ten the raw addresses and the services, as
`flowlens.conversations.kernel` lays them out. Rows lie in parts by a hash of their two addresses:
a part is merged within the processor's cache, and a flow, a 5-tuple and a conversation are always
within one part.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile
from threading import Lock
from typing import IO

import numpy as np
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING
from flowlens_parsers.machine import load
from flowlens_parsers.packing import Words, address

__all__ = ["EVER", "FLOW", "Shelf"]

FLOW = 14  # integers of a flow
WIDE, NARROW = 10, 8  # integers of a row
EVER = 2**33  # seconds: after any time that a row can hold


@dataclass(slots=True)
class _Block:
    """Rows sorted by part; in memory, or where in the file."""

    starts: NDArray[np.int64]
    rows: Words | None
    offset: int = 0


class Shelf:
    """Rows that several threads put in, and that come out merged into flows.

    Args:
        bits: there are 2 ** bits parts.
        memory: bytes of rows that may lie in memory; the others lie in a temporary file.
        wide: whether records have raw addresses and services.
        once: whether exact duplicates count once.
    """

    def __init__(self, *, bits: int, memory: int, wide: bool, once: bool) -> None:
        self.bits, self.memory, self.once = bits, memory, once
        self.width = WIDE if wide else NARROW
        self._kernel = load("flowlens.conversations.kernel")
        self._blocks: list[_Block] = []
        self._held = self._end = 0
        self._file: IO[bytes] | None = None
        self._lock = Lock()
        self._stack = ExitStack()

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *problem: object) -> None:
        """Give the file back."""
        self._stack.close()

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
        count = len(records)
        records = np.ascontiguousarray(records)
        rows, parts = np.empty(count * self.width, np.uint64), np.empty(count, np.uint16)
        starts = np.zeros(2**self.bits + 1, np.int64)
        done = self._kernel["place"](
            *(address(records), count, 0 if codes is None else address(codes), codes is None),
            *(log, since, until, self.bits, self.width),
            *(address(rows), address(parts), address(starts) + starts.itemsize),
        )
        starts.cumsum(out=starts)
        if self.bits:
            rows, found, turn = np.empty(done * self.width, np.uint64), rows, starts.copy()
            self._kernel["scatter"](
                *(address(found), done, self.width, address(parts), address(turn), address(rows))
            )
        self._keep(_Block(starts, rows[: done * self.width]))
        return done

    def _keep(self, block: _Block) -> None:
        assert block.rows is not None
        size = block.rows.nbytes
        with self._lock:
            self._blocks.append(block)
            if self._held + size <= self.memory:
                self._held += size
                return
            if self._file is None:
                file = TemporaryFile(prefix="flowlens-")  # noqa: SIM115 - the stack closes it
                self._file = self._stack.enter_context(file)
            block.offset, self._end = self._end, self._end + size
            self._file.write(block.rows.data)
            block.rows = None

    def merge(self, ranks: NDArray[np.uint32]) -> Words:
        """Merge the rows into flows, `FLOW` integers each.

        Args:
            ranks: place of the text of each code in the order of all texts.
        """
        if self._file is not None:
            self._file.flush()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            merged = list(pool.map(lambda part: self._part(part, ranks), range(2**self.bits)))
        return np.concatenate(merged)

    def _part(self, part: int, ranks: NDArray[np.uint32]) -> Words:
        rows = np.concatenate([np.empty(0, np.uint64), *self._rows(part)])
        count = len(rows) // self.width
        places = 1 << max(4, (2 * count - 1).bit_length())
        copies, table = np.zeros(places, np.uint32), np.zeros(places, np.uint32)
        flows = np.empty(count * FLOW, np.uint64)
        total = self._kernel["merge"](
            *(address(rows), count, self.width, self.once, address(ranks)),
            *(address(copies), places - 1, address(table), address(flows)),
        )
        return flows[: total * FLOW].reshape(-1, FLOW).copy()

    def _rows(self, part: int) -> Iterator[Words]:
        for block in self._blocks:
            begin, end = (int(at) * self.width for at in block.starts[part : part + 2])
            if block.rows is not None:
                yield block.rows[begin:end]
            elif end > begin and self._file is not None:
                place = block.offset + begin * 8
                data = os.pread(self._file.fileno(), (end - begin) * 8, place)
                yield np.frombuffer(data, np.uint64)
