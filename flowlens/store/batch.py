"""Objects to a batch: read once, to local files, however large they are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from flowlens.answers import scan_queries
from flowlens.errors import UsageError
from flowlens.ledger import Ledger
from flowlens.records import scan_objects
from flowlens.sources import Object
from flowlens.store.distinct import Kind
from flowlens.store.schema import COUNTS, OBJECTS, believable, fields, stored
from flowlens.tables import TIME
from flowlens_parsers.batch import ANSWERS

__all__ = [
    "KINDS",
    "NAMES",
    "RECORDS",
    "Batch",
    "batches",
    "gather",
    "gathered",
    "identified",
    "version",
]

#: Bytes, as stored, and objects of a batch at most; an object larger than that is one by itself.
BYTES = 64 << 20
OBJECTS_AT_ONCE = 2000

RECORDS = Kind(
    table="records",
    time="start",
    known=("srcport", "dstport", "start", "end", "packets"),
    order=("interface_id", "srcaddr", "dstaddr", "srcport", "dstport", "start"),
)
NAMES = Kind(table="names", time="time", known=("time", "name"), order=("name", "srcaddr", "time"))
KINDS = {kind.table: kind for kind in (RECORDS, NAMES)}


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read of some objects; those that could not be read to their end are left out.

    Args:
        kind: Which table the rows are for.
        objects: The objects read whole.
        rows: Parquet file of their rows, in the order read, in the types in which they are kept.
        ledger: The account of the reading.
    """

    kind: Kind
    objects: tuple[Object, ...]
    rows: Path
    ledger: Ledger

    def only(self, objects: Iterable[Object]) -> "Batch":
        """Return the batch with fewer objects."""
        return replace(self, objects=tuple(objects))

    def scan(self) -> pl.LazyFrame:
        """Return the rows of the objects, with the `day` of each."""
        rows = pl.scan_parquet(self.rows)
        return self._of(rows, "source")

    def sides(self, kept: pl.DataFrame, number: int) -> dict[str, pl.DataFrame]:
        """Return what the batch adds to the other tables.

        Args:
            kept: `source` and `kept`, the rows of an object that were new.
            number: Of the batch.
        """
        books = self.ledger
        frames = {"coverage": books.coverage(), "rejects": books.rejects()}
        told = {name: self._of(frame.lazy(), "source").collect() for name, frame in frames.items()}
        return {**told, "objects": self._told(kept, number)}

    def _told(self, kept: pl.DataFrame, number: int) -> pl.DataFrame:
        about = pl.DataFrame(
            [(one.uri, one.size, version(one)) for one in self.objects],
            schema=["uri", "size", "version"],
            orient="row",
        )
        counts = self.ledger.objects().rename({"source": "uri"}).select("uri", *COUNTS)
        joined = about.join(counts, on="uri", how="left").join(
            kept.rename({"source": "uri"}), on="uri", how="left"
        )
        named = joined.with_columns(
            pl.col(*COUNTS, "kept").fill_null(0),
            kind=pl.lit(self.kind.table),
            batch=pl.lit(number),
        )
        return named.select(pl.col(name).cast(dtype) for name, dtype in OBJECTS.items()).sort("uri")

    def _of(self, rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
        return rows.filter(pl.col(column).is_in([one.uri for one in self.objects]))


def version(found: Object) -> str:
    """Return what tells two contents of one name apart: the ETag, or the time of the change."""
    return found.etag or f"{found.modified:%Y-%m-%dT%H:%M:%S.%fZ}"


def identified(found: Object) -> Object:
    """Return an object under a name that is the same from wherever it is read.

    Raises:
        UsageError: Nothing would tell whether it was read before.
    """
    if found.size is None or (found.etag or found.modified) is None:
        msg = f"{found.uri} has no size and version, so nothing tells whether it was read before; "
        raise UsageError(msg + "save it as a file or in S3 and ingest that")
    local = not found.remote
    return replace(found, uri=Path(found.uri).absolute().as_posix()) if local else found


def batches(objects: Iterable[Object]) -> Iterator[list[Object]]:
    """Cut objects into batches, in order."""
    held: list[Object] = []
    size = 0
    for found in objects:
        if held and (size + (found.size or 0) > BYTES or len(held) >= OBJECTS_AT_ONCE):
            yield held
            held, size = [], 0
        held.append(found)
        size += found.size or 0
    if held:
        yield held


def gather(
    kind: Kind,
    objects: Sequence[Object],
    target: Path,
    ledger: Ledger,
    *,
    format: str | None = None,
    strict: bool = False,
) -> Batch:
    """Read objects into a file.

    Args:
        kind: Which table the rows are for.
        objects: What to read.
        target: The file to write.
        ledger: Where lines, coverage and rejects are booked.
        format: Log format of lines without a header.
        strict: Raise at the first line or object that cannot be read.
    """
    if kind is NAMES:
        rows = scan_queries(objects, ledger=ledger, strict=strict)
        schema = {**ANSWERS, "source": pl.String()}
    else:
        rows = scan_objects(
            objects, format=format, ledger=ledger, strict=strict, line=True, source=True
        )
        found = rows.collect_schema()
        extra = {name: found[name] for name in ("flow_log", "source", "line")}
        schema = {**fields(found), **extra}
    when = believable(kind.time) if kind.time in schema else believable("_never")
    shaped = rows.with_columns(pl.lit(None, TIME).alias("_never")).with_columns(when)
    stored(shaped.select("day", *schema), schema).sink_parquet(target, compression="lz4")
    return gathered(kind, objects, target, ledger)


def gathered(kind: Kind, objects: Iterable[Object], rows: Path, ledger: Ledger) -> Batch:
    """Return the batch of objects that were read into a file; see `gather`."""
    lost = {row["source"] for row in _unread(ledger)}
    return Batch(kind, tuple(one for one in objects if one.uri not in lost), rows, ledger)


def _unread(ledger: Ledger) -> list[dict[str, str]]:
    lost = ledger.objects().filter(pl.col("lost").is_not_null())
    return lost.select("source", "lost").to_dicts()
