"""How often something not seen yet will be seen: three estimates, of which the largest counts.

Good-Turing
    The share of sightings that were the only one of their kind estimates the chance that the
    next sighting is of a kind not seen before (Good 1953, Biometrika 40, 237-264). Once over flows
    and once over hours, because flows come in bursts.
rolling origin
    The share of the flows in the later half that were of a kind not seen in the earlier one.
"""

from math import exp, lgamma, log

import polars as pl

__all__ = ["unseen", "upper"]


def unseen(sightings: pl.DataFrame, by: list[str], kind: list[str]) -> pl.DataFrame:
    """Return the chance that the next flow is of a kind not seen yet.

    Args:
        sightings: `hour` and `flows`, with the columns of `by` and `kind`; rows may repeat.
        by: What is estimated apart, such as a name.
        kind: What is seen, such as an address.

    Returns:
        `by`, `flows`, `kinds` (distinct), `turing_flows`, `turing_hours`, `rolling` (each 0..1) and
        `unseen`, the largest of the three.

    >>> from datetime import datetime
    >>> hours = [datetime(2026, 1, 1, h) for h in (0, 1, 2, 3)]
    >>> frame = pl.DataFrame({"hour": hours, "flows": [5, 2, 2, 1], "n": "x", "a": list("aaab")})
    >>> unseen(frame, ["n"], ["a"]).row(0)
    ('x', 10, 2, 0.1, 0.25, 0.333..., 0.333...)
    """
    keys = [*by, *kind]
    seen = sightings.group_by(*keys, "hour").agg(pl.col("flows").sum())
    half = pl.col("hour").min() + (pl.col("hour").max() - pl.col("hour").min()) / 2
    seen = seen.with_columns(late=pl.col("hour") > (half.over(by) if by else half))
    kinds = seen.group_by(keys).agg(
        flows=pl.col("flows").sum(),
        hours=pl.len(),
        late=pl.col("flows").filter("late").sum(),
        new=pl.col("late").all(),
    )
    once = (pl.col("flows") == 1).sum() / pl.col("flows").sum()
    brief = (pl.col("hours") == 1).sum() / pl.col("hours").sum()
    fresh = pl.col("late").filter("new").sum() / pl.col("late").sum()
    grouped = kinds.group_by(by) if by else kinds.group_by(pl.lit(0).alias("all"))
    found = grouped.agg(
        flows=pl.col("flows").sum(),
        kinds=pl.len(),
        turing_flows=once,
        turing_hours=brief,
        rolling=fresh.fill_nan(0.0),
    ).with_columns(unseen=pl.max_horizontal("turing_flows", "turing_hours", "rolling"))
    return found.sort(by) if by else found.drop("all")


def upper(events: int, confidence: float = 0.9) -> float:
    """Return the upper bound of the mean of a Poisson count, of which `events` were seen.

    The exact one (Garwood 1936, Biometrika 28, 437-442): the mean under which so few or fewer are
    seen with a chance of 1 - `confidence`.

    >>> round(upper(0), 3), round(upper(3), 3)
    (2.303, 6.681)
    """
    low, high = 0.0, 2.0 * events + 20.0
    for _ in range(60):
        mean = (low + high) / 2
        low, high = (mean, high) if _most(events, mean) > 1 - confidence else (low, mean)
    return high


def _most(events: int, mean: float) -> float:
    """Return the chance of at most so many events."""
    if mean <= 0:
        return 1.0
    return sum(exp(n * log(mean) - mean - lgamma(n + 1)) for n in range(events + 1))
