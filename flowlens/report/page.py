"""The page: one HTML file with its own style, script, pictures and data, and nothing else."""

import json
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from flowlens.report.cards import cards
from flowlens.report.facts import Facts
from flowlens.report.grid import STEPS, Table
from flowlens.report.method import coverage, method
from flowlens.report.picture import Styles, inline
from flowlens.report.tables import tables
from flowlens.report.verdict import verdict

__all__ = ["CARDS", "PACKED", "ROWS", "page"]

HERE = Path(__file__).parent

#: Rows of a table that show without a script, rows that are packed for the script, findings.
ROWS, PACKED, CARDS = 200, 5000, 100

#: name -> what the picture shows, and the command that draws it.
PICTURES = {
    "map": (
        "Map",
        "Where the workloads send data",
        "Line weight is the logarithm of bytes sent; the destinations are a table below, too.",
        "flowlens graph {} -o map.svg",
    ),
    "timeline": (
        "Timeline",
        "When it happened",
        "Unexpected traffic by hour. Where the log has no data, nothing can be said.",
        "flowlens edges {} --where 'expected = no'",
    ),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in its section."""

    name: str
    title: str
    about: str
    command: str
    markup: Markup


def page(
    edges: pl.DataFrame,
    findings: pl.DataFrame,
    told: Mapping[str, Any],
    facts: Facts,
    pictures: Mapping[str, str],
) -> str:
    """Return the HTML text of a report.

    Everything that may come out of a log goes through jinja2's escaping. The policy in the page
    allows exactly its own style and script, by hash, and no other source of anything.

    Args:
        edges: shaped edges.
        findings: a table of schema FINDINGS, worst first.
        told: what `flowlens.coverage.summary` returned.
        facts: where the numbers come from.
        pictures: `map` and `timeline` as SVG text; a missing one has no section.
    """
    styles = Styles()
    drawn = [_picture(name, pictures[name], facts, styles) for name in PICTURES if name in pictures]
    shown = tables(edges)
    css, script = lean("page.css") + bars() + styles.css, lean("page.js")
    return _template().render(
        policy=policy(css, script),
        css=Markup(css),  # noqa: S704 - the project's own, and classes made of checked styles
        script=Markup(script),  # noqa: S704 - the project's own
        verdict=verdict(edges, findings, told, facts),
        cards=cards(edges, findings, facts, limit=CARDS),
        hidden=max(0, findings.height - CARDS),
        none="None." if _judged(edges) else "Unknown: there was nothing to judge the traffic by.",
        pictures=drawn,
        tables=shown,
        packed={table.name: pack(table) for table in shown},
        limit=ROWS,
        most=PACKED,
        coverage=coverage(told),
        method=method(edges, told, facts),
        sections=_sections(drawn, shown),
        facts=facts,
    )


def _judged(edges: pl.DataFrame) -> bool:
    """Return whether any traffic could be judged."""
    return not edges.filter(pl.col("state") != "unknown").is_empty()


def _picture(name: str, svg: str, facts: Facts, styles: Styles) -> Picture:
    """Return a picture with its words."""
    _, title, about, command = PICTURES[name]
    markup = Markup(inline(svg, styles))  # noqa: S704 - rebuilt from known elements, escaped
    return Picture(name, title, about, command.format(facts.arguments), markup)


def _sections(pictures: list[Picture], shown: tuple[Table, ...]) -> list[tuple[str, str]]:
    """Return id and label of the sections, in order."""
    return [
        ("findings", "Findings"),
        *((picture.name, PICTURES[picture.name][0]) for picture in pictures),
        *((table.name, table.title) for table in shown),
        ("coverage", "Coverage"),
        ("method", "Method"),
    ]


def _template() -> Template:
    """Return the template of the page; escaping is always on."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html.j2")


def lean(name: str) -> str:
    """Return a text file of this folder without indentation, blank and comment lines."""
    lines = (line.strip() for line in (HERE / name).read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def bars() -> str:
    """Return the classes for the lengths of bars."""
    return "".join(f".w{n}{{--w:{n * 8}%}}" for n in range(STEPS + 1))


def policy(css: str, script: str) -> str:
    """Return a content security policy that allows one style and one script.

    https://www.w3.org/TR/CSP3/#grammardef-hash-source
    """

    def allowed(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {allowed(css)}; script-src {allowed(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def pack(table: Table) -> str:
    """Return the rows beyond the shown ones, compressed, as text that cannot end a script."""
    rest = table.rows[ROWS:PACKED]
    if not rest:
        return ""
    rows = [["–" if value in {None, ""} else value for value in row] for row in rest]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return b64encode(zlib.compress(text.encode(), 9)).decode()
