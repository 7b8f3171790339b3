"""Stores among the sources of a command."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from flowlens.entries import COUNTED, Books
from flowlens.errors import StrictError
from flowlens.ledger import Ledger
from flowlens.sources import Window
from flowlens.store import scan
from flowlens.store.place import Store
from flowlens.store.point import about, point
from flowlens.store.schema import COUNTS

__all__ = ["book", "counted", "named", "together"]


def together(
    stores: Sequence[Store],
    rest: Sequence[str],
    read: Callable[..., pl.LazyFrame],
    ledger: Ledger,
    *,
    line: bool,
    source: bool,
    strict: bool = False,
) -> pl.LazyFrame:
    """Return the records of stores and of raw sources as one frame.

    Args:
        stores: The stores.
        rest: The raw sources; none will do.
        read: Reads the raw sources.
        ledger: Has the asked time; gets what the stores know of their objects.
        line: Add the number of the line.
        source: Add the object.
        strict: Let no store be read that has lines that could not.

    Raises:
        StrictError: Under `strict`: a store has one.
    """
    window = ledger.window
    options: dict[str, Any] = {"since": window.since, "until": window.until}
    options |= {"line": line, "source": source}
    frames = [scan.records(store, **options) for store in stores]
    if rest:
        frames.append(read(list(rest), **options))
    for store in stores:
        book(store, ledger, strict=strict)
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal")


def counted(
    store: Store,
    ledger: Ledger,
    since: datetime | None,
    until: datetime | None,
    where: str | None = None,
    *,
    strict: bool = False,
    ordered: bool = False,
) -> pl.LazyFrame | None:
    """Return the conversations that a store has counted, or None where it takes its records.

    Args:
        store: The store.
        ledger: Gets what the store knows of its objects.
        since: First moment asked for.
        until: First moment no longer asked for.
        where: A filter that is applied afterwards; an address in it decides which rows are read.
        strict: Take no store that has lines that could not be read.
        ordered: Sort them as `flowlens.conversations` does.

    Raises:
        StrictError: Under `strict`: there is such a line.
    """
    if any(time is not None and time.timestamp() % 3600 for time in (since, until)):
        return None  # part of an hour: the kept sums are of whole hours
    ledger.window = Window(since, until)
    book(store, ledger, strict=strict)
    narrow = point(where)
    if narrow is None:
        return scan.conversations(store, since=since, until=until, ordered=ordered)
    end, address = narrow
    found = about(store, address, end=end, since=since, until=until)
    return found.sort(scan.ORDER) if ordered else found


def named(stores: Sequence[Store], until: datetime | None) -> pl.LazyFrame | None:
    """Return the resolver's answers that stores have; None if none was ever ingested."""
    kept = [store for store in stores if store.open("names").version()]
    return pl.concat([scan.answers(one, until=until) for one in kept]) if kept else None


def book(store: Store, ledger: Ledger, *, strict: bool = False) -> None:
    """Bring in what was read when the objects of a store were ingested.

    It may be much more than the answer to a question, so it is looked up only if asked for.

    Raises:
        StrictError: Under `strict`: a line could not be read, then or of an object since replaced.
    """
    if strict:
        for row in scan.rejects(store).sort("source", "line").head(1).collect().rows():
            msg = "{}:{}: {}: {}".format(*row)
            raise StrictError(msg)
    coverage, rejects = (partial(table, store) for table in (scan.coverage, scan.rejects))
    ledger.bring(store.root, Books(partial(_accounts, store), coverage, rejects))


def _accounts(store: Store) -> pl.LazyFrame:
    """Return the account of each object that brought records."""
    rows = scan.objects(store).filter(pl.col("kind") == "records")
    # An object that was replaced was read once for each of its contents.
    totals = rows.group_by(source="uri").agg(*map(pl.sum, COUNTS), bytes=pl.sum("size"))
    none = pl.lit(0, pl.UInt64()).alias("unread"), pl.lit(None, pl.String()).alias("lost")
    return totals.with_columns(none).select("source", *COUNTED, "lost")
