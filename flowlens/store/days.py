"""Records to conversations, day by day, each day in one commit."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from flowlens.conversations import conversations
from flowlens.store.arrow import reader, schema
from flowlens.store.commit import Conflict, conflicts, number, properties, writing
from flowlens.store.order import inorder, laid
from flowlens.store.place import Store
from flowlens.store.scan import shaped
from flowlens.store.schema import NOWHEN, TABLES, believable, stored

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["behind", "mark", "rebuild", "write"]

#: Table -> the order of its rows in a day. Asking for an address reads the few row groups whose
#: bounds hold it, in one table where it is the client and in the other where it is the server.
ORDERS = {
    "conversations": ("client", "server", "hour"),
    "by_server": ("server", "client", "hour"),
}
REST = ("server_port", "protocol", "action", "observer", "leg", "first_seen", "last_seen")

TUPLE = ("srcaddr", "dstaddr", "srcport", "dstport", "protocol")


def mark(day: date) -> str:
    """Return the app whose number says up to which batch a day was made.

    >>> mark(date(2026, 11, 21))
    'day 2026-11-21'
    """
    return f"day {day:%Y-%m-%d}"


def behind(store: Store, records: "DeltaTable") -> Iterator[tuple[date, int]]:
    """Yield the days that have newer records than conversations, and the number of their batch."""
    tables = [store.open(name) for name in ORDERS]
    days = {date.fromisoformat(str(row["day"])) for row in records.partitions()}
    for day in sorted(days):
        wanted = number(records, mark(day))
        if any(number(table, mark(day)) < wanted for table in tables):
            yield day, wanted


def rebuild(store: Store, tell: Callable[[date], None] = lambda _: None) -> list[date]:
    """Make the conversations of every day that is behind its records.

    Args:
        store: The store.
        tell: Told each day when it is begun.

    Returns:
        The days made, in order.

    Raises:
        OutputError: The place cannot be written.
    """
    made: list[date] = []
    while True:
        records = store.open("records")
        waiting = list(behind(store, records))
        if not waiting:
            return sorted(set(made))
        for day, wanted in waiting:
            tell(day)
            write(store, day, wanted, _day(store, records, day))
            made.append(day)


def _day(store: Store, records: "DeltaTable", day: date) -> Iterator[pl.DataFrame]:
    """Return the conversations of a day in pieces.

    A connection that crosses midnight may have shown who opened it on the day before, so the
    records of its 5-tuple from that day help to find the roles; they are not counted.
    """
    every = shaped(store.scan(records))
    today = every.filter(pl.col("day") == day)
    rows = [today]
    names = set(every.collect_schema().names())
    if day != NOWHEN and {*TUPLE, "start"} <= names:
        early = today.filter(pl.col("start") < pl.lit(day).cast(pl.Datetime("ms", "UTC")) + HOUR)
        before = every.filter(pl.col("day") == day - timedelta(days=1))
        there = early.select(TUPLE)
        back = there.select(
            srcaddr="dstaddr", dstaddr="srcaddr", srcport="dstport", dstport="srcport",
            protocol="protocol",
        )  # fmt: skip
        rows.append(before.join(pl.concat([there, back]).unique(), on=TUPLE, how="semi"))
    talk = conversations(pl.concat(rows).drop("day"))
    return talk.with_columns(believable("hour")).filter(pl.col("day") == day).collect_batches()


HOUR = pl.duration(hours=1)


def write(store: Store, day: date, wanted: int, talk: Iterable[pl.DataFrame]) -> None:
    """Put the conversations of a day in the place of those before, in both orders."""
    columns = TABLES["conversations"][0]
    frames = (stored(some.lazy(), columns).select(*columns).collect() for some in talk)
    with TemporaryDirectory(prefix="flowlens-") as folder:
        parts = laid(frames, Path(folder))
        for name, order in ORDERS.items():
            rows = inorder(parts, (*order, *REST), Path(folder) / name)
            with suppress(Conflict):  # whatever won, the caller looks again
                _replace(store, name, day, wanted, rows)


def _replace(store: Store, name: str, day: date, wanted: int, rows: Iterable[pl.DataFrame]) -> None:
    """Put rows in the place of a day's, unless somebody did."""
    from deltalake import write_deltalake

    table = store.open(name)
    if number(table, mark(day)) >= wanted:
        return
    with conflicts(table, store.root):
        write_deltalake(
            table,
            reader(rows, schema(TABLES[name][0])),
            mode="overwrite",
            predicate=f"day = '{day:%Y-%m-%d}'",
            writer_properties=writing(),
            commit_properties=properties({mark(day): wanted}),
        )
