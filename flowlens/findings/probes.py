"""Tries at which nothing was said, and which of them are part of a scan."""

from collections.abc import Mapping
from math import exp, lgamma, log
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.sides import ANSWERED, INSIDE, OURS, UDP, about, silent
from flowlens.small import collect

__all__ = ["THREAD", "chance", "deep", "probes", "slow", "wide"]

THREAD = ["client", "server", "server_port", "protocol"]
TRACED = (33_434, 33_534)  # UDP ports at which traceroute looks for nobody
BACKGROUND = 0.5  # servers a day that any client fails to reach on a port
HALF = "12h"


def probes(edges: pl.LazyFrame, context: Context) -> pl.LazyFrame:
    """Return the tries of ours at which nothing was said, by hour.

    A *probe* was refused, or never answered, or answered by packets without content alone (a
    reset, an acknowledgement), and its client never got a word from that service in any hour. Who
    opened it must be more than a guess; the ports of traceroute are left out.
    """
    tracing = (pl.col("protocol") == UDP) & pl.col("server_port").is_between(*TRACED)
    kept = silent(context.limits) & ~tracing.fill_null(value=False)
    sure = pl.col("orientation") != "guess"
    tried = edges.filter(OURS, kept, sure, pl.col("server").is_not_null())
    columns = ["hour", *THREAD, "connections", "first_seen", "expected", "inside", "about"]
    told = about(tried).with_columns(inside=INSIDE).select(columns).pipe(collect)
    keys = told.lazy().select(THREAD).unique()
    spoken = (
        edges.filter(ANSWERED, ~kept)
        .select(THREAD)
        .join(keys, on=THREAD, how="semi", nulls_equal=True)
        .unique()
        .pipe(collect)
    )
    return told.lazy().join(spoken.lazy(), on=THREAD, how="anti", nulls_equal=True)


def deep(tried: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Return the probes of many ports of one server in an hour."""
    many = pl.col("server_port").n_unique().over("about", "server", "hour") >= limits.scan_ports
    return tried.filter(many) if tried.height else tried


def wide(tried: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Return the probes of many servers on one port in an hour."""
    if tried.is_empty():
        return tried
    keys = ["about", "server_port", "protocol", "hour"]
    inside = pl.col("server").filter("inside").n_unique().over(keys)
    every = pl.col("server").n_unique().over(keys)
    return tried.filter((inside >= limits.sweep_inside) | (every >= limits.sweep_outside))


def slow(tried: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Return the probes of a day that are too many for chance, and touch each target lightly."""
    if tried.is_empty():
        return tried
    kept = []
    for shift in ("0h", HALF):
        day = tried.with_columns(day=pl.col("hour").dt.offset_by(shift).dt.date())
        for key, what in (("server_port", "server"), ("server", "server_port")):
            by = ["about", key, "protocol", "day"]
            told = (
                day.group_by(by)
                .agg(n=pl.col(what).n_unique(), tries=pl.sum("connections"))
                .with_columns(
                    others=pl.col("n").sum().over(key, "protocol", "day") - pl.col("n"),
                    clients=pl.len().over(key, "protocol", "day") - 1,
                )
                .filter(pl.col("n") >= limits.slow_servers)
                .filter(pl.col("tries") <= limits.slow_tries * pl.col("n"))
            )
            rare = [
                row["n"] and chance(row["n"], _mean(row)) < limits.slow_chance
                for row in told.iter_rows(named=True)
            ]
            flagged = told.filter(pl.Series(rare, dtype=pl.Boolean)).select(by)
            kept.append(day.join(flagged, on=by, how="semi", nulls_equal=True).drop("day"))
    return pl.concat(kept).unique()


def _mean(row: Mapping[str, Any]) -> float:
    """Return what other workloads fail to reach on a port in a day, each."""
    return max(BACKGROUND, row["others"] / row["clients"] if row["clients"] else 0.0)


def chance(count: int, mean: float) -> float:
    """Return the chance of at least `count` events where `mean` are expected (Poisson).

    >>> f"{chance(8, 0.5):.1e}", chance(0, 0.5)
    ('6.2e-08', 1.0)
    """
    if count <= 0:
        return 1.0
    terms = (exp(n * log(mean) - mean - lgamma(n + 1)) for n in range(count, count + 200))
    return min(1.0, sum(terms))
