"""D7: floods that leave."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.rows import SERVICE, finding, matched, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import OURS, OUTSIDE, UNDECLARED, about
from flowlens.small import collect
from flowlens.words import noun

__all__ = ["floods"]

REST = 0.01  # the share of packets that come back from what is flooded
KEY = ["client", "server", "server_port", "protocol"]


def floods(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find floods that leave: very many packets to one target that does not answer.

    In one hour at least `flood_packets` packets at `flood_rate` a second, while they last, of which
    hardly any is answered; or `strobe` connections to one server in a day.

    Technique: T1498 (network denial of service). Answers GuardDuty's DenialOfService types: the
    protocol and the port tell them apart.

    It cannot see floods that are answered packet for packet.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    last = (pl.col("last_seen") - pl.col("first_seen")).dt.total_seconds().clip(1)
    packets = pl.col("packets_out")
    silent = pl.col("packets_in") <= REST * packets
    fast = (packets >= limits.flood_packets) & (packets >= limits.flood_rate * last) & silent
    sent = edges.filter(OURS, OUTSIDE, UNDECLARED)
    daily = pl.col("connections").sum().over(*KEY, pl.col("hour").dt.date()) >= limits.strobe
    often = pl.col("connections") >= limits.strobe / 24
    found = (
        about(sent.filter(fast | often)).filter(fast | daily).select(SERVICE).unique().pipe(collect)
    )
    return table([_flood(row, context) for row, _ in matched(about(sent), found)])


def _flood(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of a flood."""
    text = (
        f"{whom(row)} sent {noun(row['packets_out'], 'packet')} over "
        f"{noun(row['connections'], 'connection')} to {where(row)} and got "
        f"{noun(row['packets_in'], 'packet')} back {when(row)}, {outcome(row)}"
    )
    graded = grade(
        row, context, evidence=(0.9, "a flood"), amount=False, factors=[(1.0, "hardly answered")]
    )
    return finding("flood", row, text, graded, "T1498")
