"""Rows of columns that say an interface recorded nothing: what `quiet` is for lines."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flowlens_parsers import lines
from flowlens_parsers.arrays import Bits, present, text, whole
from flowlens_parsers.columns import NOTHING
from flowlens_parsers.fields import OBSERVERS, TIME
from flowlens_parsers.values import SECONDS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["coverage", "fits", "quiet"]


def quiet(batch: "pa.RecordBatch") -> Bits:
    """Say which rows are no flows: NODATA, SKIPDATA, and statuses nobody knows yet.

    Args:
        batch: columns named after `fields`: whole numbers, and texts as dictionaries.
    """
    if "log_status" not in batch.schema.names:
        return np.zeros(batch.num_rows, np.bool_)
    column = batch.column("log_status")
    words = text(column.dictionary)
    told = np.array([words.word(at).strip() not in ("OK", *NOTHING) for at in range(len(words))])
    if not told.any():
        return np.zeros(batch.num_rows, np.bool_)
    given = present(column)
    silent: Bits = told[np.where(given, whole(column.indices), 0)] & given
    return silent


def fits(batch: "pa.RecordBatch", name: str) -> Bits:
    """Say which rows have a time in seconds, or none."""
    if name not in batch.schema.names:
        return np.ones(batch.num_rows, np.bool_)
    times = whole(batch.column(name))
    return ((times >= 0) & (times <= SECONDS)) | ~present(batch.column(name))


def coverage(batch: "pa.RecordBatch", rows: Bits, source: str) -> pl.DataFrame:
    """Return what rows that are no flows say, as `lines.coverage` does.

    Args:
        batch: as `quiet` takes it.
        rows: which of them.
        source: the object.
    """
    given = batch.schema.names
    texts = [_texts(batch, name, rows) for name in ("log_status", *OBSERVERS) if name in given]
    times = [_times(batch, name, rows) for name in ("start", "end") if name in given]
    return lines.coverage(pl.DataFrame([*texts, *times]), source)


def _texts(batch: "pa.RecordBatch", name: str, rows: Bits) -> pl.Series:
    """Return a column of texts at some rows, null for what stands for nothing."""
    column = batch.column(name)
    given, words = present(column)[rows], text(column.dictionary)
    used, places = np.unique(np.where(given, whole(column.indices)[rows], -1), return_inverse=True)
    found = [None if at < 0 else words.word(at).strip() for at in used.tolist()]
    clean = [None if word in NOTHING else word for word in found]
    return pl.Series(name, clean, dtype=pl.String).gather(places)


def _times(batch: "pa.RecordBatch", name: str, rows: Bits) -> pl.Series:
    """Return times in seconds at some rows."""
    column = batch.column(name)
    values = pl.Series(name, whole(column)[rows].astype(np.int64) * 1000)
    given = pl.Series(present(column)[rows])
    return values.zip_with(given, pl.Series([None], dtype=pl.Int64)).cast(TIME)
