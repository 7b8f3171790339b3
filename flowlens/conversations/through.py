"""What passes traffic on, among views in parts: what `legs` does with one frame.

Only what gateways wrote down, and what their clients wrote of the same, is made a frame of. Whose
conversations come out of it is judged apart, with all that others saw of them.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import WORD, code, column, text
from flowlens.conversations.legs import PASSING, boxes, linked
from flowlens.conversations.room import room, table
from flowlens.conversations.rows import (
    CLIENT,
    MARKS,
    PLACE,
    SEAT,
    SERVER,
    VIEW,
    WHERE,
    framed,
    placed,
    rows,
)
from flowlens.conversations.seats import Over, Places, Seats
from flowlens.conversations.views import CLIENT as AT_CLIENT
from flowlens_parsers.machine import load
from flowlens_parsers.packing import Words, address

__all__ = ["Gateways", "Through", "gateways"]

HALF, END = np.uint64(32), np.uint64(24)
KERNEL = "flowlens.conversations.throughkernel"


@dataclass(frozen=True, slots=True)
class Gateways:
    """What passes traffic on.

    Args:
        boxes: ``observer`` and ``box``, as `legs.boxes` returns.
        nat: those observers that translate addresses.
        views: what these wrote down, not yet placed, in rows.
    """

    boxes: pl.DataFrame
    nat: Words
    views: Words

    def inner(self, views: Words) -> NDArray[np.bool_]:
        """Say which views may be inner legs: the server is the gateway itself."""
        pairs = self.boxes.drop_nulls("box").select(pl.col("observer") * WORD + pl.col("box"))
        inner: NDArray[np.bool_] = np.isin(
            (views[:, WHERE] >> HALF << HALF) | (views[:, SERVER] >> END),
            pairs.to_series().to_numpy(),
        )
        return inner


def gateways(
    seats: Seats,
    over: Over,
    words: pl.Categorical,
    columns: frozenset[str],
    known: pl.LazyFrame | None,
) -> Gateways:
    """Return what passes traffic on, among all views.

    Args:
        seats: all of them.
        over: does something to the views of each part.
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
        known: what the inventory names, as `legs.boxes` takes it.
    """
    of = seats.frame()
    holders = of.filter("instance").select("observer")
    standing = pl.col("standin") & ~pl.col("observer").is_in(
        holders.collect().to_series().implode()
    )
    passing = text(pl.col("observer"), words).str.contains(PASSING).fill_null(value=False)
    suspect = of.filter(standing | passing).collect()["observer"].to_numpy()
    if known is not None:
        named = known.select(code(pl.col("observer"), words)).collect().to_series()
        suspect = np.concatenate([suspect, named.to_numpy()])
    everyone = np.ones(len(words.categories.to_series()) + 1, np.uint8)
    found = _picked(seats, over, _seated(seats, suspect), everyone)
    between = boxes(framed(found.T, columns, words).lazy(), words, known).collect()
    nat = between.drop_nulls("box")["observer"].unique().to_numpy()
    return Gateways(between, nat, found[np.isin(found[:, WHERE] >> HALF, nat)])


class Through:
    """Views of gateways that translate addresses, linked, and the ends that these have.

    Args:
        passing: what `gateways` returns.
        places: where observers stand.
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
    """

    def __init__(
        self,
        passing: Gateways,
        places: Places,
        words: pl.Categorical,
        columns: frozenset[str],
    ) -> None:
        self._kernel = load(KERNEL)
        self._places, self._gateways = places, passing
        self._passing = _seated(places.seats, passing.nat)
        legs = self._linked(words, columns)
        self._aside = [legs.ravel()]
        self._ends, self._known = _ends(legs)

    def split(self, views: Words) -> Words:
        """Return placed views without those that are judged apart, which are put aside."""
        if not len(self._gateways.nat):
            return views
        apart = room("apart", views.size, np.uint64)
        ends, (known, mask) = self._ends, self._known
        told = self._kernel["split"](
            *(address(views), views.size // VIEW, address(self._passing)),
            *(address(ends), mask, address(known), address(apart)),
        )
        aside, kept = divmod(told, WORD)
        if aside:
            self._aside.append(apart[: aside * VIEW].copy())
        return views[: kept * VIEW]

    def apart(self) -> Words:
        """Return what was put aside, and the legs."""
        return np.concatenate(self._aside)

    def _linked(self, words: pl.Categorical, columns: frozenset[str]) -> Words:
        """Return the gateways' views, linked with what their clients wrote down, in rows."""
        theirs = self._gateways.views
        if not len(theirs):
            return theirs
        theirs = self._stood(theirs)
        clients = np.unique(theirs[self._gateways.inner(theirs)][:, CLIENT])
        both = np.concatenate([theirs, self._own(clients, len(words.categories.to_series()))])
        observer = pl.col("where") // WORD
        told = placed(both.T, columns, words).drop("leg").lazy().with_columns(observer=observer)
        legs = linked(told, self._gateways.boxes.lazy(), words)
        made = rows(legs.filter(observer.is_in(self._gateways.nat)).collect())
        made[:, SEAT] = self._places.seats.numbers(made.ravel())
        return made

    def _own(self, clients: Words, codes: int) -> Words:
        """Return what clients wrote down themselves, in rows."""
        if not len(clients):
            return np.empty((0, VIEW), np.uint64)
        marks = np.zeros(codes + 1, np.uint8)
        marks[np.minimum(clients, np.uint64(codes))] = 1
        seats, over = self._places.seats, self._places.over
        views = self._stood(_picked(seats, over, 1 - self._passing, marks))
        near: Words = views[(views[:, MARKS] >> np.uint64(PLACE)) & np.uint64(3) == AT_CLIENT]
        return near

    def _stood(self, views: Words) -> Words:
        """Return rows of views, placed."""
        stood = views.copy()
        self._places.stand(stood.ravel())
        return stood


def _picked(seats: Seats, over: Over, asked: NDArray[np.uint8], marks: NDArray[np.uint8]) -> Words:
    """Return views whose seat and whose client are asked for, in rows."""
    if not asked.any():
        return np.empty((0, VIEW), np.uint64)
    pick = load(KERNEL)["picked"]

    def of(views: Words) -> Words:
        out = room("picked", views.size, np.uint64)
        done = pick(
            *(address(views), views.size // VIEW, *seats.known()),
            *(address(asked), address(marks), len(marks) - 1, address(out)),
        )
        return out[: done * VIEW].copy()

    return np.concatenate([np.empty(0, np.uint64), *over(of)]).reshape(-1, VIEW)


def _seated(seats: Seats, observers: Words) -> NDArray[np.uint8]:
    """Say of each seat whether it is that of one of some observers."""
    return np.isin(seats.rows[:, 0] >> HALF, observers).astype(np.uint8)


def _ends(legs: Words) -> tuple[Words, tuple[NDArray[np.uint32], int]]:
    """Return what legs share with others' views over all hours and actions, and its hash table."""
    pairs = pl.DataFrame([column(str(at), legs[:, at]) for at in (CLIENT, SERVER)])
    ends = pairs.unique().with_columns(one=pl.lit(1, pl.UInt64)).to_numpy()
    ends = np.ascontiguousarray(ends)
    empty, mask = table(len(ends), "ends")
    load("flowlens.conversations.viewkernel")["learn"](
        address(ends), len(ends), mask, address(empty)
    )
    return ends, (empty.copy(), mask)
