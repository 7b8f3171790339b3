"""Learn the expected document from traffic: what each workload opened and the network let pass."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.known import Known, gather
from flowlens.expected import prior, told, workloads
from flowlens.expected.audit import FORBIDDEN
from flowlens.expected.budget import sizes
from flowlens.expected.document import Document
from flowlens.expected.evidence import COLUMNS, sift, whole
from flowlens.expected.instruments import Rules, choose
from flowlens.expected.judgement import judge
from flowlens.expected.prefixes import keys
from flowlens.expected.quotas import QUOTAS
from flowlens.expected.ranges import FOREIGN
from flowlens.expected.reader import parse
from flowlens.expected.spread import Terms, spoken, spread
from flowlens.tables import EDGES
from flowlens.words import noun

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["LEARNED", "PLAIN", "Bounds", "Chosen", "Learned", "chosen", "learn"]

LEARNED: dict[str, pl.DataType] = {
    "state": pl.String(),  # new, kept (of the document given, seen), unseen (not seen)
    "line": pl.UInt32(),  # in the document
    "workload": pl.String(),
    "kind": pl.String(),  # one of flowlens.expected.document.TARGETS
    "value": pl.String(),
    "ports": pl.List(pl.String),
    "why": pl.String(),
    "reason": pl.String(),  # why this kind
    "first_seen": EDGES["first_seen"],
    "last_seen": EDGES["last_seen"],
    "conversations": pl.UInt64(),
    "flows": pl.UInt64(),  # distinct client ports: a lower bound of connections
    "records": pl.UInt64(),
    "bytes_out": pl.UInt64(),
    "bytes_in": pl.UInt64(),
    "hours": pl.UInt32(),
    "addresses": pl.UInt32(),
    "names": pl.List(pl.String),  # of the servers, by flows
    "owners": pl.List(pl.String),  # of the servers
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a learned document may admit.

    Attributes:
        forbidden: Addresses and prefixes that nothing may admit, beside `audit.FORBIDDEN`.
        limits: The account's own quotas, by the names of `quotas.QUOTAS`.
        foreign: Addresses beside the observed ones that the prefixes of a workload may admit;
            beyond, names take their place, or more prefixes than the quota has room for.
        worth: Foreign addresses that one flow is worth: under a quota, addresses that would cost
            more are left out. Null: everything is admitted.
    """

    forbidden: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    foreign: int = FOREIGN
    worth: float | None = None


#: AWS's default quotas, and nothing forbidden beside instance metadata.
PLAIN = Bounds()


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned.

    Attributes:
        text: The document.
        document: The same, read.
        entries: A table of schema `LEARNED`, in the order of the document.
        left: Conversations that were not learned from, by reason (`evidence.REASONS`).
        learned: Conversations that were.
        notes: What a reader should know, a sentence each.
    """

    text: str
    document: Document
    entries: pl.DataFrame
    left: Mapping[str, int]
    learned: int
    notes: tuple[str, ...]


def learn(
    edges: pl.DataFrame,
    inventory: "Inventory | None" = None,
    *,
    existing: str | None = None,
    source: str = "expected.yaml",
    known: Known | None = None,
    bounds: Bounds = PLAIN,
    coverage: pl.DataFrame | None = None,
) -> Learned:
    """Return the document that admits what workloads did and little else.

    Args:
        edges: Edges with the columns of `judgement.judged_by`
            (``flowlens.edges(…, whole=True)``), in any order; what is missing is not known.
        inventory: AWS's configuration; without it security groups and prefix lists are not known.
        existing: The text of a document that is kept as it is; only what traffic demands is added.
        source: What to call the document in messages.
        known: What is known about addresses; gathered from the inventory where it is left out.
        bounds: What may be admitted, and how many rules there may be.
        coverage: A table of schema `flowlens.tables.COVERAGE`, for the windows that AWS skipped.

    Raises:
        DocumentError: The existing document cannot be read, or cannot be added to.
        UsageError: A forbidden prefix is none.
    """
    document = parse(existing.removeprefix("\ufeff"), source) if existing is not None else None
    found = chosen(edges, inventory, document, known=known, bounds=bounds)
    own = {name: quota.default for name, quota in QUOTAS.items()} | dict(bounds.limits)
    terms = Terms(document, sizes(inventory), own, found.banned, bounds.foreign, bounds.worth)
    new, quotas = spread(found.words.filter(pl.col("settled").is_null()), found.called, terms)
    kept = found.words.filter(pl.col("settled").is_not_null())
    frame, before, called = found.frame, found.prior, found.called
    text = told.text(new, called, frame, before, existing)
    read = parse(text.removeprefix("\ufeff"), source)
    rows = told.rows(new, spoken(kept), called, before, read)
    left = dict(frame["left"].drop_nulls().value_counts().sort("left").iter_rows())
    return Learned(
        text,
        read,
        pl.DataFrame(rows, schema=LEARNED),
        left,
        int(frame["left"].is_null().sum()),
        (
            *told.notes(frame, before, coverage),
            *quotas,
            *_doubts(new, read, inventory, found.known),
        ),
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """Traffic with the words that would admit it.

    Attributes:
        frame: All edges with `left`.
        prior: What a document that is there says of them.
        words: The edges to learn from, as `instruments.choose` returns them.
        called: The workloads by number.
        known: What is known about addresses.
        banned: Prefixes that nothing may admit.
    """

    frame: pl.DataFrame
    prior: prior.Prior
    words: pl.DataFrame
    called: list[workloads.Subjects]
    known: Known
    banned: tuple[str, ...]


def chosen(
    edges: pl.DataFrame,
    inventory: "Inventory | None",
    document: Document | None,
    *,
    known: Known | None,
    bounds: Bounds,
) -> Chosen:
    """Sift traffic, and choose a word for each destination; the parameters are those of `learn`."""
    banned = (*FORBIDDEN, *bounds.forbidden)
    keys(banned, "forbidden")
    if known is None:
        known = gather(inventory, names=document.names if document else None)
    frame = sift(whole(edges), known, banned)
    frame, before = prior.settle(frame, document, inventory, known)
    shared = workloads.holders(frame, inventory)
    named, called = workloads.name(frame, inventory, shared)
    words = choose(named, Rules(known, sizes(inventory), shared, banned), inventory)
    return Chosen(frame, before, words, called, known, banned)


def _doubts(
    frame: pl.DataFrame, document: Document, inventory: "Inventory | None", known: Known
) -> Iterator[str]:
    """Yield what the document does not admit for sure although it was learned from."""
    judged = judge(frame.drop_nulls("kind").select(*COLUMNS), document, inventory, known=known)
    open_ = judged.filter(pl.col("expected") != "yes").sort("why")
    if open_.height:
        count = noun(open_.height, "conversation")
        yield f"{count} learned, but not admitted for sure, first: {open_['why'][0]}"
