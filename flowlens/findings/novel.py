"""D2: ports that a workload never used in the learning time."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.rows import finding, incidents, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, OURS, OUTSIDE, UNDECLARED, about
from flowlens.words import service, size

__all__ = ["new_ports"]

USED = ["about", "server_port", "protocol"]


def new_ports(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find ports outside that a known workload first used after the learning time.

    Accepted and answered, on a port and protocol that the workload did not use outside before
    `learn_until`, though it was seen there; undeclared. New destinations and new owners of
    networks are unexpected (`unexpected`) once the learning time is the baseline.

    Technique: T1571 (non-standard port). Answers GuardDuty's NetworkPortUnusual.

    It cannot judge workloads that are new themselves, or anything without a learning time that
    holds data.

    Args:
        edges: a table of schema EDGES.
        context: the end of the learning time.

    Returns:
        Rows of FINDINGS.
    """
    if context.learn_until is None:
        return table([])
    early = pl.col("first_seen") < context.learn_until
    left = about(edges.filter(OURS, OUTSIDE))
    known = left.filter(early).select("about").unique()
    used = left.filter(early).select(USED).unique()
    fresh = (
        left.filter(~early, UNDECLARED, ANSWERED)
        .join(known, on="about", how="semi")
        .join(used, on=USED, how="anti", nulls_equal=True)
        .drop("about")
    )
    return table([_new(row, context) for row in incidents(fresh, several=context.limits.several)])


def _new(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return one finding."""
    port = service(row["protocol"], row["server_port"])
    text = (
        f"{whom(row)} used {port} for the first time after the learning time: "
        f"{size(row['bytes_out'])} to {where(row, port=False)} {when(row)}, {outcome(row)}"
    )
    graded = grade(row, context, base=0.5, factors=[(1.0, "the port is new to it")])
    return finding("new-port", row, text, graded, "T1571")
