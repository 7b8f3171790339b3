"""D8, D9 and D10: port scans, host sweeps, and both of them slow."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when, whom
from flowlens.findings.ports import CONTROL, named
from flowlens.findings.probes import THREAD, deep, probes, slow, wide
from flowlens.findings.retries import again, excuse, retried
from flowlens.findings.rows import NAMED, finding, merge, table, whole, whose
from flowlens.findings.severity import Grade, grade
from flowlens.findings.sides import about
from flowlens.small import collect
from flowlens.words import count, noun, proto, service

__all__ = ["SCANS", "claimed", "found", "scanned", "scans"]

PORT_SCAN, SWEEP, SLOW = "port-scan", "host-sweep", "slow-scan"
SCANS = (PORT_SCAN, SWEEP, SLOW)


def claimed(edges: pl.LazyFrame, found: pl.DataFrame) -> pl.LazyFrame:
    """Leave out of `edges` what scans explain, so that no try of them is a finding of its own.

    Args:
        edges: a table of schema EDGES.
        found: what `scanned` returns.
    """
    if found.is_empty():
        return edges
    keys = [*THREAD, "hour"]
    told = found.explode("threads", keep_nulls=False).unnest("threads").select(keys).unique()
    return edges.join(told.lazy(), on=keys, how="anti", nulls_equal=True, maintain_order="left")


def scans(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find workloads that try ports or hosts one after the other.

    *Port scan*: probes of at least `scan_ports` ports of one server in an hour. *Host sweep*: of at
    least `sweep_inside` or `sweep_outside` servers on one port in an hour. *Slow scan*: of
    `slow_servers` servers on one port, or ports of one server, in a day, with at most `slow_tries`
    connections to each, where the chance of as many under the background of the port (Poisson;
    what other workloads fail to reach on it, `probes.BACKGROUND` at least) is below `slow_chance`.
    The numbers of ports and servers are Zeek's, over hours instead of five minutes. All of a
    workload is one finding; `tries` are its connections. Tries at intervals that double are those
    of a client whose servers are gone (`retries`); they weigh less, and it is said.

    Technique: T1046 (network service discovery).

    It cannot see scans by outsiders (Internet noise; `probed` tells who was answered), half of a
    scan whose windows were skipped, scans of hosts and ports that all answer in content, or fewer
    than `slow_servers` tries a day.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    return found(edges, scanned(edges, context), context)


def scanned(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Return one row a scanning workload: ``about``, ``kind``, ``threads`` and what was tried."""
    tried = probes(edges, context).pipe(collect)
    limits = context.limits
    parts = [
        choose(tried, limits).with_columns(kind=pl.lit(kind))
        for choose, kind in ((deep, PORT_SCAN), (wide, SWEEP), (slow, SLOW))
    ]
    rank = {kind: place for place, kind in enumerate(SCANS)}
    return (
        pl.concat(parts)
        .with_columns(rank=pl.col("kind").replace_strict(rank, return_dtype=pl.UInt8))
        .sort("about", "rank", *THREAD, "hour")
        .unique(["about", *THREAD, "hour"], keep="first", maintain_order=True)
        .group_by("about", maintain_order=True)
        .agg(
            pl.col("kind").sort_by("rank").first(),
            threads=pl.struct(*THREAD, "hour"),
            tried_servers=pl.col("server").unique().sort(),
            tried_ports=pl.col("server_port").drop_nulls().unique().sort(),
            protocols=pl.col("protocol").unique().sort(),
            tries=pl.sum("connections"),
            targets=pl.struct(THREAD).n_unique(),
            within=pl.col("inside").all(),
            permitted=(pl.col("expected") == "yes").all(),
            control=named(CONTROL).any(),
            since=pl.col("hour").min(),
            until=pl.col("hour").max(),
        )
    )


def found(edges: pl.LazyFrame, flagged: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return a finding for each scanning workload, with the numbers of what its filter yields."""
    if flagged.is_empty():
        return table([])
    scope = flagged.drop("threads").with_columns(
        open=pl.concat_list(
            pl.when(pl.col(f"tried_{name}").list.len() > NAMED).then(pl.lit(name))
            for name in ("servers", "ports")
        ).list.drop_nulls(),
    )
    within = about(edges).join(scope.lazy(), on="about").filter(
        pl.col("hour").is_between("since", "until"),
        pl.col("protocol").is_in(pl.col("protocols")),
        *(
            pl.col("open").list.contains(name)
            | pl.col(column).is_in(pl.col(f"tried_{name}"), nulls_equal=True)
            for name, column in (("servers", "server"), ("ports", "server_port"))
        ),
    )  # fmt: skip
    merged = merge(within.select(edges.collect_schema().names()), ["about"])
    rows = merged.pipe(collect).join(scope, on="about", maintain_order="left")
    more = _retried(edges, flagged, context)
    return table([_finding(whole(row) | more.get(row["about"], {}), context)
                  for row in rows.iter_rows(named=True)])  # fmt: skip


def _retried(
    edges: pl.LazyFrame, flagged: pl.DataFrame, context: Context
) -> dict[str, dict[str, int]]:
    """Return ``starts`` and ``retries`` of workloads that tried each target often, if it is known.

    A scanner tries a target once or twice; the records of those that do are not asked.
    """
    often = flagged.filter(pl.col("tries") > context.limits.retry_growth * pl.col("targets"))
    if often.is_empty() or context.records is None:
        return {}
    threads = often.select("about", "threads").explode("threads").unnest("threads")
    mine = edges.join(
        threads.lazy().select(THREAD).unique(), on=THREAD, how="semi", nulls_equal=True
    )
    told = retried(mine, context).join(
        threads.select("about", *THREAD).unique(), on=THREAD, nulls_equal=True
    )
    sums = told.group_by("about").agg(pl.sum("starts", "retries"))
    return {row.pop("about"): row for row in sums.to_dicts()}


def _finding(row: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return one finding."""
    servers, ports = row["tried_servers"], row["tried_ports"]
    only = row["protocols"][0] if len(row["protocols"]) == 1 else None
    told = {
        **row,
        "protocol": only,
        "server_port": ports[0] if len(ports) == 1 else None,
        "destination": row["destinations"][0] if len(servers) == 1 else None,
        "servers": servers,
        "ports": ports,
        "server": servers[0],
    }
    numbers = {"servers": len(servers), "ports": len(ports), "tries": row["tries"]}
    numbers["retries"] = row.get("retries")
    slowly = " slowly" if row["kind"] == SLOW else ""
    text = (
        f"{whom(row)}{slowly} tried {_what(told)} without a word said: "
        f"{noun(row['tries'], 'connection')}{again(row)}, {when(row)}, {outcome(row)}"
    )
    key = (whose(row), f"{row['since']:%Y-%m-%d}")
    return finding(row["kind"], told, text, _grade(row, context), "T1046", key=key, numbers=numbers)


def _what(row: Mapping[str, Any]) -> str:
    """Return what was tried."""
    servers, ports = row["servers"], row["ports"]
    if len(servers) == 1:
        return f"{count(len(ports))} ports of {row['destination'] or servers[0]}"
    many = f"{count(len(servers))} hosts"
    if len(ports) <= 1:
        return f"{service(row['protocol'], row['server_port'])} at {many}"
    return f"{noun(len(ports), 'port')} of {proto(row['protocol'])} at {many}"


def _grade(row: Mapping[str, Any], context: Context) -> Grade:
    """Grade a scan: that it is refused is what a scan looks like."""
    factors = []
    if row["control"]:
        factors.append((1.2, "its ports give control or data"))
    factors.append((1.0, "its targets are inside") if row["within"] else (1.2, "it went outside"))
    if row["permitted"]:
        factors.append((0.05, "it was declared, as of a scanner of one's own"))
    elif row["kind"] == SLOW:
        factors.append((0.8, "it was slow"))
    factors += excuse(row, context)
    evidence = (0.5, "tried without success")
    return grade(row, context, evidence=evidence, amount=False, kind=False, factors=factors)
