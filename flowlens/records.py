"""Records: the flow-log lines of a source as one lazy, typed frame, and an account of the rest."""

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from flowlens.ahead import abreast, ahead
from flowlens.asked import EVERYTHING, Asked
from flowlens.errors import UsageError
from flowlens.layouts import survey
from flowlens.ledger import Ledger
from flowlens.reading import hand_on, readings, refuse, shared, within
from flowlens.sources import Aws, Object, Window, list_objects
from flowlens.sources.listing import Source
from flowlens_parsers import Batch, FormatError, read
from flowlens_parsers.batch import EVERY, LINE, Wanted
from flowlens_parsers.search import prepare

if TYPE_CHECKING:
    from flowlens_parsers.packing import Packer

__all__ = ["Ledger", "Scan", "scan_objects", "scan_records", "scanned"]


def scan_records(  # noqa: PLR0913 - the options of every command that reads
    src: Source,
    *,
    format: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    aws: Aws | None = None,
    ledger: Ledger | None = None,
    strict: bool = False,
    line: bool = False,
    source: bool = False,
    where: str | None = None,
    now: datetime | None = None,
    every: bool = False,
) -> pl.LazyFrame:
    """Return the records of a source as a lazy frame.

    A record is one flow-log line: one direction of one 5-tuple, on one interface, in one capture
    window. Listing, and a glance at the beginning of what differs, happen now, because the columns
    depend on it; records are read when the frame is collected, and only the columns needed.

    Args:
        src: A file, folder, glob, `-`, `s3://BUCKET/PREFIX`, `cloudwatch:LOG-GROUP`,
            `athena:DATABASE.TABLE` (whose records come added up, with their number in `merged`),
            or several.
        format: Log format as AWS writes it (`${version} ${srcaddr} …`) for lines without a header;
            None takes the one a log group's flow log has, else the default (version 2).
        since: Keep records that start at this time or later; a time without a zone is UTC.
        until: Keep records that start before this time. A record without `start` is judged by its
            `end`; one with neither is kept.
        aws: How to reach AWS.
        ledger: Where lines, coverage, rejects and notes are booked while the frame is collected.
        strict: Raise at the first line or object that cannot be read.
        line: Add the column `line`, the number of the line in its object.
        source: Add the column `source`, the object.
        where: Keep the records that this filter describes (see `flowlens.filters`). Lines that
            cannot hold one are passed over and counted as `unread`, whatever they are.
        now: What relative times in `where` count from.
        every: Pass over nothing, so that all unreadable lines are known; `strict` implies it.

    Returns:
        The union of the fields of all objects in AWS's order, fields that AWS does not document
        after them, then `source` and `line` if asked for, and `flow_log` (`fl-…`, null if unknown).

    Raises:
        UsageError: The time, the filter or the format given makes no sense.
        InputError: A source does not exist or is empty.
        AccessError: AWS credentials or a permission is missing.
        StrictError: While collecting, under `strict`: a line was rejected.
    """
    books = ledger if ledger is not None else Ledger()
    books.window = Window(since, until)
    from flowlens.store.place import divide

    stores, rest = divide(src, aws)
    asked = Asked(where, now, every=every)
    if stores:
        from flowlens.store.mixed import together

        read = partial(
            scan_records, format=format, aws=aws, ledger=books, strict=strict, every=every
        )
        return asked.rows(together(stores, rest, read, books, line=line, source=source))
    listed = list_objects(
        rest,
        since=since,
        until=until,
        options=aws,
        format=format,
        note=books.note,
        say=books.say,
    )
    return scan_objects(
        list(listed),
        format=format,
        ledger=books,
        strict=strict,
        line=line,
        source=source,
        asked=asked,
    )


def scan_objects(
    objects: Sequence[Object],
    *,
    format: str | None = None,
    ledger: Ledger | None = None,
    strict: bool = False,
    line: bool = False,
    source: bool = False,
    asked: Asked = EVERYTHING,
) -> pl.LazyFrame:
    """Return the records of objects that are listed already; see `scan_records`."""
    books = ledger if ledger is not None else Ledger()
    sizes = [found.size for found in objects]
    books.total = None if None in sizes else sum(size or 0 for size in sizes)
    try:
        fields = survey(objects, format, books.note)
    except FormatError as error:
        msg = f"--format {format!r}: {error}"
        raise UsageError(msg) from error
    extra: dict[str, pl.DataType] = {}
    if source:
        extra["source"] = pl.String()
    if line:
        extra["line"] = LINE
    schema = pl.Schema({**fields, **extra, "flow_log": pl.String()})
    wanted = EVERY if strict else asked.wanted(schema, books)
    scan = Scan(objects, fields, extra, books, format, strict=strict, wanted=wanted)
    frame = register_io_source(scan.batches, schema=schema, is_pure=True)
    frame.scan = scan  # type: ignore[attr-defined]  # for `scanned`
    return asked.rows(frame)


def scanned(records: pl.LazyFrame) -> "Scan | None":
    """Return the scan behind a frame of `scan_records`; None once anything was done to it."""
    return getattr(records, "scan", None)


Take = Callable[[Object, Batch, "Packer"], int]


@dataclass(frozen=True, slots=True)
class Scan:
    """One source, ready to be read any number of times."""

    objects: Sequence[Object]
    fields: dict[str, pl.DataType]
    extra: dict[str, pl.DataType]
    ledger: Ledger
    format: str | None
    strict: bool
    wanted: Wanted = EVERY

    def batches(
        self,
        columns: list[str] | None,
        predicate: pl.Expr | None,
        limit: int | None,
        size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield frames as Polars asks for them; the limit counts before the predicate."""
        every = dict.fromkeys([*self.fields, *self.extra, "flow_log"])
        wanted = columns if columns is not None else list(every)
        roots = [] if predicate is None else predicate.meta.root_names()
        needed = list(dict.fromkeys([*wanted, *roots]))
        # Reading ahead of a limit would read, and book, what nobody asked for.
        flow = self._frames(needed) if limit is not None else self._ahead(needed)
        yield from hand_on(flow, wanted, predicate, limit, size)

    def pack(self, take: Take, packer: Callable[[], "Packer"], workers: int) -> None:
        """Read all objects, several at a time, packed where they are plain text.

        Args:
            take: given each batch with its object and the packer that packed it, from several
                threads; returns how many of its records are of the asked time.
            packer: makes one for each thread.
            workers: threads.
        """
        from flowlens_parsers.packing import SLOTS

        turn, lost = shared(self.objects), Counter[str]()
        columns = [name for name in self.fields if name in SLOTS]

        def work(_: int) -> None:
            mine = packer()

            def parse(found: Object, stream: BinaryIO) -> Iterator[Batch]:
                form = self.format or found.format
                return read(
                    stream, found.uri, format=form, packer=mine, columns=columns, wanted=self.wanted
                )

            def book(found: Object, batch: Batch) -> tuple[None, int]:
                if batch.records.height:
                    kept = within(batch.records, self.ledger.window)
                    shaped = self._shaped(found, kept, [*columns, "flow_log"])
                    return None, batch.height - take(found, replace(batch, records=shaped), mine)
                return None, batch.height - take(found, batch, mine)

            deque(readings(turn(), parse, book, self.ledger, lost=lost), maxlen=0)

        with ThreadPoolExecutor(workers, thread_name_prefix="pack") as pool:
            try:
                list(pool.map(work, range(workers)))
            finally:
                deque(turn(), maxlen=0)  # nobody begins another one
        refuse(self.objects, lost)

    @property
    def size(self) -> int | None:
        """Bytes of all objects as stored; None where one does not say."""
        return self.ledger.total

    def _ahead(self, needed: list[str]) -> Iterator[pl.DataFrame]:
        """Yield what `_frames` does, read ahead; several objects at a time where that is easy."""
        if self.wanted.best is None or len(self.objects) < 2:
            return ahead(self._frames(needed))
        return self._abreast(needed)

    def _abreast(self, needed: list[str]) -> Generator[pl.DataFrame]:
        lost = Counter[str]()
        prepare(self.size)
        parts = (self._some([found], needed, lost) for found in self.objects)
        yield from abreast(parts, os.cpu_count() or 1)
        refuse(self.objects, lost)

    def _frames(self, needed: list[str]) -> Generator[pl.DataFrame]:
        """Yield the needed columns of every object, in order."""
        lost = Counter[str]()
        yield from self._some(self.objects, needed, lost)
        refuse(self.objects, lost)

    def _some(
        self, objects: Sequence[Object], needed: list[str], lost: Counter[str]
    ) -> Generator[pl.DataFrame]:
        """Yield the needed columns of some objects, in order."""
        window = self.ledger.window
        time = ("start", "end") if window.bounded else ()
        columns = [name for name in self.fields if name in needed or name in time]

        def parse(found: Object, stream: BinaryIO) -> Iterator[Batch]:
            form = self.format or found.format
            return read(stream, found.uri, format=form, columns=columns, wanted=self.wanted)

        def take(found: Object, batch: Batch) -> tuple[pl.DataFrame, int]:
            kept = within(batch.records, window)
            return self._shaped(found, kept, needed), batch.height - kept.height

        strict, books = self.strict, self.ledger
        yield from readings(objects, parse, take, books, strict=strict, lost=lost)

    def _shaped(self, found: Object, frame: pl.DataFrame, needed: list[str]) -> pl.DataFrame:
        # with_columns first: a select of nothing but literals would have one row
        return frame.with_columns(self._column(name, frame, found) for name in needed).select(
            needed
        )

    def _column(self, name: str, frame: pl.DataFrame, found: Object) -> pl.Expr:
        """Return column `name` of the union, null where this object does not have it."""
        if name == "flow_log" and name not in frame.columns:
            return pl.lit(found.flow_log, pl.String()).alias(name)
        if name == "source" and name not in self.fields:
            return pl.lit(found.uri, pl.String()).alias(name)
        dtype = self.fields.get(name) or self.extra[name]
        if name not in frame.columns:
            return pl.lit(None, dtype).alias(name)
        return pl.col(name) if frame.schema[name] == dtype else pl.col(name).cast(dtype)
