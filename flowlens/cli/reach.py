"""The verb ``reach``: its words told apart, and what they ask for."""

import glob
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import polars as pl

from flowlens import reach, times
from flowlens.cli import console
from flowlens.cli.options import Asking, Grounds, Reading, Writing
from flowlens.cli.pipeline import Job, emit
from flowlens.cli.report import GRAPHS, PICTURES, artist, counted, paint
from flowlens.errors import UsageError

__all__ = ["answer", "divide"]

_STREAMS = ("cloudwatch:", "athena:", "s3:")
_LOGS = (".gz", ".log", ".parquet", ".json", ".csv", ".txt", ".zst")


def answer(
    words: Sequence[str], reading: Reading, grounds: Grounds, writing: Writing, asking: Asking
) -> None:
    """Answer a question about the configuration, and write the answer.

    Raises:
        UsageError: the words or options do not go together, or name what is not there.
    """
    source, target, src = divide(words, asking.source, asking.target)
    # .json is the table's; `graph --may` writes the graph of that name.
    suffix = writing.output.suffix if writing.output else None
    draw = suffix != ".json" and suffix in (*PICTURES, *GRAPHS)
    job = Job(src, reading, grounds, replace(writing, output=None) if draw else writing)
    if job.inventory is None:
        msg = "reach needs an inventory; try -i inventory/"
        raise UsageError(msg)
    _check(src, asking, target, drawn=draw)
    at = times.parse(asking.at, now=job.now) if asking.at else None
    if asking.without or asking.rules:
        table, frame = "changes", _changes(job, asking, source, target, at)
    elif src and not draw:
        table, frame = "exposure", _exposure(job, source, target, at)
    else:
        table, frame = "reach", reach.may(job.inventory, source, target, at)
    if asking.ways:
        table, frame = "outlook", reach.outlook(frame)
    frames = [job.kept(frame.lazy()), *([job.edges()] if draw and src else [])]
    shown, *did = (each.collect(engine="streaming") for each in job.redacted(*frames))
    if draw and writing.output:
        paint(shown, did[0] if did else None, writing.output)
    else:
        emit(job, shown.lazy(), table)
    job.close()
    for gap in job.inventory.gaps:
        console.say(f"note: {gap}")


def overlay(job: Job, output: Path) -> None:
    """Draw what may be reached, faint, and what was, strong.

    Raises:
        UsageError: there is no inventory, or the suffix is no picture's and no graph's.
    """
    artist(output)
    if job.inventory is None:
        msg = "--may needs an inventory; try -i inventory/"
        raise UsageError(msg)
    frames = job.redacted(reach.may(job.inventory).lazy(), job.kept(job.edges()))
    rows, edges = (frame.collect() for frame in frames)
    paint(rows, edges, output)


def divide(
    words: Sequence[str], source: str | None = None, target: str | None = None
) -> tuple[str | None, str | None, list[str]]:
    """Tell the words of a command line apart: FROM, TO, and what exists as logs.

    Args:
        words: in the order in which they were given.
        source: FROM, where an option says it.
        target: TO, where an option says it.

    Returns:
        FROM, TO, and the sources of logs.

    Raises:
        UsageError: there are too many words, or one is meant for a file that is not there.
    """
    src = [word for word in words if _stored(word)]
    names = [word for word in words if not _stored(word)]
    for name in names:
        if _pathlike(name):
            msg = f"{name!r} is no file, folder or glob that matches, and no workload or prefix"
            raise UsageError(msg)
    if source is None and names:
        source = names.pop(0)
    if target is None and names:
        target = names.pop(0)
    if names:
        msg = f"{names[0]!r} is one name too many; expected [FROM] [TO], then logs that exist"
        raise UsageError(msg)
    return source, target, src


def _stored(word: str) -> bool:
    """Say whether a word is a source of logs: something that exists, or an address of a stream."""
    return (
        word == "-"
        or word.startswith(_STREAMS)
        or Path(word).exists()
        or (glob.has_magic(word) and bool(glob.glob(word, recursive=True)))  # noqa: PTH207
    )


def _pathlike(word: str) -> bool:
    """Say whether a word can only have been meant as a file."""
    if word.endswith(_LOGS) or word.startswith((".", "~")):
        return True
    try:
        ip_network(word, strict=False)
    except ValueError:
        return "/" in word
    return False


def _check(src: list[str], asking: Asking, target: str | None, *, drawn: bool) -> None:
    """Hold options against each other.

    Raises:
        UsageError: they do not go together.
    """
    changes = bool(asking.without or asking.rules)
    pairs = (
        (changes and src, "--without and --with ask what changes; leave out the logs"),
        (changes and asking.ways, "--ways is about what is; leave out --without and --with"),
        (changes and drawn, "changes are a table; end the file with .csv, .json …"),
        (asking.ways and (src or target), "--ways is about everything; leave out TO and the logs"),
        (asking.ways and drawn, "--ways is a table; end the file with .csv, .json …"),
    )
    for wrong, msg in pairs:
        if wrong:
            raise UsageError(msg)


def _changes(
    job: Job, asking: Asking, source: str | None, target: str | None, at: object
) -> pl.DataFrame:
    from flowlens.reach.whatif import read

    rules = [rule for path in asking.rules or () for rule in read(path)]
    after = reach.changed(job.inventory, asking.without or (), rules)
    frame = reach.changes(job.inventory, after, source, target, at)  # type: ignore[arg-type]
    if frame.is_empty():
        console.say("nothing changes")
    return frame


def _exposure(job: Job, source: str | None, target: str | None, at: object) -> pl.DataFrame:
    """Return what of the rules is used; with a target, of those that lead there."""
    from flowlens.coverage import summary

    talk = job.conversations().collect(engine="streaming")
    told = summary(job.ledger.coverage(), job.ledger.rejects(), counted(job), talk)
    frame = reach.exposure(talk, job.inventory, told, source, at)  # type: ignore[arg-type]
    if target is None:
        return frame
    rules = reach.may(job.inventory, source, target, at)["rules"].explode()  # type: ignore[arg-type]
    return frame.filter(pl.col("rule").is_in(rules.drop_nulls().unique().implode()))
