"""What workers do next for conversations: the records of a part to views.

The 5-tuples that neither flags nor ports settle ask all others for advice, whose parts are
elsewhere. So a part is gone through three times, each time by whichever worker is free: flows are
merged and what is clear is settled; the 5-tuples near an open one are handed out; and, once the
open ones are settled too, flows are merged into views. Codes are places in the texts of a part,
which lie beside its flows, so they mean the same to all three.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from flowlens.cluster.blobs import known, load, save
from flowlens.cluster.spread import Piece, Plan
from flowlens.conversations.pairs import ROLE
from flowlens.conversations.rows import VIEW
from flowlens.conversations.shelf import FLOW, Shelf
from flowlens.conversations.spool import Spool
from flowlens.conversations.work import TUPLE, Work
from flowlens_parsers.tokens import Words

__all__ = ["Part", "merge", "near", "settle"]

MEMORY = 1 << 29  # bytes of rows that a task merges in memory, and of flows


@dataclass(frozen=True, slots=True)
class Part:
    """The flows of a part, in a file.

    Args:
        name: Of the file.
        sizes: Bytes of its blobs, in their order: texts; flows, in several; texts of the addresses
            of open 5-tuples.
        open: How many of these addresses there are.
        begin: Second of the first record.
    """

    name: str
    sizes: tuple[int, ...]
    open: int
    begin: int


def settle(plan: Plan, pieces: Sequence[Piece]) -> Part:
    """Merge the records of a part into flows, exact duplicates once, and settle what is clear.

    Args:
        plan: What all tasks share.
        pieces: Where the records are.
    """
    words = pl.Categorical(pl.Categories.random("flowlens"))
    kept = pl.Series(dtype=words)  # a dictionary lives as long as a series of it does
    with Spool(MEMORY) as rows:
        shelf = Shelf(bits=plan.inner, spool=rows, columns=plan.columns)
        for _, name, begin, size in pieces:
            texts, records = load(plan.scratch.read(name, begin, size))
            shelf.put(records, known(words, texts))
        texts = words.categories.to_series()
        del kept
        shelf.close()
        work = _work(texts)
        nothing = np.empty((0, FLOW), np.uint64)
        with plan.scratch.create("flows") as (name, stream):
            sizes = [save(stream, texts, nothing)]
            for group in shelf.groups:
                for flows in shelf.flows(group, work.ranks):
                    work.settle(flows)
                    sizes.append(save(stream, [], flows.reshape(-1, FLOW)))
            open = _marked(texts, work)
            sizes.append(save(stream, open, nothing))
    return Part(name, tuple(sizes), len(open), min(work.begins))


def near(plan: Plan, part: Part, open: str) -> str:
    """Return the file with the 5-tuples of which an address has an open one, and their texts.

    Args:
        plan: What all tasks share.
        part: What `settle` returned.
        open: The file with the texts of all these addresses.
    """
    wanted, _ = load(plan.scratch.read(open))
    work, texts, blobs = _again(plan, part)
    work.marks[:-1] = texts.is_in(wanted.implode()).fill_null(value=False).to_numpy()
    work.marks[-1] = wanted.has_nulls()
    found = [work.near(flows) for flows in blobs]
    with plan.scratch.create("near") as (name, stream):
        save(stream, texts, np.concatenate([np.empty((0, TUPLE), np.uint64), *found]))
    return name


def merge(plan: Plan, part: Part, roles: tuple[str, int, int] | None) -> str:
    """Merge the flows of a part into views; return the file that has them.

    Args:
        plan: What all tasks share.
        part: What `settle` returned.
        roles: Where the roles of its open 5-tuples are: file, first byte, bytes.
    """
    rows = np.empty((0, ROLE), np.uint64)
    if roles is not None:
        _, rows = load(plan.scratch.read(*roles))
    work, texts, blobs = _again(plan, part)
    work.learn(rows)
    found = [work.views(flows).reshape(-1, VIEW).copy() for flows in blobs]
    with plan.scratch.create("views") as (name, stream):
        save(stream, texts, np.concatenate([np.empty((0, VIEW), np.uint64), *found]))
    return name


def _marked(texts: pl.Series, work: Work) -> pl.Series:
    """Return the texts of the addresses that are marked; null has a mark of its own."""
    open = texts.gather(work.marks[:-1].nonzero()[0])
    return open.append(pl.Series([None], dtype=pl.String)) if work.marks[-1] else open


def _again(plan: Plan, part: Part) -> tuple[Work, pl.Series, Iterator[Words]]:
    """Return the work at a part once more, its texts, and its flows one blob after the other."""
    data = memoryview(plan.scratch.read(part.name, 0, sum(part.sizes[:-1])))
    ends = np.cumsum(part.sizes[:-1]).tolist()
    texts, _ = load(data[: ends[0]])
    blobs = (load(data[begin:end])[1].reshape(-1) for begin, end in pairwise(ends))
    return _work(texts), texts, blobs


def _work(texts: pl.Series) -> Work:
    return Work(texts.rank("dense").cast(pl.UInt32).to_numpy())
