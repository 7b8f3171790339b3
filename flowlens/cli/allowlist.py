"""The verbs on the expected document."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flowlens.cli import help as pages
from flowlens.cli.learning import Wishes
from flowlens.cli.options import Grounds, Reading, Src, Writing, spread
from flowlens.cli.render import render

__all__ = ["allowlist"]

FAILED = 10
Document = Annotated[Path, typer.Argument(metavar="FILE", help="The expected document.")]
Level = Literal["note", "warning", "error"]

allowlist = typer.Typer(
    help="Learn the expected document, check it, replay traffic through it, write it as rules.",
    epilog=f"Example: {pages.example('allowlist')}",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@allowlist.command(
    "check", epilog="Example: flowlens allowlist check expected.yaml -i inventory/ --fail-on error"
)
@spread
def check(
    document: Document,
    writing: Writing,
    inventory: Annotated[
        Path | None, typer.Option("--inventory", "-i", metavar="PATH", help="For prefix lists.")
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="Space that nothing may admit; repeatable."),
    ] = None,
    fail_on: Annotated[
        Level | None, typer.Option(help="Exit 10 if a problem is this severe or worse.")
    ] = None,
) -> int:
    """Print what is wrong with an expected document, with its lines."""
    from flowlens import expected, output, words
    from flowlens.cli import console
    from flowlens.cli.given import present
    from flowlens.expected.audit import LEVELS
    from flowlens.inventory import load

    read = expected.load(document)
    known = load(inventory) if inventory else None
    found = expected.check(read, known, now=present(), forbidden=forbid or ())
    output.write(found, "problems", path=writing.output, form=writing.form, limit=writing.limit)
    entries = sum(len(rule.entries) for rule in read.rules)
    told, of = words.noun(found.height, "problem"), words.noun(entries, "entry", "entries")
    console.say(f"{document}: {told} in {of}")
    worst = max(map(LEVELS.index, found["level"]), default=-1)
    return FAILED if fail_on and worst >= LEVELS.index(fail_on) else 0


@allowlist.command(
    "learn", epilog="Example: flowlens allowlist learn logs/ -i inventory/ > expected.yaml"
)
@spread
def learn(src: Src, reading: Reading, grounds: Grounds, writing: Writing, wishes: Wishes) -> None:
    """Write the document that admits what workloads did and little else; -e adds to one."""
    from flowlens.cli import learning

    job = learning.job(src, reading, grounds, writing)
    edges = learning.traffic(job)
    found = learning.learned(job, edges, wishes, learning.known(job))
    learning.save(job, found, writing)
    job.close()
    learning.report(job, found, wishes)


@allowlist.command(
    "diff", epilog="Example: flowlens allowlist diff monday.yaml expected.yaml --as md"
)
@spread
def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="The older document.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="The newer one.")],
    writing: Writing,
) -> None:
    """Print which entries of B are new, gone or changed since A."""
    from flowlens.cli.compare import documents

    documents(before, after, writing)


@allowlist.command(
    "replay", epilog="Example: flowlens allowlist replay logs/ -i inventory/ -e expected.yaml"
)
@spread
def replay(
    src: Src,
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    wishes: Wishes,
    holdout: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE|TIME",
            help="Learn from so much of the time (0.7, 2026-11-21), try the rest.",
        ),
    ] = None,
) -> None:
    """Print what the document would have blocked, and which of its entries nothing needed."""
    from flowlens.cli.pipeline import Job, emit
    from flowlens.cli.replay import held, replayed, verdict
    from flowlens.errors import UsageError

    job = Job(src, reading, grounds, writing)
    if holdout:
        found = held(job, wishes, holdout)
        emit(job, found.replay.lazy(), "replay")
        job.close()
        verdict(found)
        return
    if job.expected is None:
        msg = "replay needs an expected document; try -e expected.yaml, or --holdout 0.7"
        raise UsageError(msg)
    replayed(job)


allowlist.command(
    "render",
    epilog="Example: flowlens allowlist render expected.yaml -i inventory/ --to terraform",
)(spread(render))
