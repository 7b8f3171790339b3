"""Lines that hold one of some texts, cut out of text that is otherwise not parsed at all.

A line without the texts is passed over with two looks at its bytes: where it ends, and whether it
may be a header. Where many lines hold one, or something is odd, text is parsed as ever.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flowlens_parsers.batch import Clause
from flowlens_parsers.streams import LIMIT, Reader

__all__ = ["Piece", "Sieve"]

Places = NDArray[np.int64]

#: One line in so many may be cut out; beyond it cutting costs more than parsing.
DENSE = 16
#: Parts in a row that were too dense for the rest of the object to be read as ever.
GIVE_UP = 4

# A header as `headers.header` knows it, or nearly: possessive, so that no line is looked at twice.
_WORD = rb"[A-Za-z][A-Za-z0-9_-]*+"
_HEADER = re.compile(
    rb"\n((?:\xef\xbb\xbf)?[ \t\r]*+" + _WORD + rb"(?:[ \t\r]++" + _WORD + rb")++[ \t\r]*+)(?=\n)"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of text: some of them, or all where `rows` is None."""

    text: bytes
    lines: int  # in it, or in what it was cut out of
    rows: Places | None = None  # which of the lines the text is, from 0


@dataclass(slots=True)
class Sieve:
    """Cuts lines out of the bytes of an object.

    Args:
        clause: Tells the texts.
        same: Says whether a line that looks like a header changes nothing.
    """

    clause: Clause
    same: Callable[[bytes], bool]
    _mask: NDArray[np.bool_] = field(default_factory=lambda: np.empty(2 * LIMIT + 2, np.bool_))

    def pieces(self, reader: Reader) -> Iterator[Piece]:
        """Yield what is to be parsed, in order; what is left in the reader is to be read as ever.

        Args:
            reader: Stands at the beginning of a line.
        """
        tail, dense = b"", 0
        while part := reader.part():
            first, end = part.find(b"\n") + 1, part.rfind(b"\n") + 1
            if len(tail) + (first or len(part)) > LIMIT or dense == GIVE_UP:
                reader.give(part)
                break
            if first:
                yield self.sift(b"\n" + tail + part[:first], 1)
                body = self.sift(part[:end] if first < end else b"", first)
                dense = dense + 1 if body.rows is None and body.lines else 0
                yield body
            tail = part[end:] if first else tail + part
        reader.give(tail)

    def sift(self, text: bytes, begin: int) -> Piece:
        """Return the lines of `text` from `begin` on that hold a needle, or all of them.

        Args:
            text: Ends with a newline, and has one before `begin`.
            begin: Where the first line begins.
        """
        if begin >= len(text):
            return Piece(b"", 0, np.empty(0, np.int64))
        signs = np.frombuffer(text, np.uint8)[begin:]
        ends = np.flatnonzero(np.equal(signs, 10, out=self._mask[: len(signs)]))
        starts = np.concatenate([[0], ends[:-1] + 1])
        found = self._find(text, begin, most=16 + len(ends) // DENSE)
        if found is None or self._turns(text, begin, signs[starts]):
            return Piece(text[begin:], len(ends))
        rows = np.unique(np.searchsorted(ends, np.array(found, np.int64) - begin))
        spans = zip(starts[rows].tolist(), ends[rows].tolist(), strict=True)
        lines = [text[begin + start : begin + end + 1] for start, end in spans]
        return Piece(b"".join(lines), len(ends), rows)

    def _find(self, text: bytes, begin: int, most: int) -> list[int] | None:
        """Return a place in each line that holds a needle, None if these are too many."""
        found: list[int] = []
        for needle in self.clause.needles:
            at = text.find(needle, begin)
            while at >= 0:
                if not self.clause.whole or _whole(text, at, at + len(needle)):
                    found.append(at)
                    at = text.find(b"\n", at)
                if len(found) > most:
                    return None
                at = text.find(needle, at + 1)
        return found

    def _turns(self, text: bytes, begin: int, signs: NDArray[np.uint8]) -> bool:
        """Say whether a header among the lines, of which these are the first signs, counts."""
        # Digits and '-' begin no word; what is below 33 and above 57 wraps around to more than 24.
        if not ((signs - np.uint8(33)) > np.uint8(24)).any():
            return False
        return not all(self.same(line[1]) for line in _HEADER.finditer(text, begin - 1))


def _whole(text: bytes, begin: int, end: int) -> bool:
    """Say whether blanks or ends of lines, which sort below all signs, stand around a place."""
    return text[begin - 1] <= 32 and text[end] <= 32
