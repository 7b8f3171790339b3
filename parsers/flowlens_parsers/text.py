"""Flow logs as lines of text: S3 `.log.gz`, downloads, and what other deliveries carry."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl

from flowlens_parsers.batch import LINE, Batch, Layout, Options, Packed, reject
from flowlens_parsers.bundle import BLOCK, Bundle
from flowlens_parsers.errors import NOT_UTF8
from flowlens_parsers.fast import SMALL, parse_block, pieces, tidy
from flowlens_parsers.headers import BLANKS, header, headers, names
from flowlens_parsers.lines import merge, parse_lines, refused
from flowlens_parsers.picking import picked
from flowlens_parsers.quiet import table
from flowlens_parsers.streams import Block, Fault, Reader, blocks, lent

__all__ = ["Cursor", "layout", "match", "names", "parse_lines", "read_text"]

_NOTHING = pl.DataFrame(schema={"line": LINE, "text": pl.String()})
_BOM = b"\xef\xbb\xbf"
_PEEK = 64 << 10

#: Control characters beside tab, newline and carriage return.
_CONTROL = bytes(set(range(32)) - {9, 10, 11, 12, 13}) + b"\x7f"


def match(head: bytes, name: str) -> bool:
    r"""Say whether an object may be lines of text: at most one byte in 20 is a control character.

    >>> match(b"2 123456789012 eni-1\n", "a"), match(b"PK\3\4\0\0\0\0", "a.log")
    (True, False)
    """
    return 20 * (len(head) - len(head.translate(None, _CONTROL))) <= len(head)


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns of a text object: of its header, else of the format given, else of v2.

    Headers further down in the first bytes add their columns.
    """
    head = reader.peek(_PEEK).removeprefix(_BOM)
    texts = [line for line in head.decode("utf-8", "replace").split("\n") if line.strip(BLANKS)]
    found = [columns for columns in map(header, texts[:1000]) if columns is not None]
    if not texts or header(texts[0]) is None:
        found.insert(0, names(options.format))
    return Layout("text", tuple(dict.fromkeys(name for columns in found for name in columns)))


def read_text(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Read lines of text; a header line sets the columns of the lines after it.

    Args:
        reader: The decompressed bytes.
        name: Name of the object, for rejects and coverage.
        options: `format` names the columns of lines before any header.
    """
    if reader.peek(len(_BOM)) == _BOM:
        reader.read(len(_BOM))
    cursor = Cursor(name, options, names(options.format))
    if options.packer is not None:
        yield from _bundled(cursor, reader, Bundle(options.packer))
    elif options.wanted.best is not None:
        yield from picked(cursor, reader, options.wanted.best)
    else:
        for block in blocks(reader, options.size):
            if isinstance(block, Fault):
                yield cursor.fault(block)
            else:
                yield from merge(list(cursor.parse(block)))


def _bundled(cursor: "Cursor", reader: Reader, bundle: Bundle) -> Iterator[Batch]:
    """Yield packed records, many at a time, and all other lines; nothing is lost at a break."""
    bundle.clear()
    cursor.bundle = bundle
    try:
        for block in lent(reader, min(cursor.options.size, BLOCK)):
            if isinstance(block, Fault):
                yield cursor.fault(block)
            else:
                yield from cursor.parse(block)
    except Exception:
        yield from cursor.flush()
        raise
    yield from cursor.flush()


@dataclass(slots=True)
class Cursor:
    """Where reading stands: the next line and the columns in force."""

    source: str
    options: Options
    names: tuple[str, ...]
    line: int = 1
    head: bytes = b""  # the header line in force, with its newline
    bundle: Bundle | None = None  # takes what can be packed

    def fault(self, place: Fault) -> Batch:
        """Refuse what cannot be read as a line."""
        self.line += 1
        return reject(self.line - 1, place.reason, place.text, self.source)

    def parse(self, block: Block) -> Iterator[Batch]:
        """Parse whole lines, of which the first may be a header."""
        first = bytes(block[: block.index(b"\n") + 1])
        # No field's name begins with a digit, but most lines do.
        columns = None if first[:1].isdigit() else header(first.decode("utf-8", "replace"))
        if columns is None:
            yield from self.body(block)
            return
        yield from self.flush()
        self.head, self.names = first, columns
        self.line += 1
        count = 1
        for batch in self.body(block[len(first) :]):
            yield replace(batch, headers=batch.headers + count)
            count = 0
        if count:
            yield replace(_nothing(columns, self.options.columns), headers=count)

    def body(self, block: Block) -> Iterator[Batch]:
        """Parse whole lines: fast where that is proven, else in ever smaller pieces."""
        if not block:
            return
        if self.packed(block):
            if self.bundle is not None and self.bundle.full:
                yield from self.flush()
            return
        yield from self.flush()
        block = bytes(block)
        batch = self.fast(block) or self.fast(tidy(block))
        if batch is not None:
            yield batch
        elif self.smallest(block):
            yield from self.tolerate(block)
        else:
            for piece in pieces(block, self.head):
                yield from self.parse(piece)

    def fast(self, block: bytes) -> Batch | None:
        """Parse whole lines at once, if that is proven to be right."""
        if not block:
            return None
        batch = parse_block(block, self.names, self.line, self.source, self.options.columns)
        self.line += 0 if batch is None else batch.lines
        return batch

    def packed(self, block: Block) -> bool:
        """Pack whole lines, if the caller wants that and no header among them changes columns."""
        if self.bundle is None or not self.packable:
            return False
        lines = self.bundle.take(block, self.names, self.line)
        self.line += lines
        return lines > 0

    def flush(self) -> Iterator[Batch]:
        """Hand on what was packed; its rows last until the next block."""
        bundle = self.bundle
        if bundle is None or not (bundle.packer.height or bundle.said or bundle.left):
            return
        rows = Packed(bundle.packer.records, bundle.packer.codes)
        batch = _nothing(self.names, self.options.columns)
        if bundle.said:
            said = table(bundle.said, self.source)
            batch = replace(batch, coverage=said, lines=said.height)
        if bundle.left:
            numbers, left = zip(*bundle.left, strict=True)
            lines = self.sift(pl.Series(numbers, dtype=LINE), list(left))
            batch = merge([batch, *lines])[0]
        yield replace(batch, lines=batch.lines + len(rows.rows), packed=(rows,))
        bundle.clear()

    @property
    def packable(self) -> bool:
        """Whether a header line could not pass for data."""
        from flowlens_parsers.slots import packable

        return packable(self.names)

    def smallest(self, block: bytes) -> bool:
        """Say whether cutting a block would not help: small or one line, and no header in it."""
        if self.head and b"\n" + self.head in block:
            return False
        return len(block) <= SMALL or block.find(b"\n") == len(block) - 1

    def tolerate(self, block: bytes) -> Iterator[Batch]:
        """Parse whole lines one by one, with headers, blank lines and bytes that are no text."""
        raw = block.split(b"\n")[:-1]
        numbers = pl.int_range(self.line, self.line + len(raw), dtype=LINE, eager=True)
        self.line += len(raw)
        yield from self.sift(numbers, raw)

    def sift(self, numbers: pl.Series, raw: list[bytes]) -> Iterator[Batch]:
        """Parse lines with these numbers, whatever they are."""
        text = pl.Series("text", [line.decode("utf-8", "replace") for line in raw], pl.String)
        lines = pl.DataFrame([numbers.alias("line"), text])
        # What is no UTF-8 does not come back the same.
        lost = text.cast(pl.Binary) != pl.Series(raw, dtype=pl.Binary)
        if lost.any():
            yield self.refuse(lines.filter(lost))
            lines = lines.filter(~lost)
        yield from self.divide(lines.filter(pl.col("text").str.strip_chars(BLANKS) != ""))

    def divide(self, lines: pl.DataFrame) -> Iterator[Batch]:
        """Parse lines after the header above them, or the columns in force."""
        found = headers(lines)
        layouts = [self.names, *found.values()]
        self.names = layouts[-1]
        marks = pl.Series(list(found), dtype=LINE)
        order = {columns: number for number, columns in enumerate(dict.fromkeys(layouts))}
        numbers = pl.Series([order[columns] for columns in layouts])
        body = lines.filter(~pl.col("line").is_in(marks.implode()))
        under = numbers.gather(marks.search_sorted(body["line"], side="right"))
        for columns, number in order.items():
            part, count = body.filter(under == number), [*found.values()].count(columns)
            if part.height or count:
                yield replace(self.judge(part, columns), headers=count)

    def judge(self, lines: pl.DataFrame, columns: tuple[str, ...]) -> Batch:
        """Parse lines of one layout."""
        return parse_lines(lines, columns, self.source, self.options.columns)

    def refuse(self, lines: pl.DataFrame) -> Batch:
        """Reject lines that are not UTF-8."""
        rows = refused(lines.with_columns(reason=pl.lit(NOT_UTF8)), self.source)
        return replace(self.judge(lines.clear(), self.names), rejects=rows, lines=rows.height)


@lru_cache(maxsize=16)
def _nothing(names: tuple[str, ...], columns: tuple[str, ...] | None) -> Batch:
    """Return the batch of no lines."""
    return parse_lines(_NOTHING, names, "", columns)
