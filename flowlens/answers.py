"""Answers: Route 53 Resolver query logs of a source as one lazy frame."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from flowlens.ledger import Ledger
from flowlens.reading import hand_on, readings, refuse
from flowlens.sources import Aws, Object, list_objects
from flowlens.sources.listing import Source
from flowlens_parsers import Batch, read_resolver
from flowlens_parsers.batch import ANSWERS

__all__ = ["scan_answers", "scan_queries"]


def scan_answers(
    src: Source,
    *,
    until: datetime | None = None,
    aws: Aws | None = None,
    ledger: Ledger | None = None,
    strict: bool = False,
) -> pl.LazyFrame:
    """Return what a VPC's resolver answered, and to whom.

    There is no `since`: an answer from before the flow logs begin may still explain them.

    Args:
        src: as for `flowlens.scan_records`.
        until: leave out objects that begin later.
        aws: how to reach AWS.
        ledger: where lines, rejects and notes are booked while the frame is collected.
        strict: raise at the first line that cannot be read.

    Returns:
        A frame of `flowlens_parsers.batch.ANSWERS`.

    Raises:
        InputError: a source does not exist or is empty.
        StrictError: while collecting, under `strict`: a line was rejected.
    """
    books = ledger if ledger is not None else Ledger()
    objects = list(
        list_objects(src, until=until, options=aws, service="vpcdnsquerylogs", note=books.note)
    )

    return scan_queries(objects, ledger=books, strict=strict).drop("source")


def scan_queries(
    objects: Sequence[Object], *, ledger: Ledger | None = None, strict: bool = False
) -> pl.LazyFrame:
    """Return the answers in objects that are listed already, and ``source``, their object."""
    books = ledger if ledger is not None else Ledger()
    schema = pl.Schema({**ANSWERS, "source": pl.String()})

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        lost = Counter[str]()
        frames = readings(objects, _parse, _take, books, strict=strict, lost=lost)
        yield from hand_on(frames, columns or schema.names(), predicate, limit, size)
        refuse(objects, lost)

    return register_io_source(batches, schema=schema, is_pure=True)


def _parse(found: Object, stream: BinaryIO) -> Iterator[Batch]:
    return read_resolver(stream, found.uri)


def _take(found: Object, batch: Batch) -> tuple[pl.DataFrame, int]:
    return batch.records.with_columns(source=pl.lit(found.uri)), 0
