"""Frames to networkx graphs, pictures and exports.

Nothing here knows where the frames come from: an edge table is any frame with the columns client,
server and bytes_out, and better with the others. Names are loaded when they are first used, so
that an export does not pay for the drawing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowlens_graphs.egress import egress_graph, unexpected
    from flowlens_graphs.exports import write
    from flowlens_graphs.figures import save, svg
    from flowlens_graphs.history import timeline
    from flowlens_graphs.map import egress_map
    from flowlens_graphs.may import may_graph
    from flowlens_graphs.maymap import may_map

__all__ = [
    "egress_graph",
    "egress_map",
    "may_graph",
    "may_map",
    "save",
    "svg",
    "timeline",
    "unexpected",
    "write",
]

HOMES = {
    "egress_graph": "egress",
    "egress_map": "map",
    "may_graph": "may",
    "may_map": "maymap",
    "save": "figures",
    "svg": "figures",
    "timeline": "history",
    "unexpected": "egress",
    "write": "exports",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
