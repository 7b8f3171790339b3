"""Where the rows of a map stand: a table on the right, the sources on the left."""

from dataclasses import dataclass
from math import log1p

import polars as pl

from flowlens_graphs.rows import Rows
from flowlens_graphs.style import MARGIN

__all__ = ["BREADTH", "Layout", "layout"]

#: A4 landscape in points, so that a map prints at its own size.
BREADTH, HEIGHT = 842.0, 595.0

TOP = 62.0
FOOT = 34.0
HEAD = 23.0

#: The least and the most distance of two rows.
TIGHT, LOOSE = 12.3, 17.0
SPREAD = 34.0

#: The least height of the table, so that a page with one row is still a page.
LOW = 66.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Heights on a page, in points from its top."""

    height: float
    pitch: float
    headings: dict[str, float]  # class -> y
    destinations: dict[str, float]  # row -> y
    sources: dict[str, float]  # source -> y


def layout(rows: Rows) -> Layout:
    """Return where each row stands.

    Destinations keep their order; sources are ordered by the barycentre of what they reach,
    weighed by the logarithm of bytes, so that lines cross less.
    """
    classes = rows.destinations["class"].unique(maintain_order=True).to_list()
    free = HEIGHT - TOP - FOOT - HEAD * len(classes)
    pitch = min(max(free / max(rows.destinations.height, 1), TIGHT), LOOSE)
    y = TOP
    headings: dict[str, float] = {}
    places: dict[str, float] = {}
    for kind, row in rows.destinations.select("class", "row").iter_rows():
        if kind not in headings:
            headings[kind] = y + HEAD - 9
            y += HEAD
        places[row] = y + pitch / 2
        y += pitch
    return Layout(
        height=max(y, TOP + LOW) + FOOT,
        pitch=pitch,
        headings=headings,
        destinations=places,
        sources=spread(order(rows.links, places), TOP + HEAD, y),
    )


def order(links: pl.DataFrame, places: dict[str, float]) -> list[str]:
    """Return the sources from top to bottom by the barycentre of their destinations."""
    pull: dict[str, list[tuple[float, float]]] = {}
    for source, row, kind, size in links.select("source", "row", "class", "bytes_out").iter_rows():
        weight = (1 + log1p(size)) * (4 if kind == "unexpected" else 1)
        pull.setdefault(source, []).append((weight, places[row]))
    mean = {
        source: sum(w * y for w, y in pairs) / sum(w for w, _ in pairs)
        for source, pairs in pull.items()
    }
    return sorted(mean, key=lambda source: (round(mean[source], 6), source))


def spread(names: list[str], top: float, bottom: float) -> dict[str, float]:
    """Return heights for the names, evenly between top and bottom and not too far apart.

    >>> spread(["a", "b"], 0, 100)
    {'a': 33.0, 'b': 67.0}
    """
    step = min((bottom - top) / max(len(names), 1), SPREAD)
    first = (top + bottom) / 2 - step * (len(names) - 1) / 2
    return {name: round(first + step * place, 3) for place, name in enumerate(names)}


#: Columns of the page from left to right, in points.
LEFT = MARGIN + 150  # sources end here
DOT = LEFT + 8
MARK = 408.0
LABEL = MARK + 11
ADDRESSES = 672.0
PORTS = 728.0
BAR = 738.0
BARS = 32.0  # the longest
BYTES = BREADTH - MARGIN
