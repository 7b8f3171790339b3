"""Numbered commits: each is made once, and what belongs to it can be made up for later.

A batch becomes true with one Delta commit to its base table (`records` or `names`). The commit
carries the application transaction ``(base, number)``, and numbers go up by one, so that of two
processes that try the same number Delta refuses one. What the same batch adds to the other
tables was written as Parquet files before; the commit names them in its metadata. Whoever comes
next adds them to their tables with the same transaction, unless that is done.
Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#transaction-identifiers
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from flowlens.errors import OutputError
from flowlens.store.arrow import GROUP, reader, schema
from flowlens.store.place import WHOLE, Store
from flowlens.store.schema import TABLES, stored

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable, WriterProperties

__all__ = ["Conflict", "append", "complete", "number", "properties", "stage", "writing"]

#: Tables to which a batch adds something besides its base table.
SIDES = ("coverage", "rejects", "objects")

#: Key of a commit's metadata under which it names the files for the other tables.
META = "flowlens"

Staged = Mapping[str, tuple[str, int, int]]


class Conflict(Exception):
    """Another process committed first: look again what is left to do."""


def number(table: "DeltaTable", app: str) -> int:
    """Return the number of the newest commit of `app`; 0 before the first."""
    return table.transaction_version(app) or 0


def writing() -> "WriterProperties":
    """Return how Parquet files are written."""
    from deltalake import WriterProperties

    return WriterProperties(compression="ZSTD", compression_level=3, max_row_group_size=GROUP)


def properties(numbers: Mapping[str, int], **metadata: str) -> "CommitProperties":
    """Return the properties of a commit that sets the number of each app."""
    from deltalake import CommitProperties, Transaction

    transactions = [Transaction(app, version) for app, version in numbers.items()]
    return CommitProperties(custom_metadata=metadata or None, app_transactions=transactions)


@contextmanager
def conflicts(table: "DeltaTable", place: str) -> Iterator[None]:
    """Tell a commit that somebody else made first from one that cannot be made.

    Raises:
        Conflict: The table has gone on since it was opened.
        OutputError: It has not: the place cannot be written.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    before = table.version()
    try:
        yield
    except (DeltaError, OSError) as error:
        said = " ".join(str(error).split())[:300]
        try:
            now = DeltaTable(table.table_uri, storage_options=table._storage_options).version()
        except (DeltaError, OSError):
            now = before
        if now > before:
            raise Conflict(said) from error
        msg = f"{place} cannot be written ({said}); what was committed stays, run it again"
        raise OutputError(msg) from error


def stage(store: Store, frames: Mapping[str, pl.DataFrame]) -> Staged:
    """Write the rows for the other tables as files that no commit names yet.

    Returns:
        Table -> name, bytes and rows of its file; tables without rows are left out.
    """
    return {
        name: _file(store, name, frame) for name, frame in frames.items() if not frame.is_empty()
    }


def _file(store: Store, table: str, frame: pl.DataFrame) -> tuple[str, int, int]:
    name, options = f"part-{uuid.uuid4()}.parquet", store.options()
    rows = stored(frame.lazy(), TABLES[table][0]).collect()
    try:
        rows.write_parquet(
            f"{store.uri(table)}/{name}", compression="zstd", storage_options=options or None
        )
    except OSError as error:
        msg = f"{store.root} cannot be written ({error}); what was committed stays, run it again"
        raise OutputError(msg) from error
    return name, _size(store, table, name) or 0, frame.height


def _size(store: Store, table: str, name: str) -> int | None:
    """Return the bytes of a file of a table; None if it is not there."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    folder = PyFileSystem(DeltaStorageHandler(store.uri(table), store.options()))
    size: int | None = folder.get_file_info(name).size
    return size


def append(
    store: Store,
    table: "DeltaTable",
    app: str,
    parts: Sequence[Path],
    staged: Staged,
    marks: Iterable[str] = (),
) -> None:
    """Commit a batch: its rows, its number, the same number for each of `marks`, its files.

    Args:
        store: The store.
        table: The base table as it was when the batch was begun.
        app: Whose numbers go up.
        parts: Parquet files with the rows, in the types in which they are kept.
        staged: What `stage` returned.
        marks: Further apps that get the number.

    Raises:
        Conflict: Another batch was committed since `table` was opened.
        OutputError: The place cannot be written.
    """
    from deltalake import write_deltalake

    following = number(table, app) + 1
    numbers = dict.fromkeys([app, *marks], following)
    meta = json.dumps({"app": app, "number": following, "files": staged})
    with conflicts(table, store.root):
        write_deltalake(
            table,
            _rows(table, parts),
            mode="append",
            schema_mode="merge",
            writer_properties=writing(),
            commit_properties=properties(numbers, **{META: meta}),
        )


def _rows(table: "DeltaTable", parts: Sequence[Path]) -> "pa.RecordBatchReader":
    """Return the rows of Parquet files, one file in memory at a time."""
    import pyarrow as pa

    columns = {name: of for part in parts for name, of in pl.read_parquet_schema(part).items()}
    wanted = schema(columns) if columns else pa.schema(table.schema().to_arrow())
    return reader((pl.read_parquet(part) for part in parts), wanted)


def complete(store: Store, base: "DeltaTable", app: str) -> None:
    """Add to the other tables what the newest batch has for them and they do not have.

    Args:
        store: The store.
        base: The table whose commits name the files.
        app: Whose numbers are compared.

    Raises:
        OutputError: The place cannot be written, or one table was taken away or put back, so that
            it knows of fewer batches than the others.
    """
    wanted = number(base, app)
    for name in SIDES:
        while (there := number(side := store.open(name), app)) < wanted:
            file = _files(base, app, wanted).get(name)
            if there < wanted - 1 or (file and _size(store, name, file[0]) is None):
                raise _behind(store, name, app)
            try:
                _adopt(store, side, name, file, {app: wanted})
            except Conflict:
                continue  # somebody else did it, or did something else: look again
        # More batches than the base table has, unless that has gone on since it was opened.
        if there > wanted and there > number(store.open(app), app):
            raise _behind(store, app, name)


def _behind(store: Store, few: str, many: str) -> OutputError:
    msg = f"{store.root}: table {few!r} lacks batches that {many!r} has; {WHOLE}"
    return OutputError(msg)


def _files(base: "DeltaTable", app: str, wanted: int) -> Staged:
    for commit in base.history():
        meta = json.loads(commit.get(META) or "{}")
        if (meta.get("app"), meta.get("number")) == (app, wanted):
            found: Staged = meta["files"]
            return found
    msg = f"{base.table_uri}: commit {wanted} of {app} is not in the log; make a new store"
    raise OutputError(msg)


def _adopt(
    store: Store,
    side: "DeltaTable",
    name: str,
    file: tuple[str, int, int] | None,
    numbers: Mapping[str, int],
) -> None:
    """Commit a file that is written already; without one, only the number."""
    from deltalake.transaction import AddAction, RemoveAction

    adds: list[AddAction | RemoveAction] = []
    if file:
        path, size, rows = file
        adds = [AddAction(path, size, {}, 0, data_change=True, stats=f'{{"numRecords": {rows}}}')]
    with conflicts(side, f"{store.root} ({name})"):
        side.create_write_transaction(
            adds, "append", side.schema(), commit_properties=properties(numbers)
        )
