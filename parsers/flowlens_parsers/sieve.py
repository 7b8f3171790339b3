"""Lines that hold one of some texts, cut out of text that is otherwise not parsed at all.

A line without the texts is passed over with two looks at its bytes: where it ends, and whether it
may be a header. Where many lines hold one, or something is odd, text is parsed as ever.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from flowlens_parsers.batch import Clause
from flowlens_parsers.search import Search, plain, swift
from flowlens_parsers.streams import LIMIT, Reader

__all__ = ["Piece", "Sieve"]

#: Bytes in which a line may be cut out; where there are more, parsing costs less.
DENSE = 1600
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
    rows: list[int] | None = None  # which of the lines the text is, from 0


@dataclass(slots=True)
class Sieve:
    """Cuts lines out of the bytes of an object.

    Args:
        clause: Tells the texts.
        same: Says whether a line that looks like a header changes nothing.
        search: How the texts are found.
    """

    clause: Clause
    same: Callable[[bytes], bool]
    search: Search = field(default_factory=lambda: swift() or plain())

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
                line = b"\n" + tail + part[:first]
                yield self.sift(line, 1, len(line))
            if first < end:
                body = self.sift(part, first, end)
                dense = dense + 1 if body.rows is None else 0
                yield body
            tail = part[end:] if first else tail + part
        reader.give(tail)

    def sift(self, text: bytes, begin: int, end: int) -> Piece:
        """Return those of some whole lines that hold a needle, or all of them.

        Args:
            text: Has a newline before the lines.
            begin: Where the first line begins.
            end: Behind the newline of the last one.
        """
        found = self.search.places(text, begin, end, self.clause, 16 + (end - begin) // DENSE)
        lines = self.search.lines(text, begin, end, found or [])
        if found is None or (lines.odd and self._turns(text, begin, end)):
            return Piece(text[begin:end], lines.total)
        rows = dict(zip(lines.before, found, strict=True))  # one place a line will do
        cut = [
            text[text.rfind(b"\n", 0, at) + 1 : text.find(b"\n", at) + 1] for at in rows.values()
        ]
        return Piece(b"".join(cut), lines.total, list(rows))

    def _turns(self, text: bytes, begin: int, end: int) -> bool:
        """Say whether a header among the lines means other columns."""
        return not all(self.same(line[1]) for line in _HEADER.finditer(text, begin - 1, end))
