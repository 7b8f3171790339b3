"""Records: the flow-log lines of a source as one lazy, typed frame, and an account of the rest."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import polars as pl
from polars.io.plugins import register_io_source

from flowlens.asked import EVERYTHING, Asked
from flowlens.errors import UsageError
from flowlens.layouts import survey
from flowlens.ledger import Ledger
from flowlens.scan import Scan
from flowlens.sources import Aws, Object, Window, list_objects
from flowlens.sources.listing import Source
from flowlens_parsers import FormatError
from flowlens_parsers.batch import EVERY, LINE

__all__ = ["Ledger", "narrowed", "scan_objects", "scan_records", "scanned"]


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
    gaps: bool = False,
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
        gaps: With `where`: do not pass over lines that say that AWS lost records.

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
    from flowlens.store.which import divide

    stores, rest = divide(src, aws)
    asked = Asked(where, now, every=every, gaps=gaps)
    if stores:
        from flowlens.store.mixed import together

        read = partial(
            scan_records, format=format, aws=aws, ledger=books, strict=strict, every=every
        )
        how = {"line": line, "source": source, "strict": strict}
        return asked.rows(together(stores, rest, read, books, **how))
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


def scanned(records: pl.LazyFrame) -> Scan | None:
    """Return the scan behind a frame of `scan_records`; None once anything was done to it."""
    return getattr(records, "scan", None)


def narrowed(records: pl.LazyFrame, where: str) -> pl.LazyFrame:
    """Return a second reading of records that passes over what cannot be among those of a filter.

    Rows that the filter does not describe may be left in it. What the first reading booked stays
    as it is. A frame to which anything was done since it was scanned, or that insists on every
    line, is returned as it is.

    Args:
        records: What `scan_records` returned.
        where: A filter (see `flowlens.filters`).

    Raises:
        UsageError: The filter is wrong.
    """
    scan = scanned(records)
    if scan is None or scan.strict:
        return records
    schema = records.collect_schema()
    more = Asked(where).wanted(schema, Ledger()).clauses
    wanted = replace(scan.wanted, clauses=(*scan.wanted.clauses, *more))
    again = replace(scan, wanted=wanted, ledger=scan.ledger.apart())
    return register_io_source(again.batches, schema=schema, is_pure=True)
