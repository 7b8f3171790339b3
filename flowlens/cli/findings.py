"""Findings: judged, filtered, hidden where asked, and written for people or for other systems."""

import polars as pl

from flowlens import filters
from flowlens.cli.pipeline import Job, emit
from flowlens.errors import UsageError

__all__ = ["answer", "severe"]

#: Formats of other systems, which take addresses and accounts only as they are.
FOREIGN = frozenset({"asff", "ocsf"})


def answer(job: Job) -> pl.DataFrame:
    """Find, write, and return what was found.

    Raises:
        UsageError: pseudonyms are asked for in a format that has no place for them.
    """
    if job.form in FOREIGN and job.wanted:
        msg = f"--as {job.form} needs real addresses and accounts; leave out --redact"
        raise UsageError(msg)
    judged = job.judged()
    found = judged.findings
    if job.form in FOREIGN:
        from flowlens.findings.place import place

        found = place(found, job.inventory)
    frame, _ = job.redacted(job.kept(found.lazy()), judged.edges.lazy())
    found = frame.collect()
    emit(job, found.lazy(), "findings")
    job.close()
    return found


def severe(found: pl.DataFrame, level: str) -> bool:
    """Say whether any finding is at or above a level."""
    return not found.filter(filters.expression(f"severity >= {level}", found.schema)).is_empty()
