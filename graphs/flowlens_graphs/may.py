"""The may graph and its map: which ranges workloads may reach, and which of them they use.

A may table is any frame with the columns source, target and way, and better with the others:
protocol, first_port, last_port, verdict, rules, blocks, interfaces; bytes_out and conversations
say how much of a row was used.
"""

from typing import Any

import networkx as nx
import polars as pl

from flowlens_graphs.frame import BETWEEN
from flowlens_graphs.words import printable

__all__ = ["may_graph", "spoken"]

#: Columns that an edge has as they are.
_KEPT = ("way", "verdict", "end_to_end", "rules", "route", "route_target", "blocks", "notes")


def may_graph(rows: pl.DataFrame) -> nx.MultiDiGraph:
    """Return the graph of workloads and the ranges that they may reach.

    Args:
        rows: a may table.

    Returns:
        Nodes with `label`, `role` (source, destination) and `kind` (of a workload) or `way`; edges
        keyed "tcp/443 may" with `relation`: *did* where the row was used, else *may*. What is not
        known is absent.

    Raises:
        ValueError: a column is missing.

    >>> G = may_graph(pl.DataFrame({"source": [["a"]], "target": ["10.0.0.0/8"], "way": ["local"],
    ...     "protocol": ["tcp"], "first_port": [443], "last_port": [443]}))
    >>> list(G.edges(data="relation"))
    [('a', '10.0.0.0/8', 'may')]
    """
    G = nx.MultiDiGraph(name="may")
    for row in needed(rows).iter_rows(named=True):
        tail, head = named(row), target(row)
        G.add_node(tail, **_known({"label": tail, "role": "source", "kind": row.get("kind")}))
        if head is None:
            continue
        G.add_node(head, **_known({"label": head, "role": "destination", "way": row["way"]}))
        did = bool(row.get("bytes_out") or row.get("conversations"))
        data = {name: row.get(name) for name in (*_KEPT, "bytes_out", "conversations")}
        data |= {"relation": "did" if did else "may", "protocol": row.get("protocol")}
        data["server_port"] = spoken(row).partition("/")[2] or None
        G.add_edge(tail, head, key=f"{spoken(row)} may", **_known(data))
    return G


def needed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a may table, in the order of its rows.

    Raises:
        ValueError: a column is missing.
    """
    missing = [name for name in ("source", "target", "way") if name not in rows.columns]
    if missing:
        msg = (
            f"A may table needs the columns source, target and way; missing: {', '.join(missing)}."
        )
        raise ValueError(msg)
    return rows


def named(row: dict[str, Any]) -> str:
    """Return one word for the sender: the candidates for its owner, or its interfaces."""
    return BETWEEN.join(row["source"] or row.get("interfaces") or ["unknown"])


def target(row: dict[str, Any]) -> str | None:
    """Return the name of what a row leads to; None where nothing may be reached."""
    return None if row["way"] == "none" else row["target"] or "unknown"


def spoken(row: dict[str, Any]) -> str:
    """Return protocol and ports as people write them.

    >>> spoken({"protocol": "tcp", "first_port": 80, "last_port": 90})
    'tcp/80-90'
    >>> spoken({"protocol": "all", "first_port": None, "last_port": None})
    'all'
    """
    first, last = row.get("first_port"), row.get("last_port")
    name = printable(str(row.get("protocol") or "all"))
    if first is None:
        return name
    return f"{name}/{first}" if last in (None, first) else f"{name}/{first}-{last}"


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None and value != []}
