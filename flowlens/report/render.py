"""Frames to the report's HTML text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens.findings.attempts import once
from flowlens.report.facts import Facts
from flowlens.report.page import page
from flowlens.report.shape import shape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw", "render"]


def render(
    edges: pl.DataFrame,
    findings: pl.DataFrame,
    coverage: Mapping[str, Any],
    facts: Facts | None = None,
    *,
    windows: pl.DataFrame | None = None,
    pictures: Mapping[str, str] | None = None,
) -> str:
    """Return the report as one HTML file that loads nothing.

    It reads no clock and no file outside the package: the same input gives the same text.

    Args:
        edges: a table of schema EDGES, in any order.
        findings: a table of schema FINDINGS, worst first.
        coverage: what `flowlens.coverage.summary` returned.
        facts: where the numbers come from; what is not given is called unknown.
        windows: rows of schema COVERAGE, for the timeline.
        pictures: `map` and `timeline` as SVG text, where they are drawn already.
    """
    shaped = shape(_tries(edges))
    if pictures is None:
        plain = shaped.select(edges.columns)
        pictures = {name: text for name, (_, text) in draw(plain, windows).items()}
    return page(shaped, findings, coverage, facts or Facts(), pictures)


def draw(
    edges: pl.DataFrame, windows: pl.DataFrame | None = None
) -> dict[str, tuple["Figure", str]]:
    """Return the pictures of a report, each as a figure and as SVG text.

    Args:
        edges: a table of schema EDGES; without rows there are no pictures.
        windows: rows of schema COVERAGE.
    """
    import flowlens_graphs

    if edges.is_empty():
        return {}
    edges = _tries(edges)
    figures = {"map": (flowlens_graphs.egress_map(edges), "Where the workloads send data", MAP)}
    if not edges.filter(pl.col("expected") == "no").is_empty():
        figure = flowlens_graphs.timeline(edges, windows)
        figures["timeline"] = (figure, "When it happened", TIMELINE)
    return {
        name: (figure, flowlens_graphs.svg(figure, title=title, description=description))
        for name, (figure, title, description) in figures.items()
    }


def _tries(edges: pl.DataFrame) -> pl.DataFrame:
    """Return edges with tries that were let out and refused on arrival as one, as findings do."""
    return once(edges.lazy()).collect()


MAP = (
    "Workloads on the left, destinations on the right, a line for what was sent; the tables "
    "Destinations and Edges hold the same numbers."
)
TIMELINE = "Unexpected traffic by hour; the table Edges holds the same numbers."
