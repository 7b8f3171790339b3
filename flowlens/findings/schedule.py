"""D28: functions that speak outside the hours that they otherwise keep."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.phrases import outcome, when, whom
from flowlens.findings.rows import finding, matched, table, whose
from flowlens.findings.severity import grade
from flowlens.findings.sides import OURS, about
from flowlens.small import collect
from flowlens.words import noun, size

__all__ = ["off_schedule"]

DAY = 24  # hours
FUNCTION = "lambda"
RUN = ["about", "run"]


def off_schedule(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find hours in which a function spoke although it keeps a schedule that leaves them out.

    A function, or the set of those that share an interface, *keeps a schedule* if on at least
    `schedule_days` days on which it spoke it did so in the same hours of the day (UTC), one to
    `schedule_hours` of them, each on `schedule_share` of the days. A run of hours that lies at
    least `schedule_apart` hours from all of these is a finding, where there are no more than
    `schedule_slips` such runs: more, and the schedule is none. It is worth more where it went to a
    destination that it does not reach in its hours.

    Technique: T1648 (serverless execution).

    It cannot see which of the functions on a shared interface spoke, nor who invoked it (CloudTrail
    and its own log do), what one did within its hours, or any function outside a VPC. A start by
    hand, a repeated job and a change of the clock by more than an hour look the same.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    mine = about(edges.filter(OURS, pl.col("client_kind") == FUNCTION))
    hours = mine.select("about", "hour").unique().drop_nulls().pipe(collect)
    if hours.is_empty():
        return table([])
    odd = _odd(hours, context.limits)
    if odd.is_empty():
        return table([])
    some = mine.join(odd.lazy().select("about").unique(), on="about", how="semi")
    marked = some.join(odd.lazy(), on=["about", "hour"], how="left")
    usual = marked.filter(pl.col("run").is_null()).select("about", "destination").unique()
    strange = marked.filter(pl.col("run").is_not_null())
    new = (
        strange.join(usual, on=["about", "destination"], how="anti", nulls_equal=True)
        .group_by(RUN)
        .agg(new=pl.col("destination").n_unique())
        .pipe(collect)
    )
    known = odd.group_by(RUN).agg(pl.first("days", "kept")).join(new, on=RUN, how="left")
    return table([_spoke(row, told, context) for row, told in matched(strange, known, RUN)])


def _odd(hours: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Return ``about``, ``hour``, ``run``, ``days`` and ``kept`` of what is off schedule.

    Args:
        hours: ``about`` and ``hour``, each once.
        limits: what a schedule is.
    """
    at = pl.col("hour").dt.hour().cast(pl.Int32)
    days = pl.col("hour").dt.date().n_unique().over("about")
    marked = hours.with_columns(at=at, days=days.cast(pl.UInt64))
    often = pl.len().over("about", "at") >= limits.schedule_share * pl.col("days")
    long = marked.filter(pl.col("days") >= limits.schedule_days).with_columns(often=often)
    kept = (
        long.filter("often")
        .group_by("about")
        .agg(kept=pl.col("at").unique().sort())
        .filter(pl.col("kept").list.len() <= limits.schedule_hours)
    )
    away = (pl.col("kept") - pl.col("at")).abs()
    near = pl.min_horizontal(away, DAY - away).min().over("about", "hour")
    within = long.join(kept, on="about").explode("kept", keep_nulls=False)
    apart = (
        within.filter(near >= limits.schedule_apart)
        .group_by("about", "hour", "days")
        .agg(pl.col("kept").sort())
        .sort("about", "hour")
    )
    begins = (pl.col("hour").diff() != timedelta(hours=1)).fill_null(value=True)
    runs = apart.with_columns(run=begins.cum_sum().over("about"))
    return runs.filter(pl.col("run").max().over("about") <= limits.schedule_slips)


def _spoke(row: Mapping[str, Any], known: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return one finding."""
    kept = ", ".join(f"{hour:02}:00" for hour in known["kept"])
    text = (
        f"{whom(row)} spoke to {noun(len(row['servers']), 'address', 'addresses')} outside the "
        f"hours that it keeps ({kept} UTC on {noun(known['days'], 'day')}): "
        f"{size(row['bytes_out'])} out and {size(row['bytes_in'])} back {when(row)}, {outcome(row)}"
    )
    where = (0.15, "it went where it always goes, as when somebody starts it by hand")
    if known["new"]:
        where = (1.0, "it went where it never goes in its hours")
    graded = grade(row, context, base=0.4, amount=False, kind=False, factors=[where])
    one = len(row["destinations"]) == 1
    told = {
        **row, "open": ("servers", "ports"), "server_port": None, "protocol": None,
        "destination": row["destinations"][0] if one else None,
    }  # fmt: skip
    key = (whose(row), f"{row['since']:%Y-%m-%dT%H}")
    numbers = {"days": known["days"]}
    return finding("off-schedule", told, text, graded, "T1648", key=key, numbers=numbers)
