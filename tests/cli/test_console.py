import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowlens.cli import console


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress appears after a second, at most five times a second, and is gone at the end."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    times: Iterator[float] = iter([0.0, 0.5, 2.0, 2.1, 3.0, 4.0])
    shown = console.Progress(lambda: next(times))
    for done in (1, 10_000_000, 11_000_000, 30_000_000, 40_000_000):
        shown(done, 40_000_000)
    assert screen.getvalue().split("\r\x1b[K") == [
        "",
        "read 10 MB of 40 MB, 5 MB/s, 6 s left",
        "read 30 MB of 40 MB, 10 MB/s, 1 s left",
        "",
    ]


def test_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves where standard error is no terminal."""
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    times: Iterator[float] = iter([0.0, 100.0])
    shown = console.Progress(lambda: next(times))
    shown(1, 2)
    shown.clear()
    assert screen.getvalue() == ""


def test_say(capsys: pytest.CaptureFixture[str]) -> None:
    """A message cannot steer the terminal, whatever data it quotes."""
    console.say("flowlens: \x1b[2Jx\n  second")
    assert capsys.readouterr().err == "flowlens: \\x1b[2Jx\n  second\n"


def test_reads() -> None:
    """What could not be read is one line that says where it is, and nothing if all could."""
    assert console.reads({}) is None
    assert console.reads({"not json": 1200}, kept=Path("bad.csv")) == (
        "1,200 lines could not be read (1,200 not json); they are in bad.csv"
    )
