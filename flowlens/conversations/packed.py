"""Packed records to flows: what `flows` does, on integers, in bounded memory.

Records are kept as *rows* until all are read, in parts by a hash of their two addresses, so that
a part is merged within the processor's cache; beyond `MEMORY` they lie in a file. Then each part
is merged by itself: a flow, a 5-tuple and a conversation are always within one part.

A row is eight integers, ten where the format has ``pkt-*`` fields: lower and higher end, where,
what, bytes, packets, times, bits and part of the facts, raw addresses, services.
"""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.flows import (
    END,
    IDENTIFYING,
    NOTHING,
    WORD,
    blanks,
    coded,
    versioned,
)
from flowlens.records import Scan
from flowlens.sources import Object
from flowlens_parsers import Batch
from flowlens_parsers.machine import KERNELS as MODULES
from flowlens_parsers.machine import load, ready
from flowlens_parsers.packing import WIDTH, Packer, address

__all__ = ["Shelf", "TooFar", "merged", "worthwhile"]

Words = NDArray[np.uint64]

MEMORY = 1 << 30  # bytes of rows in memory
PART = 1 << 20  # bytes of compressed text that make rows of one part, about
FLOW = 14  # integers of a flow

#: Bytes of input from which packing pays: with what must be compiled at hand, and without.
SMALL, LARGE = 1 << 20, 1 << 28
EVER = 2**33  # seconds: after any time that a row can hold


def merged(
    scan: Scan,
    words: pl.Categorical,
    columns: frozenset[str],
    *,
    bits: int | None = None,
    memory: int = MEMORY,
) -> pl.DataFrame:
    """Read a scan into flows.

    Args:
        scan: what to read.
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
        bits: there are 2 ** bits parts; None chooses by the bytes of input.
        memory: bytes of rows that may lie in memory.

    Raises:
        TooFar: a time is after 2105.
    """
    shelf = Shelf(words, columns, _bits(scan.size) if bits is None else bits, memory)
    window = scan.ledger.window
    since, until = (_second(moment) for moment in (window.since, window.until))

    def take(found: Object, batch: Batch, packer: Packer) -> int:
        span = (since or 0, EVER if until is None else until)
        kept = [shelf.put(rows, packer.codes, found.flow_log, *span) for rows in batch.packed]
        if batch.records.height:
            shelf.frame(batch.records)
        return sum(kept) + batch.records.height

    workers = min(len(scan.objects), os.cpu_count() or 1)
    scan.pack(take, lambda: Packer(shelf.code), workers)
    return shelf.flows()


def worthwhile(size: int | None) -> bool:
    """Say whether packing pays for so many bytes of input; None stands for an unknown number."""
    compiled = all(map(ready, MODULES))
    if size is None:
        return compiled
    return size >= (SMALL if compiled else LARGE)


def _bits(size: int | None) -> int:
    """Return how often to halve, so that the rows of a part stay near the processor."""
    return 8 if size is None else min(8, (size // PART).bit_length())


def _second(moment: datetime | None) -> int | None:
    """Return the first full second at or after a moment."""
    return None if moment is None else -(-int(moment.timestamp() * 1000) // 1000)


class TooFar(Exception):
    """A time is after 2105: rows have no room for it."""


@dataclass(slots=True)
class _Block:
    """Rows sorted by part; in memory, or where in the file."""

    starts: NDArray[np.int64]
    rows: Words | None
    offset: int = 0


@dataclass
class Shelf:
    """Rows of records, put in by several threads, and taken out as flows.

    Args:
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
        bits: there are 2 ** bits parts.
    """

    words: pl.Categorical
    columns: frozenset[str]
    bits: int
    memory: int = MEMORY
    _blocks: list[_Block] = field(default_factory=list)
    _held: int = 0
    _file: BinaryIO | None = None
    _end: int = 0
    _lock: Lock = field(default_factory=Lock)
    _logs: dict[str | None, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find out how wide rows are."""
        wide = any(name.startswith("pkt_") for name in self.columns)
        self.width = 10 if wide else 8
        self.kernel = load("flowlens.conversations.kernel")

    def code(self, texts: pl.Series) -> NDArray[np.uint32]:
        """Return the codes of texts, for a packer."""
        return texts.cast(self.words).to_physical().to_numpy().copy()

    def put(
        self, records: Words, codes: NDArray[np.uint32], log: str | None, since: int, until: int
    ) -> int:
        """Keep packed records that start in a window of seconds; return how many.

        Args:
            records: as `flowlens_parsers.packing` has them.
            codes: the dictionary's code of each of the packer's.
            log: the flow log that wrote them.
            since: first second.
            until: first second no longer in.
        """
        if log not in self._logs:
            self._logs[log] = NOTHING if log is None else int(self.code(pl.Series([log]))[0])
        name = self._logs[log]
        if not versioned(self.columns):
            records[:, 2] |= np.uint64(NOTHING * WORD)
        return self._add(records, codes, name, since, until)

    def frame(self, records: pl.DataFrame) -> None:
        """Keep typed records."""
        rows = _packed(coded(records.lazy(), self.words, self.columns)).collect()
        if rows["late"].max() or False:
            raise TooFar
        parts = [rows[name].to_numpy() for name in rows.columns[:WIDTH]]
        self._add(np.column_stack(parts), None, NOTHING, 0, EVER)

    def _add(
        self, records: Words, codes: NDArray[np.uint32] | None, log: int, since: int, until: int
    ) -> int:
        count = len(records)
        records = np.ascontiguousarray(records)
        rows = np.empty(count * self.width, np.uint64)
        parts = np.empty(count, np.uint16)
        starts = np.zeros(2**self.bits + 1, np.int64)
        done = self.kernel["place"](
            *(address(records), count, 0 if codes is None else address(codes), codes is None),
            *(log, since, until, self.bits, self.width),
            *(address(rows), address(parts), address(starts) + 8),
        )
        starts.cumsum(out=starts)
        if self.bits:
            rows, found = np.empty(done * self.width, np.uint64), rows
            turn = starts.copy()
            self.kernel["scatter"](
                *(address(found), done, self.width, address(parts), address(turn), address(rows))
            )
        self._keep(_Block(starts, rows[: done * self.width]))
        return done

    def _keep(self, block: _Block) -> None:
        with self._lock:
            self._blocks.append(block)
            assert block.rows is not None
            if self._held + block.rows.nbytes <= self.memory:
                self._held += block.rows.nbytes
                return
            self._file = self._file or tempfile.TemporaryFile(prefix="flowlens-")  # noqa: SIM115 - closed with the shelf
            block.offset, self._end = self._end, self._end + block.rows.nbytes
            os.pwrite(self._file.fileno(), block.rows.data, block.offset)
            block.rows = None

    def flows(self) -> pl.DataFrame:
        """Merge the rows into the table that `flows.flows` returns."""
        ranks = self.words.categories.to_series().rank("dense").cast(pl.UInt32).to_numpy()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            merged = list(pool.map(lambda part: self._part(part, ranks), range(2**self.bits)))
        if self._file is not None:
            self._file.close()
        return _frame(np.concatenate(merged), self.columns, self.words)

    def _part(self, part: int, ranks: NDArray[np.uint32]) -> Words:
        rows = np.concatenate([np.empty(0, np.uint64), *self._rows(part)])
        count = len(rows) // self.width
        places = 1 << max(4, (2 * count - 1).bit_length())
        copies, table = np.zeros(places, np.uint32), np.zeros(places, np.uint32)
        flows = np.empty(count * FLOW, np.uint64)
        total = self.kernel["merge"](
            *(address(rows), count, self.width, self.columns >= IDENTIFYING, address(ranks)),
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


def _packed(records: pl.LazyFrame) -> pl.LazyFrame:
    """Return coded records as the columns of packed ones, and whether a time is too late."""
    names = records.collect_schema().names()

    def given(name: str, missing: int) -> pl.Expr:
        if name not in names:
            return pl.lit(missing, pl.UInt64)
        return pl.col(name).to_physical().cast(pl.UInt64).fill_null(missing)

    def port(end: str) -> pl.Expr:
        return pl.col(end) % END // 256

    def two(low: pl.Expr, high: pl.Expr) -> pl.Expr:
        return low + high * WORD

    flags = ("syn", "syn_ack", "flagged", "local_src", "local_dst", "instance", "middle")
    bits = pl.sum_horizontal(given(name, 0) * 2**bit for bit, name in enumerate(flags))
    latest = pl.max_horizontal("first", "last")
    return records.select(
        two(pl.col("src") // END, pl.col("dst") // END).alias("ends"),
        (
            two(port("src") + port("dst") * 2**16, pl.col("src") % 256)
            + bits * 2**40
            + given("path", 255) * 2**56
        ).alias("ports"),
        two(pl.col("where") // WORD, pl.col("where") % WORD).alias("places"),
        two(pl.col("first"), pl.col("last")).alias("times"),
        "bytes",
        "packets",
        (pl.col("what") % WORD).alias("action"),
        two(given("raw_src", NOTHING), given("raw_dst", NOTHING)).alias("raws"),
        two(given("service_src", NOTHING), given("service_dst", NOTHING)).alias("services"),
        (latest >= WORD).alias("late"),
    )


_NAMES = ("lo", "hi", "where", "what", "records")
_PAIRS = ("bytes_lo", "bytes_hi", "packets_lo", "packets_hi")
_TAIL = ("first", "last", "facts", "raw", "service")


def _frame(flows: Words, columns: frozenset[str], words: pl.Categorical) -> pl.DataFrame:
    """Turn merged flows into a frame, null where a side sent nothing or a field is not there."""
    names = (*_NAMES, *_PAIRS, *_TAIL)
    raw = pl.DataFrame([_series(name, flows[:, at]) for at, name in enumerate(names)])
    told = {
        f"{name}_{side}": expr
        for at, side in enumerate(("lo", "hi"))
        for name, expr in _side(at, columns, words).items()
    }
    if "instance_id" in columns:
        told["instance"] = _bit(8)
    if "interface_type" in columns:
        told["middle"] = _bit(9)
    frame = raw.select(*_NAMES, *_PAIRS, **told)
    return frame.with_columns(**blanks({*frame.columns}, words))


def _series(name: str, values: Words) -> pl.Series:
    """Return integers as a column; through bytes, since through an array costs an import."""
    if not len(values):
        return pl.Series(name, [], pl.UInt64)
    data = pl.Series(name, [values.tobytes()])
    return data.bin.reinterpret(
        dtype=pl.Array(pl.UInt64, len(values)), endianness="little"
    ).explode()


def _bit(number: int) -> pl.Expr:
    bit: pl.Expr = pl.col("facts") // 2**number % 2 == 1
    return bit


def _side(at: int, columns: frozenset[str], words: pl.Categorical) -> dict[str, pl.Expr]:
    """Return what flows tell of one end: 0 is `lo`, 1 is `hi`."""

    def half(name: str) -> pl.Expr:
        return pl.col(name) // WORD if at else pl.col(name) % WORD

    def text(name: str) -> pl.Expr:
        code = half(name)
        known: pl.Expr = pl.when(code < NOTHING).then(code).cast(pl.UInt32).cat.to(words)
        return known

    came = _bit(10 + at)
    path = pl.col("facts") // 2 ** (16 + 8 * at) % 256
    told: dict[str, pl.Expr] = {name: pl.when(came).then(half(name)) for name in ("first", "last")}
    if "tcp_flags" in columns:
        flags = ("syn", "syn_ack", "flagged")
        told |= {name: _bit(3 * at + bit) for bit, name in enumerate(flags)}
    if "flow_direction" in columns:
        told["local"] = _bit(6 + at)
    if "traffic_path" in columns:
        told["path"] = pl.when(path > 0).then(path - 1).cast(pl.UInt8)
    if any({f"{end}addr", f"pkt_{end}addr"} <= columns for end in ("src", "dst")):
        told["raw"] = text("raw")
    if any(f"pkt_{end}_aws_service" in columns for end in ("src", "dst")):
        told["service"] = text("service")
    return told
