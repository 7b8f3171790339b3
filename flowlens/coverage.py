"""What the logs cannot show, counted: lines by fate, skipped windows, gaps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

__all__ = ["summary"]

#: AWS's words for an interface's window without a usable record.
#: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html
STATUSES = {"skipped": "SKIPDATA", "silent": "NODATA"}

#: What is summed over objects.
COUNTS = ("lines", "headers", "records", "outside", "coverage", "rejects")


def summary(
    coverage: pl.DataFrame,
    rejects: pl.DataFrame,
    counts: Mapping[str, Mapping[str, int]],
    conversations: pl.DataFrame | None = None,
) -> dict[str, Any]:
    """Summarise how complete an input is; the content of ``coverage.json``.

    A *usable* line became a record or says that an interface was silent; a rejected line and a
    SKIPDATA line each hide an unknown number of records. A *gap* is a whole hour between the
    first and the last record in which no interface recorded anything or said it was silent.

    Args:
        coverage: rows of schema COVERAGE.
        rejects: the columns `source`, `line`, `reason`, `text`; line 0 is an object that could
            not be read to its end, and no line.
        counts: object -> `lines` (data lines seen) and, where known, `headers`, `records`,
            `outside` (readable, of another time than the one asked for), `nodata`, `skipdata` and
            `rejects`; what is not given is counted in the two frames.
        conversations: `hour`, `action`, `records`, `first_seen`, `last_seen`; edges will do.

    Returns:
        Plain values, ready for JSON, times as ISO 8601 in UTC. `lines` = `records` + `outside` +
        `coverage` + `rejects`, in all and for each of `sources`; `headers`; `usable` (0..1, null
        without lines); `reasons` (reject reason -> lines); `lost` (objects not read to their end);
        `skipped`, `silent` and `other` (merged windows of each observer); `first`, `last`,
        `actions`, `gaps`.

    >>> from flowlens.tables import COVERAGE, empty
    >>> none = pl.DataFrame(schema={"source": pl.String, "line": pl.UInt64, "reason": pl.String})
    >>> told = summary(empty(COVERAGE), none, {"a.log": {"lines": 3, "headers": 1}})
    >>> told["records"], told["usable"], told["first"]
    (3, 1.0, None)
    """
    lost = rejects.filter(pl.col("line") == 0).select("source", "reason").unique()
    lines = rejects.filter(pl.col("line") != 0)
    sources = _sources(coverage, lines, counts)
    total = {name: sum(source[name] for source in sources) for name in COUNTS}
    skips = coverage.filter(pl.col("status") == STATUSES["skipped"]).height
    known = pl.col("status").is_in(list(STATUSES.values()))
    bad = total["rejects"] + skips
    return {
        **total,
        "usable": 1 - bad / total["lines"] if total["lines"] else None,
        "reasons": _tally(lines, "reason"),
        "lost": lost.sort("source", "reason").to_dicts(),
        "sources": sources,
        **{
            name: _windows(coverage.filter(pl.col("status") == status))
            for name, status in STATUSES.items()
        },
        "other": _windows(coverage.filter(~known.fill_null(value=False))),
        **_span(conversations, coverage),
    }


def _tally(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """Return value -> rows, the most frequent first, then by name."""
    found = frame.group_by(column).len().sort("len", column, descending=[True, False])
    return {value if value is not None else "unknown": rows for value, rows in found.iter_rows()}


def _sources(
    coverage: pl.DataFrame, rejects: pl.DataFrame, counts: Mapping[str, Mapping[str, int]]
) -> list[dict[str, Any]]:
    """Return the counts of each object, by name."""
    silent, refused = _tally(coverage, "source"), _tally(rejects, "source")
    return [
        _source(source, counts.get(source, {}), silent.get(source, 0), refused.get(source, 0))
        for source in sorted({*counts, *silent, *refused})
    ]


def _source(source: str, count: Mapping[str, int], silent: int, refused: int) -> dict[str, Any]:
    """Return the counts of one object; what was counted while reading goes before the frames."""
    if "nodata" in count:
        silent = count["nodata"] + count.get("skipdata", 0)
    refused = count.get("rejects", refused)
    outside = count.get("outside", 0)
    lines = count.get("lines", silent + refused + outside)
    return {
        "source": source,
        "lines": lines,
        "headers": count.get("headers", 0),
        "records": count.get("records", lines - silent - refused - outside),
        "outside": outside,
        "coverage": silent,
        "rejects": refused,
    }


def _windows(coverage: pl.DataFrame) -> list[dict[str, Any]]:
    """Return each observer's windows, joined where they touch."""
    reach = pl.col("end").cum_max().shift(1).over("observer", order_by=["start", "end"])
    apart = (pl.col("start") > reach).fill_null(value=True)
    merged = (
        coverage.sort("observer", "start", "end")
        .with_columns(run=apart.cast(pl.UInt32).cum_sum().over("observer"))
        .group_by("observer", "run")
        .agg(pl.col("start").min(), pl.col("end").max(), lines=pl.len())
        .sort("observer", "start")
    )
    grouped = merged.group_by("observer", maintain_order=True).agg("start", "end", "lines")
    return [_window(row) for row in grouped.iter_rows(named=True)]


def _window(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the windows of one observer as plain values."""
    pairs = list(zip(row["start"], row["end"], strict=True))
    known = [(end - start).total_seconds() for start, end in pairs if start and end]
    return {
        "observer": row["observer"],
        "lines": sum(row["lines"]),
        "seconds": int(sum(known)),
        "windows": [[_iso(start), _iso(end)] for start, end in pairs],
    }


def _span(conversations: pl.DataFrame | None, coverage: pl.DataFrame) -> dict[str, Any]:
    """Return first and last record, records by action, and the gaps between."""
    if conversations is None or conversations.is_empty():
        return {"first": None, "last": None, "actions": {}, "gaps": []}
    first = conversations.select(pl.col("first_seen").min()).item()
    last = conversations.select(pl.col("last_seen").max()).item()
    actions = conversations.group_by("action").agg(pl.col("records").sum()).sort("action")
    return {
        "first": _iso(first),
        "last": _iso(last),
        "actions": {action or "unknown": records for action, records in actions.iter_rows()},
        "gaps": _gaps(conversations, coverage),
    }


def _gaps(conversations: pl.DataFrame, coverage: pl.DataFrame) -> list[list[str | None]]:
    """Return the runs of hours about which no interface said anything."""
    hours = conversations.select(pl.col("hour").dt.truncate("1h")).drop_nulls().unique()
    if hours.is_empty():
        return []
    silent = (
        coverage.filter(pl.col("status") == STATUSES["silent"])
        .drop_nulls(["start", "end"])
        .select(
            pl.datetime_ranges(
                pl.col("start").dt.truncate("1h"), pl.col("end"), "1h", closed="left"
            ).alias("hour")
        )
        .explode("hour")
        .drop_nulls()
        .unique()
    )
    everything = hours.select(pl.datetime_range(pl.col("hour").min(), pl.col("hour").max(), "1h"))
    missing = (
        everything.rename({everything.columns[0]: "hour"})
        .join(pl.concat([hours, silent]), on="hour", how="anti")
        .sort("hour")
        .with_columns(run=(pl.col("hour").diff() != pl.duration(hours=1)).fill_null(value=True))
        .group_by(pl.col("run").cum_sum(), maintain_order=True)
        .agg(start=pl.col("hour").min(), end=pl.col("hour").max().dt.offset_by("1h"))
    )
    return [[_iso(start), _iso(end)] for _, start, end in missing.iter_rows()]


def _iso(time: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC."""
    return None if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"
