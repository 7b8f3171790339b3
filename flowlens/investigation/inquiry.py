"""The investigation: every part of it put together, out of frames."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from flowlens.conversations import conversations
from flowlens.destinations.aws import Ranges
from flowlens.destinations.dns import names as gathered
from flowlens.edges import edges as joined
from flowlens.expected.document import Document
from flowlens.findings import Context
from flowlens.findings import findings as detected
from flowlens.investigation import context, sections, sides
from flowlens.investigation.lines import lines
from flowlens.investigation.notes import caveats, sentence
from flowlens.investigation.resolve import resolve
from flowlens.investigation.subject import Subject
from flowlens.tables import EDGES

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["Investigation", "investigate"]


@dataclass(frozen=True, slots=True)
class Investigation:
    """What is known about a subject, each part a table.

    Args:
        subject: what was investigated.
        text: the gist in one sentence.
        pivot: peers are *new* if they were first met then or later; null where nothing can be
            called new, because less than a day was seen.
        owners: who held its addresses when (`context.OWNERS`).
        timeline: what it sent and got by the hour (`sections.TIMELINE`).
        peers: whom it talked to, by service (`sections.PEERS`).
        findings: what the detections say about its traffic (FINDINGS).
        rejects: what was refused (`sections.REJECTS`).
        names: which names it asked for, or was known by (`context.NAMES`).
        kin: which similar workloads went where it went (`context.KIN`).
        may: what the configuration makes of its traffic (`context.MAY`).
        lines: the first raw records of the peers that matter (`lines.LINES`).
        caveats: what these tables cannot show, and why.
    """

    subject: Subject
    text: str
    pivot: datetime | None
    owners: pl.DataFrame
    timeline: pl.DataFrame
    peers: pl.DataFrame
    findings: pl.DataFrame
    rejects: pl.DataFrame
    names: pl.DataFrame
    kin: pl.DataFrame
    may: pl.DataFrame
    lines: pl.DataFrame
    caveats: tuple[str, ...]

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table by its name, in the order in which they are read."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: one for name, one in found.items() if isinstance(one, pl.DataFrame)}

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text outside the tables."""
        about = self.subject
        ids = (about.said, *about.addresses, *about.interfaces, *about.kin)
        return (self.text, *self.caveats, *ids)

    def changed(
        self, tables: dict[str, pl.DataFrame], change: Callable[[str], str]
    ) -> "Investigation":
        """Return it with other tables, and every other text changed."""
        about = self.subject
        subject = replace(
            about,
            said=change(about.said),
            addresses=tuple(map(change, about.addresses)),
            interfaces=tuple(map(change, about.interfaces)),
            kin={change(one): how for one, how in about.kin.items()},
        )
        caveats = tuple(map(change, self.caveats))
        found = replace(self, subject=subject, text=change(self.text), caveats=caveats)
        return replace(found, **tables)  # type: ignore[arg-type]


def investigate(  # noqa: PLR0913 - everything that may be known beside the records
    subject: Subject | str,
    records: pl.LazyFrame | pl.DataFrame,
    inventory: "Inventory | None" = None,
    expected: Document | str | Path | None = None,
    dns: pl.LazyFrame | None = None,
    *,
    findings: pl.DataFrame | None = None,
    since: datetime | None = None,
    skipped: pl.DataFrame | None = None,
    aws_ranges: Ranges | str | Path | None = None,
    learn_until: datetime | None = None,
    asn: str | Path | None = None,
    limit: int = 8,
) -> Investigation:
    """Gather everything about one thing.

    Args:
        subject: from `resolve`, or a word for it.
        records: flow-log records; those that ``subject.where`` keeps are enough. With the columns
            `source` and `line` raw lines are quoted. They are read several times.
        inventory: AWS's configuration, once or several times.
        expected: the document of what should happen.
        dns: answers of the VPC's resolver.
        findings: findings made before; without, the detections run over the subject's traffic.
        since: peers that were first met then or later are new; `sections.pivot` without.
        skipped: rows of schema COVERAGE: windows in which AWS lost records.
        aws_ranges: AWS's address ranges, or their file.
        learn_until: without a document, traffic before this time is the baseline.
        asn: the user's own ``.mmdb`` file of networks.
        limit: raw records quoted.

    Raises:
        UsageError: the subject is not known, or not seen in the records.
    """
    known = None if dns is None else gathered(dns).collect()
    if isinstance(subject, str):
        subject = resolve(subject, inventory, findings=findings, names=known)
    talk = conversations(records.lazy(), inventory)
    options = {"aws_ranges": aws_ranges, "learn_until": learn_until, "asn": asn}
    edges = joined(talk, inventory, expected, dns, **options).collect()  # type: ignore[arg-type]
    whole = sides.held(edges, inventory)
    every = sides.seen(whole, subject)
    seen = _focus(every, subject)
    grounds = Context(records=records.lazy(), inventory=inventory, learn_until=learn_until)
    told = _found(findings, whole, every, subject, grounds)
    begun = since or sections.pivot(every, told["first_seen"].min())  # type: ignore[arg-type]
    peers = sections.peers(every, begun)
    found = Investigation(
        subject=subject,
        text="",
        pivot=begun,
        owners=context.owners(subject, inventory),
        timeline=sections.timeline(seen),
        peers=peers,
        findings=told,
        rejects=sections.rejects(every),
        names=context.names(subject, known, every),
        kin=context.kin(every, whole, subject),
        may=context.may(every, inventory),
        lines=lines(records.lazy(), subject, peers, limit),
        caveats=caveats(
            subject,
            every,
            doubtful=sides.doubtful(whole, subject),
            inventory=inventory,
            dns=dns is not None,
            judged=expected is not None or learn_until is not None,
            skipped=skipped,
        ),
    )
    return replace(found, text=sentence(found.subject, every, peers, told, found.owners, begun))


def _focus(seen: pl.DataFrame, subject: Subject) -> pl.DataFrame:
    """Return the traffic that a finding is about; of any other subject, all."""
    about = subject.finding
    if about is None:
        return seen
    there = pl.lit(value=True)
    if about["destination"] is not None or about["server"] is not None:
        there = (pl.col("name") == about["destination"]) | (pl.col("peer") == about["server"])
    for name in ("server_port", "protocol"):
        if about[name] is not None:
            there &= pl.col(name) == about[name]
    return seen.filter(there)


def _found(
    findings: pl.DataFrame | None,
    edges: pl.DataFrame,
    seen: pl.DataFrame,
    subject: Subject,
    grounds: Context,
) -> pl.DataFrame:
    """Return the findings about the subject: those made before, or what its own edges give."""
    if findings is None:
        ends = seen["own"].unique().to_list()
        near = pl.col("client").is_in(ends) | pl.col("server").is_in(ends)
        return detected(edges.filter(near).select(list(EDGES)), grounds)
    ours = [*subject.has(pl.concat([findings["client"], findings["server"]]))]
    about = pl.col("client").is_in(ours) | pl.col("server").is_in(ours)
    if subject.finding is not None:
        about |= pl.col("id") == subject.said
    if subject.kind in {"function", "instance", "owner"}:
        about |= pl.col("owner").list.contains(subject.said).fill_null(value=False)
    return findings.filter(about)
