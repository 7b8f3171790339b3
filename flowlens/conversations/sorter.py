"""Chosen views in order, a piece at a time: what `counting.ordered` does with one frame.

Conversations go by hour, client, server, port, protocol and action, texts by their letters. They
are first put into buckets that follow one another, and then each bucket is sorted by itself, so
that no more of them lie in memory than a few buckets have.
"""

import numpy as np
from numpy.typing import NDArray

from flowlens.conversations.codes import WORD
from flowlens.conversations.naming import NARROW, WIDE
from flowlens.conversations.pile import Pile
from flowlens.conversations.rows import VIEW, WHAT
from flowlens.conversations.spool import Spool
from flowlens_parsers.machine import load
from flowlens_parsers.tokens import Words, address

__all__ = ["ROWS", "Sorter"]

ROWS = 1 << 16  # conversations of a bucket, about
BLOCK = 1 << 17  # conversations that are put into buckets at once
HOUR = 43  # bits below the hour: 21 of hours are enough until 2105
TIES = 8  # exchanges a conversation that are less work than sorting by two words
BELOW = np.uint64(WORD - 1)


class Sorter:
    """Takes conversations from several threads, and gives them back in order.

    Args:
        spool: where they lie meanwhile.
        ranks: place of the text of each code in the order of all texts.
        sample: some of them, in rows of `VIEW` integers.
        count: how many there will be, about.
    """

    def __init__(self, spool: Spool, ranks: NDArray[np.uint32], sample: Words, count: int) -> None:
        self._kernel = load("flowlens.conversations.sortkernel")
        self._ranks = ranks
        self._plain = np.zeros(len(ranks) + 1, np.uint8)
        buckets = min(count // ROWS + 1, 2**16 - 1)
        upper = np.sort(self._keys(sample.ravel(), self._plain)[0])
        at = np.arange(1, buckets) * len(upper) // buckets
        self._bounds = np.unique(upper[at[: len(upper)]])
        self._pile = Pile(spool, len(self._bounds) + 1, VIEW, BLOCK)

    @property
    def buckets(self) -> range:
        """The numbers of the buckets."""
        return self._pile.parts

    def desk(self, count: int) -> Words:
        """Return room of this thread for so many conversations, in one row."""
        return self._pile.desk(count)[0]

    def put(self, count: int) -> None:
        """Take what this thread wrote into its room: so many conversations."""
        rows, buckets = self._pile.desk(count)
        upper, _ = self._keys(rows[: count * VIEW], self._plain)
        buckets[:count] = np.searchsorted(self._bounds, upper, side="right")
        self._pile.put(count)

    def close(self) -> None:
        """Nothing more comes."""
        self._pile.close()

    def give(self, bucket: int) -> tuple[Words, NDArray[np.uint32]]:
        """Return the conversations of a bucket in order, in columns as `naming` has them."""
        (rows,) = self._pile.each(range(bucket, bucket + 1))
        order = self._order(rows)
        wide = np.empty((len(WIDE), len(order)), np.uint64)
        narrow = np.empty((len(NARROW), len(order)), np.uint32)
        self._kernel["columns"](
            *(address(rows), address(order), len(order), len(self._ranks)),
            *(address(wide), address(narrow)),
        )
        return wide, narrow

    def _order(self, rows: Words) -> NDArray[np.int64]:
        """Return the numbers of rows in order; an action has eight bits, if these are enough."""
        actions = np.unique(rows[WHAT::VIEW] & BELOW)
        turns = np.argsort(np.argsort(self._ranked(actions)))
        known = self._plain.copy()
        known[np.minimum(actions, np.uint64(len(known) - 1))] = np.minimum(turns, 255)
        upper, lower = self._keys(rows, known)
        order, most = upper.argsort(), TIES * len(upper)
        keys = (address(order), len(order), address(upper), address(lower), most)
        if len(actions) > 256 or self._kernel["ties"](*keys):
            return np.lexsort((self._ranked(rows[WHAT::VIEW] & BELOW), lower, upper))
        return order

    def _ranked(self, codes: Words) -> NDArray[np.uint32]:
        ranks = np.append(self._ranks, np.uint32(0))
        return ranks[np.minimum(codes, np.uint64(len(self._ranks)))]

    def _keys(self, rows: Words, actions: NDArray[np.uint8]) -> tuple[Words, Words]:
        count, bits = rows.size // VIEW, len(self._ranks).bit_length()
        upper, lower = np.empty(count, np.uint64), np.empty(count, np.uint64)
        self._kernel["keys"](
            *(address(rows), count, address(self._ranks), HOUR - bits, HOUR - 2 * bits),
            *(address(actions), len(actions) - 1, address(upper), address(lower)),
        )
        return upper, lower
