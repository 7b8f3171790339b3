"""Flows of a shelf to views, part by part: what `roles` and `views` do with frames.

Most parts need one pass, which merges their rows and settles their 5-tuples. But 5-tuples that
neither flags nor ports settle ask all others for advice, so their parts wait for a second one.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from flowlens.conversations.codes import WORD, column
from flowlens.conversations.pairs import ROLE
from flowlens.conversations.roles import clear, decided, weighed
from flowlens.conversations.shelf import Shelf
from flowlens.conversations.spool import Kept, Spool
from flowlens.conversations.witnesses import signs
from flowlens.conversations.work import Work
from flowlens_parsers.tokens import Words

__all__ = ["oriented", "settled"]

Add = Callable[[Words, Spool], None]


def oriented(shelf: Shelf, spare: Spool, words: pl.Categorical, add: Add) -> None:
    """Merge the rows of a shelf into views.

    Args:
        shelf: rows; it is empty afterwards, and its spool has views.
        spare: gets views too, and what waits meanwhile.
        words: the dictionary of the codes.
        add: takes the views of a part and where to keep them, from several threads.
    """
    shelf.close()
    ranks = words.categories.to_series().rank("dense").cast(pl.UInt32).to_numpy()
    passes = _Passes(shelf, spare, Work(ranks), add)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        left = list(pool.map(passes.first, shelf.groups))
        waiting = [flows for some in left for flows in some if flows is not None]
        if waiting:
            near = np.concatenate(list(pool.map(passes.near, shelf.groups, left)))
            passes.work.learn(settled(near, min(passes.work.begins), words))
        shelf.clear()
        deque(pool.map(passes.second, waiting), maxlen=0)


@dataclass(frozen=True, slots=True)
class _Passes:
    """What is done to the parts, in this order; several threads do it."""

    shelf: Shelf
    spare: Spool
    work: Work
    add: Add

    def first(self, parts: range) -> list[Kept | None]:
        """Merge rows of each part into flows, and these into views where all is clear.

        Returns:
            the flows of each part that must wait, None for the others.
        """
        return [self._first(flows) for flows in self.shelf.flows(parts, self.work.ranks)]

    def _first(self, flows: Words) -> Kept | None:
        if self.work.settle(flows):
            return self.spare.keep(flows)
        self.add(self.work.views(flows), self.spare)
        return None

    def near(self, parts: range, left: Sequence[Kept | None]) -> Words:
        """Return the 5-tuples of some parts of which an address has an open one.

        Mostly each part waits, or none does: flows of those that do not are merged again.
        """
        kept = [flows for flows in left if flows is not None]
        each: Iterator[Words] = (self.spare.lend("flows", flows) for flows in kept)
        if len(kept) < len(left):
            each = self.shelf.flows(parts, self.work.ranks)
        return np.concatenate([self.work.near(flows) for flows in each])

    def second(self, kept: Kept) -> None:
        """Merge flows of a part that waited into views."""
        self.add(self.work.views(self.spare.lend("flows", kept)), self.shelf.spool)


def settled(tuples: Words, begin: int, words: pl.Categorical) -> Words:
    """Return lo, hi and decision of the 5-tuples that are open among these."""
    names = ("lo", "hi", "firsts", "lasts", "packets_lo", "packets_hi", "facts")
    raw = pl.LazyFrame([column(name, tuples[:, at]) for at, name in enumerate(names)])
    told: dict[str, pl.Expr] = {}
    for at, side in enumerate(("lo", "hi")):
        came = _bit(10 + at)
        told |= {
            f"{name}_{side}": pl.when(came).then(half // WORD if at else half % WORD)
            for name, half in (("first", pl.col("firsts")), ("last", pl.col("lasts")))
        }
        flags = enumerate(("syn", "syn_ack", "flagged"))
        told |= {f"{name}_{side}": _bit(3 * at + bit) for bit, name in flags}
    signed = signs(decided(raw.with_columns(**told)), begin).collect().lazy()
    open = weighed(signed.filter(~clear()), signed, words)
    decision = 1 + 2 * pl.col("sure").cast(pl.UInt64) + pl.col("client_lo").cast(pl.UInt64)
    rows = open.select("lo", "hi", decision).collect()
    return np.column_stack([rows.to_series(at).to_numpy() for at in range(ROLE)])


def _bit(number: int) -> pl.Expr:
    bit: pl.Expr = pl.col("facts") // 2**number % 2 == 1
    return bit
