"""Hours in which far more than usual was sent, and who else did so."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from flowlens.findings.limits import Limits
from flowlens.findings.rows import SERVICE
from flowlens.small import collect

__all__ = ["TWICE", "alike", "heavy", "surges"]

#: MAD of a normal distribution, as a share of its standard deviation (1 / 1.4826).
NORMAL = 1.4826
LEAST = 0.1  # of the logarithm: hours that differ by a tenth are alike
TWICE = 0.5  # the share of a surge that another day's same hour needs to explain it


def heavy(left: pl.LazyFrame, least: int) -> pl.LazyFrame | None:
    """Return the rows of services to which at least so many bytes went in all, None without one.

    Hours of the rest, which are nearly all, need not be held.
    """
    total = pl.col("bytes_out").sum()
    kept = left.group_by(SERVICE).agg(total=total).filter(pl.col("total") >= least)
    found = kept.select(SERVICE).pipe(collect)
    if found.is_empty():
        return None
    return left.join(found.lazy(), on=SERVICE, how="semi", nulls_equal=True)


def surges(hourly: pl.LazyFrame, keys: Sequence[str], limits: Limits, least: int) -> pl.DataFrame:
    """Return the largest unusual hour of each key.

    Args:
        hourly: `keys`, ``hour`` and ``bytes``.
        keys: whose hours are compared.
        limits: z and the length of the history.
        least: bytes below which nothing is unusual.

    Returns:
        `keys`, ``at`` (the hour), ``peak``, ``usual`` (the median), ``score`` (z) and ``hours``.
    """
    day = pl.col("hour").dt.hour()
    again = (
        (pl.col("bytes").top_k(2).min() >= TWICE * pl.col("bytes").max()) & (pl.len() > 1)
    ).over(*keys, day)
    some = hourly.group_by(keys).agg(
        pl.col("hour", "bytes"),
        z=_z(),
        usual=pl.col("bytes").median().cast(pl.UInt64),
        hours=pl.len(),
        peak=pl.max("bytes"),
    )
    # What never was large is not looked at hour by hour.
    few = some.filter(pl.col("hours") > limits.history, pl.col("peak") >= least)
    spread = few.drop("peak").explode("hour", "bytes", "z").with_columns(again=again)
    high = (pl.col("z") >= limits.volume_z) & (pl.col("bytes") >= least) & ~pl.col("again")
    return (
        spread.filter(high)
        .sort(*keys, "bytes", "hour", descending=[*[False] * len(keys), True, False])
        .unique(keys, keep="first", maintain_order=True)
        .select(*keys, "usual", at="hour", peak="bytes", score=pl.col("z").round(1))
        .pipe(collect)
    )


def alike(
    left: pl.LazyFrame, found: pl.DataFrame, pairs: pl.DataFrame, limits: Limits
) -> dict[tuple[Any, ...], dict[str, int]]:
    """Return how many peers sent far more than usual to the same service in the same hour.

    Args:
        left: edges with ``about``.
        found: what `surges` returns of services.
        pairs: what `peers.peers` returns of them.
        limits: z, of which half is enough.

    Returns:
        ``peers_alike`` by service; nothing where nobody has peers.
    """
    if pairs.is_empty():
        return {}
    place = SERVICE[1:]
    asked = found.select(*SERVICE, "at").join(pairs, on="about")
    theirs = asked.select(*place, about="peer").unique().lazy()
    hourly = (
        left.join(theirs, on=SERVICE, how="semi", nulls_equal=True)
        .group_by(*SERVICE, "hour")
        .agg(bytes=pl.sum("bytes_out"))
    )
    high = (
        hourly.group_by(SERVICE)
        .agg("hour", z=_z())
        .explode("hour", "z")
        .filter(pl.col("z") >= limits.volume_z / 2)
        .select(*place, peer="about", at="hour", also=pl.lit(value=True))
        .pipe(collect)
    )
    told = asked.join(high, on=[*place, "peer", "at"], how="left", nulls_equal=True)
    counts = told.group_by(SERVICE).agg(pl.col("also").sum())
    return {row[:-1]: {"peers_alike": row[-1]} for row in counts.iter_rows()}


def _z() -> pl.Expr:
    """Return the robust z of the logarithm of each hour's bytes."""
    amount = pl.col("bytes").cast(pl.Float64).clip(1).log()
    off = (amount - amount.median()).abs().median().clip(LEAST)
    return (amount - amount.median()) / (NORMAL * off)
