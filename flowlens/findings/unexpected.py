"""D1, unexpected destinations: what happened and was not declared (did − should)."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.ports import CONTROL
from flowlens.findings.rows import finding, incidents, outcome, table, when, where, whom
from flowlens.findings.severity import grade
from flowlens.findings.sides import about
from flowlens.words import noun, size

__all__ = ["KIND", "unexpected"]

KIND = "unexpected"

#: Workloads beyond `few` that reach a destination: the share of the severity that is left.
COMMON = ((10, 0.5), (0, 0.8))


def unexpected(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find destinations outside the expected document or the baseline.

    An edge is unexpected where its `expected` is "no". "unknown" never makes a finding: without
    a document or a baseline nothing is known to be wrong; nor does an unknown server. Rows are
    merged by owner candidates (by client address where nobody is known), destination, port and
    protocol. They are ranked by bytes sent and rarity: what many workloads reach is more often a
    gap of the document than an intruder.

    Technique: T1048 (exfiltration over another protocol) where at least `much` bytes left and
    more left than came, else T1071 (application layer protocol).

    It cannot see what is never logged (DNS through the VPC's resolver, instance metadata), nor
    what a declared destination is misused for; a wrong orientation puts the server in the place
    of the client.

    Args:
        edges: a table of schema EDGES.
        context: byte limits, and how many workloads are few.

    Returns:
        Rows of FINDINGS in the order of their key.
    """
    strange = edges.filter(expected="no").drop_nulls("server")
    reached = about(strange).group_by("destination").agg(workloads=pl.col("about").n_unique())
    rows = list(incidents(strange, several=context.limits.several))
    if not rows:
        return table([])
    common = dict(reached.collect(engine="streaming").iter_rows())
    return table([_finding(row, common.get(row["destination"], 1), context) for row in rows])


def _finding(row: Mapping[str, Any], workloads: int, context: Context) -> dict[str, Any]:
    """Return one row of FINDINGS for a merged row."""
    limits = context.limits
    factors = []
    if workloads > limits.few:
        share = next(share for least, share in COMMON if workloads > least)
        factors.append((share, f"{noun(workloads, 'workload')} reach it"))
    if row["server_port"] in CONTROL and not row["accepted"] and not row["unsaid"]:
        factors.append((2.0, f"its port is that of {CONTROL[row['server_port']]}"))
    stolen = row["bytes_out"] >= limits.much and row["bytes_out"] > row["bytes_in"]
    return finding(
        KIND,
        row,
        sentence(row),
        grade(row, context, factors=factors),
        "T1048" if stolen else "T1071",
        numbers={"workloads": workloads},
    )


def sentence(row: Mapping[str, Any]) -> str:
    """Return who sent how much where and when, and whether it got through."""
    tried = not row["accepted"] and not row["unsaid"]
    verb = "tried to send" if tried else "sent"
    return (
        f"{whom(row)} {verb} {size(row['bytes_out'])} to {where(row)} {when(row)}, {outcome(row)}"
    )
