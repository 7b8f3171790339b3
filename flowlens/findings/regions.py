"""D21: AWS Regions that nobody here used in the learning time."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.rows import SERVICE, finding, matched, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, LEARNT, OURS, OUTSIDE, REFUSED, UNDECLARED, about
from flowlens.small import collect
from flowlens.words import noun, size

__all__ = ["regions"]

ANYCAST = "GLOBAL"  # what AWS's ranges say of services that are everywhere

#: The Region of each partition from which its global services (IAM, STS, Organizations) answer:
#: https://docs.aws.amazon.com/general/latest/gr/rande.html
HOMES = ("us-east-1", "us-gov-west-1", "cn-north-1")


def regions(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find AWS in a Region that no workload used before the end of the learning time.

    Accepted and answered, undeclared, by an address that AWS's ranges, a prefix list or an
    endpoint's name put in a Region. Any traffic before `learn_until` that was not refused makes
    its Region a used one, for all workloads. Anycast services (CloudFront) have no Region. A
    baseline knows services, not their Regions, so it declares none of this. What many workloads
    do weighs less, and so does a Region from which global services answer.

    Technique: T1535 (unused or unsupported cloud Regions).

    It cannot see whose account answers, control of a new Region through the API (CloudTrail has
    it), or AWS behind the name of somebody's service; and it judges nothing where the learning
    time shows no Region.

    Args:
        edges: a table of schema EDGES.
        context: the end of the learning time, and how many workloads are few.

    Returns:
        Rows of FINDINGS.
    """
    if context.learn_until is None:
        return table([])
    early = pl.col("first_seen") < context.learn_until
    placed = edges.filter(pl.col("region").is_not_null(), pl.col("region") != ANYCAST)
    used = placed.filter(early, ~REFUSED).select("region").unique().pipe(collect)
    if used.is_empty():
        return table([])
    open_ = UNDECLARED | LEARNT
    new = about(
        placed.filter(~early, OURS, OUTSIDE, open_, pl.col("destination_kind") == "aws")
    ).filter(~pl.col("region").is_in(used["region"].to_list()))
    found = _places(new.filter(ANSWERED))
    if found.is_empty():
        return table([])
    crowd = _crowds(new.filter(ANSWERED))
    rows = matched(new, found)
    return table([_new(row, told["region"], crowd, context) for row, told in rows])


def _places(edges: pl.LazyFrame) -> pl.DataFrame:
    """Return the Regions of each service of each workload."""
    named = edges.group_by(SERVICE).agg(pl.col("region").unique().sort())
    return named.pipe(collect)


def _crowds(edges: pl.LazyFrame) -> dict[str, int]:
    """Return how many workloads use each Region."""
    many = edges.group_by("region").agg(pl.col("about").n_unique())
    return dict(many.pipe(collect).iter_rows())


def _new(
    row: Mapping[str, Any], names: Sequence[str], crowd: Mapping[str, int], context: Context
) -> dict[str, Any]:
    """Return one finding."""
    places = f"{', '.join(names)}, {'a Region' if len(names) == 1 else 'Regions'}"
    text = (
        f"{whom(row)} reached {where(row)} in {places} that nobody here used in the learning time: "
        f"{size(row['bytes_out'])} out and {size(row['bytes_in'])} back {when(row)}, {outcome(row)}"
    )
    workloads = min(crowd[name] for name in names)
    factors = []
    if workloads > context.limits.few:
        factors.append((0.5, f"{noun(workloads, 'workload')} use it, as after a move"))
    if set(names) <= set(HOMES):
        factors.append((0.4, "global services answer from there"))
    graded = grade(row, context, base=0.5, factors=factors)
    return finding("region", row, text, graded, "T1535", numbers={"workloads": workloads})
