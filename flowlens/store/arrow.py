"""What is kept, as Arrow has it: Delta's writer takes nothing else."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import polars as pl

from flowlens.store.schema import kept

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["GROUP", "reader", "schema"]

#: Rows of a row group: small enough that the bounds of an address leave most of them out.
GROUP = 1 << 16


def schema(columns: Mapping[str, pl.DataType]) -> "pa.Schema":
    """Return the Arrow schema in which columns are kept."""
    frame = pl.DataFrame(schema={name: kept(dtype) for name, dtype in columns.items()})
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).schema


def reader(frames: Iterable[pl.DataFrame], wanted: "pa.Schema") -> "pa.RecordBatchReader":
    """Return the rows of frames as Arrow's, some thousand of them at a time.

    Args:
        frames: with its columns, in types that can be cast to those.
        wanted: the schema.
    """
    import pyarrow as pa

    def batches() -> Iterator["pa.RecordBatch"]:
        for frame in frames:
            for rows in frame.iter_slices(GROUP):
                table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
                yield from table.cast(wanted).to_batches()

    return pa.RecordBatchReader.from_batches(wanted, batches())
