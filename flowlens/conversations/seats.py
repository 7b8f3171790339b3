"""Seats: what all views of one observer, through one flow log, have in common.

Where an observer stands to a conversation depends on all that it saw. That is gathered here, part
by part, and then told for each view; `views.placed` does the same with frames.
"""

from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import WORD, column
from flowlens.conversations.room import table
from flowlens.conversations.rows import CLIENT, SERVER, VIEW, WHERE
from flowlens.conversations.sights import NONE, Over, Sights
from flowlens_parsers.machine import load
from flowlens_parsers.tokens import Words, address

__all__ = ["Known", "Places", "Seats"]

SEAT = 4  # integers of a seat
PLACE, PAIR, SPAN, FACTS = range(4)  # where it has what; its place is observer and flow log
LOW, HIGH, INSTANCE, STANDIN = 1, 2, 4, 8  # bits of the facts
HALF, END = np.uint64(32), np.uint64(24)


class Seats:
    """Seats by observer and flow log, which several threads add to."""

    def __init__(self) -> None:
        self._kernel = load("flowlens.conversations.seatkernel")
        self._lock = Lock()
        self._table, self._mask = _table(0)
        self._rows: Words = np.empty((self._mask + 1) // 2 * SEAT, np.uint64)
        self.count = 0

    @property
    def rows(self) -> Words:
        """The seats, `SEAT` integers each."""
        return self._rows[: self.count * SEAT].reshape(-1, SEAT)

    def see(self, views: Words) -> None:
        """Take note of views, `VIEW` integers each in one row."""
        count = views.size // VIEW
        with self._lock:
            self._grow(self.count + count)
            self.count = self._kernel["see"](
                *(address(views), count, address(self._rows), self.count),
                *(self._mask, address(self._table)),
            )

    def known(self) -> tuple[int, int, int]:
        """Return what compiled functions find seats by: rows, mask and hash table."""
        return address(self._rows), self._mask, address(self._table)

    def numbers(self, views: Words) -> NDArray[np.uint32]:
        """Return the number of each view's seat."""
        count = views.size // VIEW
        out = np.empty(count, np.uint32)
        self._kernel["seat"](
            *(address(views), count, *self.known(), address(out)),
        )
        return out

    def frame(self) -> pl.LazyFrame:
        """Return the seats as a frame: number, observer, common addresses, what was seen."""
        rows = self.rows
        raw = pl.LazyFrame([column(str(at), rows[:, at]) for at in range(SEAT)])
        pair, facts = pl.col(str(PAIR)), pl.col(str(FACTS))
        low = pl.when(facts & LOW != 0).then(pair % WORD)
        high = pl.when(facts & HIGH != 0).then(pair // WORD)
        return raw.with_row_index("seat").select(
            "seat",
            observer=pl.col(str(PLACE)) // WORD,
            log=pl.col(str(PLACE)) % WORD,
            common=pl.concat_list(low, high),
            instance=facts & INSTANCE != 0,
            standin=facts & STANDIN != 0,
        )

    def _grow(self, most: int) -> None:
        """Make room for so many seats."""
        if 2 * most > self._mask + 1:
            self._table, self._mask = _table(2 * most)
            rows = np.empty((self._mask + 1) // 2 * SEAT, np.uint64)
            rows[: self.count * SEAT] = self._rows[: self.count * SEAT]
            self._rows = rows
            self._kernel["rehash"](address(rows), self.count, self._mask, address(self._table))


def _table(count: int) -> tuple[NDArray[np.uint32], int]:
    empty, mask = table(count, "seats")
    return empty.copy(), mask


@dataclass(frozen=True, slots=True)
class Known:
    """What the inventory and the gateways tell, as codes.

    Args:
        boxed: observers that pass traffic on.
        held: observer and address, in one integer, of interfaces that hold addresses, sorted;
            None without an inventory.
    """

    boxed: pl.Series
    held: Words | None


@dataclass(slots=True)
class Places:
    """Where observers stand to their conversations.

    Args:
        seats: all of them.
        known: what others tell.
        over: does something to the views of each part; asked where observers have no own address.
        codes: texts in the dictionary.
    """

    seats: Seats
    known: Known
    over: Over
    codes: int
    _owns: Words = field(init=False)
    _about: NDArray[np.uint8] = field(init=False)
    _sights: Sights | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        about = _about(self.seats.frame(), self.known.boxed).collect()
        self._owns = about["own"].to_numpy().copy()
        self._about = about["about"].to_numpy().copy()
        if (self._owns == NONE).any():
            self._sights = Sights(self._torn, self.over, self.codes)

    def stand(self, views: Words) -> None:
        """Write into views where their observers stand.

        In place of raw addresses each gets the number of its seat.
        """
        numbers, count = self.seats.numbers(views), views.size // VIEW
        less, holds = np.full(count, NONE, np.uint64), np.zeros(count, np.uint8)
        torn = self._owns[numbers] == NONE
        if self._sights is not None and torn.any():
            less[torn] = self._sights.less(views.reshape(-1, VIEW)[torn])
        if self.known.held is not None:
            holds = _holding(views.reshape(-1, VIEW), self.known.held)
        load("flowlens.conversations.seatkernel")["stand"](
            *(address(views), count, address(numbers), address(self._about)),
            *(address(self._owns), address(less), address(holds)),
        )

    def _torn(self, views: Words) -> NDArray[np.bool_]:
        torn: NDArray[np.bool_] = self._owns[self.seats.numbers(views)] == NONE
        return torn


def _about(seats: pl.LazyFrame, boxed: pl.Series) -> pl.LazyFrame:
    """Return ``own`` of each seat, all bits where there is none, and ``about``.

    An observer's own address is the one that is common to all its seats.
    """
    common = seats.explode("common").drop_nulls("common")
    known = common.group_by("observer", "common").agg(times=pl.len())
    total = seats.group_by("observer").agg(seats=pl.len(), holder=pl.any("instance"))
    shared = known.join(total, on="observer").filter(pl.col("times") == pl.col("seats"))
    own = shared.group_by("observer").agg(own=pl.when(pl.len() == 1).then(pl.first("common")))
    passing = pl.col("observer").is_in(boxed.implode()).cast(pl.UInt8) * 2
    return (
        seats.select("seat", "observer")
        .join(total, on="observer")
        .join(own, on="observer", how="left")
        .sort("seat")
        .select(
            own=pl.col("own").fill_null(pl.lit(NONE, pl.UInt64)),
            about=pl.col("holder").cast(pl.UInt8) + passing,
        )
    )


def _holding(views: Words, held: Words) -> NDArray[np.uint8]:
    """Return which ends of each view its interface holds: 1 the client, 2 the server, 3 both."""
    where = views[:, WHERE] >> HALF << HALF
    client = np.isin(where | views[:, CLIENT], held)
    server = np.isin(where | (views[:, SERVER] >> END), held)
    return client.astype(np.uint8) | (server.astype(np.uint8) << np.uint8(1))
