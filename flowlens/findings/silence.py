"""D27: what the logs stopped saying."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.evidence import among
from flowlens.findings.identity import identity
from flowlens.findings.limits import Limits
from flowlens.findings.rows import table
from flowlens.small import collect
from flowlens.tables import FINDINGS, TIME
from flowlens.words import noun, span

__all__ = ["silence"]

HOUR = timedelta(hours=1)
STOPPED = 0.3  # the share of interfaces that stop together when a flow log is switched off
LEAST = 2
CALL = "ec2.describe_network_interfaces"


def silence(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find gaps, skipped windows, and interfaces that fell silent together.

    A *gap* is a run of whole hours, between the first and the last, in which no interface recorded
    anything or said that it was idle (NODATA). *Skipped* windows (SKIPDATA) AWS lost.
    *Switched off*: of the interfaces that had records in `regular_hours` hours in a row, two or
    more, and 30 % of all, had their last one in the same hour, `silent_hours` before the end. With
    an inventory one that a later capture does not show was deleted, and is left out; one that a
    capture of `silent_hours` later still shows is enough alone, because an interface that is idle
    says so (NODATA).

    Technique: T1562.008 (disable or modify cloud logs); none for skipped windows.

    It cannot tell one interface that was deleted from one whose flow log was, and leaves it, where
    no later capture of an inventory shows it. That of an instance that was stopped looks the same.

    Args:
        edges: a table of schema EDGES.
        context: the coverage and the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    seen = (
        edges.select("hour", observer=pl.coalesce("observers", pl.concat_list("observer")))
        .drop_nulls("hour")
        .explode("observer", empty_as_null=True)
        .unique()
        .pipe(collect)
    )
    if seen.is_empty():
        return table([])
    told = context.coverage
    idle = _idle(told)
    rows = _stopped(seen, idle, context)
    if told is not None:  # else an hour without traffic is no hour without a log
        rows += _gaps(pl.concat([seen, idle]).unique())
        rows += _skipped(told.filter(pl.col("status") == "SKIPDATA"))
    return table(rows)


def _idle(coverage: pl.DataFrame | None) -> pl.DataFrame:
    """Return the hours in which interfaces said that they were idle."""
    schema = {"hour": pl.Datetime("ms", "UTC"), "observer": pl.String()}
    if coverage is None or coverage.is_empty():
        return pl.DataFrame(schema=schema)
    hours = pl.datetime_ranges(pl.col("start").dt.truncate("1h"), "end", "1h", closed="left")
    idle = coverage.filter(pl.col("status") == "NODATA").drop_nulls(["start", "end"])
    return (
        idle.select(hour=hours, observer="observer")
        .explode("hour", empty_as_null=True)
        .drop_nulls("hour")
        .cast(schema)  # type: ignore[arg-type]
    )


def _gaps(every: pl.DataFrame) -> list[dict[str, Any]]:
    """Return a finding for each run of hours about which nobody said anything."""
    hours = sorted(every["hour"].unique().to_list())
    rows = []
    for early, late in pairwise(hours):
        if late - early <= HOUR:
            continue
        first, last = early + HOUR, late
        seconds = int((last - first).total_seconds())
        text = (
            f"No interface recorded anything for {noun(seconds, 'second')} {span(first, last)}, "
            f"nor said that it was idle; medium because there are records before and after"
        )
        rows.append(_row("gap", "medium", text, "T1562.008", first, last, seconds, [], 0))
    return rows


def _regular(said: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Return the interfaces that spoke in every hour before their ``last``."""
    last = said.group_by("observer").agg(last=pl.max("hour"))
    recent = pl.col("last") - pl.col("hour") < timedelta(hours=limits.regular_hours)
    return (
        said.join(last, on="observer")
        .filter(recent)
        .group_by("observer")
        .agg(pl.first("last"), hours=pl.len())
        .filter(pl.col("hours") >= limits.regular_hours)
    )


def _stopped(seen: pl.DataFrame, idle: pl.DataFrame, context: Context) -> list[dict[str, Any]]:
    """Return a finding for each hour after which several interfaces said no more."""
    end = seen["hour"].max()
    assert isinstance(end, datetime)
    regular = _regular(pl.concat([seen, idle]).unique().drop_nulls("observer"), context.limits)
    gone = regular.filter(end - pl.col("last") >= timedelta(hours=context.limits.silent_hours))
    there = _shown(gone, context).filter(pl.col("there").fill_null(value=True))
    groups = (
        there.group_by("last")
        .agg(pl.col("observer").sort(), sure=pl.col("observer").filter("there").sort())
        .sort("last")
    )
    rows = []
    for when, observers, sure in groups.iter_rows():
        first, seconds = when + HOUR, int((end - when).total_seconds())
        told = f"{span(first, end + HOUR)}, {noun(seconds, 'second')} to the logs' end"
        if len(observers) >= max(LEAST, STOPPED * regular.height):
            those, level = observers, "medium"
            text = (
                f"{_spoke(those)} together {told}; medium because they stopped in the same hour, "
                f"as when a flow log is switched off"
            )
        elif sure:
            those, level = sure, "low"
            text = (
                f"{_spoke(those)} {told}; low because the inventory still shows "
                f"{'it' if len(those) == 1 else 'them'}, and what is idle says so"
            )
        else:
            continue
        rows.append(
            _row("switched-off", level, text, "T1562.008", first, end + HOUR, seconds, those)
        )
    return rows


def _spoke(observers: Sequence[str]) -> str:
    """Return how many interfaces fell silent."""
    return f"{noun(len(observers), 'interface')} that had spoken in every hour fell silent"


def _shown(gone: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Add ``there``: whether later captures show an interface, all of them; null where none tells.

    An interface is known to have been deleted where a capture does not show it that an earlier one
    showed; that it stayed where a capture shows it `silent_hours` after its last hour.
    """
    if context.inventory is None or gone.is_empty():
        return gone.with_columns(there=pl.lit(None, pl.Boolean))
    scope = ["account_id", "region"]
    asked = (context.inventory.captures[n] for n in context.inventory.answered(CALL))
    times = [(one.account_id, one.region, one.captured_at) for one in asked]
    schema = {"account_id": pl.String(), "region": pl.String(), "asked": TIME}
    newest = pl.DataFrame(times, schema, orient="row").group_by(scope).agg(pl.max("asked"))
    known = (
        context.inventory.interfaces.select(
            *scope, observer="interface_id", held=pl.col("captured_at").cast(TIME)
        )
        .group_by(*scope, "observer")
        .agg(pl.max("held"))
        .join(newest, on=scope, nulls_equal=True)
        .group_by("observer")
        .agg(pl.max("held"), gone=(pl.col("held") < pl.col("asked")).all())
    )
    late = pl.col("last") + timedelta(hours=1 + context.limits.silent_hours)
    stays = pl.when(pl.col("held") >= late).then(pl.lit(value=True))
    return (
        gone.join(known, on="observer", how="left")
        .with_columns(there=pl.when("gone").then(pl.lit(value=False)).otherwise(stays))
        .drop("held", "gone")
    )


def _skipped(windows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return one finding for all windows that AWS lost."""
    if windows.is_empty():
        return []
    observers = windows["observer"].drop_nulls().unique().sort().to_list()
    first, last = windows["start"].min(), windows["end"].max()
    assert first is None or isinstance(first, datetime)
    assert last is None or isinstance(last, datetime)
    lost = windows.select((pl.col("end") - pl.col("start")).sum().dt.total_seconds()).item()
    text = (
        f"AWS lost {noun(windows.height, 'window')} of {noun(len(observers), 'interface')}, "
        f"{noun(lost, 'second')} {span(first, last)}: what happened then is not known; info "
        f"because SKIPDATA is a limit of the service and no sign of anybody"
    )
    return [_row("skipped", "info", text, None, first, last, lost, observers, windows.height)]


def _row(  # noqa: PLR0913, PLR0917 - a finding has as many parts
    kind: str,
    level: str,
    text: str,
    technique: str | None,
    first: datetime | None,
    last: datetime | None,
    seconds: int,
    observers: Sequence[str],
    count: int = 0,
) -> dict[str, Any]:
    """Return a row of FINDINGS; its filter yields the records that are not there."""
    where = [among("interface_id", observers)] if observers else []
    if first and last:
        where += [f"start >= {first:%Y-%m-%dT%H:%M:%SZ}", f"start < {last:%Y-%m-%dT%H:%M:%SZ}"]
    numbers = {**_blank(), "seconds": seconds, "records": count, "tries": len(observers)}
    return {
        **dict.fromkeys(FINDINGS),
        "id": identity(kind, sorted(observers), None if first is None else first.isoformat()),
        "kind": kind,
        "severity": level,
        "destination": ", ".join(observers[:3]) or "the flow logs",
        "first_seen": first,
        "last_seen": last,
        "numbers": numbers,
        "text": f"{text}.",
        "technique": technique,
        "evidence": {"filter": " and ".join(where), "lines": []},
    }


def _blank() -> Mapping[str, Any]:
    """Return the numbers of a finding that has no traffic."""
    fields = FINDINGS["numbers"]
    assert isinstance(fields, pl.Struct)
    sums = ("bytes_out", "bytes_in", "packets_out", "packets_in", "records", "rejected",
            "connections", "hours")  # fmt: skip
    return {field.name: 0 if field.name in sums else None for field in fields.fields}
