"""The packing parser: a block of text to integers, for whoever merges records by the million.

Texts become codes of a dictionary that belongs to the packer; numbers stay numbers. Each record
is `WIDTH` integers of 64 bits, laid out as `rowkernel.pack` writes them. What the kernel cannot
prove about a line is left to the tolerant parser, so both give the same account of every line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens_parsers.fields import SCHEMA
from flowlens_parsers.machine import load
from flowlens_parsers.slots import MARGIN, MOST, OTHER, PLACES, SLOTS, SPAN, WIDTH, blank, kind
from flowlens_parsers.streams import Block
from flowlens_parsers.tokens import ADDRESS, BAD, NUMERAL, WORD, Code, Tokens, Words, address

if TYPE_CHECKING:
    from flowlens_parsers.columnar import Columnar

__all__ = ["Packed", "Packer"]

Odd = list[int]  # offset in the block, number of the line in the block

STOPS = 1 << 14  # tokens that it takes at once

ROOM = 1 << 17  # rows that there is room for at first

CODED = [0, PLACES, 7]  # where a row has codes that may be `BAD`
LINE = 6  # where a row has its action and its offset in the block

# The counters that tell how far the kernel is.
AT, ROWS, ODDS, _, LINES = range(5)


@dataclass(frozen=True, slots=True)
class Packed:
    """What is told of a block besides its records.

    Args:
        lines: all of them, also empty ones.
        odd: those that are left to the tolerant parser.
    """

    lines: int
    odd: list[Odd]


class Packer:
    """Packs blocks of text; its dictionary grows as new texts come, and its rows until dropped.

    Args:
        code: codes texts for `codes`; called with each text once.
    """

    def __init__(self, code: Code) -> None:
        self._state = np.zeros(8, np.int64)
        self._tokens = Tokens(code, self._state)
        self._kernel = load("flowlens_parsers.kernel")
        self._rows: Words = np.empty(ROOM * WIDTH, np.uint64)
        self._odd = np.empty(ROOM * 2, np.uint32)
        self._work: tuple[NDArray[Any], ...] = (
            np.zeros(STOPS + MARGIN, np.uint32),
            np.zeros(SPAN + 1, np.uint32),
            np.zeros(SPAN + 1, np.uint8),
        )
        self._places()
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def _places(self) -> None:
        """Note where everything lies in memory."""
        self._room = len(self._odd) // 2
        self._working = tuple(address(array) for array in self._work)
        self._output = (
            *(address(self._rows), address(self._odd), self._room),
            address(self._state),
        )

    @property
    def codes(self) -> NDArray[np.uint32]:
        """The caller's code of each of the packer's."""
        return self._tokens.codes

    @cached_property
    def columnar(self) -> "Columnar":
        """What packs columns: as the packer, it knows the texts of the objects before."""
        from flowlens_parsers.columnar import Columnar

        return Columnar(self._tokens)

    @property
    def height(self) -> int:
        """How many records there are."""
        return int(self._state[ROWS])

    @property
    def records(self) -> Words:
        """The records: WIDTH integers each, whose codes are the packer's. More may replace them."""
        return self._rows[: self.height * WIDTH].reshape(-1, WIDTH)

    def drop(self, height: int = 0) -> None:
        """Forget the records after the first `height`."""
        self._state[ROWS] = height

    def pack(self, block: Block, names: Sequence[str]) -> Packed:
        """Add the records of a block of whole lines, each ending in a newline.

        Args:
            block: text.
            names: columns in the order of the values.
        """
        plan = self._plans.get(tuple(names)) or self._plans.setdefault(tuple(names), _Plan(names))
        before, state = self.height, self._state
        state[AT] = state[ODDS] = state[LINES] = 0
        # The kernel looks ahead, so behind the last lines there must be something.
        cut = block.rfind(b"\n", 0, max(0, len(block) - MARGIN)) + 1
        rest = np.frombuffer(block[cut:] + bytes(MARGIN), np.uint8)
        self._scan(address(np.frombuffer(block, np.uint8)), cut, plan)
        self._scan(address(rest) - cut, len(block), plan)
        odd = self._odd[: state[ODDS] * 2].reshape(-1, 2).tolist()
        if not self._tokens.spotless:
            odd = sorted(odd + self._refused(before, block))
        return Packed(int(state[LINES]), odd)

    def _scan(self, text: int, size: int, plan: "_Plan") -> None:
        """Add the rows of whole lines.

        Args:
            text: where in memory the block begins, or would begin.
            size: bytes up to which it is read.
            plan: what the lines have.
        """
        state, most, tokens = self._state, plan.coded * SPAN, self._tokens
        while state[AT] < size:
            if max(state[ROWS], state[ODDS]) + SPAN > self._room:
                self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
                self._odd = np.concatenate([self._odd, np.empty_like(self._odd)])
                self._places()
            self._kernel["scan"](
                *(text, size, *plan.arguments, *self._working, *tokens.arguments),
                *(tokens.room - most, *self._output),
            )
            tokens.learn(most)

    def _refused(self, before: int, block: Block) -> list[Odd]:
        """Take out the records of a block whose codes are not good; return where these are."""
        tokens, rows = self._tokens, self.records[before:]
        codes = np.append(tokens.codes, np.uint32(0))
        halves = np.minimum(rows[:, CODED].copy().view(np.uint32), tokens.room)
        bad = (codes[halves] == BAD).any(axis=1)
        places = (rows[bad, LINE] >> 32).tolist()
        good = rows[~bad]
        rows[: len(good)] = good
        self.drop(before + len(good))
        return [[at, block.count(b"\n", 0, at)] for at in places]


class _Plan:
    """What the kernel does with each value of a layout."""

    def __init__(self, names: Sequence[str]) -> None:
        kinds = [kind(name) for name in names]
        places = [SLOTS.index(name) if name in SLOTS else OTHER for name in names]
        most = [MOST.get(SCHEMA.get(name, pl.String()), 2**63) for name in names]
        self.kinds = np.array(kinds, np.uint8)
        self.places = np.array(places, np.uint8)
        self.most = np.array(most, np.uint64)
        self.columns = blank()
        #: How many tokens of a line get a code.
        self.coded = sum(of in (WORD, ADDRESS, NUMERAL) for of in kinds)
        arrays: tuple[NDArray[Any], ...] = (self.kinds, self.places, self.most)
        self.arguments = (
            *(address(array) for array in arrays),
            *(len(kinds), address(self.columns)),
        )
