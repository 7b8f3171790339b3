"""Lines with a time in front: what CreateExportTask writes to S3.

Source: "Export log data to Amazon S3" in the CloudWatch Logs user guide. Each line is the time of
the event with milliseconds, a blank, and the message; the order of lines is not guaranteed.
"""

import re
from collections.abc import Iterator

import polars as pl

from flowlens_parsers import cloudwatch
from flowlens_parsers.batch import LINE, Batch, Layout, Options, rejects
from flowlens_parsers.errors import NOT_UTF8
from flowlens_parsers.headers import BLANKS, names
from flowlens_parsers.streams import Fault, Reader, blocks

__all__ = ["layout", "lines", "match", "read"]

_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_FIRST = re.compile(rb"\A\s*+" + _MOMENT.encode() + rb"[ \t]")
_PREFIX = rf"^\s*{_MOMENT}[ \t]+"

Bad = list[tuple[int, str, str]]


def match(head: bytes, name: str) -> bool:
    """Say whether the first line begins with the time of an export.

    >>> match(b"2024-01-01T00:00:00.000Z 2 123456789012", "000000.gz"), match(b"2 1", "000000.gz")
    (True, False)
    """
    return _FIRST.match(head) is not None


def read(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Yield the messages of an export."""
    for frame, bad in lines(reader, options):
        *batches, last = cloudwatch.records(_messages(frame), name, options)
        yield from batches
        yield cloudwatch.account(last, rejects(bad, name))


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns of the first line."""
    text = reader.peek(cloudwatch.HEAD).decode(errors="replace").lstrip().partition("\n")[0]
    frame = _messages(pl.DataFrame({"line": [1], "text": [text]}))
    transit = frame.select(pl.col("text").str.contains(cloudwatch.TRANSIT_LINE)).item()
    default = transit and options.format is None
    return Layout("export", cloudwatch.TRANSIT if default else names(options.format))


def lines(reader: Reader, options: Options) -> Iterator[tuple[pl.DataFrame, Bad]]:
    r"""Yield the lines of a text (line, text), without blank ones, and what is no line.

    >>> import io
    >>> frame, bad = next(lines(Reader(io.BytesIO(b"one\r\n\n\xff\n")), Options()))
    >>> frame.rows(), bad
    ([(1, 'one')], [(3, 'not utf-8', '\ufffd')])
    """
    line = 1
    for block in blocks(reader, options.size):
        if isinstance(block, Fault):
            yield (
                pl.DataFrame(schema={"line": LINE, "text": pl.String}),
                [(line, block.reason, block.text)],
            )
            line += 1
            continue
        binary = block.split(b"\n")[:-1]
        text = pl.Series("text", _texts(block, binary), dtype=pl.String)
        number = pl.int_range(line, line + len(binary), dtype=LINE, eager=True).alias("line")
        lost = text.is_null().arg_true().to_list()
        bad = [(line + i, NOT_UTF8, binary[i].decode(errors="replace")) for i in lost]
        full = pl.DataFrame([number, text.str.strip_chars_end(BLANKS)])
        yield full.filter(pl.col("text") != ""), bad
        line += len(binary)


def _texts(block: bytes, lines: list[bytes]) -> list[str | None]:
    try:
        return [*block.decode().split("\n")[:-1]]
    except UnicodeDecodeError:
        return [None if "\ufffd" in _loose(line) else _loose(line) for line in lines]


def _loose(line: bytes) -> str:
    return line.decode(errors="replace")


def _messages(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("text").str.replace(_PREFIX, ""))
