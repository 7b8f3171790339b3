"""Flows of a shelf to views, part by part: what `roles` and `views` do with frames.

Two passes, because the 5-tuples that neither flags nor ports settle ask all others for advice: the
first merges rows and settles what is clear, the second merges flows into views.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING, WORD, column
from flowlens.conversations.roles import OBVIOUS, clear, decided, weighed
from flowlens.conversations.room import room, table
from flowlens.conversations.rows import VIEW
from flowlens.conversations.services import weight
from flowlens.conversations.shelf import FLOW, Shelf
from flowlens.conversations.spool import Kept, Spool
from flowlens.conversations.witnesses import signs
from flowlens_parsers.machine import Kernel, load
from flowlens_parsers.packing import Words, address

__all__ = ["ROLE", "TUPLE", "Work", "oriented", "settled"]

TUPLE, ROLE = 8, 3  # integers of a 5-tuple, a role
PORTS = 2**16


def oriented(
    shelf: Shelf, spool: Spool, words: pl.Categorical, add: Callable[[Words], None]
) -> None:
    """Merge the rows of a shelf into views.

    Args:
        shelf: rows; it is empty afterwards.
        spool: where flows lie meanwhile; it is empty afterwards.
        words: the dictionary of the codes.
        add: takes the views of a part, from several threads.
    """
    ranks = words.categories.to_series().rank("dense").cast(pl.UInt32).to_numpy()
    work = Work(shelf, spool, ranks)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        flows = [kept for some in pool.map(work.settle, shelf.groups) for kept in some]
        shelf.clear()
        roles = np.empty((0, ROLE), np.uint64)
        if work.marks.any():
            near = list(pool.map(work.near, flows))
            roles = settled(np.concatenate(near), min(work.begins), words)
        learnt, known = table(len(roles), "learnt")
        work.kernel["learn"](address(roles), len(roles), known, address(learnt))
        look = (address(roles), known, address(learnt))
        deque(pool.map(lambda kept: add(work.views(kept, look)), flows), maxlen=0)
    spool.clear()


@dataclass(slots=True)
class Work:
    """What the parts share, and what is done to each; several threads do it."""

    shelf: Shelf
    spool: Spool
    ranks: NDArray[np.uint32]
    marks: NDArray[np.uint8] = field(init=False)  # a byte an address, the last for null
    weights: NDArray[np.int8] = field(init=False)
    begins: list[int] = field(default_factory=list)
    kernel: Mapping[str, Kernel] = field(init=False)

    def __post_init__(self) -> None:
        self.shelf.close()
        self.kernel = load("flowlens.conversations.viewkernel")
        self.marks = np.zeros(len(self.ranks) + 1, np.uint8)
        ports = pl.int_range(PORTS, eager=True).cast(pl.UInt16).alias("port")
        of = pl.DataFrame([ports]).select(weight(pl.col("port")).cast(pl.Int8))
        self.weights = of.to_series().to_numpy().copy()

    def settle(self, parts: range) -> list[Kept]:
        """Merge rows of each part into flows, and settle the clear 5-tuples among them."""
        return [self._settled(flows) for flows in self.shelf.flows(parts, self.ranks)]

    def _settled(self, flows: Words) -> Kept:
        which, tuples = self._tuples(flows)
        begin = np.array([NOTHING], np.uint64)
        self.kernel["settle"](
            *(address(tuples), len(tuples), address(self.weights), OBVIOUS),
            *(address(self.marks), len(self.ranks), address(begin)),
        )
        self.kernel["decide"](address(flows), len(flows) // FLOW, address(which), address(tuples))
        self.begins.append(int(begin[0]))
        return self.spool.keep(flows)

    def near(self, kept: Kept) -> Words:
        """Return the 5-tuples of which an address has an open one."""
        _, tuples = self._tuples(self.spool.give(kept))
        count = self.kernel["touching"](
            address(tuples), len(tuples), address(self.marks), len(self.ranks)
        )
        return tuples[:count].copy()

    def views(self, kept: Kept, look: tuple[int, int, int]) -> Words:
        """Merge flows into views, `VIEW` integers each in one row, in room of this thread."""
        flows = self.spool.fill(room("flows", kept.size, np.uint64), kept)
        count = flows.size // FLOW
        empty, mask = table(count)
        out = room("views", count * VIEW, np.uint64)
        total = self.kernel["views"](
            *(address(flows), count, *look, address(self.ranks)),
            *(mask, address(empty), address(out)),
        )
        return out[: total * VIEW]

    def _tuples(self, flows: Words) -> tuple[NDArray[np.uint32], Words]:
        """Return the number of each flow's 5-tuple, and the 5-tuples, in room of this thread."""
        count = flows.size // FLOW
        empty, mask = table(count)
        which = room("which", count, np.uint32)
        out = room("tuples", count * TUPLE, np.uint64)
        total = self.kernel["tuples"](
            *(address(flows), count, mask, address(empty), address(which), address(out))
        )
        return which, out[: total * TUPLE].reshape(-1, TUPLE)


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
