"""Views to conversations, part by part: what `counting.counted` does with frames."""

from threading import Lock

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING, text
from flowlens.conversations.room import room, table
from flowlens.conversations.rows import VIEW, WHAT
from flowlens.conversations.seats import Seats
from flowlens_parsers.machine import load
from flowlens_parsers.tokens import Words, address

__all__ = ["Chooser"]

HALF = np.uint64(32)
_KERNELS = ("thread", "choose")


class Chooser:
    """Chooses one view of each conversation, and keeps who else saw it.

    Args:
        seats: all of them.
        words: the dictionary of the codes.
    """

    def __init__(self, seats: Seats, words: pl.Categorical) -> None:
        threads, choose = (load(f"flowlens.conversations.{name}kernel") for name in _KERNELS)
        self._kernel = {**threads, **choose}
        self._lock = Lock()
        self._seats = np.ascontiguousarray(seats.rows)
        self._turns = _turns(seats, words)
        self._sets: dict[bytes, int] = {}

    def choose(self, views: Words, out: Words) -> int:
        """Write out one view of each conversation, its observers in place of its seat.

        Args:
            views: placed, in one row; all of a conversation over all hours is among them.
            out: room for as many.

        Returns:
            how many there are.
        """
        count = views.size // VIEW
        empty, mask = table(count)
        numbers, heads = room("numbers", count, np.uint32), room("heads", count, np.uint32)
        several = room("several", count, np.uint8)
        self._kernel["threads"](
            *(address(views), count, mask, address(empty)),
            *(address(numbers), address(heads), address(several)),
        )
        alone = (address(views), count, address(numbers), address(several), address(out))
        done = self._kernel["alone"](*alone)
        order = np.flatnonzero(several[numbers])
        hours = views[WHAT::VIEW][order] >> HALF
        order = order[((numbers[order].astype(np.uint64) << HALF) | hours).argsort()]
        kept, sets = self._best(views, order.astype(np.uint32), numbers)
        best = (address(views), address(kept), address(sets), len(kept), address(out), done)
        return self._kernel["write"](*best)

    def sets(self) -> pl.Series:
        """Return the sets of more than two observers, as lists of codes."""
        found = [np.frombuffer(some, np.uint32).tolist() for some in self._sets]
        return pl.Series(found, dtype=pl.List(pl.UInt32))

    def _best(
        self, views: Words, order: NDArray[np.uint32], numbers: NDArray[np.uint32]
    ) -> tuple[NDArray[np.uint32], Words]:
        """Return the numbers of the best views of some, in order, and the sets of observers."""
        count = len(order)
        scratch = np.empty((3, count + 3), np.uint32)
        steps, sets = np.empty(count + 1, np.uint8), np.empty(count, np.uint64)
        kept, sizes = np.empty(count, np.uint32), np.empty(count, np.uint32)
        sums = np.zeros(len(self._seats), np.uint64)
        done = self._kernel["choose"](
            *(address(views), address(order), count, address(numbers)),
            *(address(self._seats), address(sums), address(self._turns)),
            *(address(scratch[0]), address(scratch[1]), address(steps)),
            *(address(kept), address(sets), address(scratch[2]), address(sizes)),
        )
        large = np.flatnonzero(sizes[:done] > 2)
        if len(large):
            sets[large] = self._numbered(scratch[2], sets[large] >> HALF, sizes[large])
        return kept[:done], sets[:done]

    def _numbered(
        self, members: NDArray[np.uint32], starts: Words, sizes: NDArray[np.uint32]
    ) -> Words:
        """Return words for sets of more than two: null below their number."""
        spans = np.stack([starts, starts + sizes], axis=1).tolist()
        found = [members[start:end].tobytes() for start, end in spans]
        with self._lock:
            known = self._sets
            numbers = [known.setdefault(some, len(known)) for some in found]
        return (np.array(numbers, np.uint64) << HALF) | np.uint64(NOTHING)


def _turns(seats: Seats, words: pl.Categorical) -> NDArray[np.uint32]:
    """Return the place of each seat in the order of observers' and flow logs' names."""
    names = (text(pl.col(name), words).fill_null("").alias(name) for name in ("observer", "log"))
    turn = pl.struct(*names).rank("dense").cast(pl.UInt32)
    return seats.frame().select(turn).collect().to_series().to_numpy().copy()
