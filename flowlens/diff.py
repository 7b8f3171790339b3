"""What is new, gone, grown and shrunk between two sets of edges."""

from datetime import timedelta
from typing import Any

import polars as pl

from flowlens.errors import UsageError
from flowlens.tables import TIME

__all__ = ["CHANGES", "DIFF", "checked", "diff", "hours"]

#: In the order in which they are shown.
CHANGES = ("new", "gone", "grown", "shrunk", "same")

DIFF: dict[str, pl.DataType] = {
    "change": pl.String(),  # one of CHANGES
    "owner": pl.List(pl.String),  # candidates of the client; null where nobody is known
    "client": pl.String(),  # the first of its addresses; null for strangers
    "clients_a": pl.UInt32(),  # distinct addresses
    "clients_b": pl.UInt32(),
    "destination": pl.String(),
    "destination_kind": pl.String(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "bytes_a": pl.UInt64(),  # both directions; 0 where there is no record
    "bytes_b": pl.UInt64(),
    "ratio": pl.Float64(),  # of bytes an hour, B by A; null for what is new
    "records_a": pl.UInt64(),
    "records_b": pl.UInt64(),
    "rejected_a": pl.UInt64(),
    "rejected_b": pl.UInt64(),
    "first_seen": TIME,  # over A and B
    "last_seen": TIME,
    "expected": pl.String(),  # the worst that was said, in B or else in A
}

KEY = ["about", "destination", "server_port", "protocol"]
COUNTS = ("bytes", "records", "rejected", "clients")
VERDICTS = ("no", "unknown", "yes")


def diff(
    a: pl.DataFrame | pl.LazyFrame,
    b: pl.DataFrame | pl.LazyFrame,
    *,
    ratio: float = 2.0,
    spans: tuple[float | None, float | None] = (None, None),
) -> pl.DataFrame:
    """Compare who talked to whom: a row for each owner, destination, port and protocol.

    An address that nobody is known to hold stands for itself, except in front of a server whose
    owner is known: there all strangers are one, for the internet never sends the same ones twice.

    *New* has records in B only, *gone* in A only. *Grown* sends and gets at least `ratio` times the
    bytes an hour in B, *shrunk* at most one `ratio`-th; anything else is the *same*. Gone is what
    the records of B do not show, which is no proof where B is not whole.

    Args:
        a: a table of schema EDGES.
        b: another one.
        ratio: from which change on, at least 1.
        spans: hours that A and B are about; without, from the first hour with a record to the
            last, both in it.

    Returns:
        A table of schema DIFF in the order of `CHANGES`, in each the greatest change of bytes
        first.

    Raises:
        UsageError: `ratio` is below 1.

    >>> edge = {"destination": "x", "server_port": 443, "bytes_out": 10, "bytes_in": 0}
    >>> a = pl.DataFrame({"client": ["c", "c"]}).with_columns(pl.lit(v).alias(n)
    ...     for n, v in edge.items())
    >>> diff(a.head(1), a).select("change", "bytes_a", "bytes_b", "ratio").row(0)
    ('grown', 10, 20, 2.0)
    """
    checked(ratio)
    parts = [_merged(frame) for frame in (a, b)]
    one, other = (given or hours(part) for given, part in zip(spans, parts, strict=True))
    joined = parts[0].join(
        parts[1], on=KEY, how="full", coalesce=True, nulls_equal=True, suffix="_b"
    )
    rate = (pl.col("bytes_b") / other) / (pl.col("bytes_a") / one)
    return (
        joined.rename({name: f"{name}_a" for name in COUNTS})
        .with_columns(
            pl.coalesce(f"{name}_b", name).alias(name)
            for name in ("owner", "client", "destination_kind", "expected")
        )
        .with_columns(
            change=_change(rate, ratio),
            ratio=pl.when(pl.col("records_a").is_not_null()).then(rate.fill_null(0.0)).round(4),
            first_seen=pl.min_horizontal("first_seen", "first_seen_b"),
            last_seen=pl.max_horizontal("last_seen", "last_seen_b"),
        )
        .with_columns(pl.col("^(bytes|records|rejected|clients)_[ab]$").fill_null(0))
        .sort(*_order(), *KEY, descending=[False, True, *[False] * len(KEY)], nulls_last=True)
        .select(pl.col(name).cast(dtype) for name, dtype in DIFF.items())
    )


def checked(ratio: float) -> float:
    """Return a ratio that tells growth.

    Raises:
        UsageError: it is below 1.
    """
    if not ratio >= 1:
        msg = f"a ratio of {ratio:g} is no growth; give one of 1 or more, such as 2"
        raise UsageError(msg)
    return ratio


def _merged(edges: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return one row for each owner (client where nobody is known), destination and service."""
    lazy = edges.lazy()
    lacking = {name: dtype for name, dtype in _USED.items() if name not in lazy.collect_schema()}
    frame = lazy.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in lacking.items())
    known = (pl.col("client_owner").list.len() > 0).fill_null(value=False)
    owners = pl.col("client_owner").list.sort()
    stranger = ~known & (pl.col("server_owner").list.len() > 0).fill_null(value=False)
    records = pl.col("records")
    return (
        frame.with_columns(
            about=pl.when(known).then(owners.list.join("\x1f")).when(~stranger).then("client"),
            destination=pl.coalesce("destination", "server"),
            owner=pl.when(known).then(owners),
        )
        .group_by(KEY)
        .agg(
            pl.col("owner").first(),
            pl.when(pl.col("about").is_not_null().any()).then(pl.col("client").min()),
            pl.col("client").drop_nulls().n_unique().alias("clients"),
            pl.col("destination_kind").min(),
            (pl.col("bytes_out").fill_null(0) + pl.col("bytes_in").fill_null(0))
            .sum()
            .alias("bytes"),
            records.sum(),
            records.filter(pl.col("action") == "REJECT").sum().alias("rejected"),
            pl.col("first_seen").min(),
            pl.col("last_seen").max(),
            pl.col("expected").cast(pl.Enum(VERDICTS)).min().cast(pl.String),
        )
        .collect(engine="streaming")
    )


#: Columns of EDGES that are looked at.
_USED: dict[str, Any] = {
    "client_owner": pl.List(pl.String),
    "client": pl.String(),
    "server_owner": pl.List(pl.String),
    "server": pl.String(),
    "destination": pl.String(),
    "destination_kind": pl.String(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "action": pl.String(),
    "bytes_out": pl.UInt64(),
    "bytes_in": pl.UInt64(),
    "records": pl.UInt64(),
    "first_seen": TIME,
    "last_seen": TIME,
    "expected": pl.String(),
}


def hours(edges: pl.DataFrame | pl.LazyFrame) -> float:
    """Return the hours from the first one with a record to the last, both in it; 1 at least."""
    first, last = (
        edges.lazy()
        .select(pl.col("first_seen").min(), pl.col("last_seen").max())
        .select(pl.all().cast(TIME).dt.truncate("1h"))
        .collect()
        .row(0)
    )
    return 1.0 if first is None or last is None else (last - first) / timedelta(hours=1) + 1


def _change(rate: pl.Expr, ratio: float) -> pl.Expr:
    """Return what became of a row."""
    return (
        pl.when(pl.col("records_a").is_null())
        .then(pl.lit("new"))
        .when(pl.col("records_b").is_null())
        .then(pl.lit("gone"))
        .when(rate >= ratio)
        .then(pl.lit("grown"))
        .when(rate <= 1 / ratio)
        .then(pl.lit("shrunk"))
        .otherwise(pl.lit("same"))
    )


def _order() -> list[pl.Expr]:
    """Return what rows are sorted by: the change, then how many bytes it is."""
    moved = (pl.col("bytes_b").cast(pl.Int64) - pl.col("bytes_a").cast(pl.Int64)).abs()
    return [pl.col("change").cast(pl.Enum(CHANGES)), moved]
