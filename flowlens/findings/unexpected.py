"""D1, unexpected destinations: what happened and was not declared (did − should)."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from flowlens.destinations.registered import registered
from flowlens.findings.context import Context
from flowlens.findings.ports import CONTROL
from flowlens.findings.rows import NAMED, finding, incidents, outcome, table, when, where, whom
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, INSIDE, OURS, OUTSIDER, REFUSED, about, content
from flowlens.words import noun, service, size

__all__ = ["KIND", "unexpected"]

KIND = "unexpected"

PLACE = ["destination", "server_port", "protocol"]

#: What is left of the severity of a new host of a domain at which it, or another, is expected.
KNOWN, HEARD = 0.4, 0.7
#: Workloads beyond `few` that reach a destination: the share of the severity that is left.
COMMON = ((10, 0.5), (0, 0.8))


def unexpected(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find destinations outside the expected document or the baseline.

    An edge is unexpected where its `expected` is "no". "unknown" never makes a finding: without
    a document or a baseline nothing is known to be wrong; nor does an unknown server. Rows are
    merged by owner candidates (by client address where nobody is known), destination, port and
    protocol. They are ranked by bytes sent and rarity: what many workloads reach is more often a
    gap of the document than an intruder. A new host of a registered domain (`registered`) at whose
    other hosts the document or the baseline expects the workload, or else another, is less new.

    Outsiders are never the same ones twice, so what they reach is told by the service: one finding
    for each of ours that answers them, with content, and answered none in the learning time.

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
    odd = edges.filter(expected="no").drop_nulls("server")
    strange = odd.filter(~OUTSIDER)
    reached = about(strange).group_by("destination").agg(workloads=pl.col("about").n_unique())
    rows = list(incidents(strange, several=context.limits.several))
    opened = _opened(edges, odd, context)
    if not rows:
        return table(opened)
    common = dict(reached.collect(engine="streaming").iter_rows())
    known = _familiar(edges, rows)
    told = [
        _finding(row, common.get(row["destination"], 1), context, known.get(n))
        for n, row in enumerate(rows)
    ]
    return table([*told, *opened])


def _familiar(
    edges: pl.LazyFrame, rows: Sequence[Mapping[str, Any]]
) -> dict[int, tuple[str, bool]]:
    """Return for new hosts of domains that are expected already the domain, and whether by it.

    Args:
        edges: what holds the hosts that are expected.
        rows: merged rows, which the result names by their place.
    """
    named = {n: row for n, row in enumerate(rows) if row["destination_kind"] == "domain"}
    if not named:
        return {}
    usual = edges.filter(OURS, ~REFUSED, expected="yes", destination_kind="domain")
    some = about(usual).select("about", "destination").unique().collect(engine="streaming")
    mine = some.with_columns(domain=registered(some["destination"])).drop_nulls("domain")
    pairs = set(mine.select("about", "domain").iter_rows())
    anybody = {domain for _, domain in pairs}
    names = pl.Series([row["destination"] for row in named.values()], dtype=pl.String)
    domains = zip(named.items(), registered(names), strict=True)
    return {
        n: (domain, (row["about"], domain) in pairs)
        for (n, row), domain in domains
        if domain in anybody
    }


def _opened(edges: pl.LazyFrame, odd: pl.LazyFrame, context: Context) -> list[dict[str, Any]]:
    """Return a finding for each service that answers outsiders and did not before."""
    answered = (OUTSIDER, ANSWERED, content(context.limits))
    new = odd.filter(*answered).select(PLACE).unique()
    if context.learn_until is not None:
        early = edges.filter(*answered, pl.col("first_seen") < context.learn_until)
        new = new.join(early.select(PLACE), on=PLACE, how="anti", nulls_equal=True)
    doors = new.collect(engine="streaming")
    if doors.is_empty():
        return []
    # What the filter of a crowd cannot name is not left out of its numbers either.
    near = edges.filter(INSIDE).join(doors.lazy(), on=PLACE, how="semi", nulls_equal=True)
    callers = pl.col("client").filter(*answered).unique()
    crowds = near.group_by(PLACE).agg(callers=callers, crowd=callers.len() > NAMED)
    told = near.join(crowds, on=PLACE, nulls_equal=True)
    named = told.filter(pl.col("crowd") | pl.col("client").is_in("callers"))
    rows = incidents(named.drop("callers", "crowd"), PLACE)
    return [_open(row, context) for row in rows]


def _open(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of a service that answers outsiders."""
    many = len(row["clients"]) > NAMED
    target = row["destination"] or row["server"]
    who = noun(len(row["clients"]), "address", "addresses")
    text = (
        f"{target} answers {service(row['protocol'], row['server_port'])} to the outside, which "
        f"nothing told before: {row['clients'][0] if len(row['clients']) == 1 else who} sent "
        f"{size(row['bytes_out'])} and got {size(row['bytes_in'])} {when(row)}, {outcome(row)}"
    )
    told = {**row, "client_owner": None, **({"open": ("clients",)} if many else {})}
    why = (1.0, "it answered nobody outside in the learning time")
    if context.learn_until is None:
        why = (1.0, "nothing declares it")
    graded = grade(row, context, base=0.3, amount=False, kind=False, factors=[why])
    key = (target, row["server_port"], row["protocol"])
    return finding(KIND, told, text, graded, "T1190", key=key)


def _finding(
    row: Mapping[str, Any],
    workloads: int,
    context: Context,
    familiar: tuple[str, bool] | None = None,
) -> dict[str, Any]:
    """Return one row of FINDINGS for a merged row; `familiar` as of `_familiar`."""
    limits = context.limits
    factors = []
    if familiar is not None:
        domain, own = familiar
        who = "it" if own else "another workload"
        words = f"{who} is expected at other hosts of {domain}"
        factors.append((KNOWN if own else HEARD, words))
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
