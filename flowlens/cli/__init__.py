"""The command line: it only parses, calls and prints."""

import gc
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

#: Set by the shell that asks how a command line may go on.
COMPLETE = "_FLOWLENS_COMPLETE"

#: Polars gives memory back after half a second, and the kernel clears each page that it takes
#: again; kept for ten, and in large pages, it costs a tenth less processor time in all.
ALLOCATOR = "thp:always,dirty_decay_ms:10000"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0 done, 1 failure, 2 wrong use, 3 AWS credentials or permission, 4 input unreadable,
    10 findings at or above ``--fail-on``, 130 interrupted.
    """
    # Arrays are only stored and copied here; NumPy's algebra would start threads at its import.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("_RJEM_MALLOC_CONF", ALLOCATOR)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # its own holds a tenth more
    if argv is not None:
        return _main(list(argv))
    # Libraries make many objects at their import, which all stay: to look for garbage among them
    # every 700 objects, Python's default, is a twelfth of the start.
    gc.set_threshold(200_000)
    code = _main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # After a closed pipe or Ctrl-C the engine's threads may still be reading through Python, and
    # the process aborts if the interpreter is taken down under them. Nothing is left to clean up.
    os._exit(code)


def _main(args: list[str]) -> int:
    """Answer what needs no library, else run the verb."""
    if args[:1] in ([], ["-h"], ["--help"]) and COMPLETE not in os.environ:
        from flowlens.cli.help import page

        sys.stdout.write(page())
        return 0
    if args[:1] == ["--version"]:
        from importlib.metadata import version

        sys.stdout.write(f"flowlens {version('vpc-flowlens')}\n")
        return 0
    try:
        from flowlens.cli.run import run

        return run(args)
    except KeyboardInterrupt:
        sys.stderr.write("flowlens: interrupted; what was written is partial\n")
        return 130
