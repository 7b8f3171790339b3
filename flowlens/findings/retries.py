"""D28: clients that try again at intervals that double, because nobody answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.severity import Factors
from flowlens.findings.starts import PAIR, events, watchers
from flowlens.words import noun

__all__ = ["GROWTH", "PLATEAU", "again", "excuse", "retried", "retries"]

#: The next interval over the last: a doubling with jitter, and the cap that many clients keep.
GROWTH, PLATEAU = (1.25, 3.5), (0.6, 1.25)
WIDER = 8  # the longest interval of a burst over its first: three doublings at least
SHARE = 0.8  # of the starts, from which it is a client that retries
LESS = 0.3


def retries(seen: pl.DataFrame, limits: Limits, keys: Sequence[str] = PAIR) -> pl.DataFrame:
    """Count the starts of each pair that are retries.

    A *retry burst* is a run of starts of one client at one service in which each interval is 1.25
    to 3.5 times the one before, at least `retry_growth` times and eightfold in all, or stays at
    the cap that was reached (0.6 to 1.25 times): exponential backoff as clients, queues and
    supervisors do it. Starts are whole seconds.

    It cannot see backoff with full jitter, whose intervals are random, as that of AWS's SDKs.

    Args:
        seen: `keys` and ``at``, one row a start.
        limits: how often an interval must grow.
        keys: what a client tries again.

    Returns:
        `keys`, ``starts`` (in different seconds) and ``retries``, those in bursts.
    """
    gap = pl.col("at").diff().over(keys)
    step = pl.col("gap") / pl.col("gap").shift(1).over(keys)
    grows = pl.col("step").is_between(*GROWTH, closed="left").fill_null(value=False)
    stays = pl.col("step").is_between(*PLATEAU, closed="left").fill_null(value=False)
    one = seen.select(*keys, "at").unique().sort(*keys, "at")
    bursts = (
        one.with_columns(gap=gap)
        .with_columns(step=step)
        .with_columns(grows=grows, burst=(~grows & ~stays).cum_sum())
        .filter(pl.col("gap").is_not_null())
        .group_by(*keys, "burst")
        .agg(
            starts=pl.len() + 1,
            grown=pl.sum("grows"),
            wide=pl.max("gap") >= WIDER * pl.min("gap"),
        )
    )
    found = bursts.filter("wide", pl.col("grown") >= limits.retry_growth)
    again = found.group_by(keys).agg(retries=pl.sum("starts"))
    counts = one.group_by(keys).agg(starts=pl.len())
    return (
        counts.join(again, on=keys, how="left", nulls_equal=True)
        .with_columns(pl.min_horizontal(pl.col("retries").fill_null(0), "starts"))
        .select(*keys, pl.col("starts", "retries").cast(pl.UInt64))
        .sort(keys)
    )


def retried(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Return the `retries` of the pairs of some edges, out of the records; none without records."""
    if context.records is not None:
        seen = events(context.records, watchers(edges))
        if seen is not None:
            return retries(seen, context.limits)
    nothing = pl.DataFrame(schema={**edges.select(PAIR).collect_schema(), "at": pl.Int64()})
    return retries(nothing, context.limits)


def excuse(row: Mapping[str, Any], context: Context) -> Factors:
    """Return what speaks for a client that retries; nothing where it mostly does not.

    Args:
        row: a merged row with ``starts`` and ``retries``, null where they are not known.
        context: the bytes of a packet that says nothing.

    >>> row = {"starts": 100, "retries": 90, "packets_in": 0, "bytes_in": 0, "server": "10.0.0.1"}
    >>> excuse(row, Context())
    [(0.3, 'it tries again at doubling intervals, as clients do that nobody answers')]
    >>> excuse(row | {"retries": 10}, Context()), excuse(row | {"bytes_in": 900}, Context())
    ([], [])
    """
    again, starts = row.get("retries"), row.get("starts")
    if not again or not starts or again < SHARE * starts or spoken(row, context.limits):
        return []
    return [(LESS, "it tries again at doubling intervals, as clients do that nobody answers")]


def spoken(row: Mapping[str, Any], limits: Limits) -> bool:
    """Return whether more came back than bare packets."""
    header = limits.header_six if ":" in (row["server"] or "") else limits.header
    return bool(row["bytes_in"] > header * row["packets_in"])


def again(row: Mapping[str, Any]) -> str:
    """Return the words for the retries among the starts, if there are any worth a word.

    >>> again({"starts": 100, "retries": 90}), again({"starts": 100, "retries": 6}), again({})
    (', 90 times at intervals that double', '', '')
    """
    count, starts = row.get("retries"), row.get("starts")
    if not count or not starts or count < SHARE * starts:
        return ""
    return f", {noun(count, 'time')} at intervals that double"
