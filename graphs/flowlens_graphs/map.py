"""The egress map: where do our workloads send data?"""

from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowlens_graphs import style
from flowlens_graphs.draw import DASHES, box, curve, heading, line, logarithm, mark, page, put
from flowlens_graphs.layout import (
    ADDRESSES,
    BAR,
    BARS,
    BREADTH,
    BYTES,
    DOT,
    LABEL,
    LEFT,
    MARK,
    PORTS,
    Layout,
    layout,
)
from flowlens_graphs.rows import Rows, rows
from flowlens_graphs.style import COLOURS, INK, MARKERS, MUTED, SMALL
from flowlens_graphs.words import counted, si

__all__ = ["egress_map"]

TITLE = "Where do our workloads send data?"


def egress_map(edges: pl.DataFrame | pl.LazyFrame) -> Figure:
    """Return the map of workloads (left) and what they send to (right), on one A4 page.

    Destinations are rows of a table: by class, grouped and merged to at most 30 rows without
    losing a byte (`flowlens_graphs.rows`). A line is what a workload sent to a row, its weight the
    logarithm of bytes; unexpected lines lie on top; what was refused is dashed and ends in a cross.

    Args:
        edges: An edge table; columns beyond client, server and bytes_out may be missing.

    Returns:
        A figure without any global state; `figures.save` writes it.

    Raises:
        ValueError: If one of the columns client, server or bytes_out is missing.
    """
    shown = rows(edges)
    plan = layout(shown)
    figure, axes = page(BREADTH, plan.height, "map")
    heading(axes, TITLE, summary(shown))
    if shown.destinations.is_empty():
        put(axes, MARK / 2, plan.height / 2, "No traffic in these edges.", colour=MUTED)
        return figure
    _links(axes, shown.links, plan)
    _sources(axes, shown.sources, plan)
    _table(axes, shown.destinations, plan)
    _legend(axes, shown, plan.height - 15)
    return figure


def summary(shown: Rows) -> str:
    """Return the answer in one sentence."""
    total = shown.total
    if not total["conversations"]:
        return "Nothing was sent."
    reach = (
        f"{who(total)} sent {si(total['bytes_out'])} to "
        f"{counted(total['destinations'], 'destination')} "
        f"({counted(total['addresses'], 'address', 'addresses')})"
    )
    if not total["judged"]:
        return f"{reach}; nothing was judged: no expected document and no baseline."
    if not total["unexpected"]:
        return f"{reach}; none of them unexpected."
    return (
        f"{reach}; {total['unexpected']:,} unexpected, from "
        f"{counted(total['flagged'], 'client')}, {si(total['unexpected_bytes'])}."
    )


def who(total: dict[str, int]) -> str:
    """Return how many sent, with and without a known owner.

    >>> who({"sources": 3, "strangers": 1}), who({"sources": 2, "strangers": 2})
    ('2 workloads and 1 client without a known owner', '2 clients without a known owner')
    """
    owned = total["sources"] - total["strangers"]
    parts = [counted(owned, "workload")] if owned else []
    if total["strangers"]:
        parts.append(f"{counted(total['strangers'], 'client')} without a known owner")
    return " and ".join(parts)


def _links(axes: Axes, links: pl.DataFrame, plan: Layout) -> None:
    scale = logarithm(links["bytes_out"])
    loud = pl.col("class") == "unexpected"
    many = {True: links.filter(loud).height, False: links.filter(~loud).height}
    for row in links.sort(loud, "rejected", maintain_order=True).iter_rows(named=True):
        strong = row["class"] == "unexpected"
        _link(
            axes,
            plan.sources[row["source"]],
            plan.destinations[row["row"]],
            colour=COLOURS[row["class"]],
            alpha=opacity(many[strong], strong=strong, refused=row["rejected"]),
            weight=0.5 + scale(row["bytes_out"]) * 1.5 + 0.4 * (strong or row["rejected"]),
            refused=row["rejected"],
        )


def opacity(many: int, *, strong: bool, refused: bool) -> float:
    """Return how opaque a line is: the more there are of its sort, the fainter each.

    >>> opacity(3, strong=True, refused=False), opacity(700, strong=False, refused=False)
    (0.95, 0.09)
    """
    if strong:
        return min(0.95, max(0.55, 40 / many))
    return min(0.6, max(0.3, 40 / many)) if refused else min(0.34, max(0.09, 24 / many))


def _link(axes: Axes, tail: float, head: float, *, colour: str, refused: bool, **more: Any) -> None:
    stop = MARK - 6 - (9 if refused else 0)
    curve(axes, (DOT + 4, tail), (stop, head), colour, linestyle=DASHES if refused else "-", **more)
    if refused:
        mark(axes, (stop + 3.5, head), "x", colour, 4.0, alpha=more["alpha"])


def _sources(axes: Axes, sources: pl.DataFrame, plan: Layout) -> None:
    top = next(iter(plan.headings.values()))
    put(axes, LEFT, top, "clients", size=SMALL, align="right", colour=MUTED)
    for row in sources.iter_rows(named=True):
        y = plan.sources[row["source"]]
        bad = row["unexpected"]
        weight = "bold" if bad else "normal"
        mark(axes, (DOT, y), "o", COLOURS["unexpected"] if bad else INK, 5.0)
        times = f"  ×{row['members']:,}" if row["members"] > 1 and row["source"] else ""
        room = LEFT - style.MARGIN - style.width(times, weight=weight)
        names = row["candidates"] or [row["label"]]
        label = style.candidates(names, room, weight=weight) + times
        put(axes, LEFT, y, label, align="right", weight=weight)


def _table(axes: Axes, table: pl.DataFrame, plan: Layout) -> None:
    for kind, y in plan.headings.items():
        put(axes, MARK - 4, y, style.HEADINGS[kind], colour=COLOURS[kind], weight="bold")
        line(axes, (MARK - 4, y + 8), (BYTES, y + 8), COLOURS[kind], 0.6, alpha=0.6)
    top = next(iter(plan.headings.values()))
    for x, text in ((ADDRESSES, "addresses"), (PORTS, "ports"), (BYTES, "bytes out")):
        put(axes, x, top, text, size=SMALL, align="right", colour=MUTED)
    scale = logarithm(table["bytes_out"])
    for row in table.iter_rows(named=True):
        y, colour = plan.destinations[row["row"]], COLOURS[row["class"]]
        _name(axes, row, y)
        put(axes, ADDRESSES, y, f"{row['addresses']:,}", align="right")
        put(axes, PORTS, y, ports(row["ports"]), align="right")
        long = BARS * (0.08 + 0.92 * scale(row["bytes_out"]))
        box(axes, (BAR, y - 4), (long, 8), colour, 0.28)
        put(axes, BYTES, y, si(row["bytes_out"]), align="right")


def _name(axes: Axes, row: dict[str, Any], y: float) -> None:
    kind = row["class"]
    weight = "bold" if kind == "unexpected" else "normal"
    mark(axes, (MARK, y), MARKERS[kind], COLOURS[kind], 5.0 if kind == "unexpected" else 5.4)
    room = ADDRESSES - 30 - LABEL
    size = style.BODY if style.width(row["label"], weight=weight) <= room else SMALL
    shorten = style.label if kind == "inside" else style.fit
    label = shorten(row["label"], room, size, weight)
    put(axes, LABEL, y, label, size=size, weight=weight)
    taken = style.width(label, size, weight) + 7
    detail = "  ".join(filter(None, (row["detail"], refusals(row))))
    if detail and room - taken > 24:
        put(axes, LABEL + taken, y, style.fit(detail, room - taken), colour=MUTED)


def refusals(row: dict[str, Any]) -> str:
    """Return what share of a row was rejected, where that is worth a word.

    >>> row = {"class": "known", "refused": 3, "conversations": 4}
    >>> refusals(row), refusals(row | {"refused": 4}), refusals(row | {"refused": 0})
    ('75 % rejected', 'rejected', '')
    """
    share = row["refused"] / row["conversations"]
    if share == 1:
        return "rejected"
    least = 0.0 if row["class"] == "unexpected" else 0.1
    return f"{max(1, min(99, round(share * 100)))} % rejected" if share > least else ""


def ports(found: list[int]) -> str:
    """Return the first ports, as many as the column holds, and how many more there are.

    >>> ports([443]), ports([22, 443, 8443]), ports([]), ports([50000, 50001])
    ('443', '22 +2', '–', '50000 +1')
    """
    for shown in range(len(found), 0, -1):
        more = f" +{len(found) - shown}" if shown < len(found) else ""
        text = ", ".join(str(port) for port in found[:shown]) + more
        if len(text) <= 9:
            return text
    return f"{found[0]} …" if found else "–"


def _legend(axes: Axes, shown: Rows, y: float) -> None:
    x = style.MARGIN
    for text, dashes in (("accepted", "-"), ("all rejected", DASHES)):
        line(axes, (x, y), (x + 14, y), MUTED, 1.4, linestyle=dashes)
        if dashes != "-":
            mark(axes, (x + 17.5, y), "x", MUTED, 4.0)
            x += 7
        put(axes, x + 19, y, text, size=SMALL, colour=MUTED)
        x += 19 + style.width(text, SMALL) + 14
    note = "Weight of lines and length of bars: logarithm of bytes out."
    put(axes, x, y, note, size=SMALL, colour=MUTED)
    total = shown.total["destinations"]
    if total > shown.destinations.height:
        note = f"{shown.destinations.height} rows stand for {total:,} destinations."
        put(axes, BYTES, y, note, size=SMALL, colour=MUTED, align="right")
