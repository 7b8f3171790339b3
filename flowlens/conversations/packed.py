"""Packed records to views: what `flows`, `roles` and `views` do, straight from the bytes.

Records come as integers, from the packing parser where the delivery is text, else from their
frames; a `Shelf` keeps and merges them, in bounded memory, into views that lie in parts.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.ahead import mapped
from flowlens.conversations.codes import END, NOTHING, WORD
from flowlens.conversations.flows import coded, versioned
from flowlens.conversations.oriented import oriented
from flowlens.conversations.parts import MEMORY, Hints, Views, counted
from flowlens.conversations.shelf import EVER, Shelf
from flowlens.conversations.spool import Spool
from flowlens.scan import Scan
from flowlens.sources import Object
from flowlens_parsers import Batch
from flowlens_parsers.machine import ready
from flowlens_parsers.packing import Packer
from flowlens_parsers.tokens import Words

__all__ = ["TooFar", "integers", "poured", "second", "seen", "told", "worthwhile"]

PART = 3 << 18  # bytes of compressed text that make rows of one part, about
MOST = 11  # parts are 2 ** this at most: each is fetched from every block of rows

#: What must be compiled.
MODULES = (
    "flowlens_parsers.kernel",
    "flowlens_parsers.arrowkernel",
    "flowlens.conversations.rowkernel",
    "flowlens.conversations.kernel",
    "flowlens.conversations.viewkernel",
    "flowlens.conversations.seatkernel",
    "flowlens.conversations.throughkernel",
    "flowlens.conversations.threadkernel",
    "flowlens.conversations.choosekernel",
    "flowlens.conversations.sortkernel",
)

#: Bytes of input from which packing pays: with what must be compiled at hand, and without.
SMALL, LARGE = 1 << 20, 1 << 28
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TooFar(Exception):
    """A time is after 2105: rows have no room for it."""


def told(
    read: Callable[[Views], None],
    words: pl.Categorical,
    columns: frozenset[str],
    known: Hints | None,
) -> Iterator[pl.DataFrame]:
    """Yield conversations in order, in pieces.

    Args:
        read: reads records into views, as `seen` and `poured` do.
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
        known: what the inventory tells, as `parts.counted` takes it.

    Raises:
        TooFar: a time is after 2105.
    """
    with Spool(MEMORY) as spool, Spool(MEMORY) as spare:
        views = Views(spool, spare)
        read(views)
        yield from counted(views, words, columns, known)


def seen(
    scan: Scan,
    words: pl.Categorical,
    columns: frozenset[str],
    views: Views,
    *,
    bits: int | None = None,
) -> None:
    """Read a scan into views.

    Args:
        scan: what to read.
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
        views: where they go, part by part.
        bits: there are 2 ** bits parts; None chooses by the bytes of input.

    Raises:
        TooFar: a time is after 2105.
    """

    def code(texts: pl.Series) -> NDArray[np.uint32]:
        return texts.cast(words).to_physical().to_numpy().copy()

    window = scan.ledger.window
    span = {"since": second(window.since, 0), "until": second(window.until, EVER)}
    names = {one.flow_log for one in scan.objects} - {None}
    logs = {None: NOTHING, **{name: int(code(pl.Series([name]))[0]) for name in names}}
    bits = _bits(scan.size) if bits is None else bits
    shelf, versions = Shelf(bits=bits, spool=views.spool, columns=columns), versioned(columns)

    def take(found: Object, batch: Batch) -> int:
        log = logs[found.flow_log]
        kept = sum(
            shelf.put(some.rows, some.codes, log=log, versions=versions, **span)
            for some in batch.packed
        )
        if batch.records.height:
            shelf.put(integers(coded(batch.records.lazy(), words, columns)))
        return kept + batch.records.height

    scan.pack(take, lambda: Packer(code), min(len(scan.objects), os.cpu_count() or 1))
    oriented(shelf, views.spare, words, views.add)


def poured(
    frames: Iterable[pl.DataFrame], words: pl.Categorical, columns: frozenset[str], views: Views
) -> None:
    """Put frames of records into views; a few of them are in memory at a time.

    Args:
        frames: records.
        words: the dictionary of the codes.
        columns: their fields.
        views: where they go, part by part.

    Raises:
        TooFar: a time is after 2105.
    """
    shelf = Shelf(bits=_bits(None), spool=views.spool, columns=columns)

    def put(frame: pl.DataFrame) -> int:
        return shelf.put(integers(coded(frame.lazy(), words, columns)))

    deque(mapped(put, frames, os.cpu_count() or 1), maxlen=0)
    oriented(shelf, views.spare, words, views.add)


def worthwhile(size: int | None) -> bool:
    """Say whether packing pays for so many bytes of input; None stands for an unknown number."""
    compiled = all(map(ready, MODULES))
    if size is None:
        return compiled
    return size >= (SMALL if compiled else LARGE)


def _bits(size: int | None) -> int:
    """Return how often to halve, so that the rows of a part stay near the processor."""
    return MOST - 2 if size is None else min(MOST, (size // PART).bit_length())


def second(moment: datetime | None, without: int) -> int:
    """Return the first full second at or after a moment of whole milliseconds, as frames have."""
    if moment is None:
        return without
    return max(0, -(-((moment - EPOCH) // timedelta(milliseconds=1)) // 1000))


def integers(records: pl.LazyFrame) -> Words:
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
