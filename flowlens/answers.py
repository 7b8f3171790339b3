"""Answers: Route 53 Resolver query logs of a source as one lazy frame."""

from collections.abc import Iterator
from datetime import datetime

import polars as pl
from polars.io.plugins import register_io_source

from flowlens.errors import StrictError
from flowlens.ledger import Ledger
from flowlens.sources import Aws, Lost, fetch, list_objects
from flowlens.sources.listing import Source
from flowlens_parsers import read_resolver
from flowlens_parsers.batch import ANSWERS

__all__ = ["scan_answers"]


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
    objects = list(list_objects(src, until=until, options=aws, note=books.note))

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        left = limit
        for found, stream in fetch(objects):
            books.begin(found.uri)
            if isinstance(stream, Lost):
                books.lose(found.uri, stream)
                continue
            for batch in read_resolver(stream, found.uri):
                if strict and batch.rejects.height:
                    row = batch.rejects.row(0, named=True)
                    msg = "{source}:{line}: {reason}: {text}".format(**row)
                    raise StrictError(msg)
                books.add(found.uri, batch)
                if batch.records.is_empty():
                    continue
                part = batch.records if left is None else batch.records.head(left)
                left = None if left is None else left - part.height
                chosen = part if predicate is None else part.filter(predicate)
                yield chosen.select(columns or list(ANSWERS))
            books.end(found.uri)

    return register_io_source(batches, schema=pl.Schema(ANSWERS), is_pure=True)
