"""Parquet: what AWS delivers as `.log.parquet`, and flow logs as other people write them.

AWS types version, ports, protocol, tcp_flags and traffic_path INT32, counts and times INT64, all
else as text ("Flow log files" in the VPC user guide). Others make the account a number and the
ports text; `columns` copes with both.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

import polars as pl

from flowlens_parsers import aliases
from flowlens_parsers.batch import LINE, Batch, Layout, Options, passed, reject
from flowlens_parsers.columns import VITAL, typed
from flowlens_parsers.errors import DAMAGED, UNKNOWN, BrokenError
from flowlens_parsers.fields import known
from flowlens_parsers.groups import glance
from flowlens_parsers.streams import Reader

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.parquet import ParquetFile

    from flowlens_parsers.columnar import Columnar

__all__ = ["MAGIC", "frames", "layout", "match", "opened", "read"]

MAGIC = b"PAR1"

#: Rows decoded at a time; bounds memory whatever the size of the row groups.
ROWS = 64 << 10

#: Bytes of a compressed or unseekable object that stay in memory before they go to a file.
SPOOL = 32 << 20


def match(head: bytes, name: str) -> bool:
    """Say whether an object is Parquet.

    >>> match(b"PAR1...", "x.gz"), match(b"version account-id", "x.parquet")
    (True, False)
    """
    return head.startswith(MAGIC)


def read(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Yield records of a Parquet object, some thousand rows at a time.

    Security Lake's tables, which are nested, are told by their columns.

    Args:
        reader: The object; read from its end, so one that cannot seek is copied to a file first.
        name: Its name, the `source` of rejects and coverage.
        options: `columns` also limits what is decoded.
    """
    try:
        with opened(reader, partial(_dictionaries, options=options)) as file:
            yield from _batches(file, name, options)
    except BrokenError as error:
        yield reject(1, error.reason, "", name)


def _batches(file: "ParquetFile", name: str, options: Options) -> Iterator[Batch]:
    from flowlens_parsers import ocsf

    given = file.schema_arrow.names
    if ocsf.nested(given):
        yield from ocsf.rows(frames(file, [n for n in given if n in ocsf.SHAPE]), name, options)
        return
    names = _wanted(file, options)
    if not known(aliases.columns(given)):
        yield reject(1, UNKNOWN, f"Parquet with the columns {' '.join(given)}", name)
        return
    places = dict(zip(aliases.columns(given), given, strict=True))
    kept, unread = glance(file.metadata, places, options.wanted)
    columns = _columnar(file, names, options)
    for first, batch in _pieces(file, list(names), kept):
        named = batch.rename_columns([names[column] for column in batch.schema.names])
        if columns is None:
            yield typed(_numbered(named, first), name, options.columns)
        else:
            yield _packed(columns, named, first, name)
    if unread:
        yield passed(unread)


def _packed(columns: "Columnar", batch: "RecordBatch", first: int, name: str) -> Batch:
    """Return a batch packed, but for the rows that the tolerant parser must judge."""
    from flowlens_parsers.silent import coverage

    packed, silent, left = columns.pack(batch)
    done = replace(passed(0), lines=batch.num_rows, packed=(packed,))
    if silent.any():
        done = replace(done, coverage=coverage(batch, silent, name))
    if not left.any():
        return done
    rest = typed(_numbered(batch, first).filter(left), name, batch.schema.names)
    whole = pl.concat([done.coverage, rest.coverage])
    return replace(done, records=rest.records, coverage=whole, rejects=rest.rejects)


def _wanted(file: "ParquetFile", options: Options) -> dict[str, str]:
    """Return the columns that are read, and the fields that they are."""
    given = file.schema_arrow.names
    return {
        old: new
        for old, new in zip(given, aliases.columns(given), strict=True)
        if options.columns is None or new in options.columns or new in VITAL
    }


def _columnar(file: "ParquetFile", names: Mapping[str, str], options: Options) -> "Columnar | None":
    """Return what packs the columns, if the caller wants that and they are as AWS writes them."""
    if options.packer is None:
        return None
    from flowlens_parsers.columnar import texts

    return options.packer.columnar if texts(file, names) else None


def _dictionaries(file: "ParquetFile", options: Options) -> list[str]:
    """Return the columns that are read as dictionaries: all of text, where records are packed."""
    if options.packer is None or not known(aliases.columns(file.schema_arrow.names)):
        return []
    from flowlens_parsers.columnar import texts

    return texts(file, _wanted(file, options)) or []


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns of a Parquet object, from its footer."""
    from flowlens_parsers import ocsf

    try:
        with opened(reader) as file:
            given = file.schema_arrow.names
    except BrokenError:
        return Layout("parquet", ())
    return Layout("parquet", ocsf.FIELDS if ocsf.nested(given) else tuple(aliases.columns(given)))


@contextmanager
def opened(
    reader: Reader, dictionaries: "Callable[[ParquetFile], list[str]]" = lambda _: []
) -> "Iterator[ParquetFile]":
    """Open a Parquet object whatever it comes out of.

    Args:
        reader: The object.
        dictionaries: Says which columns are read as dictionaries.

    Raises:
        BrokenError: Where its footer cannot be read.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    with tempfile.SpooledTemporaryFile(SPOOL) as spool:
        file = reader.raw
        if file is None:
            file = cast(BinaryIO, spool)
            shutil.copyfileobj(reader, file)
        file.seek(0)
        try:
            table = ParquetFile(file)
            if some := dictionaries(table):
                table = ParquetFile(file, metadata=table.metadata, read_dictionary=some)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BrokenError(DAMAGED) from error
        yield table


def frames(file: "ParquetFile", columns: list[str]) -> Iterator[pl.DataFrame]:
    """Yield the rows of a Parquet file with their numbers as `line`.

    Args:
        file: The file.
        columns: Columns wanted.

    Raises:
        BrokenError: Where pages are damaged, after the rows before them.
    """
    for first, batch in _pieces(file, columns):
        yield _numbered(batch, first)


def _numbered(batch: "RecordBatch", first: int) -> pl.DataFrame:
    line = pl.int_range(first, first + batch.num_rows, dtype=LINE, eager=True)
    return pl.DataFrame(batch).insert_column(0, line.alias("line"))


def _pieces(
    file: "ParquetFile", columns: list[str], groups: Sequence[int] | None = None
) -> "Iterator[tuple[int, RecordBatch]]":
    """Yield some thousand rows at a time, and the number of the first of them.

    Args:
        file: The file.
        columns: Columns wanted.
        groups: Row groups wanted, all without it.

    Raises:
        BrokenError: Where pages are damaged, after the rows before them.
    """
    import pyarrow as pa

    sizes = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
    parts = [(1, None)] if groups is None else [(sum(sizes[:at]) + 1, [at]) for at in groups]
    try:
        for first, part in parts:
            for batch in file.iter_batches(
                batch_size=ROWS, row_groups=part, columns=columns, use_threads=False
            ):
                # Neither UTF-8 nor places in dictionaries are checked on the way in.
                batch.validate(full=True)
                yield first, batch
                first += batch.num_rows
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise BrokenError(DAMAGED) from error
