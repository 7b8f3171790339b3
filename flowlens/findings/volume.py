"""D3, D4 and D24: much that leaves, more than usual, and what was gathered before."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.peers import compared, peers, reached, weighed
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.rows import SERVICE, finding, matched, table, whose
from flowlens.findings.severity import Factors, grade
from flowlens.findings.sides import INSIDE, OURS, OUTSIDE, REFUSED, UNDECLARED, about
from flowlens.findings.surges import TWICE, alike, heavy, surges
from flowlens.small import collect
from flowlens.words import size

__all__ = ["exfiltration", "hoarding", "volume"]

AFTER = 72  # hours within which what was gathered leaves


def exfiltration(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find transfers out that are large, or slow and steady, to where nothing declares.

    *By volume*: at least `exfil_hour` bytes to one destination in one hour. *Low and slow*: at
    least `exfil_slow` bytes over `exfil_hours` hours or more, none of them as large, to a
    destination that few workloads reach and that is unexpected or has no name. For both, the
    producer/consumer ratio (out - in) / (out + in) is above `producer`. Declared traffic is left
    to `volume`. With an inventory, a destination that no similar workload (`peers`) reaches weighs
    more, and one that they all reach less.

    Technique: T1048 (exfiltration over another protocol), T1030 (size limits) if slow, T1567
    (web service) to AWS.

    It cannot see what leaves through a declared destination, another account's bucket behind S3's
    addresses, or DNS through the VPC's resolver.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    left = about(edges.filter(OURS, OUTSIDE, ~REFUSED, UNDECLARED))
    some = _much(left, context.limits)
    if some is None or some.is_empty():
        return table([])
    # Who else goes there is asked of the few that are left.
    places = some.lazy().select("destination").unique()
    common = (
        left.join(places, on="destination", how="semi", nulls_equal=True)
        .group_by("destination")
        .agg(workloads=pl.col("about").n_unique())
        .pipe(collect)
    )
    found = some.join(common, on="destination", nulls_equal=True).filter(
        pl.col("fast") | (pl.col("workloads") <= context.limits.few)
    )
    near = reached(edges, found, peers(edges, found, context))
    return table(
        [
            _leaving(row, known | near.get(_place(row), {}), context)
            for row, known in matched(left, found)
        ]
    )


def _much(left: pl.LazyFrame, limits: Limits) -> pl.DataFrame | None:
    """Return the services to which much went: in one hour (``fast``), or else over many."""
    some = heavy(left, min(limits.exfil_hour, limits.exfil_slow))
    if some is None:
        return None
    nameless = pl.col("destination_kind").is_in(["address", "network"])
    strange = (pl.col("expected") == "no") | nameless
    hourly = some.group_by(*SERVICE, "hour").agg(
        pl.sum("bytes_out", "bytes_in"), strange=strange.any()
    )
    out, came = pl.col("bytes_out"), pl.col("bytes_in")
    told = hourly.group_by(SERVICE).agg(
        fast=((out >= limits.exfil_hour) & (_ratio(out, came) > limits.producer)).any(),
        hours=pl.len(),
        strange=pl.col("strange").any(),
        total=out.sum(),
        ratio=_ratio(out.sum(), came.sum()),
        peak=out.max(),
    )
    slow = (pl.col("total") >= limits.exfil_slow) & (pl.col("hours") >= limits.exfil_hours)
    slow &= pl.col("strange") & (pl.col("ratio") > limits.producer)
    return told.filter(pl.col("fast") | slow).pipe(collect)


def volume(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find hours in which far more than usual went to a destination, declared or not.

    The robust z of the logarithm of the bytes sent in an hour, (x - median) / (1.4826 MAD) over the
    hours of one workload and destination, is at least `volume_z`, the bytes at least
    `volume_bytes`, and the history at least `history` hours. An hour is explained where another day
    had half of it in the same hour of the day: backups and reports come round. With an inventory
    the same z of similar workloads (`peers`) in the same hour is looked at: where half of those
    that go there have at least half of `volume_z`, it weighs less. Where they go at all weighs too.

    Technique: T1048. Answers GuardDuty's TrafficVolumeUnusual.

    It cannot see growth that is slower than the history is long.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    left = about(edges.filter(OURS, OUTSIDE, ~REFUSED))
    some = heavy(left, limits.volume_bytes)
    if some is None:
        return table([])
    hourly = some.group_by(*SERVICE, "hour").agg(bytes=pl.sum("bytes_out"))
    found = surges(hourly, SERVICE, limits, limits.volume_bytes)
    pairs = peers(edges, found, context)
    near, same = reached(edges, found, pairs), alike(left, found, pairs, limits)
    rows = []
    for row, known in matched(left, found):
        also = same.get(tuple(row[key] for key in SERVICE), {})
        rows.append(_unusual(row, known | near.get(_place(row), {}) | also, context))
    return table(rows)


def hoarding(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find workloads that gathered far more from inside than they ever do.

    As `volume`, of the bytes that inside servers sent to one workload in an hour, at least
    `hoard_bytes`. It weighs twice where half as much left for one place outside within 72 hours.

    Technique: T1074 (data staged), T1039 (data from shared drives).

    It cannot see what others push to the workload, nor a first night without a history.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    inner = about(edges.filter(OURS, INSIDE, ~REFUSED))
    hourly = inner.group_by("about", "hour").agg(bytes=pl.sum("bytes_in"))
    found = surges(hourly, ["about"], limits, limits.hoard_bytes)
    if found.is_empty():
        return table([])
    left = about(edges.filter(OURS, OUTSIDE, ~REFUSED)).join(found.lazy(), on="about")
    later = (pl.col("hour") - pl.col("at")).is_between(pl.duration(), pl.duration(hours=AFTER))
    sent = (
        left.filter(later)
        .group_by("about", "destination")
        .agg(pl.sum("bytes_out"))
        .group_by("about")
        .agg(went=pl.max("bytes_out"))
        .pipe(collect)
    )
    known = found.join(sent, on="about", how="left")
    return table([_gathered(row, told, context) for row, told in matched(inner, known, ["about"])])


def _place(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return who went where."""
    return row["about"], row["destination"]


def _ratio(out: pl.Expr, came: pl.Expr) -> pl.Expr:
    """Return the producer/consumer ratio, -1 to 1."""
    sent, got = out.cast(pl.Float64), came.cast(pl.Float64)
    return ((sent - got) / (sent + got)).fill_nan(0)


def _leaving(row: Mapping[str, Any], known: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of exfiltration."""
    ratio = round(known["ratio"], 2)
    most = "" if len(row["seen"]) == 1 else f", {size(known['peak'])} in the hour with the most"
    text = (
        f"{whom(row)} sent {size(row['bytes_out'])} to {where(row)} and got "
        f"{size(row['bytes_in'])} back{most} (producer/consumer ratio {ratio:.2f}) {when(row)}, "
        f"{outcome(row)}{compared(known)}"
    )
    slow = [] if known["fast"] else [(0.7, "it went slowly over many hours")]
    told = [] if row["undeclared"] else [(0.6, "nobody said what to expect")]
    graded = grade(row, context, factors=[*slow, *told, *weighed(known, context.limits)])
    technique = "T1567" if row["destination_kind"] == "aws" else "T1048"
    numbers = {"peak": known["peak"], "score": ratio, **_counts(known)}
    return finding(
        "exfiltration", row, text, graded, technique if known["fast"] else "T1030", numbers=numbers
    )


def _unusual(row: Mapping[str, Any], known: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of an unusual amount."""
    text = (
        f"{whom(row)} sent {size(known['peak'])} to {where(row)} in the hour of "
        f"{known['at']:%Y-%m-%d %H:%M} UTC, {size(known['usual'])} in the median hour "
        f"(robust z {known['score']:.1f}), {size(row['bytes_out'])} {when(row)}, {outcome(row)}"
        f"{compared(known)}"
    )
    declared = [(0.5, "it was declared")] if row["declared"] else []
    numbers = {name: known[name] for name in ("peak", "usual", "score")} | _counts(known)
    there, also = known.get("peers_there") or 0, known.get("peers_alike") or 0
    if there >= context.limits.peers and 2 * also >= there:
        speak: Factors = [(0.4, "its peers sent far more than usual, too")]
    else:
        speak = weighed(known, context.limits)
    factors = [(1.0, "far more than usual"), *declared, *speak]
    graded = grade(row, context, base=0.5, factors=factors)
    return finding("volume", row, text, graded, "T1048", numbers=numbers)


def _counts(known: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of the peers, as far as there are any."""
    names = ("peers", "peers_there", "peers_alike")
    return {name: known[name] for name in names if known.get(name) is not None}


def _gathered(row: Mapping[str, Any], known: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of hoarding."""
    went = known["went"] or 0
    left = went >= TWICE * known["peak"]
    text = (
        f"{whom(row)} got {size(known['peak'])} from inside in the hour of "
        f"{known['at']:%Y-%m-%d %H:%M} UTC, {size(known['usual'])} in the median hour (robust z "
        f"{known['score']:.1f}), {size(row['bytes_in'])} {when(row)}, {outcome(row)}"
    )
    after = (1.0, "as much left soon after") if left else (0.5, "nothing as large left soon after")
    graded = grade(
        {**row, "destination_kind": "inside"}, context, base=0.7, amount=False, kind=False,
        factors=[(1.0, "far more than usual"), after],
    )  # fmt: skip
    numbers = {name: known[name] for name in ("peak", "usual", "score")}
    key = (whose(row),)
    one = {**row, "server_port": None, "protocol": None, "destination": None}
    return finding("hoarding", {**one, "open": ()}, text, graded, "T1074", key=key, numbers=numbers)
