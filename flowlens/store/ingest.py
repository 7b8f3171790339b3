"""Ingest: objects that the store does not have yet, batch by batch, then the days they touch."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate, count
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import polars as pl

from flowlens.errors import UsageError
from flowlens.ledger import Ledger
from flowlens.sources import Aws, Object, list_objects
from flowlens.sources.listing import Source
from flowlens.store.batch import NAMES, RECORDS, Batch, batches, gather, identified, version
from flowlens.store.commit import Conflict, append, complete, number, stage
from flowlens.store.days import mark, rebuild
from flowlens.store.distinct import Kind, fresh
from flowlens.store.place import Held, Store
from flowlens.store.tidy import compact
from flowlens.store.which import divide

if TYPE_CHECKING:
    from flowlens.cluster import Engine

__all__ = ["Summary", "ingest"]

Progress = Callable[[int, int | None], None]


class _How(TypedDict):
    format: str | None
    strict: bool


@dataclass(slots=True)
class Summary:
    """What an ingest did."""

    kept: int = 0  # records that were new
    objects: int = 0  # objects committed by this run
    there: int = 0  # objects that were in the store already
    answers: int = 0  # resolver answers that were new
    days: set[date] = field(default_factory=set)  # days whose conversations were made
    lost: dict[str, str] = field(default_factory=dict)  # object -> why it was left out
    reasons: Counter[str] = field(default_factory=Counter)  # of unreadable lines
    notes: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One ingest: the store, how to read, and what to tell."""

    store: Store
    summary: Summary
    folder: Path
    format: str | None
    strict: bool
    progress: Progress | None
    engine: "Engine | None"


def ingest(  # noqa: PLR0913 - the options of a command that reads
    src: Source,
    store: Store | str | Path,
    *,
    dns: Source | None = None,
    format: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    aws: Aws | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    engine: "Engine | None" = None,
) -> Summary:
    """Keep the records of a source, and the conversations they make, exactly once.

    An object is known by its name, size and ETag (a local file by path, size and time of change)
    and becomes part of the store whole or not at all. Killed at any moment, the next run ends
    with the tables that one clean run would have made.

    Args:
        src: As for `flowlens.scan_records`; standard input and log groups have no identity.
        store: A store, or where it is or shall be: a folder or `s3://BUCKET/PREFIX`.
        dns: Resolver query logs to keep as well.
        format: Log format of lines without a header.
        since: Leave out objects whose names say that they hold nothing of this time or later;
            objects are always kept whole.
        until: Leave out objects whose names say that they begin later.
        aws: How to reach AWS, for the source and for the store.
        strict: Raise at the first line or object that cannot be read.
        progress: Told the bytes read so far and the bytes in all.
        engine: Where objects are read, if not here.

    Returns:
        What was done.

    Raises:
        UsageError: A source cannot be identified or is a store, or the time makes no sense.
        InputError: A source does not exist or is empty.
        OutputError: The store cannot be written.
        StrictError: Under `strict`: a line was rejected; batches before it stay.
    """
    options = aws or Aws()
    given = store if isinstance(store, Store) else Store(str(store), options)
    place = Held(given.root, given.aws)
    stores, _ = divide(src, options)
    if stores:
        msg = f"{stores[0].root} is a store already; ingest the logs it was made of"
        raise UsageError(msg)
    summary = Summary()

    def note(text: str) -> None:
        summary.notes[text] = None

    found = list_objects(src, since=since, until=until, options=options, format=format, note=note)
    work: list[tuple[Kind, list[Object]]] = [(RECORDS, _identified(found))]
    if dns is not None:
        service = "vpcdnsquerylogs"
        queries = list_objects(dns, until=until, options=options, service=service, note=note)
        work.append((NAMES, _identified(queries)))
    place.create()
    with tempfile.TemporaryDirectory(prefix="flowlens-") as folder:
        run = Run(place, summary, Path(folder), format, strict, progress, engine)
        for kind, objects in work:
            _keep(run, kind, objects)
    summary.days.update(rebuild(place))
    compact(place)
    return summary


def _identified(objects: Iterable[Object]) -> list[Object]:
    return [identified(found) for found in objects]


def _keep(run: Run, kind: Kind, objects: list[Object]) -> None:
    """Commit every object that the store does not have yet."""
    complete(run.store, run.store.open(kind.table), kind.table)
    waiting = _absent(run.store, kind, objects)
    run.summary.there += len(objects) - len(waiting)
    for batch in _gathered(run, kind, waiting) if waiting else ():
        _commit(run, batch)
        _account(run.summary, batch)


def _gathered(run: Run, kind: Kind, objects: Sequence[Object]) -> Iterator[Batch]:
    """Read batch after batch, here or on the workers of an engine."""
    groups, target = list(batches(objects)), run.folder / "batch.parquet"
    sizes = [sum(found.size or 0 for found in group) for group in groups]
    told = [_shifted(run.progress, done, sum(sizes)) for done in accumulate(sizes, initial=0)]
    how: _How = {"format": run.format, "strict": run.strict}
    if run.engine is None:
        for group, tell in zip(groups, told, strict=False):
            yield gather(kind, group, target, Ledger(tell), **how)
        return
    from flowlens.cluster.keep import gathers

    read = gathers(run.engine, run.store, kind, groups, target, **how)
    for batch, tell in zip(read, told[1:], strict=True):
        if tell is not None:
            tell(0, None)
        yield batch


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Return what tells the progress of one batch as that of the whole run."""
    if progress is None:
        return None
    told = progress
    return lambda done, _: told(before + done, total)


def _absent(store: Store, kind: Kind, objects: Sequence[Object]) -> list[Object]:
    """Return the objects that the store does not have."""
    rows = [(place, one.uri, one.size, version(one)) for place, one in enumerate(objects)]
    columns = {"place": pl.Int64, "uri": pl.String, "size": pl.Int64, "version": pl.String}
    found = pl.LazyFrame(rows, schema=columns, orient="row")
    there = store.scan("objects").filter(pl.col("kind") == kind.table)
    left = found.join(there, on=["uri", "size", "version"], how="anti").collect()
    return [objects[place] for place in left["place"].sort()]


def _commit(run: Run, batch: Batch) -> None:
    """Commit a batch, as often as others come first, without what they brought."""
    store, app = run.store, batch.kind.table
    for attempt in count():
        base = store.open(app)  # before anything is compared: the commit fails if it went on
        complete(store, base, app)
        left = batch.only(_absent(store, batch.kind, batch.objects))
        run.summary.there += len(batch.objects) - len(left.objects)
        batch = left
        if not batch.objects:
            return
        folder = run.folder / f"{app}-{attempt}"
        folder.mkdir(exist_ok=True)
        parts, kept = _new(batch, store.scan(base), folder)
        days = {day for part in parts for day in _days(part)}
        staged = stage(store, batch.sides(kept, number(base, app) + 1))
        marks = sorted({mark(at) for day in days for at in (day, day + timedelta(days=1))})
        try:
            append(store, base, app, parts, staged, marks if app == "records" else ())
        except Conflict:
            continue
        finally:
            for part in parts:
                part.unlink()
        complete(store, store.open(app), app)
        break
    total = int(kept["kept"].sum())
    run.summary.objects += len(batch.objects)
    if app == "records":
        run.summary.kept += total
    else:
        run.summary.answers += total


def _new(batch: Batch, old: pl.LazyFrame, folder: Path) -> tuple[list[Path], pl.DataFrame]:
    """Write the rows that are new to files, and count them by object."""
    parts, counts = [], [pl.DataFrame(schema={"source": pl.String, "kept": pl.UInt32})]
    for place, rows in enumerate(fresh(batch.scan(), old, batch.kind)):
        if rows.is_empty():
            continue
        parts.append(folder / f"{place:06}.parquet")
        rows.write_parquet(parts[-1], compression="lz4")
        counts.append(rows.group_by("source").agg(kept=pl.len()))
    return parts, pl.concat(counts).group_by("source").agg(pl.sum("kept"))


def _days(part: Path) -> list[date]:
    return pl.scan_parquet(part).select(pl.col("day").unique()).collect()["day"].to_list()


def _account(summary: Summary, batch: Batch) -> None:
    """Add what was told while a batch was read."""
    lost = batch.ledger.objects().filter(pl.col("lost").is_not_null())
    failed = dict(lost.select("source", "lost").iter_rows())
    summary.lost |= failed
    summary.reasons += Counter(batch.ledger.reasons()) - Counter(failed.values())
    summary.notes.update(dict.fromkeys(batch.ledger.notes()))
