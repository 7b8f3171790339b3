"""The verbs on the expected document."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flowlens.cli import help as pages
from flowlens.cli.options import Writing, spread

__all__ = ["allowlist"]

FAILED = 10
Document = Annotated[Path, typer.Argument(metavar="FILE", help="The expected document.")]
Level = Literal["note", "warning", "error"]

allowlist = typer.Typer(
    help="Check the expected document.",
    epilog=f"Example: {pages.example('allowlist')}",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@allowlist.callback()
def _verbs() -> None:
    """Keep `check` a name of its own while it is the only verb."""


@allowlist.command("check", epilog=f"Example: {pages.example('allowlist')}")
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
    from flowlens.cli.pipeline import present
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
