"""Graphs to files: GraphML, GEXF, DOT, JSON, Mermaid; pictures by way of the map.

Names come out of logs and tags, so every writer escapes them for its own format. The same graph
gives the same bytes: no file carries a time or the version of a library.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import polars as pl

from flowlens_graphs.egress import egress_graph
from flowlens_graphs.mermaid import mermaid
from flowlens_graphs.words import printable

__all__ = ["SUFFIXES", "write"]

PICTURES = (".svg", ".png", ".pdf")


def write(graph: nx.MultiDiGraph | pl.DataFrame | pl.LazyFrame, path: str | Path) -> None:
    """Write a graph, or the graph of an edge table, in the format that the suffix names.

    Args:
        graph: A graph made by `egress_graph`, or an edge table. A picture (.svg, .png, .pdf) is
            the egress map and needs the edge table, since a graph no longer has the addresses.
        path: Where to write to.

    Raises:
        ValueError: If nobody knows the suffix, or a picture is asked of a graph.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"Cannot write {path.name!r}; known suffixes are {', '.join(SUFFIXES)}."
        raise ValueError(msg)
    framed = isinstance(graph, pl.DataFrame | pl.LazyFrame)
    if suffix in PICTURES:
        if not framed:
            msg = f"A picture is drawn from the edges: write(edges, {path.name!r})."
            raise ValueError(msg)
        _picture(graph, path)
        return
    G = egress_graph(graph) if framed else graph
    path.write_text(WRITERS[suffix](G), encoding="utf-8", newline="\n")


def _picture(edges: pl.DataFrame | pl.LazyFrame, path: Path) -> None:
    # Drawing is not loaded where a graph is all that is wanted.
    from flowlens_graphs.figures import save
    from flowlens_graphs.map import egress_map

    save(egress_map(edges), path)


def node_link(G: nx.MultiDiGraph) -> str:
    """Return the graph as node-link JSON, with a schema name, safe inside a script element."""
    data = {"schema": "flowlens.graph/1", **nx.node_link_data(G, edges="edges")}
    return json.dumps(data, indent=1).replace("<", "\\u003c") + "\n"


def graphml(G: nx.MultiDiGraph) -> str:
    """Return the graph as GraphML; lists are joined by " | "."""
    lines = nx.generate_graphml(plain(G))
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', *lines]) + "\n"


def gexf(G: nx.MultiDiGraph) -> str:
    """Return the graph as GEXF 1.2, without the date and the version that networkx writes."""
    text = "\n".join(nx.generate_gexf(plain(G)))
    meta = "<meta>\n      <creator>flowlens</creator>\n    </meta>"
    return re.sub(r"<meta .*?</meta>", meta, text, count=1, flags=re.DOTALL) + "\n"


def dot(G: nx.MultiDiGraph) -> str:
    """Return the graph in the DOT language: unexpected edges red, what only may be dashed."""
    lines = ["digraph egress {", "  rankdir=LR;", "  node [shape=box, fontname=Inter];"]
    for node, data in plain(G).nodes(data=True):
        lines.append(f"  {quoted(node)} [{attributes(data)}];")
    for tail, head, key, data in plain(G).edges(keys=True, data=True):
        strong = {"color": "#b42318", "penwidth": 2} if data.get("expected") == "no" else {}
        faint = {"color": "#98a2b3", "style": "dashed"} if data.get("relation") == "may" else {}
        shown = {"label": key, **data, **strong, **faint}
        lines.append(f"  {quoted(tail)} -> {quoted(head)} [{attributes(shown)}];")
    return "\n".join([*lines, "}"]) + "\n"


def quoted(value: object) -> str:
    r"""Return a DOT string: backslashes and quotes are escaped, control characters spelled out.

    >>> print(quoted('a "b" \\N'))
    "a \"b\" \\N"
    """
    text = printable(str(value)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def attributes(data: dict[str, Any]) -> str:
    """Return the attributes of a DOT node or edge."""
    return ", ".join(f"{name}={quoted(value)}" for name, value in data.items())


def plain(G: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """Return the graph with texts and numbers only: what every format can hold.

    Lists become one text, joined by " | "; control characters, which XML cannot hold, are spelled
    out.
    """
    H = nx.MultiDiGraph(name=G.name)
    H.add_nodes_from((printable(str(n)), _flat(data)) for n, data in G.nodes(data=True))
    for tail, head, key, data in G.edges(keys=True, data=True):
        ends = printable(str(tail)), printable(str(head))
        H.add_edge(*ends, key=printable(str(key)), **_flat(data))
    return H


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in data.items() if value is not None}


def _text(value: object) -> object:
    if isinstance(value, int | float):
        return value
    parts = value if isinstance(value, list) else [value]
    return " | ".join(printable(str(part)) for part in parts)


WRITERS: dict[str, Callable[[nx.MultiDiGraph], str]] = {
    ".dot": dot,
    ".gexf": gexf,
    ".graphml": graphml,
    ".json": node_link,
    ".mmd": mermaid,
}

SUFFIXES = (*WRITERS, *PICTURES)
