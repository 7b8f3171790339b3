"""Lines that hold one of some texts, cut out of text that is otherwise not parsed at all.

A line without the texts is passed over with two looks at its bytes: where it ends, and whether it
may be a header. Where many lines hold one, or something is odd, text is parsed as ever.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from flowlens_parsers.batch import SIZE, Clause
from flowlens_parsers.bundle import BLOCK
from flowlens_parsers.search import Search, plain, swift
from flowlens_parsers.streams import Block, Fault, Reader, lent

__all__ = ["Piece", "Sieve"]

#: Bytes in which a line may be cut out; where there are more, parsing costs less.
DENSE = 1600
#: Parts in a row that were too dense for the rest of the object to be read as ever.
GIVE_UP = 4

# A header as `headers.header` knows it, or nearly: possessive, so that no line is looked at twice.
_WORD = rb"[A-Za-z][A-Za-z0-9_-]*+"
_HEADER = re.compile(
    rb"^(?:\xef\xbb\xbf)?[ \t\r]*+" + _WORD + rb"(?:[ \t\r]++" + _WORD + rb")++[ \t\r]*+$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of text: some of them, or all where `rows` is None; used before the next one."""

    text: Block
    rows: list[int] | None = None  # which of the lines the text is, from 0
    lines: int = 0  # in what it was cut out of


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

    def pieces(self, reader: Reader) -> Iterator[Piece | Fault]:
        """Yield what is to be parsed, in order.

        Args:
            reader: Stands at the beginning of a line; it is read to its end.
        """
        blocks, dense = lent(reader, BLOCK), 0
        for block in blocks:
            if isinstance(block, Fault):
                yield block
                continue
            piece = self.sift(block)
            yield piece
            dense = dense + 1 if piece.rows is None else 0
            if dense == GIVE_UP:
                break
        yield from _joined(blocks)

    def sift(self, text: Block) -> Piece:
        """Return those of some whole lines that hold a needle, or all of them."""
        found = self.search.places(text, self.clause, 16 + len(text) // DENSE)
        if found is None:
            return Piece(text)
        lines = self.search.lines(text, found)
        if lines.odd and self._turns(text):
            return Piece(text)
        rows = dict(zip(lines.before, found, strict=True))  # one place a line will do
        cut = [
            text[text.rfind(b"\n", 0, at) + 1 : text.find(b"\n", at) + 1] for at in rows.values()
        ]
        return Piece(b"".join(cut), list(rows), lines.total)

    def _turns(self, text: Block) -> bool:
        """Say whether a header among the lines means other columns."""
        return not all(self.same(line[0]) for line in _HEADER.finditer(text))


def _joined(blocks: Iterator[Block | Fault]) -> Iterator[Piece | Fault]:
    """Yield blocks as they are, but many at a time."""
    text = bytearray()
    for block in blocks:
        if text and (isinstance(block, Fault) or len(text) >= SIZE):
            yield Piece(text)
            text = bytearray()
        if isinstance(block, Fault):
            yield block
        else:
            text += block
    if text:
        yield Piece(text)
