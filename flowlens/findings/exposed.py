"""D11: what of ours answers the outside on a port that gives control or data."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when
from flowlens.findings.ports import CONTROL, named
from flowlens.findings.rows import NAMED, finding, incidents, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, INSIDE, OURS, TCP, content
from flowlens.small import collect
from flowlens.words import noun, service, size

__all__ = ["exposed"]

TARGET = ["server", "server_port", "protocol"]
TRY = ["client", *TARGET]


def exposed(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find services of ours that give control or data and answer clients outside.

    Accepted and answered with content, on a port of `ports.CONTROL`. It is one finding a service,
    never one a probe: on an open port thousands knock in a day.

    Technique: T1190 (exploit public-facing application). Answers GuardDuty's
    PortProbeUnprotectedPort and PortProbeEMRUnprotectedPort.

    It cannot see ports that are open and silent (`flowlens.reach` does), nor who is welcome:
    one's own office from outside looks like anybody.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    spoken = content(context.limits)
    near = edges.filter(named(CONTROL), pl.col("protocol") == TCP, INSIDE)
    answered = near.filter(~OURS, ANSWERED, spoken, pl.col("client").is_not_null())
    found = answered.select(TRY).unique().pipe(collect)
    if found.is_empty():
        return table([])
    many = pl.len().over(TARGET) > NAMED
    # What the filter of a crowd cannot name is not left out of its numbers either.
    named_ = near.join(found.filter(~many).lazy(), on=TRY, how="semi", nulls_equal=True)
    crowds = near.join(found.filter(many).lazy(), on=TARGET, how="semi", nulls_equal=True)
    return table(
        [_open(row, context, crowd=False) for row in incidents(named_, [*TARGET, "destination"])]
        + [_open(row, context, crowd=True) for row in incidents(crowds, [*TARGET, "destination"])]
    )


def _open(row: Mapping[str, Any], context: Context, *, crowd: bool) -> dict[str, Any]:
    """Return one finding."""
    port = row["server_port"]
    target = row["destination"] or row["server"]
    clients = row["clients"]
    who = clients[0] if len(clients) == 1 else noun(len(clients), "address", "addresses")
    text = (
        f"{target} answers {service(row['protocol'], port)} ({CONTROL[port]}) to the outside: "
        f"{who} sent {size(row['bytes_out'])} and got {size(row['bytes_in'])} {when(row)}, "
        f"{outcome(row)}"
    )
    factors = [(1.0, f"{CONTROL[port]} is open to the outside")]
    graded = grade(row, context, base=0.5, amount=False, kind=False, factors=factors)
    told = {**row, "client_owner": None, **({"open": ("clients",)} if crowd else {})}
    return finding("exposed", told, text, graded, "T1190", key=(row["server"], target, port))
