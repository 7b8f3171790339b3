"""The main job: a folder with the report, its pictures and its data."""

from pathlib import Path

import polars as pl

from flowlens import words
from flowlens.cli import console, facts
from flowlens.cli.pipeline import Job
from flowlens.coverage import summary
from flowlens.errors import UsageError
from flowlens.output.redact import Redactor

__all__ = ["draw", "write"]

PICTURES = (".svg", ".png", ".pdf")
GRAPHS = (".graphml", ".gexf", ".dot", ".json", ".mmd")


def write(job: Job, target: Path) -> None:
    """Write everything into a folder, and say where.

    Raises:
        OutputError: the folder or a file in it cannot be written.
    """
    from flowlens import report

    judged = job.judged()
    frames = [judged.edges, judged.findings, job.ledger.coverage(), job.ledger.rejects()]
    lines, about = per_object(job), facts.gather(job)
    hidden = Redactor(job.wanted, [frame.lazy() for frame in frames], [*lines, *facts.texts(about)])
    edges, findings, windows, rejects = (hidden.apply(one.lazy()).collect() for one in frames)
    told = summary(
        windows, rejects, {hidden.text(name): count for name, count in lines.items()}, edges
    )
    page = report.write(
        target,
        edges,
        findings,
        told,
        rejects,
        windows=windows,
        facts=facts.changed(about, hidden.text),
    )
    job.close(kept=str(target / "rejects.ndjson"))
    count = words.noun(findings.height, "finding")
    console.say(f"{count} in {words.noun(edges.height, 'edge')}; open {page}")


def draw(edges: pl.DataFrame, path: Path) -> None:
    """Write a picture or a graph, by the suffix.

    Raises:
        UsageError: the suffix is neither.
    """
    import flowlens_graphs as graphs

    if path.suffix in PICTURES:
        graphs.save(graphs.egress_map(edges), path)
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
