"""Diff: two places, two windows of one, or two documents, side by side."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from flowlens import words
from flowlens.cli import console
from flowlens.cli.options import Grounds, Reading, Writing
from flowlens.cli.pipeline import Job, emit
from flowlens.diff import CHANGES, checked, diff, hours
from flowlens.errors import UsageError

__all__ = ["compare", "documents"]

#: SRC@TIME; a source may have an @ of its own.
WINDOWED = re.compile(r"(?P<src>.*)@(?P<window>[^@]+)", re.DOTALL)
#: What a window begins with; anything else after an @ is part of a path.
TIME = re.compile(r"\d{4}-\d\d|\d+[smhdw]\b|\d{10}|\.\.|(now|today|yesterday|[a-z]{3,9}day)\b")
DOCUMENTS = (".yaml", ".yml")


def compare(
    pair: tuple[str, str],
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    *,
    ratio: float,
    every: bool,
) -> None:
    """Compare two sources, or two expected documents, and write what changed.

    Raises:
        UsageError: they are the same.
    """
    if all(one.endswith(DOCUMENTS) for one in pair):
        documents(Path(pair[0]), Path(pair[1]), writing)
        return
    checked(ratio)
    places = _places(pair)
    jobs = [Job([place], _read(reading, when), grounds, writing) for place, when in places]
    edges = [job.kept(job.edges()).collect(engine="streaming") for job in jobs]
    spans = tuple(_span(job, frame) for job, frame in zip(jobs, edges, strict=True))
    found = diff(edges[0], edges[1], ratio=ratio, spans=(spans[0], spans[1]))
    told = dict(found.group_by("change").len().iter_rows())
    shown = found if every else found.filter(pl.col("change") != "same")
    (frame,) = jobs[1].redacted(shown.lazy())
    emit(jobs[1], frame, "diff")
    jobs[0].redactor = jobs[1].redactor
    for job in jobs:
        job.close()
    if len({job.answers() is None for job in jobs}) > 1:
        console.say(
            "note: names are known of one side only, so that a destination may be new under its "
            "name and gone under its address; give --dns"
        )
    console.say(_sentence(told, spans))


def documents(before: Path, after: Path, writing: Writing) -> None:
    """Write which entries of an expected document are new, gone or changed."""
    from flowlens import expected, output

    found = expected.changes(expected.load(before), expected.load(after))
    output.write(found, "changes", path=writing.output, form=writing.form, limit=writing.limit)
    console.say(words.noun(found.height, "difference"))


def _places(pair: tuple[str, str]) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
    """Return the source and the window of each side; B's source is A's where it names none.

    Raises:
        UsageError: they are the same.
    """
    (src, window), (later, until) = map(_split, pair)
    places = (src, window), (later or src, until)
    if places[0] == places[1]:
        msg = (
            f"{pair[0]!r} and {pair[1]!r} are the same; compare two places, or two windows: "
            "logs@2026-11-20/2026-11-21 @2026-11-21/2026-11-22"
        )
        raise UsageError(msg)
    return places


def _split(said: str) -> tuple[str, str | None]:
    """Split a source and its window; a file of that very name is a source."""
    found = WINDOWED.fullmatch(said)
    if found is None or Path(said).exists() or not TIME.match(found["window"]):
        return said, None
    return found["src"], found["window"]


def _read(reading: Reading, window: str | None) -> Reading:
    """Return the options of reading with the window of a source."""
    if window is None:
        return reading
    start, slash, end = window.partition("/")
    since = start if start not in {"", ".."} else None
    until = end if slash and end not in {"", ".."} else None
    return replace(reading, since=since, until=until, last=None)


def _span(job: Job, edges: pl.DataFrame) -> float:
    """Return the hours that a source is about: its window, else its records."""
    start, end = job.window.start, job.window.end
    if start is None or end is None:
        return hours(edges)
    return max((min(end, job.now) - start) / timedelta(hours=1), 1 / 60)


def _sentence(told: Mapping[str, int], spans: tuple[float, ...]) -> str:
    """Say how much changed.

    >>> _sentence({"new": 2, "same": 5}, (24.0, 1.0))
    '2 new, 0 gone, 0 grown, 0 shrunk, 5 same; A is 24 hours, B is 1 hour'
    """
    parts = ", ".join(f"{told.get(name, 0):,} {name}" for name in CHANGES)
    lengths = [
        words.noun(round(span), "hour") if span >= 1 else "less than an hour" for span in spans
    ]
    return f"{parts}; A is {lengths[0]}, B is {lengths[1]}"
