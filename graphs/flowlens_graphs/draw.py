"""The few things that a picture is drawn with, on a page measured in points."""

from collections.abc import Callable
from math import log10
from typing import Any, Literal

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text

from flowlens_graphs.style import BODY, INK, MARGIN, MUTED, PAPER, TITLE, family, fit

__all__ = ["DASHES", "box", "curve", "heading", "line", "logarithm", "mark", "page", "put"]

Align = Literal["left", "center", "right"]
Point = tuple[float, float]

#: The line of what was refused.
DASHES = (0, (3, 2))


def page(breadth: float, height: float, name: str) -> tuple[Figure, Axes]:
    """Return an empty page: one axes over all of it, in points, the origin at the top left."""
    figure = Figure(figsize=(breadth / 72, height / 72), dpi=100, facecolor=PAPER, label=name)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, breadth)
    axes.set_ylim(height, 0)
    return figure, axes


def put(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    size: float = BODY,
    align: Align = "left",
    colour: str = INK,
    **more: Any,
) -> Text:
    """Write a text whose letters stand in the middle of the line at y."""
    return axes.text(
        x,
        y,
        text,
        fontsize=size,
        ha=align,
        va="center_baseline",
        color=colour,
        family=family(),
        parse_math=False,
        **more,
    )


def heading(axes: Axes, title: str, subtitle: str) -> None:
    """Write the question that a picture answers, and the answer in one sentence."""
    put(axes, MARGIN, 25, title, size=TITLE, weight="bold")
    room = axes.get_xlim()[1] - 2 * MARGIN
    put(axes, MARGIN, 43, fit(subtitle, room), colour=MUTED)


def line(axes: Axes, tail: Point, head: Point, colour: str, weight: float, **more: Any) -> None:
    """Draw a straight line."""
    xs, ys = zip(tail, head, strict=True)
    axes.add_line(Line2D(xs, ys, color=colour, linewidth=weight, clip_on=False, **more))


def curve(axes: Axes, tail: Point, head: Point, colour: str, weight: float, **more: Any) -> None:
    """Draw a line that leaves and arrives level."""
    bend = (head[0] - tail[0]) * 0.46
    points = [tail, (tail[0] + bend, tail[1]), (head[0] - bend, head[1]), head]
    path = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    look = {"capstyle": "butt", "clip_on": False, "fill": False, **more}
    axes.add_patch(PathPatch(path, edgecolor=colour, linewidth=weight, **look))


def mark(
    axes: Axes, at: Point, shape: str, colour: str, size: float, *, alpha: float = 1.0
) -> None:
    """Draw a marker."""
    edge = 1.1 if shape == "x" else 0.0
    look = Line2D([at[0]], [at[1]], marker=shape, color=colour, markersize=size)
    look.set(markeredgewidth=edge, linestyle="none", alpha=alpha, clip_on=False)
    axes.add_line(look)


def box(axes: Axes, at: Point, size: Point, colour: str, alpha: float) -> None:
    """Draw a filled rectangle of so many points from its upper left corner."""
    look = Rectangle(at, *size, facecolor=colour, alpha=alpha, linewidth=0)
    look.set_clip_on(False)
    axes.add_patch(look)


def logarithm(sizes: pl.Series) -> Callable[[int], float]:
    """Return a scale from the least to the most bytes, by logarithm, onto 0..1.

    >>> scale = logarithm(pl.Series([9, 99, 999]))
    >>> scale(9), scale(99), scale(999)
    (0.0, 0.5, 1.0)
    """
    low, high = (log10(1 + int(str(size))) for size in (sizes.min(), sizes.max()))
    return lambda size: (log10(1 + size) - low) / (high - low) if high > low else 1.0
