"""Learning the expected document on the command line, and trying it on traffic held back."""

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowlens.cli import console
from flowlens.cli.options import Grounds, Reading, Writing
from flowlens.errors import DocumentError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from flowlens.cli.pipeline import Job
    from flowlens.destinations.known import Known
    from flowlens.expected import Bounds, Holdout, Learned

__all__ = [
    "Wishes",
    "held",
    "job",
    "known",
    "learned",
    "replayed",
    "report",
    "save",
    "traffic",
    "verdict",
]

TEXTS = (".yaml", ".yml")
#: No step can block anything but the last.
ORDER = """\
in force, step by step:
  1. alert: flowlens findings LOGS -e expected.yaml, and firewall rules that alert only
  2. add the rules of the document beside the default one; nothing is blocked yet
  3. wait a period in which nothing that is meant is reported
  4. last, remove the default egress rules, 0.0.0.0/0 and ::/0"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What a learned document may admit."""

    forbid: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="Space that nothing may admit; repeatable."),
    ] = None
    rules: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Rules of a security group: 60, or yours."),
    ] = None
    foreign: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Addresses nobody used that prefixes may admit."),
    ] = 1_000_000
    worth: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="N", help="Leave out addresses that cost more than N for each flow."
        ),
    ] = None


def job(src: list[str], reading: Reading, grounds: Grounds, writing: Writing) -> "Job":
    """Return the run; a document is written here and not by the formats of tables."""
    from flowlens.cli.pipeline import Job

    return Job(src, reading, grounds, Writing() if _document(writing) else writing)


def _document(writing: Writing) -> bool:
    """Say whether the document itself was asked for, not a table of its entries."""
    path = writing.output
    plain = path is None or str(path) == "-" or path.suffix in TEXTS
    return plain and writing.form is None


def traffic(job: "Job") -> "pl.DataFrame":
    """Return the edges with all that judging looks at.

    Raises:
        UsageError: they would be redacted, and a document with pseudonyms means nothing.
    """
    import polars as pl

    if job.wanted:
        msg = "--redact would put pseudonyms into the document; leave it out"
        raise UsageError(msg)
    edges = job.kept(job.edges(whole=True))
    if job.learn_until:
        edges = edges.filter(pl.col("first_seen") < job.learn_until)
    return edges.collect(engine="streaming")


def known(job: "Job") -> "Known":
    """Return what is known about addresses."""
    from flowlens.destinations.aws import ranges
    from flowlens.destinations.known import gather

    return gather(
        job.inventory,
        ranges=ranges(job.ranges) if job.ranges else None,
        names=job.expected.names if job.expected else None,
        asn=job.grounds.asn,
    )


def bounds(wishes: Wishes) -> "Bounds":
    """Return what a document may admit."""
    from flowlens.expected import Bounds

    limits = {} if wishes.rules is None else {"group_rules": wishes.rules}
    return Bounds(tuple(wishes.forbid or ()), limits, wishes.foreign, wishes.worth)


def learned(job: "Job", edges: "pl.DataFrame", wishes: Wishes, about: "Known") -> "Learned":
    """Learn from edges, on top of the document that was given."""
    from flowlens.expected import learn

    path = job.grounds.expected
    return learn(
        edges,
        job.inventory,
        existing=_text(path) if path else None,
        source=str(path) if path else "expected.yaml",
        known=about,
        bounds=bounds(wishes),
        coverage=job.ledger.coverage(),
    )


def held(
    job: "Job", edges: "pl.DataFrame", wishes: Wishes, text: str, source: str = "expected.yaml"
) -> "Holdout":
    """Learn from the first part of the time and replay the rest."""
    from flowlens.expected import holdout

    path = job.grounds.expected
    return holdout(
        edges,
        _where(text, job.now),
        job.inventory,
        existing=_text(path) if path else None,
        source=str(path) if path else source,
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


def _text(path: Path) -> str:
    """Return a document's own text, byte for byte."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as problem:
        msg = f"{path}: {problem}; expected a YAML document of what should happen"
        raise DocumentError(msg) from problem


def save(job: "Job", found: "Learned", writing: Writing) -> None:
    """Write the document, or where a table was asked for its entries."""
    from flowlens import output
    from flowlens.cli.pipeline import emit

    if not _document(writing):
        emit(job, found.entries.lazy(), "learned")
    elif writing.output is None or str(writing.output) == "-":
        job.progress.clear()
        sys.stdout.write(found.text)
    else:
        with output.place(writing.output) as file:
            file.write(found.text.encode())


def report(job: "Job", found: "Learned", wishes: Wishes) -> None:
    """Say what was learned, what was not, and what is wrong with the document."""
    from flowlens.expected import check
    from flowlens.words import noun

    for note in found.notes:
        console.say(f"note: {note}")
    asked = bounds(wishes)
    wrong = check(
        found.document, job.inventory, now=job.now, forbidden=asked.forbidden, limits=asked.limits
    )
    for line, level, _, text in wrong.iter_rows():
        if level != "note":
            console.say(f"{level}: line {line}: {text}")
    states = dict(found.entries["state"].value_counts().iter_rows())
    told = ", ".join(f"{states[s]:,} {s}" for s in ("new", "kept", "unseen") if s in states)
    of = noun(found.entries.height, "entry", "entries")
    console.say(f"learned {of} from {noun(found.learned, 'conversation')} ({told or 'none'})")


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
