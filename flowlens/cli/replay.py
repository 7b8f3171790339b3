"""Trying the expected document on traffic: all of it, or what was held back from learning."""

from datetime import datetime
from typing import TYPE_CHECKING

from flowlens.cli import console
from flowlens.cli.learning import Wishes, bounds, existing, known, traffic

if TYPE_CHECKING:
    from flowlens.cli.pipeline import Job
    from flowlens.expected import Holdout

__all__ = ["held", "replayed", "verdict"]

#: No step can block anything but the last.
ORDER = """\
in force, step by step:
  1. alert: flowlens findings LOGS -e expected.yaml, and firewall rules that alert only
  2. add the rules of the document beside the default one; nothing is blocked yet
  3. wait a period in which nothing that is meant is reported
  4. last, remove the default egress rules, 0.0.0.0/0 and ::/0"""


def held(job: "Job", wishes: Wishes, part: str) -> "Holdout":
    """Learn from the first part of the time and replay the rest."""
    from flowlens.expected import holdout

    edges = traffic(job)
    text, source = existing(job)
    return holdout(
        edges,
        _where(part, job.now),
        job.inventory,
        existing=text,
        source=source,
        known=known(job),
        bounds=bounds(wishes),
    )


def _where(text: str, now: datetime) -> float | datetime:
    """Read a share of the time to learn from, or the time at which it ends.

    Raises:
        UsageError: It is neither.
    """
    from flowlens import times

    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return times.parse(text, now=now)
    if 0 < share < 1:
        return share
    return times.parse(text, now=now)  # an epoch


def verdict(found: "Holdout") -> None:
    """Say how the document did, what to expect, and in which order to put it in force."""
    from flowlens.words import moment, noun, share

    learned = noun(found.learned.entries.height, "entry", "entries")
    console.say(f"learned {learned} from the time before {moment(found.at)} UTC, replayed the rest")
    if found.rate is None or found.bound is None:
        console.say("no flow of a workload that something was learned about: nothing can be said")
    else:
        part = share(found.blocked, found.flows)
        console.say(f"would block {found.blocked:,} of {noun(found.flows, 'flow')} ({part})")
        bound = share(found.bound, 1)
        console.say(f"next period of that length: at most {bound} (upper bound, 90 % confidence)")
    for count, why in (
        (found.unknown, "may be blocked: something is not known"),
        (found.undeclared, "of workloads without a rule: nothing was learned about them"),
    ):
        if count:
            console.say(f"{noun(count, 'flow')} {why}")
    console.say(ORDER)


def replayed(job: "Job") -> None:
    """Replay traffic through the document that was given."""
    import polars as pl

    from flowlens import words
    from flowlens.cli.pipeline import emit
    from flowlens.expected import replay

    (frame,) = job.redacted(job.kept(job.edges()))
    edges = frame.collect(engine="streaming")
    found = replay(edges, job.expected)
    if job.wanted:  # the document's own words have no pseudonyms; `why` has its lines
        used = pl.col("verdict") != "unused"
        found = found.with_columns(pl.when(used).then(pl.col("workload", "destination")))
    emit(job, found.lazy(), "replay")
    job.close()
    blocked = int(found.filter(pl.col("verdict") == "blocked")["conversations"].sum())
    part = words.share(blocked, edges.height) if edges.height else "0 %"
    console.say(f"blocked: {blocked:,} of {words.noun(edges.height, 'conversation')} ({part})")
