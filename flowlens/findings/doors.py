"""D2, from outside: services of ours that answer outsiders and did not before."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.phrases import outcome, when
from flowlens.findings.rows import NAMED, finding, incidents, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, INSIDE, OUTSIDER, TCP, UDP, UNDECLARED, content
from flowlens.small import collect
from flowlens.words import noun, proto, service, size

__all__ = ["KIND", "doors"]

KIND = "new-door"
PLACE = ["destination", "server_port", "protocol"]
CROWD = ["destination", "protocol"]
FEW = 3  # services of one place that are a finding each
EPHEMERAL = 32_768  # where Linux begins to give ports to clients


def doors(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find services of a known host that answer outsiders for the first time.

    Accepted and answered with content after `learn_until`, undeclared, on a port at which the same
    destination answered no outsider before, though it was seen then. Outsiders are never the same
    ones twice, so it is told by the service; of more than three at one place it is one finding, of
    the 40 lowest ports where there are more.

    Technique: T1190 (exploit public-facing application).

    It cannot judge hosts that are new themselves (`exposed` tells of their ports that give control
    or data), who is welcome, or anything without a learning time that holds data. A port that a
    host gave to a connection of its own looks the same where who opened it was told wrongly.

    Args:
        edges: a table of schema EDGES.
        context: the end of the learning time.

    Returns:
        Rows of FINDINGS.
    """
    if context.learn_until is None:
        return table([])
    early = pl.col("first_seen") < context.learn_until
    found = _opened(edges, early, context.limits)
    if found.is_empty():
        return table([])
    named = pl.col("server_port").rank("dense").over(CROWD) <= NAMED
    some = found.filter(named).with_columns(
        many=pl.col("client").n_unique().over(CROWD) > NAMED,
        crowd=pl.col("server_port").n_unique().over(CROWD) > FEW,
    )
    # What the filter of a crowd cannot name is not left out of its numbers either.
    place = some.select(*PLACE, "server", "many", "crowd").unique()
    near = edges.filter(INSIDE, ~early).join(place.lazy(), on=[*PLACE, "server"], nulls_equal=True)
    callers = some.select(*PLACE, "client").unique().with_columns(called=True)
    told = near.join(callers.lazy(), on=[*PLACE, "client"], how="left", nulls_equal=True).filter(
        pl.col("many") | pl.col("called")
    )
    rows = []
    for crowd, by in ((False, PLACE), (True, CROWD)):
        part = told.filter(pl.col("crowd") == crowd).drop("crowd", "called")
        for row in incidents(part, [*by, "many"]):
            rows.append(_door(row, context))
    return table(rows)


def _opened(edges: pl.LazyFrame, early: pl.Expr, limits: Limits) -> pl.DataFrame:
    """Return the services of known hosts that answer outsiders after the learning time only."""
    ported, sure = pl.col("protocol").is_in([TCP, UDP]), pl.col("orientation") != "guess"
    said = (OUTSIDER, ported, sure, ANSWERED, content(limits))
    known = pl.concat(
        edges.filter(early).select(server=pl.col(end)).drop_nulls() for end in ("client", "server")
    ).unique()
    old = edges.filter(*said, early).select(PLACE).unique()
    return (
        edges.filter(*said, ~early, UNDECLARED)
        .join(known, on="server", how="semi")
        .join(old, on=PLACE, how="anti", nulls_equal=True)
        .select(*PLACE, "server", "client")
        .unique()
        .pipe(collect)
    )


def _door(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return one finding."""
    target, ports = row["destination"] or row["server"], row["ports"]
    who = noun(len(row["clients"]), "address", "addresses")
    if len(row["clients"]) == 1:
        who = row["clients"][0]
    what = service(row["protocol"], row["server_port"])
    if len(ports) > 1:
        what = f"{noun(len(ports), 'port')} of {proto(row['protocol'])}"
    text = (
        f"{target} answers {what} to the outside for the first time after the learning time: {who} "
        f"sent {size(row['bytes_out'])} and got {size(row['bytes_in'])} {when(row)}, {outcome(row)}"
    )
    factors = [(1.0, "it answered nobody outside there in the learning time")]
    if min(ports) >= EPHEMERAL:
        factors.append((0.3, "hosts give such ports to clients, too"))
    graded = grade(row, context, base=0.3, amount=False, kind=False, factors=factors)
    key = (target, row["server_port"], row["protocol"])
    about = {**row, "client_owner": None, **({"open": ("clients",)} if row["many"] else {})}
    return finding(KIND, about, text, graded, "T1190", key=key)
