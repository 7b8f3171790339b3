"""The text formats, written batch by batch: nothing holds a whole table."""

import json
import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import BinaryIO

import polars as pl

from flowlens.output import flat

__all__ = ["MARKDOWN_LIMIT", "cell", "csv", "fence", "markdown", "ndjson", "rows", "tsv"]

#: GitHub takes comments of up to 65,536 characters.
MARKDOWN_LIMIT = 60_000


def csv(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    """Write CSV with a header; cells that a spreadsheet would run get an apostrophe."""
    return _separated(frame, stream, formulas=True)


def tsv(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    r"""Write TSV with a header and raw values; a tab inside a value is written ``\t``."""
    return _separated(frame, stream, tabs=True)


def ndjson(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    """Write one JSON object a line."""
    count = 0
    for batch in batches(flat.instants(frame)):
        batch.write_ndjson(stream)
        count += batch.height
    return count


def rows(frame: pl.LazyFrame, stream: BinaryIO, table: str) -> int:
    """Write one JSON object with the version of the table's schema and its rows."""
    opening = f'{{"schema":{json.dumps(f"flowlens.{table}/1")},"rows":['.encode()
    count = 0
    # Nothing is written before the first rows are there: a failure leaves no half an object.
    for at, batch in enumerate(batches(flat.instants(frame))):
        buffer = BytesIO()
        batch.write_ndjson(buffer)
        body = buffer.getvalue().rstrip(b"\n").replace(b"\n", b",\n")
        stream.write((b",\n" if at else opening + b"\n" * bool(body)) + body)
        count += batch.height
    stream.write(b"\n]}\n")
    return count


def markdown(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    """Write a table for a pull request or ticket, at most 60,000 characters long."""
    flattened = flat.flat(frame)
    names = flattened.collect_schema().names()
    head = f"| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"
    room, count, total = MARKDOWN_LIMIT - len(head) - 100, 0, 0
    for at, batch in enumerate(batches(flattened)):
        lines = [] if at else [head]
        for row in flat.safe(batch.cast(pl.String)).iter_rows() if count == total else ():
            line = f"| {' | '.join(cell(value) for value in row)} |\n"
            room -= len(line)
            if room < 0:
                break
            lines.append(line)
            count += 1
        stream.write("".join(lines).encode())
        total += batch.height
    if total > count:
        stream.write(f"\n*{total - count:,} more rows are not shown here.*\n".encode())
    return count


def batches(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield a frame in pieces, in order; one empty piece for a frame without rows."""
    empty = True
    for batch in frame.collect_batches(maintain_order=True):
        if not batch.is_empty():
            empty = False
            yield batch
    if empty:
        yield pl.DataFrame(schema=frame.collect_schema())


def _separated(
    frame: pl.LazyFrame, stream: BinaryIO, *, tabs: bool = False, formulas: bool = False
) -> int:
    """Write rows with a header."""
    count = 0
    for at, batch in enumerate(batches(flat.flat(frame))):
        flat.safe(batch, formulas=formulas).write_csv(
            stream,
            include_header=not at,
            separator="\t" if tabs else ",",
            quote_style="never" if tabs else "necessary",
        )
        count += batch.height
    return count


def cell(value: str | None) -> str:
    r"""Write a cell that cannot leave its table: no pipes, no HTML, no Markdown links.

    >>> print(cell("<b>[x](y)|`@z`"))
    &lt;b&gt;\[x\](y)&#124;&#96;&#64;z&#96;
    """
    if value is None:
        return ""
    for sign, name in {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;"}.items():
        value = value.replace(sign, name)
    for sign in "\\*_[]~":
        value = value.replace(sign, f"\\{sign}")
    # A bare @name would notify a person of that name.
    return value.replace("@", "&#64;")


def fence(lines: Iterable[str], language: str = "") -> str:
    """Write lines as a block of code that no backticks inside can end.

    >>> print(fence(["a ``` b"]))
    ````
    a ``` b
    ````
    <BLANKLINE>
    """
    body = [flat.escape(line) for line in lines]
    longest = max((len(run) for line in body for run in re.findall("`+", line)), default=0)
    ticks = "`" * max(3, longest + 1)
    return "\n".join([f"{ticks}{language}", *body, ticks, ""])
