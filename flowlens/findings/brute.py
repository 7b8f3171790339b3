"""D12: log-ins tried over and over, and whether one succeeded."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.phrases import outcome, when, whom
from flowlens.findings.ports import LOGINS, named
from flowlens.findings.retries import again, retries
from flowlens.findings.rows import finding, incidents, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, INSIDE, OURS, TCP
from flowlens.findings.starts import events, watchers
from flowlens.small import collect
from flowlens.words import noun, service, size

__all__ = ["KIND", "brute_force"]

KIND = "brute-force"
TRY = ["client", "server", "server_port", "protocol"]
TARGET = ["server", "server_port", "protocol"]
MINUTE = 60
STANDS_OUT = 4  # times the median try


def brute_force(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find many short, alike connections to a log-in port, and one that was let in.

    In one hour at least `logins` connections of one client to one server on a port of
    `ports.LOGINS`, at `login_rate` a minute while they last, each of `login_packets` packets and at
    most `login_bytes` bytes on average. Clients from outside that try one server are one finding.
    A log-in *may have succeeded* where a connection at least as late as the first tries moved more
    than `success_bytes` and four times the median; that needs records, since edges are hours.

    Technique: T1110 (brute force). Answers GuardDuty's SSH-, RDP- and WinRMBruteForce.

    It cannot see guesses that are spread over hosts or days, or made within one connection.
    Automation that logs in for short commands looks alike, and weighs less where it is declared;
    so do clients that try again at intervals that double (`retries`) where none succeeded.

    Args:
        edges: a table of schema EDGES.
        context: the records and the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    tried = edges.filter(named(LOGINS), pl.col("protocol") == TCP, ANSWERED)
    found = tried.filter(_alike(limits)).select(TRY).unique().sort(TRY).pipe(collect)
    if found.is_empty():
        return table([])
    within = tried.join(found.lazy(), on=TRY, how="semi", nulls_equal=True)
    seen = None if context.records is None else events(context.records, watchers(within))
    told = (
        None if seen is None or seen.is_empty() else (_opened(seen, limits), retries(seen, limits))
    )
    ours = list(incidents(within.filter(OURS), ["about", *TARGET, "destination"]))
    theirs = list(incidents(within.filter(~OURS, INSIDE), [*TARGET, "destination"]))
    return table(
        [_tried(row, told, context, inner=True) for row in ours]
        + [_tried(row, told, context, inner=False) for row in theirs]
    )


def _alike(limits: Limits) -> pl.Expr:
    """Return whether an hour holds tries: many, fast, short."""
    many = pl.col("connections")
    minutes = (pl.col("last_seen") - pl.col("first_seen")).dt.total_seconds().clip(MINUTE) / MINUTE
    low, high = limits.login_packets
    return (
        (many >= limits.logins)
        & (many >= limits.login_rate * minutes)
        & (pl.col("bytes_out") <= limits.login_bytes * many)
        & pl.col("packets_out").is_between(low * many, high * many)
    )


def _opened(seen: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Return ``client``, ``server``, ``server_port`` and ``bytes`` of what stands out."""
    moved = pl.col("bytes_out") + pl.col("bytes_in")
    usual = moved.median().over(TRY)
    late = pl.col("at") >= pl.col("at").sort().get(limits.logins // 2).over(TRY)
    tries = seen.filter(pl.len().over(TRY) > limits.logins // 2)
    success = (moved > limits.success_bytes) & (moved > STANDS_OUT * usual) & late
    return (
        tries.filter(success)
        .group_by(TRY)
        .agg(bytes=(pl.col("bytes_out") + pl.col("bytes_in")).max())
        .sort(TRY)
    )


def _tried(
    row: Mapping[str, Any],
    told: tuple[pl.DataFrame, pl.DataFrame] | None,
    context: Context,
    *,
    inner: bool,
) -> dict[str, Any]:
    """Return one finding; `told` has what stands out and what was tried again, by pair."""
    port = row["server_port"]
    won = None
    if told is not None:
        same = (
            pl.col("client").is_in(row["clients"]), pl.col("server").is_in(row["servers"]),
            pl.col("server_port") == port,
        )  # fmt: skip
        hit, more = (frame.filter(*same) for frame in told)
        won = hit["bytes"].max() if hit.height else 0
        row = {**row, "starts": more["starts"].sum(), "retries": more["retries"].sum()}
    subject = whom(row) if inner or len(row["clients"]) == 1 else _crowd(row)
    target = row["destination"] or row["server"]
    text = (
        f"{subject} tried to log in to {target} {service(row['protocol'], port)} "
        f"{noun(row['connections'], 'time')}, {size(row['bytes_out'])} {when(row)}, "
        f"{outcome(row)}{again(row)}, {_success(won)}"
    )
    factors = [(1.0, f"{LOGINS[port]} was tried over and over"), _weight(won)]
    if row["declared"]:
        factors.append((0.2, "it was declared, as automation is"))
    if again(row) and not won:
        factors.append((0.3, "it tries again at doubling intervals, as clients do in vain"))
    graded = grade(row, context, amount=False, kind=False, factors=factors)
    key = (row["server"], target, port) if not inner else None
    numbers = {"tries": row["connections"], "peak": won or None, "retries": row.get("retries")}
    about = row if inner else {**row, "client_owner": None}
    return finding(KIND, about, text, graded, "T1110", key=key, numbers=numbers)


def _crowd(row: Mapping[str, Any]) -> str:
    """Return the words for several clients from outside."""
    return f"{noun(len(row['clients']), 'address', 'addresses')} outside"


def _success(won: Any) -> str:
    """Return whether a log-in may have succeeded."""
    if won is None:
        return "and without records nobody can tell whether one succeeded"
    if not won:
        return "and none of them stands out as a success"
    return f"and a later connection moved {size(won)}, which a failed log-in does not"


def _weight(won: Any) -> tuple[float, str]:
    """Return how much it weighs, with the reason."""
    if won is None:
        return 0.5, "success cannot be told"
    return (1.0, "one may have succeeded") if won else (0.4, "none seems to have succeeded")
