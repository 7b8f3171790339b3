"""Which records belong to whoever opened a connection, and which are answers."""

import polars as pl

from flowlens.conversations.codes import END, text
from flowlens.conversations.flows import flows
from flowlens.conversations.roles import roles
from flowlens.errors import UsageError
from flowlens.small import collect, sized

__all__ = ["SURE", "TUPLE", "openers", "tupled"]

#: What tells a 5-tuple: the packet's own addresses where the format has them.
TUPLE = ("tuple_src", "tuple_dst", "tuple_src_port", "tuple_dst_port", "tuple_protocol")
SURE = ("guess", "likely", "certain")


def tupled(records: pl.LazyFrame) -> pl.LazyFrame:
    """Add the columns of `TUPLE`; a missing port or protocol counts as 0, a missing address not.

    Args:
        records: the records table.

    Raises:
        UsageError: the log format has no source or destination address.
    """
    names = records.collect_schema().names()

    def address(end: str) -> pl.Expr:
        found = [name for name in (f"pkt_{end}addr", f"{end}addr") if name in names]
        if not found:
            msg = f"this log format has no {end}addr: a connection needs both addresses"
            raise UsageError(msg)
        return pl.coalesce(found)

    def number(name: str, dtype: pl.DataType) -> pl.Expr:
        given = pl.col(name) if name in names else pl.lit(None)
        return given.cast(dtype).fill_null(0)

    return records.with_columns(
        tuple_src=address("src"),
        tuple_dst=address("dst"),
        tuple_src_port=number("srcport", pl.UInt16()),
        tuple_dst_port=number("dstport", pl.UInt16()),
        tuple_protocol=number("protocol", pl.UInt8()),
    )


def openers(records: pl.LazyFrame) -> pl.LazyFrame:
    """Say of each 5-tuple, in either direction, whether it opens a connection or answers one.

    The client is the one that `conversations` finds, by flags, ports and the other witnesses.

    Args:
        records: the records table; ones that were added up may say in ``merged`` of how many.

    Returns:
        the columns of `TUPLE`, ``role`` (``initiate`` where the source is the client, else
        ``reply``) and ``orientation`` (certain, likely, guess).

    Raises:
        UsageError: the log format has no source or destination address.
    """
    words = pl.Categorical(pl.Categories.random("flowlens"))
    kept = pl.Series(dtype=words)  # a dictionary lives as long as a series of it does
    held = flows(records, words).collect(engine="streaming")
    with sized(held.height):
        told = collect(roles(held.lazy(), words))
    both = pl.concat([_way(told, "lo", "hi", words), _way(told, "hi", "lo", words)])
    del kept
    return both.unique(TUPLE, maintain_order=True).lazy()


def _way(told: pl.DataFrame, source: str, target: str, words: pl.Categorical) -> pl.DataFrame:
    """Return the 5-tuples as records from one end to the other show them."""
    from_client = pl.col("client_lo") if source == "lo" else ~pl.col("client_lo")
    return told.select(
        tuple_src=text(pl.col(source) // END, words),
        tuple_dst=text(pl.col(target) // END, words),
        tuple_src_port=(pl.col(source) % END // 256).cast(pl.UInt16),
        tuple_dst_port=(pl.col(target) % END // 256).cast(pl.UInt16),
        tuple_protocol=(pl.col(source) % 256).cast(pl.UInt8),
        role=pl.when(from_client).then(pl.lit("initiate")).otherwise(pl.lit("reply")),
        orientation=pl.lit(pl.Series(SURE)).gather(pl.col("sure")),
    )
