"""What to say of a subject that the logs do not have: what was searched, and what is near."""

import shlex
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import NoReturn

import polars as pl

from flowlens import times, words
from flowlens.cli import facts
from flowlens.cli.pipeline import Job
from flowlens.errors import UsageError
from flowlens.investigation import Subject

__all__ = ["absent"]

SHOWN = 3
#: Bytes of logs that are read once more to say what is near a subject that is not there.
LITTLE = 200_000_000
#: Addresses apart that still count as near: those of a /24.
NEAR = 256


def absent(job: Job, subject: Subject, count: int) -> NoReturn:
    """Say that a subject does not occur, what was searched, and what is near.

    Args:
        job: The run that looked for it.
        subject: What was looked for.
        count: Records that its own filter describes, of which none is its traffic.

    Raises:
        UsageError: always.
    """
    there = words.noun(count, "record")
    if count and not subject.interfaces:
        msg = (
            f"{subject.kind} {subject.said!r} is no end of any traffic; {there} "
            f"{'has' if count == 1 else 'have'} it as a hop between others, by pkt-srcaddr and "
            f"pkt-dstaddr: `flowlens records {facts.words(job)[0]} --where "
            f"{shlex.quote(subject.own)}`"
        )
        raise UsageError(msg)
    read = words.noun(job.ledger.counts()["objects"], "object")
    looked = ", ".join(subject.addresses[:SHOWN]) or subject.said
    parts = [f"{subject.kind} {subject.said!r} does not occur in {read}{_around(job, subject)}"]
    parts.append(f"looked for {looked}")
    if count:
        parts.append("which others held at the time")
    msg = f"{'; '.join(parts)}. Try another time or place, or `flowlens top clients SRC`"
    raise UsageError(msg)


def _around(job: Job, subject: Subject) -> str:
    """Return the time of the records and addresses near the subject, where that is soon read."""
    stores, _ = job.sources
    total = job.ledger.counts()["bytes"] if stores else job.ledger.total
    if (total or LITTLE + 1) > LITTLE:
        return "" if job.window == times.Interval() else f" of {job.window}"
    every = job.records()
    ends = [name for name in ("srcaddr", "dstaddr") if name in every.collect_schema()]
    columns = [pl.col(end).unique().implode() for end in ends]
    time = {"first": pl.col("start").min(), "last": pl.col("start").max()}
    told = every.select(*columns, **time).collect().row(0, named=True)
    seen = {one for end in ends for one in told[end] if one}
    apart = sorted((_apart(one, subject.addresses), one) for one in seen)
    near = [one for distance, one in apart if distance < NEAR][:SHOWN]
    beside = f"; near it: {', '.join(near)}" if near else ""
    return f" {words.span(told['first'], told['last'])}{beside}"


def _apart(one: str, others: Sequence[str]) -> int:
    """Return how many addresses are between one and the nearest of others."""
    number, version = int(ip_address(one)), ip_address(one).version
    nets = [ip_network(other) for other in others]
    return min(
        (abs(number - int(net.network_address)) for net in nets if net.version == version),
        default=NEAR + 1,
    )
