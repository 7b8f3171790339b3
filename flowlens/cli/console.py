"""What is said beside the data: all of it on standard error."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from flowlens import words

__all__ = ["Closed", "Progress", "escape", "reads", "say"]

#: Nothing moves on the screen for runs that are over before one looks.
PATIENCE = 1.0
STEP = 0.2


class Closed(Exception):
    """The reader of our output went away, as after ``| head``."""


def say(text: str) -> None:
    """Write a line to standard error; text from data cannot steer the terminal."""
    sys.stderr.write("\n".join(escape(line) for line in text.split("\n")) + "\n")


def escape(text: str) -> str:
    r"""Write control characters as what they are.

    >>> print(escape("a\x1b[2J"))
    a\x1b[2J
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def reads(reasons: dict[str, int], *, kept: Path | str | None = None) -> str | None:
    """Say in one line what could not be read; None if all could.

    >>> reads({"wrong number of values": 2, "not an address": 1})
    '3 lines could not be read (2 wrong number of values, 1 not an address); --rejects FILE ...'
    """
    if not reasons:
        return None
    parts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    total = words.noun(sum(reasons.values()), "line")
    where = f"they are in {kept}" if kept else "--rejects FILE keeps them"
    return f"{total} could not be read ({parts}); {where}"


class Progress:
    """Bytes read, of how many, and how long it will take, on one line of a terminal.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.start, self.next = clock, clock(), 0.0
        self.on = sys.stderr.isatty()

    def __call__(self, done: int, total: int | None) -> None:
        """Show how far reading is."""
        passed = self.clock() - self.start
        if total is not None and done >= total:
            self.clear()
            return
        if not self.on or passed < max(PATIENCE, self.next):
            return
        self.next = passed + STEP
        sys.stderr.write(f"\r\x1b[K{progress(done, total, passed)}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self.on and self.next:
            sys.stderr.write("\r\x1b[K")
            self.next = 0.0


def progress(done: int, total: int | None, passed: float) -> str:
    """Say how far reading is.

    >>> progress(250_000_000, 1_000_000_000, 10.0)
    'read 250 MB of 1 GB, 25 MB/s, 30 s left'
    """
    speed = done / passed if passed else 0
    text = f"read {words.size(done)}"
    if total:
        text += f" of {words.size(total)}"
    text += f", {words.size(int(speed))}/s"
    if total and speed:
        text += f", {max(0, round((total - done) / speed))} s left"
    return text
