"""What passes traffic on, among views in parts: what `legs` does with one frame.

Only what gateways wrote down, and what their clients wrote of the same, is made a frame of. Whose
conversations come out of it is judged apart, with all that others saw of them.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import WORD, code, column, text
from flowlens.conversations.legs import PASSING, boxes, halves
from flowlens.conversations.pairs import Pairs, paired
from flowlens.conversations.room import room
from flowlens.conversations.rows import (
    CLIENT,
    MARKS,
    PLACE,
    SEAT,
    SERVER,
    TIMES,
    VIEW,
    WHAT,
    WHERE,
    placed,
    rows,
    sketched,
)
from flowlens.conversations.seats import Places, Seats
from flowlens.conversations.sights import Over
from flowlens.conversations.views import CLIENT as AT_CLIENT
from flowlens_parsers.machine import load
from flowlens_parsers.tokens import Words, address

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

    @property
    def pairs(self) -> Pairs:
        """Those that translate addresses, each with an address of its own."""
        return _among(self.boxes.drop_nulls("box").select("observer", "box").to_numpy())


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
    between = boxes(sketched(found, columns), words, known).collect()
    nat = between.drop_nulls("box")["observer"].unique().to_numpy()
    translating = _seated(seats, nat)[seats.numbers(found.ravel())] > 0
    return Gateways(between, nat, found if translating.all() else found[translating])


class Through:
    """Legs of gateways that translate addresses, linked, and the ends that these have.

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
        self._codes = len(words.categories.to_series())
        self._boxes = passing.pairs
        legs = self._linked(words, columns)
        self._aside, self._ends = [legs.ravel()], _among(legs[:, [CLIENT, SERVER]])

    def split(self, views: Words) -> Words:
        """Return placed views without those that are judged apart, which are put aside."""
        if not len(self._gateways.nat):
            return views
        apart = room("apart", views.size, np.uint64)
        told = self._kernel["split"](
            *(address(views), views.size // VIEW, address(self._passing)),
            *(*self._boxes.arguments, *self._ends.arguments, address(apart)),
        )
        aside, kept = divmod(told, WORD)
        if aside:
            self._aside.append(apart[: aside * VIEW].copy())
        return views[: kept * VIEW]

    def apart(self) -> Words:
        """Return what was put aside, and the legs."""
        return np.concatenate(self._aside)

    def _linked(self, words: pl.Categorical, columns: frozenset[str]) -> Words:
        """Return legs, linked with what was written down in full, in rows."""
        theirs = self._gateways.views
        outer, inner = self._ended(theirs)
        half = outer != inner
        if not half.any():
            return theirs[:0]
        own = self._own(np.unique(theirs[half & inner][:, CLIENT]))
        whole = np.concatenate([self._stood(theirs[~half]), own])
        legs = placed(self._stood(theirs[half]).T, columns, words).drop("leg")
        observer = pl.col("where") // WORD
        told = legs.with_columns(outer=pl.Series(outer[half]), observer=observer)
        found = halves(told.lazy(), _slim(whole), self._gateways.boxes.lazy(), words)
        made = rows(found.collect())
        made[:, SEAT] = self._places.seats.numbers(made.ravel())
        return made

    def _ended(self, views: Words) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say which views have the gateway itself as their client, and as their server."""
        out = np.empty(len(views), np.uint8)
        self._kernel["ended"](
            *(address(views), len(views), *self._boxes.arguments, address(out)),
        )
        return out & 1 > 0, out & 2 > 0

    def _own(self, clients: Words) -> Words:
        """Return what clients wrote down themselves, in rows."""
        if not len(clients):
            return np.empty((0, VIEW), np.uint64)
        marks = np.zeros(self._codes + 1, np.uint8)
        marks[np.minimum(clients, np.uint64(self._codes))] = 1
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


def _slim(views: Words) -> pl.LazyFrame:
    """Return of placed views what legs are compared with."""
    names = ("client", "server_end", "what", "where", "times", "marks")
    places = (CLIENT, SERVER, WHAT, WHERE, TIMES, MARKS)
    raw = pl.LazyFrame([column(name, views[:, at]) for name, at in zip(names, places, strict=True)])
    return raw.with_columns(
        observer=pl.col("where") // WORD,
        last_seen=pl.col("times") // WORD,
        place=(pl.col("marks") // 2**PLACE % 4).cast(pl.UInt8),
    )


def _among(pairs: Words) -> Pairs:
    """Return pairs of numbers, so that others are known to be among them."""
    kept = pl.DataFrame([column(str(at), pairs[:, at]) for at in range(2)]).unique()
    one = kept.with_columns(one=pl.lit(1, pl.UInt64)).to_numpy()
    return paired(np.ascontiguousarray(one))
