"""Learning the expected document on the command line."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from flowlens.cli import console
from flowlens.cli.options import Grounds, Reading, Writing
from flowlens.errors import DocumentError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from flowlens.cli.pipeline import Job
    from flowlens.destinations.known import Known
    from flowlens.expected import Bounds, Learned

__all__ = [
    "Wishes",
    "bounds",
    "existing",
    "job",
    "known",
    "learned",
    "report",
    "save",
    "traffic",
]

TEXTS = (".yaml", ".yml")


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

    text, source = existing(job)
    return learn(
        edges,
        job.inventory,
        existing=text,
        source=source,
        known=about,
        bounds=bounds(wishes),
        coverage=job.ledger.coverage(),
    )


def existing(job: "Job") -> tuple[str | None, str]:
    """Return the text of the document that was given, byte for byte, and its name.

    Raises:
        DocumentError: it cannot be read.
    """
    path = job.grounds.expected
    if path is None:
        return None, "expected.yaml"
    try:
        return path.read_bytes().decode(), str(path)
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
