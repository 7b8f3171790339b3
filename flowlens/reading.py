"""Read objects one after the other into a ledger, and hand frames on as Polars asks for them."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO, TypeVar

import polars as pl

from flowlens.entries import Entry
from flowlens.errors import AccessError, StrictError
from flowlens.ledger import Ledger
from flowlens.sources import Lost, Object, Window, fetch
from flowlens_parsers import Batch

__all__ = ["ROWS", "hand_on", "readings", "refuse", "shared", "within"]

Taken = TypeVar("Taken")

#: Rows that small frames are joined to, so that many small objects cost little.
ROWS = 1 << 16

Parse = Callable[[Object, BinaryIO], Iterable[Batch]]
Take = Callable[[Object, Batch], tuple[Taken, int]]


def readings(
    objects: Iterable[Object],
    parse: Parse,
    take: Take[Taken],
    ledger: Ledger,
    *,
    strict: bool = False,
    lost: Counter[str] | None = None,
) -> Iterator[Taken]:
    """Yield what is taken of every batch of every object, in order, and book what was read.

    An object that cannot be had, or not to its end, is booked as a reject of line 0, and the next
    one is read.

    Args:
        objects: What to read.
        parse: Reads an open object.
        take: Returns what is wanted of a batch, and how many of its records are not asked for;
            they are counted as outside.
        ledger: Where everything is booked.
        strict: Raise at the first line or object that cannot be read.
        lost: Counts the objects that are lost by the reason.

    Raises:
        StrictError: Under `strict`, with object, line, reason and text.
        AccessError: Credentials ran out.
    """
    reasons = Counter[str]() if lost is None else lost
    for found, stream in fetch(objects):
        entry = Entry()
        try:
            for batch in _batches(found, stream, parse):
                if strict and batch.rejects.height:
                    raise StrictError(_first(batch))
                taken, outside = take(found, batch)
                entry.add(batch, outside=outside)
                ledger.tell(found.uri, _position(found, stream))
                yield taken
            entry.whole = True
        except Lost as gone:
            if strict:
                msg = f"{found.uri}:0: {gone.reason}: {gone.text}"
                raise StrictError(msg) from gone
            reasons[gone.reason] += 1
            entry.lose(found.uri, gone)
        finally:
            entry.bytes = found.size or 0
            ledger.settle(found.uri, entry)
        ledger.tell(found.uri, entry.bytes)


def refuse(objects: Sequence[Object], lost: Counter[str]) -> None:
    """Raise if not one of the objects could be had.

    Args:
        objects: all that should have been read.
        lost: how many could not, by the reason.

    Raises:
        AccessError: every object was refused.
    """
    if objects and lost["denied"] == len(objects):
        msg = f"every object was refused, first {objects[0].uri}; allow s3:GetObject on them"
        raise AccessError(msg)


def shared(objects: Iterable[Object]) -> Callable[[], Iterator[Object]]:
    """Return a function that gives each of several threads its turn at the same objects."""
    queue = deque(objects)

    def turn() -> Iterator[Object]:
        with suppress(IndexError):
            while True:
                yield queue.popleft()

    return turn


def _batches(found: Object, stream: BinaryIO | Lost, parse: Parse) -> Iterable[Batch]:
    if isinstance(stream, Lost):
        raise stream
    return parse(found, stream)


def _position(found: Object, stream: BinaryIO | Lost) -> int:
    """Return the bytes of an object read so far, as stored; 0 where its size is unknown."""
    if isinstance(stream, Lost) or found.size is None or stream.closed:
        return 0
    return stream.tell()


def _first(batch: Batch) -> str:
    row = batch.rejects.row(0, named=True)
    return f"{row['source']}:{row['line']}: {row['reason']}: {row['text']}"


def hand_on(
    frames: Iterator[pl.DataFrame],
    columns: Sequence[str],
    predicate: pl.Expr | None,
    limit: int | None,
    size: int | None,
) -> Iterator[pl.DataFrame]:
    """Yield frames as an IO source of Polars must.

    Args:
        frames: With the columns asked for and those of the predicate.
        columns: Columns asked for.
        predicate: Rows asked for; None for all.
        limit: Rows after which to stop, counted before the predicate; None for all.
        size: Rows that a frame may well have; None leaves it to `ROWS`.

    >>> parts = iter([pl.DataFrame({"a": [1, 2], "b": [3, 4]})] * 2)
    >>> [frame.rows() for frame in hand_on(parts, ["a"], pl.col("b") > 3, 3, None)]
    [[(2,)]]
    """
    left = limit
    for frame in _joined(frames, min(size or ROWS, ROWS if limit is None else limit)):
        part = frame if left is None else frame.head(left)
        left = None if left is None else left - part.height
        chosen = part if predicate is None else part.filter(predicate)
        yield chosen.select(columns)
        if left == 0:
            return


def _joined(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Join small neighbours to frames of about `rows` rows."""
    held: list[pl.DataFrame] = []
    height = 0
    for frame in (frame for frame in frames if frame.height):
        held.append(frame)
        height += frame.height
        if height >= rows:
            yield pl.concat(held) if len(held) > 1 else frame
            held, height = [], 0
    if held:
        yield pl.concat(held)


def within(records: pl.DataFrame, window: Window) -> pl.DataFrame:
    """Return the records that start in the window; those that do not say when are kept."""
    times = [pl.col(name) for name in ("start", "end") if name in records.columns]
    if not window.bounded or not times:
        return records
    when = pl.coalesce(times)
    late = pl.lit(value=True) if window.since is None else when >= window.since
    early = pl.lit(value=True) if window.until is None else when < window.until
    return records.filter((late & early).fill_null(value=True))
