"""What can be learned from: conversations that a workload of ours opened and the network let pass.

Everything else is counted under the reason for which it was left out (`REASONS`), so that nobody
takes a short document for a quiet network.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from flowlens.destinations.known import Known
from flowlens.destinations.prefixes import covering
from flowlens.expected.judgement import egress, judged_by
from flowlens.expected.verdict import CARRIERS
from flowlens.tables import EDGES
from flowlens.words import PORTED

__all__ = ["COLUMNS", "REASONS", "sift", "whole", "within"]

#: Why a conversation is not learned from, in the order in which they are tried.
REASONS: Mapping[str, str] = {
    "inbound": "opened from outside",
    "rejected": "refused by the network",
    "guess": "who opened it is a guess",
    "carried": "carried for others by a gateway or load balancer",
    "nowhere": "without server, protocol or port in the log",
    "forbidden": "to forbidden space",
    "ended": "covered by an entry that has ended",
    "doubtful": "perhaps covered by an entry of the document; something is not known",
}

#: What learning looks at.
COLUMNS: dict[str, pl.DataType] = {**EDGES, **judged_by()}

_CASE = ["hour", "client", "server", "server_port", "protocol"]


def whole(edges: pl.DataFrame) -> pl.DataFrame:
    """Return edges with every column that learning looks at; what is not there is not known."""
    missing = [pl.lit(None, d).alias(n) for n, d in COLUMNS.items() if n not in edges.columns]
    return edges.with_columns(*missing).select(*COLUMNS)


def sift(edges: pl.DataFrame, known: Known, forbidden: Iterable[str]) -> pl.DataFrame:
    """Add `left`: why a conversation is not learned from (a key of `REASONS`), else null.

    A TCP connection that the client's side let go and the server's side refused shows up twice;
    both count as refused when nothing came back.

    Args:
        edges: Edges as `whole` returns them.
        known: What is known about addresses.
        forbidden: Prefixes that nothing may admit.
    """
    refused = edges.filter(pl.col("action") == "REJECT").select(_CASE).unique()
    beyond = (
        edges.select(_CASE)
        .join(
            refused.with_columns(refused=pl.lit(value=True)),
            on=_CASE,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )["refused"]
        .fill_null(value=False)
    )
    silent = (pl.col("bytes_in").fill_null(0) == 0) & pl.lit(beyond)
    portless = pl.col("protocol").is_in(list(PORTED)) & pl.col("server_port").is_null()
    tests = {
        "inbound": ~pl.lit(egress(edges, known)),
        "rejected": (pl.col("action") == "REJECT") | silent,
        "guess": pl.col("orientation") == "guess",
        "carried": pl.col("client_kind").is_in(CARRIERS),
        "nowhere": pl.any_horizontal(pl.col("server", "client", "protocol").is_null()) | portless,
        "forbidden": pl.lit(within(edges["server"], forbidden)),
    }
    cases = [pl.when(test.fill_null(value=False)).then(pl.lit(n)) for n, test in tests.items()]
    return edges.with_columns(left=pl.coalesce(*cases, pl.lit(None, pl.String)))


def within(addresses: pl.Series, prefixes: Iterable[str]) -> pl.Series:
    """Return whether each address lies in one of some prefixes.

    >>> within(pl.Series(["10.0.0.1", "::1", None]), ["10.0.0.0/8"]).to_list()
    [True, False, False]
    """
    held = covering(addresses, prefixes)["address"].unique()
    return addresses.is_in(held.implode()).fill_null(value=False)
