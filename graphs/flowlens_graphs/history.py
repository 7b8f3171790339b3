"""The timeline: when did unexpected traffic happen?"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowlens_graphs import style
from flowlens_graphs.draw import box, heading, line, logarithm, mark, page, put
from flowlens_graphs.egress import service
from flowlens_graphs.lanes import Lanes, lanes
from flowlens_graphs.style import BODY, COLOURS, INK, LINE, MARGIN, MUTED, SMALL
from flowlens_graphs.ticks import day, minute, ticks
from flowlens_graphs.words import counted, si

__all__ = ["timeline"]

TITLE = "When did unexpected traffic happen?"

BREADTH = 842.0
TOP = 88.0
FOOT = 66.0
PITCH = 17.0

#: Columns from left to right, in points.
WHO = MARGIN
WHERE = WHO + 116
SERVICE = 386.0
LEFT, RIGHT = 400.0, 652.0
SEEN = 728.0
SHARE = 772.0
BYTES = BREADTH - MARGIN

Scale = Callable[[datetime], float]


def timeline(edges: pl.DataFrame | pl.LazyFrame, coverage: pl.DataFrame | None = None) -> Figure:
    """Return the timeline of unexpected traffic: a lane for each source, destination and port.

    A dot is what was sent in one step of time (an hour, or more where the window is long), its
    area the logarithm of bytes; a cross was rejected. A triangle marks where a lane begins. Where
    `coverage` says that records of an interface of the lane were lost, the lane is shaded: more
    may have happened there.

    Args:
        edges: An edge table with the column hour.
        coverage: Rows observer, status, start, end.

    Returns:
        A figure without any global state; `figures.save` writes it.

    Raises:
        ValueError: If one of the columns client, server or bytes_out is missing.
    """
    shown = lanes(edges, coverage)
    count = shown.lanes.height
    height = TOP + PITCH * max(count, 2) + FOOT
    figure, axes = page(BREADTH, height, "timeline")
    heading(axes, TITLE, summary(shown))
    if not count or not shown.window:
        put(axes, MARGIN, TOP, "There is nothing to draw.", colour=MUTED)
        return figure
    first, last = shown.window
    scale = _scale(first, last)
    places = {lane: TOP + PITCH * (n + 0.5) for n, lane in enumerate(shown.lanes["lane"])}
    bottom = TOP + PITCH * count
    _axis(axes, (first, last), scale, bottom)
    _gaps(axes, shown, places, scale)
    _heads(axes)
    for row in shown.lanes.iter_rows(named=True):
        _lane(axes, row, places[row["lane"]], scale)
    _dots(axes, shown.dots, places, scale)
    _legend(axes, shown, height - 15)
    return figure


def summary(shown: Lanes) -> str:
    """Return the answer in one sentence."""
    total = shown.total
    if not shown.window:
        return "These edges have no hours."
    first, last = shown.window
    span = f"{day(first)} {first:%H:%M} to {day(last)} {last:%H:%M} UTC"
    if not total["judged"]:
        return f"Nothing was judged: no expected document and no baseline. {span}."
    if not total["lanes"]:
        return f"No unexpected traffic, {span}."
    return (
        f"{counted(total['sources'], 'client')} sent {si(total['bytes_out'])} to "
        f"{counted(total['destinations'], 'unexpected destination')}, {span}."
    )


def _scale(first: datetime, last: datetime) -> Scale:
    span = (last - first).total_seconds()

    def place(time: datetime) -> float:
        share = (time - first).total_seconds() / span
        return LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0)

    return place


def _axis(axes: Axes, window: tuple[datetime, datetime], scale: Scale, low: float) -> None:
    line(axes, (LEFT, low + 3), (RIGHT, low + 3), MUTED, 0.7)
    for time, hour, date in ticks(*window):
        x = scale(time)
        line(axes, (x, TOP), (x, low + 3), LINE, 0.5)
        line(axes, (x, low + 3), (x, low + 6), MUTED, 0.7)
        for step, text in enumerate(filter(None, (hour, date))):
            put(axes, x, low + 14 + 11 * step, text, size=SMALL, align="center", colour=MUTED)


def _gaps(axes: Axes, shown: Lanes, places: dict[int, float], scale: Scale) -> None:
    for lane, start, end in shown.gaps.iter_rows():
        left, right = scale(start), scale(end)
        at = (left, places[lane] - PITCH / 2 + 1)
        box(axes, at, (max(right - left, 1.0), PITCH - 2), MUTED, 0.22)


def _heads(axes: Axes) -> None:
    y = TOP - 12
    put(axes, WHO, y, "client", size=SMALL, colour=MUTED)
    put(axes, WHERE, y, "destination", size=SMALL, colour=MUTED)
    for x, text in (
        (SERVICE, "port"),
        (SEEN, "first seen"),
        (SHARE, "rejected"),
        (BYTES, "bytes out"),
    ):
        put(axes, x, y, text, size=SMALL, align="right", colour=MUTED)
    line(axes, (WHO, TOP - 4), (BYTES, TOP - 4), COLOURS["unexpected"], 0.6, alpha=0.6)


def _lane(axes: Axes, row: dict[str, Any], y: float, scale: Scale) -> None:
    begun = scale(row["first_seen"])
    line(axes, (LEFT, y), (begun, y), LINE, 0.5)
    line(axes, (begun, y), (RIGHT, y), COLOURS["unexpected"], 0.5, alpha=0.35)
    mark(axes, (begun - 5, y), ">", INK, 4.6)
    if row["lane"] < 0:
        put(axes, WHO, y, f"{row['members']:,} smaller rows", colour=MUTED)
    else:
        names = row["candidates"] or [row["source"]]
        put(axes, WHO, y, style.candidates(names, WHERE - WHO - 10, weight="bold"), weight="bold")
        _where(axes, row, y)
        port = service(row["protocol"], row["server_port"])
        put(axes, SERVICE, y, port, align="right", colour=MUTED)
    put(axes, SEEN, y, minute(row["first_seen"]), align="right")
    put(axes, SHARE, y, rejected(row["refused"], row["conversations"]), align="right")
    put(axes, BYTES, y, si(row["bytes_out"]), align="right")


def _where(axes: Axes, row: dict[str, Any], y: float) -> None:
    room = SERVICE - WHERE - 52
    size = BODY if style.width(row["target"]) <= room else SMALL
    name = style.label(row["target"], room, size)
    put(axes, WHERE, y, name, size=size)
    taken = style.width(name, size) + 7
    detail = row["server"] or ""
    if row["addresses"] > 1:
        detail = f"{row['addresses']:,} addresses"
    if detail != row["target"] and style.width(detail) <= room - taken:
        put(axes, WHERE + taken, y, detail, colour=MUTED)


def rejected(refused: int, conversations: int) -> str:
    """Return the share of conversations that was rejected; never 0 % or 100 % unless exactly so.

    >>> rejected(0, 9), rejected(1, 900), rejected(899, 900), rejected(9, 9)
    ('–', '1 %', '99 %', 'all')
    """
    if not refused:
        return "–"
    if refused == conversations:
        return "all"
    return f"{max(1, min(99, round(100 * refused / conversations)))} %"


def _dots(axes: Axes, dots: pl.DataFrame, places: dict[int, float], scale: Scale) -> None:
    size = logarithm(dots["bytes_out"])
    for lane, time, refused, sent in dots.sort("rejected", maintain_order=True).iter_rows():
        at = (scale(time), places[lane])
        if refused:
            mark(axes, at, "x", INK, 4.4, alpha=0.9)
        else:
            mark(axes, at, "o", COLOURS["unexpected"], 3.0 + 7.0 * size(sent), alpha=0.6)


def _legend(axes: Axes, shown: Lanes, y: float) -> None:
    x = MARGIN + 4
    hours = int(shown.step.total_seconds() // 3600)
    unit = {1: "one hour", 24: "one day", 168: "one week"}.get(hours, f"{hours} hours")
    for shape, colour, text in (
        ("o", COLOURS["unexpected"], f"accepted, {unit}; area: logarithm of bytes out"),
        ("x", INK, "rejected"),
        (">", INK, "first seen"),
    ):
        mark(axes, (x, y), shape, colour, 4.6)
        put(axes, x + 9, y, text, size=SMALL, colour=MUTED)
        x += 9 + style.width(text, SMALL) + 18
    if not shown.gaps.is_empty():
        box(axes, (x, y - 4), (12, 8), MUTED, 0.22)
        put(axes, x + 17, y, "records lost (SKIPDATA)", size=SMALL, colour=MUTED)
