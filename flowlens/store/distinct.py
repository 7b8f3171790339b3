"""Rows that a store does not have yet, in the order in which they are kept.

Copies of a record have the same start, so rows are compared hour by hour and never all at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from flowlens.store.order import ROWS, ordered
from flowlens.store.schema import NOWHEN

__all__ = ["Kind", "fresh"]

#: What says where a row stood, and not what it says.
PLACE = ("source", "line", "day")


@dataclass(frozen=True, slots=True)
class Kind:
    """How the rows of a table are told apart.

    Args:
        table: Name of the table.
        time: Column whose hour and day a row belongs to.
        known: Columns without which no two rows are copies.
        order: Columns by which rows are sorted within their hour.
    """

    table: str
    time: str
    known: tuple[str, ...]
    order: tuple[str, ...]


def fresh(new: pl.LazyFrame, old: pl.LazyFrame, kind: Kind) -> Iterator[pl.DataFrame]:
    """Yield the rows of `new` that are not in `old`, each once, in sorted frames.

    Rows are compared by all columns but their place, through 128 bits of hash. Rows that lack a
    column of `kind.known` all count, because nothing shows that they are copies.

    Args:
        new: Rows in the order in which the first of several copies is kept.
        old: The table.
        kind: How its rows are told apart.
    """
    columns = [name for name in new.collect_schema().names() if name not in PLACE]
    known = set(kind.known) <= set(columns)
    timed = kind.time in columns
    for first, last in _windows(new, kind.time) if timed else [(None, None)]:
        rows = _between(new, kind.time, first, last).collect()
        if known:
            seen = _between(old, kind.time, first, last)
            rows = _absent(rows, seen, columns, kind)
        hours = [rows[kind.time].dt.truncate("1h")] if timed else []
        order = [rows[name] for name in kind.order if name in columns]
        yield ordered(rows, [rows["day"], *hours, *order, rows["source"]])


def _windows(new: pl.LazyFrame, time: str) -> Iterator[tuple[datetime | None, datetime | None]]:
    """Yield spans of hours, first and last one, with about `ROWS` rows each; null by itself."""
    hours = new.group_by(hour=pl.col(time).dt.truncate("1h")).len().sort("hour").collect()
    if hours["hour"].has_nulls():
        yield None, None
    spans = (
        hours.drop_nulls()
        .with_columns(part=pl.col("len").cum_sum() // ROWS)
        .group_by("part", maintain_order=True)
        .agg(first=pl.col("hour").min(), last=pl.col("hour").max())
    )
    yield from spans.select("first", "last").iter_rows()


def _between(
    rows: pl.LazyFrame, time: str, first: datetime | None, last: datetime | None
) -> pl.LazyFrame:
    if time not in rows.collect_schema().names():
        return rows
    if first is None or last is None:
        return rows.filter(pl.col(time).is_null())
    days = pl.col("day").is_between(first.date(), last.date()) | (pl.col("day") == NOWHEN)
    return rows.filter(days, pl.col(time) >= first, pl.col(time) < last + timedelta(hours=1))


def _absent(
    rows: pl.DataFrame, seen: pl.LazyFrame, columns: Sequence[str], kind: Kind
) -> pl.DataFrame:
    """Leave out the rows that are in `seen` or came before."""
    there = seen.collect_schema()
    dtypes = {name: rows.schema[name] for name in columns}
    dtypes |= {name: dtype for name, dtype in there.items() if name not in PLACE}
    names = sorted(dtypes)

    def key(have: Sequence[str]) -> list[pl.Expr]:
        whole = pl.struct(
            pl.col(name) if name in have else pl.lit(None, dtypes[name]).alias(name)
            for name in names
        )
        return [whole.hash(seed).alias(f"_{seed}") for seed in (1, 2)]

    given = pl.all_horizontal(pl.col(name).is_not_null() for name in kind.known)
    old = seen.select(key(there.names())).unique().collect(engine="streaming")
    coded = rows.with_columns(*key(columns), _given=given)
    marked = old.with_columns(_old=pl.lit(value=True))
    coded = coded.join(marked, on=["_1", "_2"], how="left", maintain_order="left")
    new = pl.col("_old").is_null() & pl.struct("_1", "_2").is_first_distinct()
    return coded.filter(new | ~pl.col("_given")).select(rows.columns)
