"""Did on may: how much of each row of what may be reached was used."""

import polars as pl

from flowlens.destinations.prefixes import covering
from flowlens.words import PROTOCOLS

__all__ = ["used"]

_NUMBERS = {name: number for number, name in PROTOCOLS.items()}
_SUMS = ("bytes_out", "conversations")


def used(rows: pl.DataFrame, edges: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Add to rows of `may` what was sent: ``bytes_out`` and ``conversations``, 0 where nothing was.

    A conversation belongs to the rows that hold its server, port and protocol and are about its
    client's owner; refused ones belong to none.

    Args:
        rows: from `may`.
        edges: a frame of `flowlens.tables.EDGES`.
    """
    spoken = (
        edges.lazy()
        .filter(pl.col("action").ne_missing("REJECT"))
        .group_by(
            pl.col("client_owner").list.join(" | ").alias("who"),
            *("client", "server", "server_port", "protocol"),
        )
        .agg(pl.col("bytes_out").sum(), pl.len().cast(pl.UInt64).alias("conversations"))
        .collect(engine="streaming")
    )
    blocks = rows["blocks"].explode().drop_nulls().unique().sort()
    held = covering(spoken["server"], blocks.to_list()).join(
        blocks.to_frame("block").with_row_index("row"), on="row"
    )
    near = pl.col("source").list.join(" | ")
    reached = (
        rows.with_row_index("n")
        .select("n", near.alias("who"), "protocol", "first_port", "last_port", block="blocks")
        .explode("block")
        .join(held, on="block")
        .join(spoken, left_on=["who", "address"], right_on=["who", "server"], suffix="_said")
        .filter(_spoken())
        .unique(["n", "client", "address", "server_port", "protocol_said"])
        .group_by("n")
        .agg(pl.col(name).sum() for name in _SUMS)
    )
    whole = rows.with_row_index("n").join(reached, on="n", how="left", maintain_order="left")
    return whole.drop("n").with_columns(pl.col(_SUMS).fill_null(0))


def _spoken() -> pl.Expr:
    """Return whether a row's protocol and ports are those of a conversation."""
    number = pl.col("protocol").replace_strict(_NUMBERS, default=None, return_dtype=pl.UInt8)
    said = pl.col("protocol_said")
    listed = pl.coalesce(number, pl.col("protocol").cast(pl.UInt8, strict=False)) == said
    ports = (
        pl.col("first_port").is_null() | (said == _NUMBERS["icmp"]) | (said == _NUMBERS["icmpv6"])
    )
    inside = pl.col("server_port").is_between(pl.col("first_port"), pl.col("last_port"))
    other = pl.col("protocol").str.starts_with("other") & ~said.is_in([1, 6, 17, 58])
    return (pl.col("protocol") == "all") | other | (listed & (ports | inside))
