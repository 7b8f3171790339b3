"""How the columns of flowlens are kept in Delta tables, and how they come back.

Delta has no unsigned numbers and counts time in microseconds, so numbers are kept in the next
wider signed type and times in microseconds.
Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#primitive-types
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from flowlens.tables import CONVERSATIONS, COVERAGE
from flowlens_parsers.batch import ANSWERS, LINE, REJECTS
from flowlens_parsers.fields import SCHEMA

__all__ = [
    "DAY",
    "EXTRA",
    "NOWHEN",
    "OBJECTS",
    "TABLES",
    "believable",
    "fields",
    "kept",
    "stored",
    "typed",
]

#: The day of what has no believable time, so that a broken log cannot make a million partitions.
NOWHEN = date(1970, 1, 1)
#: Flow logs began in June 2015.
FIRST, LAST = date(2015, 1, 1), date(2099, 12, 31)

DAY = pl.Date()
#: What a record has besides AWS's fields.
EXTRA: dict[str, pl.DataType] = {"flow_log": pl.String(), "source": pl.String(), "line": LINE}

COUNTS = ("lines", "headers", "records", "outside", "nodata", "skipdata", "rejects")
OBJECTS: dict[str, pl.DataType] = {
    "uri": pl.String(),
    "size": pl.UInt64(),  # bytes as stored
    "version": pl.String(),  # ETag; of a local file the time of its last change
    "kind": pl.String(),  # the table its lines went to: records or names
    "batch": pl.UInt64(),  # number of the commit to that table
    **dict.fromkeys(COUNTS, pl.UInt64()),
    "kept": pl.UInt64(),  # records that no earlier object had brought
}

#: Every table of a store: its columns and those it is partitioned by. `records` starts with these
#: and takes on each field of AWS that a log format has.
TABLES: dict[str, tuple[dict[str, pl.DataType], list[str]]] = {
    "records": ({"day": DAY, **EXTRA}, ["day"]),
    "names": ({"day": DAY, **ANSWERS, "source": pl.String()}, ["day"]),
    "conversations": ({"day": DAY, **CONVERSATIONS}, ["day"]),
    "by_server": ({"day": DAY, **CONVERSATIONS}, ["day"]),
    "coverage": (dict(COVERAGE), []),
    "rejects": (dict(REJECTS), []),
    "objects": (OBJECTS, []),
}

MOST = 2**63 - 1
#: Milliseconds beyond which microseconds do not fit.
FAR = MOST // 1000


def kept(dtype: pl.DataType) -> pl.DataType:
    """Return the type in which a column is kept.

    >>> kept(pl.UInt16()), kept(pl.Datetime("ms", "UTC"))
    (Int32, Datetime(time_unit='us', time_zone='UTC'))
    """
    wider: dict[pl.DataType, pl.DataType] = {
        pl.UInt8(): pl.Int16(),
        pl.UInt16(): pl.Int32(),
        pl.UInt32(): pl.Int64(),
        pl.UInt64(): pl.Int64(),
    }
    return pl.Datetime("us", "UTC") if isinstance(dtype, pl.Datetime) else wider.get(dtype, dtype)


def stored(frame: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Turn the columns of `schema` into the types in which they are kept.

    A count beyond 2**63 - 1 is kept as that; a time too far for microseconds as null.
    """
    return frame.with_columns(_stored(name, dtype) for name, dtype in schema.items())


def _stored(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name).cast(dtype)
    if dtype == pl.UInt64():
        return column.clip(upper_bound=MOST).cast(pl.Int64)
    if isinstance(dtype, pl.Datetime):
        near = column.cast(pl.Int64).is_between(-FAR, FAR)
        return pl.when(near).then(column).cast(kept(dtype))
    return column.cast(kept(dtype))


def typed(frame: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Return the columns of `schema` in the types that the rest of flowlens speaks."""
    here = frame.collect_schema()
    same = {name for name, dtype in schema.items() if here[name] == dtype}
    columns = [
        pl.col(name) if name in same else pl.col(name).cast(dtype) for name, dtype in schema.items()
    ]
    return frame.select(columns)


def believable(time: str) -> pl.Expr:
    """Return the UTC day of a time, or `NOWHEN` where it has none that can be true."""
    day = pl.col(time).dt.date()
    return pl.when(day.is_between(FIRST, LAST)).then(day).otherwise(NOWHEN).alias("day")


def fields(columns: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return those of the columns that AWS documents, in AWS's order."""
    return {name: dtype for name, dtype in SCHEMA.items() if name in columns}
