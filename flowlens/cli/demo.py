"""The demo: the main job on the case that comes with the package."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flowlens.errors import InputError, OutputError

if TYPE_CHECKING:
    import polars as pl

    from flowlens.cli.pipeline import Job

__all__ = ["demo", "demo_case"]

#: In a checkout the case lies beside the package, in a wheel inside it.
PLACES = (Path(__file__).parents[2] / "data" / "case", Path(__file__).parents[1] / "case")


def demo_case() -> Path:
    """Return the folder of the bundled case.

    Raises:
        InputError: the installation has no case.
    """
    for place in PLACES:
        if place.is_dir():
            return place
    msg = f"the bundled case is not installed; looked in {', '.join(map(str, PLACES))}"
    raise InputError(msg)


#: Until then nothing strange happens in the case.
QUIET = datetime(2026, 11, 21, 2, tzinfo=UTC)


def demo(output: Path) -> None:
    """Write the report on the bundled case, and the document learned from its quiet hours."""
    from flowlens.cli import learning
    from flowlens.cli.options import Grounds, Reading
    from flowlens.cli.pipeline import Job
    from flowlens.cli.report import write
    from flowlens.tables import EDGES

    case = demo_case()
    logs = [str(case / "flowlogs")]
    names = [str(path) for path in sorted(case.rglob("*resolver*"))]
    ranges = case / "ip-ranges.json"
    grounds = Grounds(
        inventory=case / "inventory",
        expected=case / "expected.yaml",
        dns=names or None,
        aws_ranges=ranges if ranges.is_file() else None,
    )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        msg = f"{output} cannot be written: {problem.strerror or problem}"
        raise OutputError(msg) from problem
    job = Job(logs, Reading(), grounds, offline=True)
    edges = learning.traffic(job)
    learn(job, edges, output)
    write(job, output, edges.select(*EDGES))


def learn(job: "Job", edges: "pl.DataFrame", output: Path) -> None:
    """Write what the quiet hours teach, and what that would have blocked later."""
    import polars as pl

    from flowlens import expected
    from flowlens.cli import console, learning
    from flowlens.output import place, write
    from flowlens.words import noun

    about = learning.known(job)
    quiet = edges["first_seen"] < QUIET
    found = expected.learn(
        edges.filter(quiet),
        job.inventory,
        known=about,
        source="learned.yaml",
        coverage=job.ledger.coverage(),
    )
    rest = expected.judge(edges.filter(~quiet), found.document, job.inventory, known=about)
    replay = expected.replay(rest, found.document).filter(pl.col("verdict") != "unused")
    with place(output / "learned.yaml") as file:
        file.write(found.text.encode())
    write(replay, "replay", path=output / "replay.json")
    rows = replay["verdict"] == "blocked"
    entries = noun(found.entries.height, "entry", "entries")
    told = f"{entries} learned from the quiet hours (learned.yaml) would block"
    console.say(f"{told} {noun(int(rows.sum()), 'destination')} of the rest (replay.json)")
