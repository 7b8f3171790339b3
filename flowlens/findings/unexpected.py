"""D1, unexpected destinations: what happened and was not declared (did − should)."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from flowlens.destinations.registered import registered
from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.ports import CONTROL
from flowlens.findings.rows import finding, incidents, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import OURS, OUTSIDER, REFUSED, about
from flowlens.small import collect
from flowlens.words import noun, size

__all__ = ["KIND", "unexpected"]

KIND = "unexpected"

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

    What outsiders open is left to `doors`: they are never the same ones twice.

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
    strange = edges.filter(~OUTSIDER, expected="no").drop_nulls("server")
    reached = about(strange).group_by("destination").agg(workloads=pl.col("about").n_unique())
    rows = list(incidents(strange, several=context.limits.several))
    if not rows:
        return table([])
    common = dict(reached.pipe(collect).iter_rows())
    known = _familiar(edges, rows)
    return table(
        [
            _finding(row, common.get(row["destination"], 1), context, known.get(n))
            for n, row in enumerate(rows)
        ]
    )


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
    some = about(usual).select("about", "destination").unique().pipe(collect)
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
