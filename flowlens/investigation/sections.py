"""The parts of an investigation that come from the subject's own traffic: functions on frames."""

from datetime import datetime, timedelta

import polars as pl

from flowlens.tables import TIME

__all__ = ["PEERS", "REJECTS", "TIMELINE", "peers", "pivot", "rejects", "timeline"]

TIMELINE: dict[str, pl.DataType] = {
    "hour": TIME,
    "bytes_out": pl.UInt64(),  # sent by the subject
    "bytes_in": pl.UInt64(),
    "packets_out": pl.UInt64(),
    "packets_in": pl.UInt64(),
    "records": pl.UInt64(),
    "rejected": pl.UInt64(),  # of the records
    "peers": pl.UInt32(),  # by name: all addresses of a service are one
    "new_peers": pl.UInt32(),  # not met in an earlier hour
}

PEERS: dict[str, pl.DataType] = {
    "role": pl.String(),  # the subject's: client, server, middle
    "name": pl.String(),
    "class": pl.String(),
    "peer": pl.String(),  # the address of it that was met first
    "addresses": pl.UInt32(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "bytes_out": pl.UInt64(),
    "bytes_in": pl.UInt64(),
    "records": pl.UInt64(),
    "rejected": pl.UInt64(),
    "connections": pl.UInt64(),
    "hours": pl.UInt32(),
    "first_seen": TIME,
    "last_seen": TIME,
    "new": pl.Boolean(),  # first met at or after the pivot; null without one
    "gone": pl.Boolean(),  # last met before it
    "expected": pl.String(),  # the worst that was said
    "why": pl.String(),
    "path": pl.String(),
}

REJECTS: dict[str, pl.DataType] = {
    "role": pl.String(),
    "name": pl.String(),
    "peer": pl.String(),
    "addresses": pl.UInt32(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "rejected": pl.UInt64(),
    "first_seen": TIME,
    "last_seen": TIME,
    "accepted_before": pl.UInt64(),  # records accepted before the first of them
    "accepted_after": pl.UInt64(),  # … and after
}

SERVICE = ["role", "name", "server_port", "protocol"]
#: Verdicts from the worst.
VERDICTS = ("no", "unknown", "yes")
#: Below a day there is nothing to call usual.
LEARNT = timedelta(days=1)
REJECTED = pl.col("records").filter(pl.col("action") == "REJECT").sum().alias("rejected")
SUMS = pl.col("bytes_out", "bytes_in", "packets_out", "packets_in", "records").sum()


def pivot(seen: pl.DataFrame, finding: datetime | None = None) -> datetime | None:
    """Return the time before and after which peers are compared.

    It is when the finding began; else a day after the subject was first seen, and none where it
    was seen for less than that: what was never watched before is not called new.

    Args:
        seen: a table of SEEN.
        finding: when the first finding about the subject began.
    """
    span = seen.select(first=pl.col("first_seen").min(), last=pl.col("last_seen").max())
    first, last = span.row(0) if span.height else (None, None)
    if first is None or last is None:
        return None
    if finding is not None and first < finding <= last:
        return finding
    return first + LEARNT if last - first > LEARNT else None


def timeline(seen: pl.DataFrame) -> pl.DataFrame:
    """Return what the subject sent and got in each hour in which it was seen."""
    met = seen.group_by("name").agg(debut=pl.col("hour").min())
    new = (pl.col("hour") == pl.col("debut")) & pl.col("name").is_not_null()
    return (
        seen.join(met, on="name", how="left")
        .group_by("hour")
        .agg(
            SUMS,
            REJECTED,
            peers=pl.col("name").drop_nulls().n_unique(),
            new_peers=pl.col("name").filter(new).n_unique(),
        )
        .sort("hour", nulls_last=True)
        .select(pl.col(name).cast(dtype) for name, dtype in TIMELINE.items())
    )


def peers(seen: pl.DataFrame, since: datetime | None = None) -> pl.DataFrame:
    """Return whom the subject talked to, by service: unexpected, then new, then heavy ones first.

    All addresses of one name are one peer: those of a content network change every day.

    Args:
        seen: a table of SEEN.
        since: peers that were first met then or later are new, see `pivot`.
    """
    worst = pl.col("expected").cast(pl.Enum(VERDICTS))
    at = pl.lit(since, TIME)
    found = (
        seen.sort("first_seen", "last_seen", "own", "name", nulls_last=True)
        .group_by(SERVICE, maintain_order=True)
        .agg(
            SUMS,
            REJECTED,
            pl.col("class", "path", "peer").drop_nulls().first(),
            pl.col("peer").drop_nulls().n_unique().alias("addresses"),
            pl.col("connections").sum(),
            pl.col("hour").n_unique().alias("hours"),
            pl.col("first_seen").min(),
            pl.col("last_seen").max(),
            worst.min().cast(pl.String),
            pl.col("why").sort_by(worst).first(),
        )
        .with_columns(new=pl.col("first_seen") >= at, gone=pl.col("last_seen") < at)
    )
    weight = pl.col("bytes_out") + pl.col("bytes_in")
    fresh, odd = pl.col("new").fill_null(value=False), pl.col("expected").eq_missing(pl.lit("no"))
    falling = [True] * 3 + [False] * len(SERVICE)
    return found.sort(odd, fresh, weight, *SERVICE, descending=falling, nulls_last=True).select(
        pl.col(name).cast(dtype) for name, dtype in PEERS.items()
    )


def rejects(seen: pl.DataFrame) -> pl.DataFrame:
    """Return what was refused, by service, and whether the same was let through before or after."""
    refused = seen.filter(pl.col("action") == "REJECT")
    allowed = seen.filter(pl.col("action") == "ACCEPT").select(
        *SERVICE, count="records", at="first_seen"
    )
    found = refused.group_by(SERVICE).agg(
        pl.col("peer").drop_nulls().sort().first(),
        pl.col("peer").drop_nulls().n_unique().alias("addresses"),
        pl.col("records").sum().alias("rejected"),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
    )
    beside = found.join(allowed, on=SERVICE, how="left", nulls_equal=True)
    before, count = pl.col("at") < pl.col("first_seen"), pl.col("count")
    told = beside.group_by(SERVICE).agg(
        accepted_before=count.filter(before).sum(), accepted_after=count.filter(~before).sum()
    )
    return (
        found.join(told, on=SERVICE, how="left", nulls_equal=True)
        .sort("rejected", *SERVICE, descending=[True] + [False] * len(SERVICE), nulls_last=True)
        .select(pl.col(name).cast(dtype) for name, dtype in REJECTS.items())
    )
