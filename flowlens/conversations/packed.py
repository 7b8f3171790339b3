"""Packed records to flows: what `flows` does, straight from the bytes, in bounded memory.

Records come as integers, from the packing parser where the delivery is text, else from their
frames; a `Shelf` keeps and merges them, and the flows go back into a frame.
"""

import os
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import END, NOTHING, WORD
from flowlens.conversations.flows import IDENTIFYING, blanks, coded, versioned
from flowlens.conversations.shelf import EVER, Shelf
from flowlens.records import Scan
from flowlens.sources import Object
from flowlens_parsers import Batch
from flowlens_parsers.machine import KERNELS as MODULES
from flowlens_parsers.machine import ready
from flowlens_parsers.packing import PLACES, Packer, Words

__all__ = ["TooFar", "merged", "worthwhile"]

MEMORY = 1 << 30  # bytes of rows in memory
PART = 1 << 20  # bytes of compressed text that make rows of one part, about

#: Bytes of input from which packing pays: with what must be compiled at hand, and without.
SMALL, LARGE = 1 << 20, 1 << 28
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TooFar(Exception):
    """A time is after 2105: rows have no room for it."""


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

    def code(texts: pl.Series) -> NDArray[np.uint32]:
        return texts.cast(words).to_physical().to_numpy().copy()

    window = scan.ledger.window
    span = {"since": _second(window.since, 0), "until": _second(window.until, EVER)}
    names = {one.flow_log for one in scan.objects} - {None}
    logs = {None: NOTHING, **{name: int(code(pl.Series([name]))[0]) for name in names}}
    wide = any(name.startswith("pkt_") for name in columns)
    with Shelf(
        bits=_bits(scan.size) if bits is None else bits,
        memory=memory,
        wide=wide,
        once=columns >= IDENTIFYING,
    ) as shelf:

        def take(found: Object, batch: Batch, packer: Packer) -> int:
            kept = 0
            for rows in batch.packed:
                if not versioned(columns):
                    rows[:, PLACES] |= np.uint64(NOTHING * WORD)
                kept += shelf.put(rows, packer.codes, log=logs[found.flow_log], **span)
            if batch.records.height:
                shelf.put(_integers(coded(batch.records.lazy(), words, columns)))
            return kept + batch.records.height

        scan.pack(take, lambda: Packer(code), min(len(scan.objects), os.cpu_count() or 1))
        ranks = words.categories.to_series().rank("dense").cast(pl.UInt32).to_numpy()
        return _frame(shelf.merge(ranks), columns, words)


def worthwhile(size: int | None) -> bool:
    """Say whether packing pays for so many bytes of input; None stands for an unknown number."""
    compiled = all(map(ready, MODULES))
    if size is None:
        return compiled
    return size >= (SMALL if compiled else LARGE)


def _bits(size: int | None) -> int:
    """Return how often to halve, so that the rows of a part stay near the processor."""
    return 8 if size is None else min(8, (size // PART).bit_length())


def _second(moment: datetime | None, without: int) -> int:
    """Return the first full second at or after a moment of whole milliseconds, as frames have."""
    if moment is None:
        return without
    return max(0, -(-((moment - EPOCH) // timedelta(milliseconds=1)) // 1000))


def _integers(records: pl.LazyFrame) -> Words:
    """Return coded records as packed ones.

    Raises:
        TooFar: a time is after 2105.
    """
    rows = _packed(records).collect()
    if rows["late"].any():
        raise TooFar
    return np.column_stack([column.to_numpy() for column in rows.drop("late")])


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
