"""Parse of a text only the lines that may be wanted, with the numbers that they have in it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from flowlens_parsers.batch import EVERY, LINE, Batch, Clause, passed
from flowlens_parsers.headers import header
from flowlens_parsers.lines import merge
from flowlens_parsers.sieve import Piece, Sieve
from flowlens_parsers.streams import Fault, Reader

if TYPE_CHECKING:
    from flowlens_parsers.text import Cursor

__all__ = ["picked"]

#: Parts of an object whose lines, where few were cut out, are parsed together.
HELD = 128


def picked(cursor: "Cursor", reader: Reader, clause: Clause) -> Iterator[Batch]:
    """Parse the lines that may be wanted, as far as these can be told from the others.

    Args:
        cursor: Stands at the beginning of the text.
        reader: The text.
        clause: Tells which lines may be wanted.
    """

    def same(line: bytes) -> bool:
        return header(line.decode("utf-8", "replace")) in (None, cursor.names)

    yield from _start(cursor, reader)
    held: list[tuple[int, Piece]] = []
    for piece in Sieve(clause, same).pieces(reader):
        if isinstance(piece, Piece) and piece.rows is not None:
            held.append((cursor.line, piece))
            cursor.line += piece.lines
            if len(held) < HELD:
                continue
        yield from _pick(cursor, held)
        if isinstance(piece, Fault):
            yield cursor.fault(piece)
        elif piece.rows is None:
            yield from merge(list(cursor.parse(piece.text)))
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


def _pick(cursor: "Cursor", held: list[tuple[int, Piece]]) -> Iterator[Batch]:
    """Parse lines that were cut out, each piece with the number of the line it begins with.

    Nothing is held afterwards.
    """
    if not held:
        return
    # The lines are numbered from 1 as they follow each other; these are their true numbers.
    lines = [first + row for first, piece in held for row in piece.rows or ()]
    numbers = pl.Series([0, *lines], dtype=LINE)
    unread = sum(piece.lines for _, piece in held) + 1 - len(numbers)
    text = b"".join(piece.text for _, piece in held)
    held.clear()
    some = replace(cursor, line=1, options=replace(cursor.options, wanted=EVERY))
    yield passed(unread)
    for batch in merge(list(some.parse(text))) if text else ():
        records, rejects = (
            frame.with_columns(numbers.gather(frame["line"]).alias("line"))
            for frame in (batch.records, batch.rejects)
        )
        yield replace(batch, records=records, rejects=rejects)
