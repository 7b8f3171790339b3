"""D6 and D18: connections that last for hours, and the shape of crypto-mining."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.ports import MINING, PLAIN, named
from flowlens.findings.rows import SERVICE, finding, matched, table
from flowlens.findings.severity import Grade, grade
from flowlens.findings.sides import OURS, OUTSIDE, REFUSED, TCP, UDP, UNDECLARED, about
from flowlens.small import collect
from flowlens.words import noun, size

__all__ = ["long_connections", "mining"]

HOUR = 3600
PAIR = ["client", "server", "server_port", "protocol"]

#: Hours of one connection and how bad they are.
STEPS = ((12, 0.4), (8, 0.2), (0, 0.1))


def long_connections(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find connections to the outside that nobody declared and that last for hours.

    The union of hours in which a client used one port towards a server, without a rest longer than
    `idle` seconds (after which NAT forgets a connection). From `long_hours` on it is a finding,
    and worse from 8 and 12 hours on, as in RITA.

    Technique: T1572 (protocol tunnelling); T1571 on ports other than the web's.

    It cannot tell one connection from two that follow each other on the same client port, nor a
    connection among several to the same server. Websockets, message brokers and agents look the
    same: declared ones are left out.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    left = about(_left(edges))
    found = _lasting(left.filter(pl.col("connections") == 1), limits)
    return table([_long(row, told["seconds"], context) for row, told in matched(left, found)])


def _left(edges: pl.LazyFrame) -> pl.LazyFrame:
    """Return what of ours went outside, was let through and was not declared."""
    ported = pl.col("protocol").is_in([TCP, UDP])
    return edges.filter(OURS, OUTSIDE, ~REFUSED, UNDECLARED, ported)


def _lasting(left: pl.LazyFrame, limits: Limits) -> pl.DataFrame:
    """Return `SERVICE` and ``seconds`` of the longest connection, where it is long."""
    last, first = pl.col("last_seen").max(), pl.col("first_seen").min()
    many = (
        left.group_by(PAIR)
        .agg(pl.len(), span=(last - first).dt.total_hours())
        .filter(pl.col("len") >= limits.long_hours - 1, pl.col("span") >= limits.long_hours)
        .select(PAIR)
        .pipe(collect)
    )
    if many.is_empty():
        return many
    rest = pl.col("first_seen") - pl.col("last_seen").shift(1).over(PAIR)
    apart = (rest > pl.duration(seconds=limits.idle)).fill_null(value=True)
    columns = [*SERVICE, "client", "server", "first_seen", "last_seen"]
    return (
        left.select(columns)
        .join(many.lazy(), on=PAIR, how="semi", nulls_equal=True)
        .sort(*PAIR, "first_seen", "last_seen")
        .with_columns(run=apart.cast(pl.UInt32).cum_sum())
        .group_by(*SERVICE, "client", "server", "run")
        .agg(seconds=(last - first).dt.total_seconds())
        .group_by(SERVICE)
        .agg(pl.col("seconds").max().cast(pl.UInt64))
        .filter(pl.col("seconds") >= limits.long_hours * HOUR)
        .pipe(collect)
    )


def _long(row: Mapping[str, Any], seconds: int, context: Context) -> dict[str, Any]:
    """Return a finding of a long connection."""
    hours = seconds / HOUR
    base = next(base for least, base in STEPS if hours >= least)
    text = (
        f"{whom(row)} held one connection to {where(row)} for {noun(seconds, 'second')}, "
        f"{size(row['bytes_out'])} out and {size(row['bytes_in'])} back {when(row)}, {outcome(row)}"
    )
    technique = "T1572" if row["server_port"] in PLAIN else "T1571"
    graded = _grade(row, context, base, "it never rested")
    numbers = {"seconds": seconds}
    return finding("long-connection", row, text, graded, technique, numbers=numbers)


def mining(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find the shape of crypto-mining: one thin steady stream of small packets for hours.

    In each of at least `mining_hours` hours in a row some bytes went both ways, at most
    `mining_bytes` an hour and `mining_packet` bytes a packet, with few connections, and about the
    same in every hour (MAD/median at most `mining_change`), to a port that pools use by habit or
    to a destination that is unexpected on a port that is not the web's.

    Technique: T1496 (resource hijacking). Answers GuardDuty's BitcoinTool.B by shape; a list of
    pools goes through `threats`.

    It cannot tell mining on port 443 from any agent, and message brokers have the same shape.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    strange = (pl.col("expected") == "no") & ~named(PLAIN)
    left = about(_left(edges)).filter(
        named(MINING) | strange, pl.col("protocol") == TCP, pl.col("packets_in") > 0
    )
    hourly = left.group_by(*SERVICE, "hour").agg(
        bytes=pl.sum("bytes_out") + pl.sum("bytes_in"),
        packets=pl.sum("packets_out") + pl.sum("packets_in"),
        connections=pl.sum("connections"),
    )
    amount = pl.col("bytes").cast(pl.Float64)
    row = (pl.col("hour").max() - pl.col("hour").min()).dt.total_hours() + 1
    told = hourly.group_by(SERVICE).agg(
        full=(pl.len() >= limits.mining_hours) & (pl.len() >= 0.9 * row),
        steady=(amount - amount.median()).abs().median() <= limits.mining_change * amount.median(),
        thin=amount.max() <= limits.mining_bytes,
        small=amount.sum() <= limits.mining_packet * pl.col("packets").sum(),
        single=pl.col("connections").median() <= 4,
    )
    shape = [pl.col(name) for name in ("full", "steady", "thin", "small", "single")]
    found = told.filter(*shape).select(SERVICE).pipe(collect)
    return table([_mined(row, context) for row, _ in matched(left, found)])


def _mined(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of mining."""
    text = (
        f"{whom(row)} kept a thin steady stream with {where(row)} in {noun(row['hours'], 'hour')}, "
        f"{size(row['bytes_out'])} out and {size(row['bytes_in'])} back {when(row)}, {outcome(row)}"
    )
    pool = row["server_port"] in MINING
    why = "pools use its port" if pool else "message brokers look the same"
    return finding("mining", row, text, _grade(row, context, 0.8 if pool else 0.4, why), "T1496")


def _grade(row: Mapping[str, Any], context: Context, base: float, why: str) -> Grade:
    """Grade what needs no bytes to be bad."""
    told = [] if row["undeclared"] else [(0.5, "nobody said what to expect")]
    return grade(row, context, base=base, amount=False, factors=[(1.0, why), *told])
