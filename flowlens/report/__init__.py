"""The HTML report: one self-contained file for people, and the folder around it."""

from flowlens.report.facts import Facts
from flowlens.report.render import draw, render
from flowlens.report.write import write

__all__ = ["Facts", "draw", "render", "write"]
