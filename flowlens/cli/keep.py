"""Ingest: options to the library, and what it did in one line."""

from collections.abc import Sequence
from pathlib import Path

from flowlens import output, times, words
from flowlens.cli import console, given
from flowlens.cli.options import Reading
from flowlens.errors import UsageError
from flowlens.store import Store, Summary, ingest, rejects

__all__ = ["keep"]

#: Objects that are named one by one.
SHOWN = 5


def keep(src: Sequence[str], reading: Reading, store: str, dns: Sequence[str] | None) -> None:
    """Ingest sources into a store, and say what became of them.

    Raises:
        UsageError: an option makes no sense here.
    """
    for name in ("where", "redact"):
        if getattr(reading, name):
            msg = f"--{name} has no place here: a store keeps objects whole; use it when you read"
            raise UsageError(msg)
    if not store.strip():
        msg = f"--store {store!r} names no place; write a folder or s3://BUCKET/PREFIX"
        raise UsageError(msg)
    window = times.interval(reading.since, reading.until, reading.last, now=given.present())
    aws = given.reached(reading)
    progress = console.Progress()
    summary = ingest(
        list(src),
        store,
        dns=list(dns) if dns else None,
        format=reading.format,
        since=window.start,
        until=window.end,
        aws=aws,
        strict=reading.strict,
        progress=progress,
        engine=given.engine(reading),
    )
    progress.clear()
    if reading.rejects:
        output.write(rejects(Store(store, aws)), "rejects", path=reading.rejects)
    _tell(summary, reading.rejects or Store(store).uri("rejects"))


def _tell(summary: Summary, kept: Path | str) -> None:
    """Say what was done, and what a reader of the store should know."""
    for note in summary.notes:
        console.say(f"note: {note}")
    for name, reason in list(summary.lost.items())[:SHOWN]:
        console.say(f"left out, {reason}: {name}")
    if len(summary.lost) > SHOWN:
        console.say(f"… and {words.noun(len(summary.lost) - SHOWN, 'object')} more; run it again")
    unread = console.reads(summary.reasons, kept=kept)
    if unread:
        console.say(unread)
    console.say(sentence(summary))


def sentence(summary: Summary) -> str:
    """Say in one line what an ingest did.

    >>> sentence(Summary(kept=27_480, objects=12, there=4))
    'kept 27,480 records of 12 objects in 0 days; 4 objects were there already'
    """
    text = f"kept {words.noun(summary.kept, 'record')}"
    if summary.answers:
        text += f" and {words.noun(summary.answers, 'answer')}"
    text += f" of {words.noun(summary.objects, 'object')} in {words.noun(len(summary.days), 'day')}"
    was = "was" if summary.there == 1 else "were"
    return f"{text}; {words.noun(summary.there, 'object')} {was} there already"
