"""The main job: a folder with the report, its pictures and its data."""

import json
from pathlib import Path

import polars as pl

from flowlens import output
from flowlens.cli import console
from flowlens.cli.pipeline import Job, folder
from flowlens.coverage import summary
from flowlens.errors import UsageError

__all__ = ["draw", "write"]

PICTURES = (".svg", ".png", ".pdf")
GRAPHS = (".graphml", ".gexf", ".dot", ".json", ".mmd")


def write(job: Job, target: Path) -> None:
    """Write everything into a folder, and say what was found.

    Raises:
        OutputError: the folder or a file in it cannot be written.
    """
    from flowlens.report import render

    folder(target)
    judged = job.judged()
    ledger = job.ledger
    edges, findings, coverage, rejects = (
        frame.collect()
        for frame in job.redacted(
            judged.edges.lazy(),
            judged.findings.lazy(),
            ledger.coverage().lazy(),
            ledger.rejects().lazy(),
        )
    )
    told = summary(coverage, rejects, per_object(job), edges)
    draw(edges, target / "map.svg")
    draw(edges, target / "map.png")
    draw(edges, target / "timeline.svg", timeline=True)
    output.write(edges, "edges", path=target / "edges.parquet")
    output.write(findings, "findings", path=target / "findings.json")
    output.write(rejects, "rejects", path=target / "rejects.ndjson")
    _text(target / "coverage.json", json.dumps(told, indent=1, sort_keys=True) + "\n")
    _text(target / "report.html", render(edges, findings, told))
    job.close(kept=str(target / "rejects.ndjson"))
    console.say(f"wrote {target / 'report.html'}")


def draw(edges: pl.DataFrame, path: Path, *, timeline: bool = False) -> None:
    """Write a picture or a graph, by the suffix.

    Raises:
        UsageError: the suffix is neither.
    """
    import flowlens_graphs as graphs

    if path.suffix in PICTURES:
        graphs.save(graphs.timeline(edges) if timeline else graphs.egress_map(edges), path)
    elif path.suffix in GRAPHS:
        graphs.write(graphs.egress_graph(edges), path)
    else:
        known = " ".join((*PICTURES, *GRAPHS))
        msg = f"{path.name!r} does not say what to draw; end it with one of {known}"
        raise UsageError(msg)


def per_object(job: Job) -> dict[str, dict[str, int]]:
    """Return the lines and headers of each object."""
    rows = job.ledger.objects().iter_rows(named=True)
    return {row["source"]: {"lines": row["lines"], "headers": row["headers"]} for row in rows}


def _text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with output.place(path) as file:
        file.write(text.encode())
