"""The main job: a folder with the report, its pictures and its data."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from flowlens import words
from flowlens.cli import console, facts
from flowlens.cli.pipeline import Job
from flowlens.coverage import summary
from flowlens.errors import OutputError, UsageError
from flowlens.output.redact import Redactor

__all__ = ["artist", "counted", "paint", "write"]

PICTURES = (".svg", ".png", ".pdf")
GRAPHS = (".graphml", ".gexf", ".dot", ".json", ".mmd")


def write(job: Job, target: Path, edges: pl.DataFrame | None = None) -> None:
    """Write everything into a folder, and say where.

    Args:
        job: The run.
        target: The folder.
        edges: Its edges, if they are there already.

    Raises:
        OutputError: the folder or a file in it cannot be written.
    """
    from flowlens import report

    judged = job.judged(edges)
    frames = [judged.edges, judged.findings, job.ledger.coverage(), job.ledger.rejects()]
    lines, about = counted(job), facts.gather(job)
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
    job.close(kept=target / "rejects.ndjson")
    count = words.noun(findings.height, "finding")
    console.say(f"{count} in {words.noun(edges.height, 'edge')}; open {page}")


def artist(path: Path) -> Callable[[pl.DataFrame, Path], None]:
    """Choose what writes a picture or a graph, by the suffix.

    Raises:
        UsageError: the suffix is neither.
    """
    if path.suffix in PICTURES:
        return _whole(_picture)
    if path.suffix in GRAPHS:
        return _whole(_graph)
    known = " ".join((*PICTURES, *GRAPHS))
    msg = f"{path.name!r} does not say what to draw; end it with one of {known}"
    raise UsageError(msg)


def paint(rows: pl.DataFrame, edges: pl.DataFrame | None, path: Path) -> None:
    """Write a picture or a graph of what may be reached, and where there are edges, of what was.

    Args:
        rows: from `flowlens.reach.may`.
        edges: who talked to whom, or None.
        path: the file, with a suffix of `PICTURES` or `GRAPHS`.

    Raises:
        OutputError: the file cannot be written.
    """

    def drawn(rows: pl.DataFrame, path: Path) -> None:
        import flowlens_graphs
        from flowlens.reach.used import used

        if path.suffix in PICTURES:
            told = rows if edges is None else used(rows, edges)
            flowlens_graphs.save(flowlens_graphs.may_map(told), path)
            return
        graph = flowlens_graphs.may_graph(rows)
        if edges is not None:
            from networkx import compose

            graph = compose(flowlens_graphs.egress_graph(edges), graph)
        flowlens_graphs.write(graph, path)

    _whole(drawn)(rows, path)


def _whole(draw: Callable[[pl.DataFrame, Path], None]) -> Callable[[pl.DataFrame, Path], None]:
    """Let a failure to write name the file."""

    def drawn(edges: pl.DataFrame, path: Path) -> None:
        try:
            draw(edges, path)
        except OSError as problem:
            msg = f"{path} cannot be written: {problem.strerror or problem}"
            raise OutputError(msg) from problem

    return drawn


def _picture(edges: pl.DataFrame, path: Path) -> None:
    """Draw the map, with tries that were let out and refused on arrival as one."""
    import flowlens_graphs
    from flowlens.findings.attempts import once

    flowlens_graphs.save(flowlens_graphs.egress_map(once(edges.lazy()).collect()), path)


def _graph(edges: pl.DataFrame, path: Path) -> None:
    """Write the graph."""
    import flowlens_graphs

    flowlens_graphs.write(flowlens_graphs.egress_graph(edges), path)


def counted(job: Job) -> dict[str, dict[str, int]]:
    """Return what was counted in each object."""
    objects = job.ledger.objects()
    counts = [name for name, dtype in objects.schema.items() if dtype.is_integer()]
    return {row["source"]: {n: row[n] for n in counts} for row in objects.iter_rows(named=True)}
