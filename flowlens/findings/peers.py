"""What similar workloads do: it tells an odd destination or amount from a common one."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.severity import Factors
from flowlens.findings.sides import OURS, REFUSED, about
from flowlens.small import collect
from flowlens.words import noun

__all__ = ["compared", "peers", "reached", "weighed"]

SELF = "same owners"  # a workload is no peer of its own


def peers(edges: pl.LazyFrame, some: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the peers of workloads: those that were seen and should behave alike.

    *Peers* share the set of security groups in one VPC, else, where nobody else does, the kind in
    one VPC (`flowlens.inventory.alike`). Who has no interface in the inventory has none.

    Args:
        edges: a table of schema EDGES.
        some: ``about``, the workloads.
        context: the inventory.

    Returns:
        ``about`` and ``peer``, each pair once.
    """
    schema = {"about": pl.String(), "peer": pl.String()}
    if context.inventory is None or some.is_empty():
        return pl.DataFrame(schema=schema)
    from flowlens.inventory.alike import DEGREES, alike

    order = {name: n for n, name in enumerate(DEGREES)}
    shared = alike(context.inventory).filter(pl.col("degree") != SELF)
    seen = (
        about(edges.filter(OURS, pl.col("vantage") == "client"))
        .select("about", interface_id="observer")
        .unique()
        .pipe(collect)
    )
    keyed = seen.join(shared, on="interface_id").select("about", "degree", "shared").unique()
    mine = keyed.join(some.select("about").unique(), on="about", how="semi")
    near = pl.col("degree").replace_strict(order, return_dtype=pl.UInt8)
    return (
        mine.join(keyed.rename({"about": "peer"}), on=["degree", "shared"])
        .filter(pl.col("peer") != pl.col("about"))
        .with_columns(near=near)
        .filter(pl.col("near") == pl.col("near").min().over("about"))
        .select("about", "peer")
        .unique()
        .sort("about", "peer")
    )


def reached(
    edges: pl.LazyFrame, found: pl.DataFrame, known: pl.DataFrame
) -> dict[tuple[str, str | None], dict[str, int]]:
    """Return how many peers of each workload there are, and how many reach its destination.

    Args:
        edges: a table of schema EDGES.
        found: ``about`` and ``destination``.
        known: what `peers` returns for them.

    Returns:
        ``peers`` and ``peers_there`` by workload and destination; nothing for those without peers.
    """
    if known.is_empty():
        return {}
    places = found.lazy().select("destination").unique()
    went = (
        about(edges.filter(OURS, ~REFUSED))
        .join(places, on="destination", how="semi", nulls_equal=True)
        .select("destination", peer="about", there=pl.lit(value=True))
        .unique()
        .pipe(collect)
    )
    told = (
        found.select("about", "destination")
        .unique()
        .join(known, on="about")
        .join(went, on=["destination", "peer"], how="left", nulls_equal=True)
        .group_by("about", "destination")
        .agg(peers=pl.len(), peers_there=pl.col("there").sum())
    )
    return {(row.pop("about"), row.pop("destination")): row for row in told.iter_rows(named=True)}


def compared(told: Mapping[str, Any]) -> str:
    """Return what the peers do, in words; nothing where there are none.

    >>> compared({"peers": 5, "peers_there": 0}), compared({})
    (', where none of 5 similar workloads goes', '')
    >>> compared({"peers": 5, "peers_there": 4, "peers_alike": 3})
    ', where 4 of 5 similar workloads went, 3 of them far more than usual in that hour'
    """
    if not told.get("peers"):
        return ""
    there, alike = told["peers_there"], told.get("peers_alike")
    also = f", {alike} of them far more than usual in that hour" if alike else ""
    if not there:
        return f", where none of {noun(told['peers'], 'similar workload')} goes"
    return f", where {there} of {noun(told['peers'], 'similar workload')} went{also}"


def weighed(told: Mapping[str, Any], limits: Limits) -> Factors:
    """Return what the peers speak for or against, where there are enough of them.

    >>> weighed({"peers": 5, "peers_there": 0}, Limits())
    [(1.25, 'none of its peers goes there')]
    >>> weighed({"peers": 5, "peers_there": 5}, Limits()), weighed({"peers": 1}, Limits())
    ([(0.6, 'all its peers go there')], [])
    """
    if (told.get("peers") or 0) < limits.peers:
        return []
    if not told["peers_there"]:
        return [(1.25, "none of its peers goes there")]
    return [(0.6, "all its peers go there")] if told["peers_there"] == told["peers"] else []
