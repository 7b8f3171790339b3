"""What passes traffic on, among views in parts: what `legs` does with one frame.

Only what gateways wrote down, and what their clients wrote of the same, is made a frame of. Whose
conversations come out of it is judged apart, with all that others saw of them.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import WORD, text
from flowlens.conversations.legs import PASSING, boxes, linked
from flowlens.conversations.rows import (
    CLIENT,
    MARKS,
    PLACE,
    SEAT,
    VIEW,
    framed,
    placed,
    rows,
)
from flowlens.conversations.seats import Places, Seats
from flowlens.conversations.views import CLIENT as AT_CLIENT
from flowlens_parsers.packing import Words

__all__ = ["Through", "gateways"]

HALF = np.uint64(32)
MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)  # odd, as in xxHash


def gateways(
    seats: Seats,
    parts: Iterator[Words],
    words: pl.Categorical,
    columns: frozenset[str],
    known: pl.LazyFrame | None,
) -> pl.DataFrame:
    """Return ``observer`` and ``box``, as `legs.boxes` does of all views.

    Args:
        seats: all of them.
        parts: yields views.
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
    mine = (_of(views, suspect, seats) for views in parts) if len(suspect) else iter(())
    found = np.concatenate([np.empty((0, VIEW), np.uint64), *mine])
    return boxes(framed(found.T, columns, words).lazy(), words, known).collect()


def _of(views: Words, observers: Words, seats: Seats) -> Words:
    """Return the views of some observers."""
    wanted = np.isin(seats.rows[:, 0] >> HALF, observers)
    return views.reshape(-1, VIEW)[wanted[seats.numbers(views)]]


class Through:
    """Views of gateways that translate addresses, linked, and the ends that these have.

    Args:
        between: what `gateways` returns.
        places: where observers stand.
        words: the dictionary of the codes.
        columns: fields of the records, over all formats.
    """

    def __init__(
        self,
        between: pl.DataFrame,
        places: Places,
        words: pl.Categorical,
        columns: frozenset[str],
    ) -> None:
        self._places = places
        self._nat = between.drop_nulls("box")["observer"].unique().to_numpy()
        self._passing = np.isin(places.seats.rows[:, 0] >> HALF, self._nat)  # of each seat
        self._ends = np.empty(0, np.uint64)
        self._aside: list[Words] = []
        if len(self._nat):
            self._link(between, words, columns)

    def split(self, views: Words) -> Words:
        """Return placed views without those that are judged apart, which are put aside."""
        if not len(self._nat):
            return views
        table = views.reshape(-1, VIEW)
        gone = self._passed(table)
        apart = _among(_ends(table), self._ends) & ~gone
        self._aside.append(table[apart])
        return table[~(gone | apart)].ravel()

    def apart(self) -> Words:
        """Return what was put aside, and the legs."""
        found = np.concatenate([np.empty((0, VIEW), np.uint64), *self._aside])
        return found.ravel()

    def _link(self, between: pl.DataFrame, words: pl.Categorical, columns: frozenset[str]) -> None:
        theirs = np.concatenate([views[self._passed(views)] for views in self._stood()])
        clients = np.unique(theirs[:, CLIENT])
        near = [views[self._near(views, clients)] for views in self._stood()]
        both = placed(np.concatenate([theirs, *near]).T, columns, words).drop("leg").lazy()
        observer = pl.col("where") // WORD
        legs = linked(both.with_columns(observer=observer), between.lazy(), words)
        made = rows(legs.filter(observer.is_in(self._nat)).collect())
        made[:, SEAT] = self._places.seats.numbers(made.ravel())
        self._ends = np.unique(_ends(made))
        self._aside.append(made)

    def _stood(self) -> Iterator[Words]:
        """Yield the placed views of all parts."""
        for part in self._places.parts():
            views = part.copy()
            self._places.stand(views)
            yield views.reshape(-1, VIEW)

    def _passed(self, views: Words) -> NDArray[np.bool_]:
        passed: NDArray[np.bool_] = self._passing[views[:, SEAT]]
        return passed

    def _near(self, views: Words, clients: Words) -> NDArray[np.bool_]:
        """Say which views are the clients' own."""
        own = (views[:, MARKS] >> np.uint64(PLACE)) & np.uint64(3) == AT_CLIENT
        near: NDArray[np.bool_] = own & _among(views[:, CLIENT], clients) & ~self._passed(views)
        return near


def _among(values: Words, known: Words) -> NDArray[np.bool_]:
    """Say which values are among known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found: NDArray[np.bool_] = known[at] == values
    return found


def _ends(views: Words) -> Words:
    """Return a number for what each view shares over all hours and actions; two may share one."""
    mixed: Words = np.bitwise_xor.reduce(views[:, :2] * MIX, axis=1)
    return mixed ^ (mixed >> HALF)
