"""Tries that were let out and refused on arrival, counted once."""

import polars as pl

from flowlens.findings.sides import REFUSED
from flowlens.small import collect

__all__ = ["once"]

#: A try, whichever end wrote it down.
TRY = ["hour", "client", "server", "server_port", "protocol"]
COPY = [*TRY, "observer"]


def once(edges: pl.LazyFrame) -> pl.LazyFrame:
    """Leave out the half of a refused try that its sender's interface let out.

    A packet that the client's groups allow and the server's refuse is two conversations: ACCEPT
    at the client, never answered, and REJECT at the server. It is one try, and it was refused.
    The accepted half is left out where it was not answered and says no more than the refused one
    (as many packets at most), so that nothing that was let through is lost.

    Args:
        edges: a table of schema EDGES.

    Returns:
        `edges` without the accepted halves.
    """
    nulls = [pl.col(name).is_not_null() for name in COPY]
    refused = (
        edges.filter(REFUSED, *nulls)
        .group_by(TRY)
        .agg(refused=pl.sum("packets_out"), at=pl.col("observer").unique())
    )
    silent = edges.filter(pl.col("action") == "ACCEPT", pl.col("packets_in") == 0, *nulls)
    copies = (
        silent.select(*COPY, "packets_out")
        .join(refused, on=TRY)
        .filter(
            pl.col("packets_out") <= pl.col("refused"),
            ~pl.col("observer").is_in(pl.col("at")),
        )
        .select(*COPY, action=pl.lit("ACCEPT"))
        .unique()
        .pipe(collect)
    )
    if copies.is_empty():
        return edges
    return edges.join(copies.lazy(), on=[*COPY, "action"], how="anti", maintain_order="left")
