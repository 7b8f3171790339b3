"""The rows of a timeline: who sent to what unexpected place, and how much in each step of time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from flowlens_graphs.frame import prepare

__all__ = ["LANES", "Lanes", "lanes"]

LANES = 24

KEY = ("source", "target", "server_port", "protocol")

#: Steps of time of which one is a dot, in hours.
STEPS = (1, 2, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 8760)

#: The most steps that a lane has room for.
MOST = 260


@dataclass(frozen=True, slots=True)
class Lanes:
    """What a timeline shows."""

    lanes: pl.DataFrame  # lane, source, target, …, members, first_seen, bytes_out, refused, …
    dots: pl.DataFrame  # lane, time, rejected, bytes_out
    gaps: pl.DataFrame  # lane, start, end
    window: tuple[datetime, datetime] | None
    step: timedelta
    total: dict[str, int]


def lanes(
    edges: pl.DataFrame | pl.LazyFrame,
    coverage: pl.DataFrame | None = None,
    *,
    budget: int = LANES,
) -> Lanes:
    """Return the lanes of a timeline, in the order in which they begin.

    A lane is what one source sent to one destination on one port. Beyond the budget the lightest
    are one lane, which counts them. The window is that of all edges, so that one sees how long
    nothing unexpected happened.

    Args:
        edges: An edge table with the column hour.
        coverage: Rows observer, status, start, end; what is not NODATA is a gap.
        budget: The most lanes.
    """
    frame = prepare(edges)
    bad = frame.filter(pl.col("class") == "unexpected", pl.col("hour").is_not_null())
    span, found = pl.collect_all([_span(frame), _cells(bad)])
    row = span.row(0, named=True)
    window = (row["first"], row["last"] + timedelta(hours=1)) if row["first"] else None
    step = timedelta(hours=stride(window))
    named = _named(found, budget)
    table = _lanes(named)
    return Lanes(
        lanes=table,
        dots=_dots(named, window, step),
        gaps=_gaps(named, coverage),
        window=window,
        step=step,
        total={
            "judged": row["judged"],
            "lanes": found.select(KEY).n_unique(),
            "sources": found["source"].n_unique(),
            "destinations": found["target"].n_unique(),
            "bytes_out": int(found["bytes_out"].sum()),
            "conversations": int(found["conversations"].sum()),
        },
    )


def stride(window: tuple[datetime, datetime] | None) -> int:
    """Return the hours of a step: the shortest of which a lane can show all.

    >>> stride((datetime(2026, 11, 1), datetime(2026, 11, 8)))
    1
    """
    hours = (window[1] - window[0]) / timedelta(hours=1) if window else 1
    return next((step for step in STEPS if hours / step <= MOST), STEPS[-1])


def _span(frame: pl.LazyFrame) -> pl.LazyFrame:
    judged = (pl.col("expected") != "unknown").sum().alias("judged")
    hour = pl.col("hour")
    return frame.select(hour.min().alias("first"), hour.max().alias("last"), judged)


def _cells(bad: pl.LazyFrame) -> pl.LazyFrame:
    refused = (pl.col("action") == "REJECT").fill_null(value=False)
    return (
        bad.with_columns(
            refused.alias("rejected"), pl.coalesce("first_seen", "hour").alias("first_seen")
        )
        .group_by(*KEY, "hour", "rejected", "observer", "server")
        .agg(
            pl.col("candidates").sort().drop_nulls().first(),
            pl.col("first_seen").min(),
            pl.col("bytes_out").sum(),
            pl.col("connections").sum(),
            pl.len().cast(pl.UInt64).alias("conversations"),
        )
        .sort(*KEY, "hour", "rejected", "observer", "server", nulls_last=True)
    )


def _named(found: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Give every cell its lane: its own, or -1 for the smaller ones together."""
    keys = (
        found.group_by(KEY)
        .agg(pl.col("bytes_out").sum(), pl.col("first_seen").min())
        .sort("bytes_out", *KEY, descending=[True, *[False] * len(KEY)], nulls_last=True)
        .with_row_index("weight")
    )
    room = budget if keys.height <= budget else budget - 1
    merged = pl.col("weight") >= room
    begun = pl.col("first_seen").rank("ordinal").cast(pl.Int32) - 1
    keys = keys.sort("first_seen", "weight").with_columns(
        pl.when(merged).then(pl.lit(-1, pl.Int32)).otherwise(begun).alias("lane")
    )
    return found.join(keys.select(*KEY, "lane"), on=KEY, nulls_equal=True, maintain_order="left")


def _lanes(named: pl.DataFrame) -> pl.DataFrame:
    lone = pl.struct(KEY).n_unique()
    return (
        named.group_by("lane")
        .agg(
            *(pl.col(name).first() for name in KEY),
            pl.col("candidates").first(),
            lone.alias("members"),
            pl.col("server").n_unique().alias("addresses"),
            pl.col("server").first(),
            pl.col("first_seen").min(),
            pl.col("bytes_out").sum(),
            pl.col("connections").sum(),
            pl.col("conversations").sum(),
            pl.col("conversations").filter("rejected").sum().alias("refused"),
        )
        .sort(pl.col("lane") < 0, "lane")
    )


def _dots(
    named: pl.DataFrame, window: tuple[datetime, datetime] | None, step: timedelta
) -> pl.DataFrame:
    first = window[0] if window else None
    begin = pl.lit(first, pl.Datetime("ms", "UTC"))
    offset = (pl.col("hour") - begin).dt.total_hours() // int(step / timedelta(hours=1))
    return (
        named.with_columns((begin + offset * pl.lit(step) + pl.lit(step / 2)).alias("time"))
        .group_by("lane", "time", "rejected")
        .agg(pl.col("bytes_out").sum())
        .sort("lane", "time", "rejected")
    )


def _gaps(named: pl.DataFrame, coverage: pl.DataFrame | None) -> pl.DataFrame:
    if coverage is None:
        empty = pl.Datetime("ms", "UTC")
        return pl.DataFrame(schema={"lane": pl.Int32, "start": empty, "end": empty})
    lost = coverage.filter(pl.col("status") != "NODATA").select("observer", "start", "end")
    return (
        named.select("lane", "observer")
        .unique()
        .join(lost, on="observer")
        .select("lane", "start", "end")
        .unique()
        .sort("lane", "start", "end")
    )
