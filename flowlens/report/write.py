"""The folder of a report: the page, the pictures and the data behind them."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from flowlens.errors import OutputError
from flowlens.report.facts import Facts
from flowlens.report.render import draw, render

__all__ = ["write"]


def write(
    folder: str | Path,
    edges: pl.DataFrame,
    findings: pl.DataFrame,
    coverage: Mapping[str, Any],
    rejects: pl.DataFrame,
    *,
    windows: pl.DataFrame | None = None,
    facts: Facts | None = None,
) -> Path:
    """Write a report and everything it rests on.

    ``report.html``; ``map`` and ``timeline`` as ``.svg`` and ``.png``; ``edges.parquet``;
    ``findings.json``; ``coverage.json``; ``rejects.ndjson``. The same input writes the same bytes.

    Args:
        folder: where to; made if it is not there, files of these names are replaced.
        edges: a table of schema EDGES.
        findings: a table of schema FINDINGS, worst first.
        coverage: what `flowlens.coverage.summary` returned.
        rejects: the lines that could not be read.
        windows: rows of schema COVERAGE, for the timeline.
        facts: where the numbers come from.

    Returns:
        The path of the page.

    Raises:
        OutputError: the folder or a file in it cannot be written.
    """
    import flowlens_graphs

    base = Path(folder)
    plain = [name for name, dtype in edges.schema.items() if not dtype.is_nested()]
    ordered = edges.sort(plain, nulls_last=True)
    page = base / "report.html"
    try:
        base.mkdir(parents=True, exist_ok=True)
        figures = draw(ordered, windows)
        for name, (figure, _) in figures.items():
            for suffix in (".svg", ".png"):
                flowlens_graphs.save(figure, base / f"{name}{suffix}")
        ordered.write_parquet(base / "edges.parquet")
        _json(base / "findings.json", "findings", findings.to_dicts())
        _json(base / "coverage.json", "coverage", dict(coverage))
        rejects.sort(rejects.columns).write_ndjson(base / "rejects.ndjson")
        texts = {name: text for name, (_, text) in figures.items()}
        page.write_text(render(ordered, findings, coverage, facts, pictures=texts), "utf-8")
    except OSError as error:
        msg = f"cannot write the report to {base}: {error.strerror or error}"
        raise OutputError(msg) from error
    return page


def _json(path: Path, name: str, content: Any) -> None:
    """Write content under its schema's name."""
    told = {"schema": f"flowlens.{name}/1", name: content}
    path.write_text(json.dumps(told, indent=1, default=_plain, ensure_ascii=False) + "\n", "utf-8")


def _plain(value: object) -> str:
    """Return a time as ISO 8601 in UTC."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}"[:23] + "Z"
    msg = f"{type(value).__name__} has no place in JSON"
    raise TypeError(msg)
