"""What findings rest on in a run, and what is said where something is missing."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.cli import console
from flowlens.words import moment

if TYPE_CHECKING:
    from flowlens.cli.pipeline import Job
    from flowlens.findings import Context

__all__ = ["context"]


def context(job: "Job", edges: pl.DataFrame, records: pl.LazyFrame) -> "Context":
    """Return what the detections are given, and say what they cannot judge.

    Args:
        job: the run, whose edges were collected already, so that its ledger is full.
        edges: what is judged.
        records: the records behind them.
    """
    from flowlens.findings import Context

    for listed in job.threats.lists if job.threats else ():
        note = listed.note()
        if note:
            console.say(f"note: {note}")
    _unjudged(job, edges, records)
    return Context(
        records=records,
        coverage=job.ledger.coverage(),
        inventory=job.inventory,
        threats=job.threats,
        learn_until=job.learn_until,
        beacon=job.grounds.beacon,
    )


def _unjudged(job: "Job", edges: pl.DataFrame, records: pl.LazyFrame) -> None:
    """Say which detections the input leaves without ground."""
    if edges.is_empty():
        return
    if job.learn_until is not None and not (edges["first_seen"] < job.learn_until).any():
        day = moment(job.learn_until)
        console.say(f"note: the logs hold nothing from before {day} UTC: nothing can be called new")
    schema = records.collect_schema()
    names = set(schema.names())
    if "start" not in names or not {"srcaddr", "dstaddr"} <= names:
        console.say("note: without start and addresses of records, beacons are not judged")
    elif schema.get("merged") == pl.UInt64():
        console.say("note: records that come added up hide their starts: beacons are not judged")
    elif "tcp_flags" not in names:
        console.say(
            "note: no tcp-flags: who opened a connection, and when, is told by ports and gaps"
        )
