"""Run a verb, and turn whatever goes wrong into one line and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowlens.cli import console
from flowlens.errors import FlowlensError, InputError

if TYPE_CHECKING:
    import typer

__all__ = ["run"]

#: Raised deep inside the engine where a pipe was closed; it names no type of its own.
CLOSED = "Broken pipe"
#: What Polars says of a Parquet file that ends early; those of logs are read otherwise.
DAMAGED = "parquet: File out of specification"
NEW = "ingest the logs into a new one"
INTERRUPTED = 130


def run(args: Sequence[str]) -> int:
    """Run a command line; with ``FLOWLENS_DEBUG`` set, errors keep their traceback."""
    from typer.main import get_command

    from flowlens.cli.verbs import VERBS

    command = get_command(_app(*(VERBS.keys() & args[:1] or VERBS)))
    try:
        code = command.main(list(args), prog_name="flowlens", standalone_mode=False)
        sys.stdout.flush()
    except Exception as problem:
        if os.environ.get("FLOWLENS_DEBUG") and not _closed(problem):
            raise
        return _failed(problem)
    if code == INTERRUPTED:
        # Typer's answer to Ctrl-C, and ours to whoever called.
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _app(*verbs: str) -> "typer.Typer":
    """Return the command line with some of the verbs.

    A verb's options take Typer milliseconds to make, so a run that names its verb makes no other.
    """
    import typer

    from flowlens.cli import help as pages
    from flowlens.cli.options import spread
    from flowlens.cli.verbs import VERBS

    made = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(lambda: None)  # one verb stays a verb
    for name in verbs:
        function = VERBS[name]
        if function is None:
            from flowlens.cli.allowlist import allowlist

            made.add_typer(allowlist, name=name)
        else:
            made.command(name, epilog=f"Example: {pages.example(name)}")(spread(function))
    return made


def _failed(problem: Exception) -> int:
    """Say what went wrong and return its code."""
    if _closed(problem):
        # Python would complain about the pipe once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(problem, FlowlensError):
        console.say(f"flowlens: {problem}")
        return problem.exit_code
    wrong_use = getattr(problem, "format_message", None)
    if wrong_use is not None:
        context = getattr(problem, "ctx", None)
        where = f" {context.info_name}" if context is not None and context.parent else ""
        hint = f"flowlens{where} --help"
        console.say(f"flowlens: {wrong_use().rstrip('.')} (see {hint})")
        return 2
    if DAMAGED in str(problem):
        console.say(f"flowlens: a file of the store is damaged ({_first(str(problem))}); {NEW}")
        return InputError.exit_code
    console.say(f"flowlens: unexpected {type(problem).__name__}: {_first(str(problem))}")
    console.say("  FLOWLENS_DEBUG=1 shows where; please report it")
    return 1


def _closed(problem: BaseException) -> bool:
    """Say whether the reader of our output went away, as after ``| head``."""
    return isinstance(problem, console.Closed | BrokenPipeError) or CLOSED in str(problem)


def _first(text: str) -> str:
    """Return the first line of a text."""
    return text.strip().partition("\n")[0]
