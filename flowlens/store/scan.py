"""A store's tables as frames of the types that the rest of flowlens speaks."""

from collections.abc import Iterator
from datetime import datetime

import polars as pl
from polars.io.plugins import register_io_source

from flowlens.reading import ROWS, hand_on
from flowlens.store.place import Store
from flowlens.store.schema import EXTRA, NOWHEN, OBJECTS, fields, typed
from flowlens.tables import CONVERSATIONS, COVERAGE
from flowlens_parsers.batch import ANSWERS, REJECTS

__all__ = [
    "ORDER",
    "answers",
    "conversations",
    "coverage",
    "objects",
    "records",
    "rejects",
]

#: Conversations that lie in memory at once, about: those of an hour always do.
MOST = 1 << 21
#: The order of `flowlens.conversations`.
ORDER = ("hour", "client", "server", "server_port", "protocol", "action", "observer", "leg")


def records(
    store: Store,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    line: bool = False,
    source: bool = False,
) -> pl.LazyFrame:
    """Return the distinct records of a store.

    Args:
        store: The store.
        since: Keep records that start at this time (UTC) or later; files and row groups that
            have none are not read.
        until: Keep records that start before this time.
        line: Add the column `line`, the number of the line in its object.
        source: Add the column `source`, the object that brought the record first.

    Returns:
        As `flowlens.scan_records`: every field that any of the ingested log formats has.
    """
    every = store.scan("records")
    whole = shaped(_during(every, since, until))
    places = [name for name, asked in (("source", source), ("line", line)) if asked]
    names = fields(every.collect_schema())
    return whole.select(*names, *places, "flow_log")


def shaped(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return kept records in the types of `flowlens.scan_records`, and their `day`."""
    found = fields(rows.collect_schema())
    return typed(rows, {"day": pl.Date(), **found, **EXTRA})


def _during(rows: pl.LazyFrame, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
    """Keep the records of a time; a record without a start is judged by its end."""
    names = rows.collect_schema().names()
    rows = _days(rows, since, until)
    times = [name for name in ("start", "end") if name in names]
    if not times:
        return rows
    when = pl.coalesce(times)
    low, high = pl.col(times[0]), pl.col(times[0])
    # The plain comparison comes first: it is the one that leaves files and row groups out.
    if since is not None:
        rows = rows.filter((low >= since) | low.is_null())
        rows = rows.filter((when >= since).fill_null(value=True))
    if until is not None:
        rows = rows.filter((high < until) | high.is_null())
        rows = rows.filter((when < until).fill_null(value=True))
    return rows


def _days(rows: pl.LazyFrame, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
    """Leave out the days that cannot hold anything of a time."""
    odd = pl.col("day") == NOWHEN
    if since is not None:
        rows = rows.filter((pl.col("day") >= since.date()) | odd)
    return rows if until is None else rows.filter((pl.col("day") <= until.date()) | odd)


def conversations(
    store: Store,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    ordered: bool = False,
) -> pl.LazyFrame:
    """Return who talked to whom, as it was counted when the records came.

    Args:
        store: The store.
        since: Keep the hours that begin at this time (UTC) or later.
        until: Keep the hours that begin before this time.
        ordered: Return them in the order of `flowlens.conversations`, some hours in memory.
    """
    rows = hours(store.scan("conversations"), since, until)
    return _inorder(rows) if ordered else typed(rows, CONVERSATIONS)


def _inorder(rows: pl.LazyFrame) -> pl.LazyFrame:
    def parts(kept: pl.Expr | None) -> Iterator[pl.DataFrame]:
        """Yield the rows in order; sorted is only their order, so they lie in memory once."""
        for some in _spans(rows):
            found = typed(rows.filter(some), CONVERSATIONS)
            frame = (found if kept is None else found.filter(kept)).collect(engine="streaming")
            order = frame.select(pl.arg_sort_by(ORDER)).to_series()
            for first in range(0, frame.height, ROWS):
                yield frame[order.slice(first, ROWS)]

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        early = predicate if limit is None else None  # a limit counts rows before the predicate
        return hand_on(parts(early), columns or [*CONVERSATIONS], predicate, limit, size)

    return register_io_source(batches, schema=CONVERSATIONS, is_pure=True)


def _spans(rows: pl.LazyFrame) -> Iterator[pl.Expr]:
    """Yield what parts kept conversations by time, in order, into about `MOST` each."""
    hours = rows.group_by("day", "hour").agg(pl.len()).sort("day", "hour")
    turn = (pl.col("len").cum_sum() - 1).over("day") // MOST
    spans = hours.group_by("day", turn=turn).agg(pl.min("hour"), last=pl.max("hour"))
    for day, _, first, last in spans.sort("day", "turn").collect(engine="streaming").rows():
        within = pl.col("day") == day
        # Without a time they all are of one day, which parts nothing.
        yield within if first is None else within & pl.col("hour").is_between(first, last)


def hours(rows: pl.LazyFrame, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
    """Keep the kept conversations of a time, by whole hours; no hour is in every time."""
    hour = pl.col("hour")
    rows = _days(rows, since, until)
    if since is not None:
        rows = rows.filter((hour >= since) | hour.is_null())
    return rows if until is None else rows.filter((hour < until) | hour.is_null())


def answers(store: Store, *, until: datetime | None = None) -> pl.LazyFrame:
    """Return what the resolver answered, as `flowlens.scan_answers`."""
    return typed(_days(store.scan("names"), None, until), ANSWERS)


def coverage(store: Store) -> pl.LazyFrame:
    """Return the NODATA and SKIPDATA lines of all objects."""
    return typed(store.scan("coverage"), COVERAGE)


def rejects(store: Store) -> pl.LazyFrame:
    """Return the lines that could not be read."""
    return typed(store.scan("rejects"), REJECTS)


def objects(store: Store) -> pl.LazyFrame:
    """Return what was ingested: each object with the counts of its lines."""
    return typed(store.scan("objects"), OBJECTS)
