"""Packed records to views: what `flows`, `roles` and `views` do, straight from the bytes.

Records come as integers, from the packing parser where the delivery is text, else from their
frames; a `Shelf` keeps and merges them, in bounded memory, and the views go into a frame.
"""

import os
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import END, NOTHING, WORD, column
from flowlens.conversations.flows import coded, versioned
from flowlens.conversations.oriented import oriented
from flowlens.conversations.shelf import EVER, Shelf
from flowlens.conversations.spool import Spool
from flowlens.scan import Scan
from flowlens.sources import Object
from flowlens_parsers import Batch
from flowlens_parsers.machine import ready
from flowlens_parsers.packing import PLACES, Packer, Words

__all__ = ["TooFar", "framed", "integers", "second", "seen", "worthwhile"]

MEMORY = 1 << 28  # bytes of rows in memory, and of flows
PART = 1 << 20  # bytes of compressed text that make rows of one part, about

#: What must be compiled.
MODULES = (
    "flowlens_parsers.kernel",
    "flowlens.conversations.kernel",
    "flowlens.conversations.viewkernel",
)

#: Bytes of input from which packing pays: with what must be compiled at hand, and without.
SMALL, LARGE = 1 << 20, 1 << 28
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TooFar(Exception):
    """A time is after 2105: rows have no room for it."""


def seen(
    scan: Scan,
    words: pl.Categorical,
    columns: frozenset[str],
    *,
    bits: int | None = None,
    memory: int = MEMORY,
) -> pl.DataFrame:
    """Read a scan into views; see `flowlens.conversations.views.views`.

    Args:
        scan: what to read.
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
        bits: there are 2 ** bits parts; None chooses by the bytes of input.
        memory: bytes of rows that may lie in memory, and of flows.

    Raises:
        TooFar: a time is after 2105.
    """

    def code(texts: pl.Series) -> NDArray[np.uint32]:
        return texts.cast(words).to_physical().to_numpy().copy()

    window = scan.ledger.window
    span = {"since": second(window.since, 0), "until": second(window.until, EVER)}
    names = {one.flow_log for one in scan.objects} - {None}
    logs = {None: NOTHING, **{name: int(code(pl.Series([name]))[0]) for name in names}}
    with Spool(memory) as rows, Spool(memory) as flows:
        bits = _bits(scan.size) if bits is None else bits
        shelf = Shelf(bits=bits, spool=rows, columns=columns)

        def take(found: Object, batch: Batch) -> int:
            kept = 0
            for some in batch.packed:
                if not versioned(columns):
                    some.rows[:, PLACES] |= np.uint64(NOTHING * WORD)
                kept += shelf.put(some.rows, some.codes, log=logs[found.flow_log], **span)
            if batch.records.height:
                shelf.put(integers(coded(batch.records.lazy(), words, columns)))
            return kept + batch.records.height

        scan.pack(take, lambda: Packer(code), min(len(scan.objects), os.cpu_count() or 1))
        return framed(oriented(shelf, flows, words), columns, words)


def worthwhile(size: int | None) -> bool:
    """Say whether packing pays for so many bytes of input; None stands for an unknown number."""
    compiled = all(map(ready, MODULES))
    if size is None:
        return compiled
    return size >= (SMALL if compiled else LARGE)


def _bits(size: int | None) -> int:
    """Return how often to halve, so that the rows of a part stay near the processor."""
    return 8 if size is None else min(8, (size // PART).bit_length())


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


_NAMES = (
    *("client", "server_end", "what", "where", "bytes_out", "packets_out", "bytes_in"),
    *("packets_in", "records", "connections", "times", "raws", "service", "marks"),
)
_PLAIN = [name for name in _NAMES if name not in ("times", "raws", "service", "marks")]


def framed(views: Words, columns: frozenset[str], words: pl.Categorical) -> pl.DataFrame:
    """Turn merged views into a frame, null where no record told or a field is not there."""
    raw = pl.DataFrame([column(name, views[at]) for at, name in enumerate(_NAMES)])
    times, raws = pl.col("times"), pl.col("raws")
    low, high = pl.col("marks") % 4, pl.col("marks") // 4 % 4
    path = pl.col("marks") // 2**8
    local = "flow_direction" in columns
    masked = any({f"{end}addr", f"pkt_{end}addr"} <= columns for end in ("src", "dst"))
    served = any(f"pkt_{end}_aws_service" in columns for end in ("src", "dst"))
    return raw.select(
        *_PLAIN,
        first_seen=times % WORD,
        last_seen=times // WORD,
        # One 5-tuple with flags shows who opens these; likely ones beside it agree.
        sure=pl.when((high == 2) & (low == 0)).then(1).otherwise(high).cast(pl.UInt8),
        raw_client=_code(raws % WORD, given=masked),
        raw_server=_code(raws // WORD, given=masked),
        local_client=_bit(4, given=local),
        local_server=_bit(5, given=local),
        instance=_bit(6, given="instance_id" in columns),
        middle=_bit(7, given="interface_type" in columns),
        traffic_path=pl.when("traffic_path" in columns, path > 0).then(path - 1).cast(pl.UInt8),
        aws_service=_code(pl.col("service"), given=served).cast(pl.UInt32).cat.to(words),
    )


def _bit(number: int, *, given: bool) -> pl.Expr:
    bit = pl.col("marks") // 2**number % 2 == 1
    return bit if given else pl.lit(None, pl.Boolean)


def _code(code: pl.Expr, *, given: bool) -> pl.Expr:
    return pl.when(given, code < NOTHING).then(code)
