"""Investigate: find out what a word means, read what counts, and show it."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from flowlens import filters, output, times, words
from flowlens.cli import facts
from flowlens.cli.absent import absent
from flowlens.cli.pipeline import Job, emit
from flowlens.errors import InputError, UsageError
from flowlens.findings.evidence import among
from flowlens.investigation import Investigation, Subject, investigate, reads, resolve
from flowlens.output.investigation import sections
from flowlens.output.redact import Redactor
from flowlens.output.sections import document, markdown, terminal
from flowlens.tables import FINDINGS

__all__ = ["run"]


def run(job: Job, said: str, findings: Path | None, since: str | None) -> None:
    """Investigate, and write the result.

    Raises:
        UsageError: the word means nothing here, or what it means does not occur in the logs.
    """
    _alone(job, said)
    begun = times.parse(since, now=job.now) if since else None
    dns, made = job.answers(), _made(job, said, findings)
    subject = resolve(said, job.inventory, findings=made, names=_names(dns))
    with spooled(job, subject) as records:
        found = investigate(
            subject,
            records,
            job.inventory,
            job.expected,
            dns,
            findings=made,
            since=begun,
            skipped=job.ledger.coverage(),
            aws_ranges=job.ranges,
            learn_until=job.learn_until,
            asn=job.grounds.asn,
        )
        count = records.select(pl.len()).collect().item()
        if found.timeline.is_empty():
            own = filters.where(records, subject.own).select(pl.len()).collect().item()
            absent(job, subject, own)
    _write(job, *_hidden(job, found, commands(job, found)), count)
    job.close()


def _alone(job: Job, said: str) -> None:
    """Refuse what would tell less than everything, or elsewhere.

    Raises:
        UsageError: ``--where`` or ``--engine`` was given.
    """
    if job.engine is not None:
        msg = "investigate reads only what can be its subject's, here; leave out --engine"
        raise UsageError(msg)
    where = job.reading.where
    if where is None:
        return
    name, kind = reads(said)
    own = among("addr", [name]) if kind in {"address", "prefix"} else ""
    both = shlex.quote(f"{own} and ({where})" if own else where)
    msg = (
        "investigate tells everything about its subject, so it takes no --where; for a part ask "
        f"`flowlens edges {facts.words(job)[0]} --where {both}`, or narrow the time (--since)"
    )
    raise UsageError(msg)


def _made(job: Job, said: str, path: Path | None) -> pl.DataFrame | None:
    """Return the findings of a file; without one those of the logs, if the word is one's id."""
    if path is not None:
        return load(path)
    return job.judged().findings if reads(said)[1] == "finding" else None


def _names(dns: pl.LazyFrame | None) -> pl.DataFrame | None:
    """Return which names the resolver's answers give to which addresses."""
    if dns is None:
        return None
    from flowlens.destinations.dns import names

    return names(dns).collect()


@contextmanager
def spooled(job: Job, subject: Subject) -> Iterator[pl.LazyFrame]:
    """Read the subject's records once, into a temporary file that is read as often as needed.

    Raises:
        UsageError: only its id is known, and the records have no such field.
    """
    records = _found(job, subject)
    with TemporaryDirectory(prefix="flowlens-") as folder:
        path = Path(folder) / "records.parquet"
        records.sink_parquet(path)
        yield pl.scan_parquet(path)


def _found(job: Job, subject: Subject) -> pl.LazyFrame:
    """Return the records of a subject.

    Raises:
        UsageError: only its id is known, and the records have no such field.
    """
    try:
        return job.records(places=True, where=subject.where, gaps=True)
    except UsageError as problem:
        if subject.addresses or "is not a field" not in str(problem):
            raise
        msg = (
            f"{subject.said!r}: these records do not say which {subject.kind} they are of, and "
            "its addresses are not known; give an inventory (-i) that has it"
        )
        raise UsageError(msg) from problem


def load(path: Path) -> pl.DataFrame:
    """Read findings that were written before, as JSON or NDJSON.

    Raises:
        InputError: it is no such file.
    """
    import msgspec

    try:
        text = path.read_bytes()
        lines = text.splitlines()
        whole = msgspec.json.decode(text) if text.startswith(b'{"schema"') else None
        rows = whole["rows"] if whole else [msgspec.json.decode(one) for one in lines if one]
        frame = pl.DataFrame(rows, schema_overrides={"evidence": FINDINGS["evidence"]})
        moments = [
            pl.col(name).cast(pl.String).str.to_datetime(time_unit="ms", time_zone="UTC")
            for name in ("first_seen", "last_seen")
        ]
        return frame.with_columns(moments).select(
            pl.col(name).cast(dtype) for name, dtype in FINDINGS.items()
        )
    except OSError as problem:
        msg = f"{path}: cannot be read: {problem.strerror or problem}"
        raise InputError(msg) from problem
    except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as problem:
        msg = f"{path}: no findings in it; expected what `flowlens findings -o {path.name}` writes"
        raise InputError(msg) from problem


def commands(job: Job, found: Investigation) -> list[str]:
    """Return what to type next."""
    src, options = facts.words(job)
    subject, new = found.subject, found.peers.filter(pl.col("new") | (pl.col("expected") == "no"))
    told = [f"flowlens records {src} --where {shlex.quote(subject.own)}"]
    if subject.addresses:
        talk = among("addr", list(subject.addresses))
        told.append(f"flowlens edges {options} --where {shlex.quote(talk)}")
    odd = new["peer"].drop_nulls().unique(maintain_order=True).to_list()[:2]
    told += [f"flowlens investigate {one} {options}" for one in odd if one != subject.said]
    if subject.finding is None and not found.findings.is_empty():
        told.append(f"flowlens investigate {found.findings['id'][0]} {options}")
    return told


def _hidden(job: Job, found: Investigation, told: list[str]) -> tuple[Investigation, list[str]]:
    """Hide what ``--redact`` names, with the same pseudonyms everywhere."""
    tables = [frame.lazy() for frame in found.tables.values()]
    job.redactor = Redactor(job.wanted, tables, [*told, *found.texts])
    if not job.wanted:
        return found, told
    frames = {name: job.redactor.apply(one.lazy()).collect() for name, one in found.tables.items()}
    return found.changed(frames, job.redactor.text), list(map(job.redactor.text, told))


def _write(job: Job, found: Investigation, told: list[str], count: int) -> None:
    """Write the result where the options say."""
    writing, read = job.writing, {**_read(job), "records": count}
    if job.form not in {"table", "md", "json"}:
        emit(job, found.timeline.lazy(), "timeline")
        return
    job.progress.clear()
    rows = {} if writing.limit is None else {"rows": writing.limit}
    parts = sections(found, _told(read), told, **rows)
    title = f"{found.subject.kind} {found.subject.said}"
    if job.form == "table":
        terminal(title, found.text, parts, sys.stdout)
        return
    text = document(found, read, told) if job.form == "json" else markdown(title, found.text, parts)
    output.put(text, writing.output)


def _read(job: Job) -> dict[str, Any]:
    """Return how much was read."""
    counts = job.ledger.counts()
    return {name: counts[name] for name in ("objects", "bytes", "lines", "unread")}


def _told(read: dict[str, Any]) -> str:
    """Say how much was read."""
    passed = f", {read['unread']:,} more passed over unread" if read["unread"] else ""
    return (
        f"read: {words.noun(read['objects'], 'object')} ({words.size(read['bytes'])}), "
        f"{words.noun(read['lines'], 'line')}{passed}; {read['records']:,} records count"
    )
