"""D14 and D15: what was refused before it was let in, and what worked and is refused now."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.ports import CONTROL, named
from flowlens.findings.rows import SERVICE, finding, matched, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, OURS, REFUSED, about
from flowlens.small import collect
from flowlens.words import moment, noun, size

__all__ = ["breakage", "let_in"]

TRY = ["client", "server", "server_port", "protocol"]
FEW = 3  # workloads that broke at one place, each a finding; of more the place is the finding


def let_in(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find services that refused a client and let it in soon after.

    A pair of addresses, port and protocol was refused, never accepted before, and accepted and
    answered within `soon` hours of the last refusal, on a port that gives control or data
    (`ports.CONTROL`) or where nothing declares it. Somebody changed a rule in between.

    Technique: T1562.007 (disable or modify cloud firewall).

    It cannot see who changed what (CloudTrail does), nor a change before the first refusal.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    refused, opened = pl.col("first_seen").filter(REFUSED), pl.col("first_seen").filter(ANSWERED)
    strange = (named(CONTROL) | (pl.col("expected") == "no")).fill_null(value=False)
    some = edges.filter(strange)
    keys = some.filter(REFUSED).select(TRY).unique().pipe(collect)
    if keys.is_empty():
        return table([])
    within = some.join(keys.lazy(), on=TRY, how="semi", nulls_equal=True)
    told = (
        within.group_by(TRY)
        .agg(refused=refused.min(), last=refused.max(), opened=opened.min())
        .filter(
            pl.col("opened") > pl.col("refused"),
            pl.col("opened") - pl.col("last") <= pl.duration(hours=context.limits.soon),
            pl.col("last") <= pl.col("opened"),
        )
        .pipe(collect)
    )
    if told.is_empty():
        return table([])
    found = within.join(told.lazy(), on=TRY, nulls_equal=True)
    times = about(found).group_by(SERVICE).agg(pl.min("opened")).pipe(collect)
    rows = matched(about(found), times)
    return table([_let(row, known["opened"], context) for row, known in rows])


def _let(row: Mapping[str, Any], opened: Any, context: Context) -> dict[str, Any]:
    """Return a finding of what was let in."""
    text = (
        f"{whom(row)} was refused at {where(row)} in {noun(row['rejected'], 'record')} and let in "
        f"from {moment(opened)} UTC on: {size(row['bytes_out'])} out and "
        f"{size(row['bytes_in'])} back {when(row)}, {outcome(row)}"
    )
    told = [(0.3, "it was declared")] if row["declared"] else []
    factors = [(1.0, "it was refused before"), *told]
    graded = grade(row, context, base=0.6, amount=False, kind=False, factors=factors)
    return finding("let-in", row, text, graded, "T1562.007")


def breakage(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find what worked before and is refused now (should − may).

    A workload was accepted and answered at a destination, and later refused there in at least
    `broken` records, with nothing accepted after the first refusal. It is worse where the document
    declares it, and nothing where it is unexpected. Where more than three workloads broke at one
    service, that is one finding.

    Technique: none; it is about availability.

    It cannot see what is dropped without a record (routes, timeouts), nor what never worked.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    wanted = (pl.col("expected") != "no").fill_null(value=True)
    asked = edges.filter(OURS, wanted, pl.col("server").is_not_null())
    keys = (
        about(asked.filter(REFUSED))
        .group_by(SERVICE)
        .agg(refused=pl.min("first_seen"), count=pl.sum("records"))
        .filter(pl.col("count") >= context.limits.broken)
        .pipe(collect)
    )
    if keys.is_empty():
        return table([])
    place = [name for name in SERVICE if name != "about"]
    some = keys.lazy().select(place).unique()
    ours = about(asked.join(some, on=place, how="semi", nulls_equal=True))
    worked = _worked(ours, keys)
    crowds = (
        worked.group_by(place)
        .agg(workloads=pl.len(), late=pl.max("late"))
        .filter(pl.col("workloads") > FEW)
    )
    single = worked.join(crowds, on=place, how="anti", nulls_equal=True)
    found = ours.filter(REFUSED).join(worked.lazy(), on=SERVICE, how="semi", nulls_equal=True)
    rows = chain(matched(found, single), matched(found, crowds, place))
    return table([_broke(row, known, context) for row, known in rows])


def _worked(ours: pl.LazyFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """Return the services that answered before they refused, and never after, and until when."""
    return (
        ours.filter(ANSWERED)
        .join(refused.lazy(), on=SERVICE, nulls_equal=True)
        .group_by(SERVICE)
        .agg(early=pl.min("first_seen"), late=pl.max("last_seen"), refused=pl.first("refused"))
        .filter(pl.col("early") < pl.col("refused"), pl.col("late") <= pl.col("refused"))
        .select(*SERVICE, "late")
        .pipe(collect)
    )


def _broke(row: Mapping[str, Any], known: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of breakage; of many workloads it is about the server."""
    many = known.get("workloads")
    subject = f"{noun(many, 'workload')} are" if many else f"{whom(row)} is"
    text = (
        f"{subject} refused at {where(row)}, where the last answer was at {moment(known['late'])} "
        f"UTC: {size(row['bytes_out'])} tried {when(row)}, {outcome(row)}"
    )
    told = (1.0, "it was declared") if row["declared"] else (0.5, "it worked before")
    graded = grade(
        row, context, base=0.4, evidence=(1.0, "refused every time"), amount=False, kind=False,
        factors=[told],
    )  # fmt: skip
    if not many:
        return finding("breakage", row, text, graded, None)
    key = (row["destination"], row["server_port"], row["protocol"])
    place = {**row, "client_owner": None}
    return finding("breakage", place, text, graded, None, key=key, numbers={"workloads": many})
