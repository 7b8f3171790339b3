"""Parse of a text only the lines that may be wanted, with the numbers that they have in it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from flowlens_parsers.batch import EVERY, LINE, Batch, passed
from flowlens_parsers.headers import header
from flowlens_parsers.lines import merge
from flowlens_parsers.sieve import Piece, Sieve
from flowlens_parsers.streams import Reader

if TYPE_CHECKING:
    from flowlens_parsers.text import Cursor

__all__ = ["picked"]

#: Parts of an object whose lines, where few were cut out, are parsed together.
HELD = 128

Held = Sequence[tuple[int, Piece]]


def picked(cursor: "Cursor", reader: Reader) -> Iterator[Batch]:
    """Parse the lines that may be wanted, as far as these can be told from the others.

    Args:
        cursor: Stands at the beginning of the text; afterwards at that of what is left.
        reader: The text; what is left in it is to be read as ever.
    """

    def same(line: bytes) -> bool:
        return header(line.decode("utf-8", "replace")) in (None, cursor.names)

    clause = cursor.options.wanted.best
    if clause is None:
        return
    yield from _start(cursor, reader)
    held: list[tuple[int, Piece]] = []
    for piece in Sieve(clause, same).pieces(reader):
        if piece.rows is not None:
            held.append((cursor.line, piece))
            cursor.line += piece.lines
        if held and (piece.rows is None or len(held) == HELD):
            yield from _pick(cursor, held)
            held = []
        if piece.rows is None:
            yield from merge(list(cursor.parse(piece.text)))
    if held:
        yield from _pick(cursor, held)


def _start(cursor: "Cursor", reader: Reader) -> Iterator[Batch]:
    """Read the first line if it is a header."""
    head = reader.peek(1 << 16)
    first = head[: head.find(b"\n") + 1]
    columns = header(first.decode("utf-8", "replace"))
    if columns is not None:
        cursor.head, cursor.names = reader.read(len(first)), columns
        cursor.line += 1
        yield replace(passed(0), headers=1)


def _pick(cursor: "Cursor", held: Held) -> Iterator[Batch]:
    """Parse lines that were cut out, each piece with the number of the line it begins with."""
    # The lines are numbered from 1 as they follow each other; these are their true numbers.
    lines = [first + row for first, piece in held for row in piece.rows or ()]
    numbers = pl.Series([0, *lines], dtype=LINE)
    unread = sum(piece.lines for _, piece in held) + 1 - len(numbers)
    text = b"".join(piece.text for _, piece in held)
    some = replace(cursor, line=1, options=replace(cursor.options, wanted=EVERY))
    yield passed(unread)
    for batch in merge(list(some.parse(text))) if text else ():
        records, rejects = (
            frame.with_columns(numbers.gather(frame["line"]).alias("line"))
            for frame in (batch.records, batch.rejects)
        )
        yield replace(batch, records=records, rejects=rejects)
