"""Views in parts to conversations, in order: what a frame of all views would take, but bounded.

A conversation lies in one part over all its hours, so a part is placed, counted and put into
order by itself. What passes traffic on is looked at before, over all parts.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.ahead import mapped
from flowlens.conversations.chosen import Chooser
from flowlens.conversations.codes import NOTHING, WORD, code
from flowlens.conversations.counting import with_action
from flowlens.conversations.naming import Naming
from flowlens.conversations.room import room
from flowlens.conversations.rows import SEAT, VIEW, placed, rows
from flowlens.conversations.seats import Known, Places, Seats
from flowlens.conversations.sorter import Sorter
from flowlens.conversations.spool import Kept, Spool
from flowlens.conversations.through import Through, gateways
from flowlens.conversations.views import merged
from flowlens_parsers.tokens import Words

__all__ = ["MEMORY", "Views", "counted"]

MEMORY = 1 << 28  # bytes of rows that may lie in memory, of flows, of views, of conversations
STEP = 64  # one view in so many tells how conversations lie in order

T = TypeVar("T")
Hints = tuple[pl.LazyFrame, pl.LazyFrame]


class Views:
    """The views of all conversations, in parts that several threads add.

    Args:
        spool: where they lie, and something else before and after.
        spare: where some may lie as well.
    """

    def __init__(self, spool: Spool, spare: Spool) -> None:
        self.spool, self.spare = spool, spare
        self._kept: list[tuple[Spool, Kept] | None] = []
        self._sample: list[Words] = []
        self.seats = Seats()

    def add(self, views: Words, spool: Spool | None = None) -> None:
        """Add a part: all views of some conversations, `VIEW` integers each in one row.

        Args:
            views: these.
            spool: where they are to lie, if not in the first one.
        """
        spool = spool or self.spool
        self.seats.see(views)
        self._sample.append(views.reshape(-1, VIEW)[::STEP].copy())
        self._kept.append((spool, spool.keep(views)))

    def over(self, do: Callable[[Words], T], /) -> list[T]:
        """Do something to the views of each part, by several threads; see `seats.Over`."""

        def done(part: tuple[Spool, Kept]) -> T:
            spool, kept = part
            return do(spool.lend("views", kept))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(done, (part for part in self._kept if part is not None)))

    def take(self, part: int) -> Words:
        """Return a copy of a part in room of this thread; the part is gone afterwards."""
        found, self._kept[part] = self._kept[part], None
        if found is None:
            return room("views", 0, np.uint64)
        spool, kept = found
        return spool.fill(room("views", kept.size, np.uint64), kept)

    @property
    def parts(self) -> range:
        """The numbers of the parts."""
        return range(len(self._kept))

    @property
    def count(self) -> int:
        """How many views there are."""
        return sum(part[1].size for part in self._kept if part is not None) // VIEW

    def sample(self) -> Words:
        """Return some views, in rows."""
        return np.concatenate([np.empty((0, VIEW), np.uint64), *self._sample])


def counted(
    views: Views, words: pl.Categorical, columns: frozenset[str], known: Hints | None
) -> Iterator[pl.DataFrame]:
    """Yield the conversations table in order, in pieces; see `counting`.

    Args:
        views: they are gone afterwards.
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
        known: what the inventory tells, as `legs.boxes` and `views.placed` take it; None
            without one.
    """
    passing = gateways(views.seats, views.over, words, columns, known and known[0])
    held = None if known is None else _held(known[1], words)
    accept = pl.select(code(pl.lit("ACCEPT"), words)).item()
    texts = words.categories.to_series()  # from here on no new ones come
    ranks = texts.rank("dense").cast(pl.UInt32).to_numpy()
    hints = Known(passing.boxes["observer"], held)
    places = Places(views.seats, hints, views.over, len(ranks))
    through = Through(passing, places, words, columns)
    chooser = Chooser(views.seats, words)
    acted = partial(_acted, accept, seats=views.seats, columns=columns, words=words)
    sorter = Sorter(views.spool, ranks, views.sample(), views.count)

    def count(rows: Words) -> None:
        rows = acted(rows) if "tgw_attachment_id" in columns else rows
        sorter.put(chooser.choose(rows, sorter.desk(rows.size // VIEW)))

    def place(part: int) -> None:
        mine = views.take(part)
        places.stand(mine)
        count(through.split(mine))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(place, views.parts))
    count(through.apart())
    sorter.close()
    yield from _shown(sorter, Naming(texts, ranks, chooser.sets()))


def _shown(sorter: Sorter, naming: Naming) -> Iterator[pl.DataFrame]:
    def give(bucket: int) -> pl.DataFrame:
        return naming.frame(*sorter.give(bucket))

    yield from mapped(give, sorter.buckets, os.cpu_count() or 1)


def _held(held: pl.LazyFrame, words: pl.Categorical) -> NDArray[np.uint64]:
    """Return observer and address of interfaces in one integer, sorted."""
    both = held.select(code(pl.all(), words))
    return (
        both.select(pl.col("observer") * WORD + pl.col("address"))
        .unique()
        .collect()
        .to_series()
        .sort()
        .to_numpy()
    )


def _acted(
    accept: int, views: Words, seats: Seats, columns: frozenset[str], words: pl.Categorical
) -> Words:
    """Give views without an action one, as `counting.with_action` does."""
    frame = placed(views.reshape(-1, VIEW).T, columns, words).lazy()
    told = merged(with_action(frame, accept, NOTHING), least=["place", "leg"], some=[])
    made = rows(told.collect())
    made[:, SEAT] = seats.numbers(made.ravel())
    return made.ravel()
