"""Options to frames, once for every verb; verbs import this when they run, not before."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from flowlens import output, times
from flowlens.cli import console, given
from flowlens.cli.options import Grounds, Reading, Writing
from flowlens.errors import UsageError
from flowlens.output.redact import Redactor, kinds
from flowlens.records import Ledger, scan_records
from flowlens.sources import Aws

__all__ = ["Job", "Judged", "emit", "show"]


@dataclass(frozen=True, slots=True)
class Judged:
    """Edges, and the findings about them."""

    edges: pl.DataFrame
    findings: pl.DataFrame


@dataclass
class Job:
    """One run: its options resolved, its ledger, and each stage as a lazy frame."""

    src: Sequence[str]
    reading: Reading
    grounds: Grounds = field(default_factory=Grounds)
    writing: Writing = field(default_factory=Writing)
    now: datetime = field(default_factory=given.present)
    offline: bool = field(default_factory=given.offline)
    table: str = ""  # the result's name; some have formats of their own

    def __post_init__(self) -> None:
        """Check everything that can be wrong before the first byte is read."""
        read = self.reading
        self.form = output.choose(self.writing.output, self.writing.form, table=self.table)
        self.progress = console.Progress()
        self.ledger = Ledger(self.progress, console.say)
        self.queries = Ledger()  # of resolver logs, which are no flow logs
        self.wanted = kinds(read.redact)
        self.engine = given.engine(read)
        self.threats = given.listed(self.grounds.threats)
        learn = self.grounds.learn_until
        self.learn_until = times.parse(learn, now=self.now) if learn else None
        self.window = times.interval(read.since, read.until, read.last, now=self.now)
        if self.window != times.Interval():
            console.say(f"time {self.window}")

    @property
    def aws(self) -> Aws:
        """How to reach AWS."""
        return given.reached(self.reading)

    def records(
        self,
        *,
        places: bool = False,
        some: bool = False,
        where: str | None = None,
        gaps: bool = False,
    ) -> pl.LazyFrame:
        """Return the records, with object and line if asked for.

        Args:
            places: add object and line.
            some: keep those that ``--where`` describes; what cannot be one is not even read.
            where: keep those that this filter describes.
            gaps: read also which records AWS lost.
        """
        return scan_records(
            list(self.src),
            format=self.reading.format,
            since=self.window.start,
            until=self.window.end,
            aws=self.aws,
            ledger=self.ledger,
            strict=self.reading.strict,
            line=places,
            source=places,
            where=self.reading.where if some else where,
            gaps=gaps,
            now=self.now,
            every=self.reading.rejects is not None,
        )

    @cached_property
    def sources(self) -> tuple[list[Any], list[str]]:
        """The stores among the sources, and the raw ones."""
        from flowlens.store.which import divide

        return divide(list(self.src), self.aws)

    @cached_property
    def inventory(self) -> Any:
        """The inventory, or None."""
        if not self.grounds.inventory:
            return None
        from flowlens.inventory import load

        return load(self.grounds.inventory)

    @cached_property
    def expected(self) -> Any:
        """The expected document, or None."""
        from flowlens.expected import load

        return load(self.grounds.expected) if self.grounds.expected else None

    def conversations(self, *, ordered: bool = False) -> pl.LazyFrame:
        """Return who talked to whom, once; `ordered` by hour, client and server for certain."""
        stores, raw = self.sources
        if stores and self.engine:
            msg = f"{stores[0].root} is a store, which is read here; leave out --engine"
            raise UsageError(msg)
        # An inventory may put legs together that a store, which has none, counted apart.
        if len(stores) == 1 and not raw and self.inventory is None:
            from flowlens.store.mixed import counted

            time, read = (self.window.start, self.window.end), self.reading
            asked = (stores[0], self.ledger, *time, read.where)
            kept = counted(*asked, strict=read.strict, ordered=ordered)
            if kept is not None:
                return kept
        from flowlens.conversations import conversations

        return conversations(self.records(), self.inventory, self.engine)

    def edges(self, *, whole: bool = False) -> pl.LazyFrame:
        """Return conversations, owned, named and judged; `whole` with all that judging looks at."""
        from flowlens.edges import edges

        grounds = self.grounds
        # The document and the inventory are read first: their mistakes are found in a moment.
        inventory, expected = self.inventory, self.expected
        return edges(
            self.conversations(),
            inventory,
            expected,
            self.answers(),
            aws_ranges=self.ranges,
            learn_until=self.learn_until,
            asn=grounds.asn,
            whole=whole,
        )

    def answers(self) -> pl.LazyFrame | None:
        """Return the resolver's answers, or None if no log of them was given or is kept."""
        if not self.grounds.dns:
            from flowlens.store.mixed import named

            return named(self.sources[0], self.window.end)
        from flowlens.answers import scan_answers

        return scan_answers(
            list(self.grounds.dns),
            until=self.window.end,
            aws=self.aws,
            ledger=self.queries,
            strict=self.reading.strict,
        )

    @cached_property
    def ranges(self) -> Path | None:
        """The file of AWS's address ranges: the one given, else the current one."""
        own = self.grounds.aws_ranges
        return own if own or self.offline else given.ranges()

    def judged(self, edges: pl.DataFrame | None = None) -> Judged:
        """Return the edges and the findings about them, with the first raw lines of each.

        Args:
            edges: They, if they are there already.
        """
        from flowlens.cli.grounds import context
        from flowlens.findings import findings, quote

        # Edges are small. Collected once, they serve the findings, the pictures and the tables.
        if edges is None:
            edges = self.edges().collect(engine="streaming")
        records = self.records(places=True)
        found = findings(edges, context(self, edges, records))
        unknown = not edges.is_empty() and (edges["expected"] == "unknown").all()
        if unknown and self.learn_until is None:
            console.say("what is expected is unknown: give a document (-e) or --learn-until TIME")
        if not found.is_empty():
            found = quote(found, records)
        return Judged(edges, found)

    def kept(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Keep the rows that ``--where`` describes."""
        text = self.reading.where
        if text is None:
            return frame
        from flowlens import filters

        return filters.where(frame, text, now=self.now)

    def redacted(self, *frames: pl.LazyFrame) -> list[pl.LazyFrame]:
        """Hide what ``--redact`` names, with the same pseudonyms in every frame."""
        self.redactor = Redactor(self.wanted, frames)
        # Reading the frames has filled the ledger, whose texts get the same pseudonyms.
        if self.wanted:
            self.redactor.add(self.ledger.rejects().lazy())
        return [self.redactor.apply(frame) for frame in frames]

    def close(self, *, kept: Path | None = None) -> None:
        """Keep the unreadable lines, and say what a reader of the result should know.

        Args:
            kept: where they are already.
        """
        self.progress.clear()
        asked = self.reading.rejects
        if asked:
            rejects = self.redactor.apply(self.ledger.rejects().lazy())
            output.write(rejects, "rejects", path=asked)
        for ledger in (self.ledger, self.queries):
            for note in ledger.notes():
                console.say(f"note: {note}")
            unread = console.reads(ledger.reasons(), kept=asked or kept)
            if unread:
                console.say(unread)


def show(job: Job, frame: pl.LazyFrame, table: str) -> None:
    """Write a result with what ``--redact`` names hidden, and say what a reader should know."""
    (shown,) = job.redacted(frame)
    emit(job, shown, table)
    job.close()


def emit(job: Job, frame: pl.LazyFrame, table: str) -> None:
    """Write a result where the options say, and say what was left out."""
    writing = job.writing
    shown = output.write(frame, table, path=writing.output, form=writing.form, limit=writing.limit)
    job.progress.clear()
    if shown.more:
        console.say(f"only the first {shown.rows:,} rows; -n N shows more, -o FILE or a pipe all")
    if shown.hidden:
        console.say(f"no room for: {', '.join(shown.hidden)}")
