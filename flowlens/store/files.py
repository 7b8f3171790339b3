"""The files of a Delta table as one lazy frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from flowlens.errors import InputError

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["scan"]

#: The protocol of tables whose files are all there is to read: no deletion vectors, no columns
#: under other names. https://github.com/delta-io/delta/blob/master/PROTOCOL.md#reader-requirements
PLAIN = 1


def scan(table: "DeltaTable", options: Mapping[str, str]) -> pl.LazyFrame:
    """Return one state of a table as a lazy frame, as `polars.scan_delta` does.

    That loads PyArrow, which alone takes longer than to find an address in a table.

    Args:
        table: The table.
        options: What reaches it.

    Raises:
        InputError: A file of a table on this machine is gone.
    """
    storage = dict(options) or None
    if table.protocol().min_reader_version > PLAIN:  # another engine has gone on with it
        return pl.scan_delta(table, storage_options=storage)
    columns = pl.Schema(table.schema())
    files = table.file_uris()
    if not files:
        return pl.LazyFrame(schema=columns)
    gone = (
        None if "://" in files[0] else next((one for one in files if not Path(one).exists()), None)
    )
    if gone:
        msg = f"{gone} is gone, which its table still names; ingest the logs into a new store"
        raise InputError(msg)
    parts = {name: columns[name] for name in table.metadata().partition_columns}
    rows = pl.scan_parquet(
        files,
        schema={name: dtype for name, dtype in columns.items() if name not in parts},
        hive_schema=parts or None,
        hive_partitioning=bool(parts),
        glob=False,
        missing_columns="insert",  # a column that came to the table later
        extra_columns="ignore",
        cast_options=CASTS,
        storage_options=storage,
    )
    return rows.select(list(columns))


#: What another engine may have written into a file, such as the milliseconds of Spark.
CASTS = pl.ScanCastOptions(
    integer_cast="upcast",
    datetime_cast=["nanosecond-downcast", "millisecond-upcast", "convert-timezone"],
)
