"""Chosen views to the conversations table, from columns of integers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING, WORD
from flowlens.conversations.counting import PLACES, SURE
from flowlens.conversations.room import room, table
from flowlens.conversations.rows import LEGS
from flowlens.tables import CONVERSATIONS
from flowlens_parsers.machine import Kernel, load
from flowlens_parsers.tokens import Words, address

__all__ = ["NARROW", "WIDE", "Naming"]

#: Columns of 64 bits, times in milliseconds.
WIDE = (
    *("hour", "bytes_out", "packets_out", "bytes_in", "packets_in", "records", "connections"),
    *("first_seen", "last_seen", "observers"),
)
#: Columns of 32 bits; texts are codes.
NARROW = (
    *("observer", "client", "server", "action", "aws_service", "server_port", "protocol"),
    *("orientation", "vantage", "leg", "traffic_path"),
)
TEXTS = NARROW[:5]
CHOICES = {
    "orientation": pl.Series(SURE),
    "vantage": pl.Series(PLACES),
    "leg": LEGS,
}
HALF, BELOW = np.uint64(32), np.uint64(WORD - 1)


@dataclass(slots=True)
class Naming:
    """Names what codes stand for.

    Args:
        texts: what each code stands for.
        ranks: place of the text of each code in the order of all texts.
        more: sets of more than two observers, as lists of codes.
    """

    texts: pl.Series
    ranks: NDArray[np.uint32]
    more: pl.Series
    _kernel: Mapping[str, Kernel] = field(init=False)

    def __post_init__(self) -> None:
        self._kernel = load("flowlens.conversations.sortkernel")
        # Behind the last text stands null, which comes last.
        self.texts = pl.concat([self.texts, pl.Series([None], dtype=pl.String)]).rechunk()
        self.ranks = np.append(self.ranks, np.uint32(2**32 - 1))
        named = pl.lit(self.texts).gather(pl.element()).sort()
        self.more = self.more.to_frame("codes").select(pl.col("codes").list.eval(named)).to_series()

    def frame(self, wide: Words, narrow: NDArray[np.uint32]) -> pl.DataFrame:
        """Return the conversations table.

        Args:
            wide: the columns of `WIDE`; ``observers`` as `chosen` has sets.
            narrow: the columns of `NARROW`; null is the code behind the last text.
        """
        columns = dict(zip(WIDE, wide, strict=True)) | dict(zip(NARROW, narrow, strict=True))
        made = {name: pl.Series(name, values) for name, values in columns.items()}
        made["observers"] = self.observers(wide[-1])
        for name in TEXTS:
            made[name] = self.texts.gather(made[name])
        for name, texts in CHOICES.items():
            made[name] = texts.gather(made[name])
        told = pl.DataFrame([made[name].alias(name) for name in CONVERSATIONS])
        never = [
            pl.when(pl.col(name) > 0).then(pl.col(name))
            for name in ("hour", "first_seen", "last_seen")
        ]
        path = pl.when(pl.col("traffic_path") > 0).then(pl.col("traffic_path") - 1)
        told = told.with_columns(*never, path)
        return told.select(pl.col(name).cast(dtype) for name, dtype in CONVERSATIONS.items())

    def observers(self, sets: Words) -> pl.Series:
        """Return the sorted names of each set of observers; there are few sets.

        Args:
            sets: two codes in a word, or null below the number of a larger set.
        """
        count = len(sets)
        empty, mask = table(count)
        firsts, numbers = room("firsts", count, np.uint32), np.empty(count, np.uint32)
        total = self._kernel["distinct"](
            *(address(sets), count, mask, address(empty)), *(address(firsts), address(numbers))
        )
        return self._named(sets[firsts[:total]]).gather(pl.Series(numbers))

    def _named(self, sets: Words) -> pl.Series:
        low, high = sets & BELOW, sets >> HALF
        larger = (low == NOTHING) & (high != NOTHING)
        few = self._few(low, np.where(larger, np.uint64(NOTHING), high))
        turn = np.arange(len(sets))
        turn[larger] = len(sets) + high[larger].astype(np.int64)
        return pl.concat([few, self.more]).gather(pl.Series(turn))

    def _few(self, low: Words, high: Words) -> pl.Series:
        """Return lists of up to two names."""
        missing = len(self.texts) - 1
        both = np.minimum(np.stack([low, high], axis=1), np.uint64(missing)).astype(np.uint32)
        sizes = (both != missing).sum(axis=1, dtype=np.uint32)
        turned = self.ranks[both[:, 0]] > self.ranks[both[:, 1]]
        both[turned] = both[turned][:, ::-1]
        lists = self.texts.gather(pl.Series(both.ravel())).reshape((-1, 2)).arr.to_list()
        # Cheaper than leaving nulls out.
        shown = pl.col("lists").list.head(pl.lit(pl.Series(sizes)))
        return pl.DataFrame({"lists": lists}).select(shown).to_series()
