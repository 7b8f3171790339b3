"""D13: steps from one inside host to the next."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.ports import CONTROL, LOGINS, named
from flowlens.findings.rows import SERVICE, finding, incidents, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, INSIDE, OURS, UNDECLARED, about, content
from flowlens.small import collect
from flowlens.words import noun, size

__all__ = ["STEPS", "lateral"]

#: Ports over which one host takes another: log-ins, SMB, RPC, container and node agents.
STEPS = (*LOGINS, 135, 139, 445, 2375, 10250, 47001)


def lateral(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find log-ins and remote calls between inside hosts that nobody declared or saw before.

    Accepted and answered with content, on a port of `STEPS`, to an inside server, and either
    unexpected or, where nothing is declared, first seen after the learning time although the
    workload was seen in it. It weighs more where somebody came in to the client, from outside or
    on such a port, in the `chain` hours before: then it is a chain.

    Technique: T1021 (remote services).

    It cannot see steps over declared paths, what happens within one host, or who is logged in.
    Without a document and a learning time nothing can be called new.

    Args:
        edges: a table of schema EDGES.
        context: the learning time and the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    inner = edges.filter(OURS, INSIDE, ANSWERED, content(context.limits), named(STEPS))
    strange = inner.filter(expected="no")
    if context.learn_until is not None:
        fresh = _fresh(edges, inner, context)
        strange = pl.concat([strange, fresh]).unique()
    steps = list(incidents(strange))
    if not steps:
        return table([])
    came = _came(edges, sorted({one for row in steps for one in row["clients"]}))
    return table([_step(row, came, context) for row in steps])


def _fresh(edges: pl.LazyFrame, inner: pl.LazyFrame, context: Context) -> pl.LazyFrame:
    """Return steps that a known workload first took after the learning time."""
    early = pl.col("first_seen") < context.learn_until
    known = about(edges.filter(OURS, early)).select("about").unique()
    before = about(inner.filter(early)).select(SERVICE).unique()
    return (
        about(inner.filter(~early, UNDECLARED))
        .join(known, on="about", how="semi")
        .join(before, on=SERVICE, how="anti", nulls_equal=True)
        .drop("about")
    )


def _came(edges: pl.LazyFrame, clients: list[str]) -> pl.DataFrame:
    """Return when somebody came in to the clients, and from where."""
    into = edges.filter(pl.col("server").is_in(clients), ANSWERED)
    return (
        into.filter(named(CONTROL) | ~OURS)
        .select("first_seen", client="server", source="client")
        .unique()
        .sort("client", "first_seen", "source")
        .pipe(collect)
    )


def _step(row: Mapping[str, Any], came: pl.DataFrame, context: Context) -> dict[str, Any]:
    """Return a finding of a step."""
    source = _before(row, came, context.limits)
    port = CONTROL.get(row["server_port"], "a remote service")
    after = f", after {source} had come in to it" if source else ""
    text = (
        f"{whom(row)} reached {where(row)} by {port} over "
        f"{noun(row['connections'], 'connection')}, {size(row['bytes_out'])} out and "
        f"{size(row['bytes_in'])} back {when(row)}, {outcome(row)}{after}"
    )
    why = "nothing declares it" if row["undeclared"] else "it was never seen in the learning time"
    chain = (1.0, "somebody had come in before") if source else (0.6, "nobody was seen to come in")
    graded = grade(row, context, base=0.7, amount=False, kind=False, factors=[(1.0, why), chain])
    return finding("lateral", row, text, graded, "T1021")


def _before(row: Mapping[str, Any], came: pl.DataFrame, limits: Limits) -> str | None:
    """Return who came in to the client in the hours before, the last one."""
    first = row["first_seen"]
    if first is None:
        return None
    early = pl.col("first_seen").is_between(
        pl.lit(first) - pl.duration(hours=limits.chain), pl.lit(first), closed="left"
    )
    found = came.filter(pl.col("client").is_in(row["clients"]), early)
    return None if found.is_empty() else str(found["source"][-1])
