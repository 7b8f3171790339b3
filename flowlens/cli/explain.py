"""Why flows were accepted or refused: from logs, or as they are typed."""

import polars as pl

from flowlens import times, words
from flowlens.cli import console
from flowlens.cli.options import Grounds, Reading, Writing
from flowlens.cli.pipeline import Job, emit
from flowlens.errors import UsageError

__all__ = ["explain"]


def explain(
    src: list[str],
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    *,
    flows: list[str],
    at: str | None,
) -> None:
    """Explain records of sources, or typed flows, and print the table.

    Raises:
        UsageError: there is no inventory, neither sources nor flows, or both.
    """
    from flowlens import filters, reach
    from flowlens.reach.ends import met
    from flowlens.reach.typed import parse

    _check(src, flows, at)
    typed = [parse(text) for text in flows]
    job = Job(src, reading, grounds, writing)
    if job.inventory is None:
        msg = "explain needs an inventory: give -i, a file or folder that snapshot wrote"
        raise UsageError(msg)
    if typed:
        when = times.parse(at, now=job.now) if at else None
        asked = met(typed, job.inventory, when).lazy()
    else:
        asked = job.records()
    found = reach.explain(asked, job.inventory).lazy()
    if reading.where:
        found = filters.where(found, reading.where, now=job.now)
    (frame,) = job.redacted(found)
    emit(job, frame, "explain")
    if src:
        console.say(_summary(frame.collect()))
    job.close()


def _check(src: list[str], flows: list[str], at: str | None) -> None:
    """Hold sources and options against each other.

    Raises:
        UsageError: they do not go together.
    """
    if bool(src) == bool(flows):
        msg = "explain takes logs, or --flow 'A:port -> B:port/tcp', and one of the two"
        raise UsageError(msg)
    if at and src:
        msg = "--at is about --flow; records have a time of their own (--since, --until)"
        raise UsageError(msg)


def _summary(found: pl.DataFrame) -> str:
    """Say in one line how many records are explained, and how."""
    counts = found.group_by("explanation").agg(pl.sum("records")).sort("explanation").rows()
    told = ", ".join(f"{count:,} {word}" for word, count in counts)
    return f"{words.noun(sum(count for _, count in counts), 'record')}: {told or 'none'}"
