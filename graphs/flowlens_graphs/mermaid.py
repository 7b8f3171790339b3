"""Mermaid: a flow chart for a page of Markdown, cut where Mermaid stops drawing."""

import networkx as nx

from flowlens_graphs.egress import service
from flowlens_graphs.words import printable, si

__all__ = ["mermaid"]

#: Mermaid draws no chart of more than 500 edges or 50,000 characters
#: (https://github.com/mermaid-js/mermaid/issues/5042).
EDGES = 500
LETTERS = 48_000

Arrow = tuple[bool, int, list[str], bool]  # unexpected, bytes out, services, may and did not

ENTITIES = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}
)


def mermaid(G: nx.MultiDiGraph, *, limit: int = EDGES) -> str:
    """Return the graph as a Mermaid flow chart: one arrow for each pair, unexpected ones in red.

    What only may be is dotted. Beyond the limits the lightest expected arrows are left out; how
    many, and their bytes, stands in the chart.

    Args:
        G: A graph made by `egress_graph`.
        limit: The most arrows.
    """
    arrows = sorted(_arrows(G).items(), key=lambda item: (not item[1][0], -item[1][1], item[0]))
    kept = _room(G, arrows[:limit])
    lines = ["flowchart LR", *_drawn(G, arrows[:kept])]
    if left := arrows[kept:]:
        more = f"{len(left):,} more connections, {si(sum(a[1] for _, a in left))}, are not shown"
        lines.append(f'  more["{more}"]')
    return "\n".join(lines) + "\n"


def _room(G: nx.MultiDiGraph, arrows: list[tuple[tuple[str, str], Arrow]]) -> int:
    """Count the arrows that fit; 24 letters are the syntax around a label or an arrow."""
    seen: set[str] = set()
    left = LETTERS
    for kept, (ends, arrow) in enumerate(arrows):
        new = set(ends) - seen
        seen |= new
        left -= len(_arrow(9999, 9999, arrow)) + 8 + sum(len(_label(G, node)) + 24 for node in new)
        if left < 0:
            return kept
    return len(arrows)


def _arrows(G: nx.MultiDiGraph) -> dict[tuple[str, str], Arrow]:
    found: dict[tuple[str, str], Arrow] = {}
    for tail, head, data in G.edges(data=True):
        bad, sent, services, idle = found.get((tail, head), (False, 0, [], True))
        words = [*services, service(data.get("protocol"), data.get("server_port"))]
        total = sent + data.get("bytes_out", 0)
        idle = idle and data.get("relation") == "may"
        found[tail, head] = (bad or data.get("expected") == "no", total, words, idle)
    return found


def _drawn(G: nx.MultiDiGraph, arrows: list[tuple[tuple[str, str], Arrow]]) -> list[str]:
    used = sorted({node for ends, _ in arrows for node in ends})
    ids = {node: place for place, node in enumerate(used)}
    lines = [f'  n{place}["{_label(G, node)}"]' for node, place in ids.items()]
    lines += [_arrow(ids[tail], ids[head], arrow) for (tail, head), arrow in arrows]
    bad = [str(place) for place, (_, arrow) in enumerate(arrows) if arrow[0]]
    if bad:
        lines.append(f"  linkStyle {','.join(bad)} stroke:#b42318,stroke-width:2px")
    return lines


def _label(G: nx.MultiDiGraph, node: str) -> str:
    return printable(str(G.nodes[node].get("label", node)))[:60].translate(ENTITIES)


def _arrow(tail: int, head: int, arrow: Arrow) -> str:
    bad, sent, services, idle = arrow
    names = sorted(set(filter(None, services)))
    shown = ", ".join(names[:3]) + (f" +{len(names) - 3}" if len(names) > 3 else "")
    text = (shown if idle else f"{shown} {si(sent)}".strip()).translate(ENTITIES)
    return f'  n{tail} {"==>" if bad else "-.->" if idle else "-->"}|"{text}"| n{head}'
