"""Without a document, the past stands in for it."""

from datetime import datetime

import polars as pl

from flowlens.words import SIGHTED

__all__ = ["compare"]


def compare(frame: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Judge conversations by what the same workload did before a time.

    What began before `until` is expected. What began later is expected if the same workload
    (candidate owners; the address where no owner is known) had reached the same destination on the
    same port before, and the network let it. Where the logs hold nothing from before, nothing
    can be said.

    Args:
        frame: Edges with `destination`.
        until: End of the time to learn from.

    Returns:
        `frame` with `expected` and `why`.
    """
    workload = pl.coalesce(pl.col("client_owner").list.join("\x1f"), "client")
    keys = ["workload", "destination", "server_port", "protocol"]
    early = pl.col("first_seen") < until
    let = pl.col("action").fill_null("ACCEPT") != "REJECT"
    marked = frame.with_columns(workload=workload, early=early.fill_null(value=False))
    learnt = marked.filter("early", let).group_by(keys).agg(seen=pl.col("first_seen").min())
    anything = marked["early"].any()
    day = f"{until:%Y-%m-%d %H:%M} UTC"
    first = pl.col("seen").dt.strftime("%Y-%m-%d %H:%M UTC")
    joined = marked.join(learnt, on=keys, how="left", nulls_equal=True, maintain_order="left")
    if not anything:
        verdict, why = pl.lit("unknown"), pl.lit(f"the logs hold nothing from before {day}")
        return joined.with_columns(expected=verdict, why=why).drop("workload", "early", "seen")
    seen = pl.col("seen").is_not_null()
    return joined.with_columns(
        expected=pl.when(pl.col("early") | seen).then(pl.lit("yes")).otherwise(pl.lit("no")),
        why=pl.when("early")
        .then(pl.lit(f"part of the baseline before {day}"))
        .when(seen)
        .then(pl.format(SIGHTED, first))
        .otherwise(pl.lit(f"not seen before {day}")),
    ).drop("workload", "early", "seen")
