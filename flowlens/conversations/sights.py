"""Which address looks like an observer's own, where none is in all that it saw.

`views._torn` does the same with frames.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING, WORD
from flowlens.conversations.rows import CLIENT, RAWS, SERVER, VIEW, WHERE
from flowlens_parsers.tokens import Words

__all__ = ["NONE", "Over", "Sights"]

NONE = 2**64 - 1
HALF, END = np.uint64(32), np.uint64(24)
BELOW = np.uint64(WORD - 1)

T = TypeVar("T")


class Over(Protocol):
    """Does something to the views of each part, which nobody may change or keep."""

    def __call__(self, do: Callable[[Words], T], /) -> list[T]:
        """Return what comes of it, in order of the parts."""


def near(views: Words) -> tuple[Words, Words]:
    """Return the addresses of client and server that the records themselves name."""
    raws = views[:, RAWS]
    low, high = raws & BELOW, raws >> HALF
    client = np.where(low == NOTHING, views[:, CLIENT], low)
    return client, np.where(high == NOTHING, views[:, SERVER] >> END, high)


class Sights:
    """How often an observer sees an address, and how many observers do.

    Args:
        torn: says which views are of observers without an own address.
        over: does something to the views of each part.
        codes: texts in the dictionary.
    """

    def __init__(self, torn: Callable[[Words], NDArray[np.bool_]], over: Over, codes: int) -> None:
        self._last = codes
        wanted = np.zeros(codes + 1, bool)

        def want(views: Words) -> None:
            for end in near(views.reshape(-1, VIEW)[torn(views)]):
                wanted[self._mark(end)] = True

        over(want)
        found = over(lambda views: self._pairs(views.reshape(-1, VIEW), wanted))
        keys, times = (np.concatenate(side) for side in zip(*found, strict=True))
        self.keys, starts = np.unique(keys, return_inverse=True)
        self.times = np.bincount(starts, times, len(self.keys)).astype(np.int64)
        self.spread = np.bincount(self._mark(self.keys & BELOW), minlength=codes + 1)

    def less(self, views: Words) -> Words:
        """Return the address that looks like the observer's own, all bits where none does."""
        client, server = near(views)
        where = views[:, WHERE] >> HALF << HALF
        more = self._times(where | client) - self._times(where | server)
        fewer = self.spread[self._mark(server)] - self.spread[self._mark(client)]
        sign = np.where(more == 0, fewer, more)
        neither = np.where(sign == 0, np.uint64(NONE), server)
        return np.where(sign > 0, client, neither)

    def _mark(self, codes: Words) -> NDArray[np.int64]:
        return np.minimum(codes, np.uint64(self._last)).astype(np.int64)

    def _times(self, keys: Words) -> NDArray[np.int64]:
        return self.times[np.searchsorted(self.keys, keys)]

    def _pairs(self, views: Words, wanted: NDArray[np.bool_]) -> tuple[Words, NDArray[np.int64]]:
        client, server = near(views)
        where = views[:, WHERE] >> HALF << HALF
        first = wanted[self._mark(client)]
        second = wanted[self._mark(server)] & (client != server)
        keys = np.concatenate([(where | client)[first], (where | server)[second]])
        return np.unique(keys, return_counts=True)
