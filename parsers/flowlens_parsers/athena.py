"""CSV with a header: Athena results, and events that the CloudWatch console exports.

Athena quotes every value, writes NULL as nothing at all, and names columns as the query did:
aliases of the fields, partition columns, expressions. The console writes `timestamp,message`, where
the message is a log line without a header.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from flowlens_parsers import aliases, cloudwatch
from flowlens_parsers.batch import LINE, Batch, Layout, Options, rejects
from flowlens_parsers.columns import typed
from flowlens_parsers.errors import MESSAGE, VALUES
from flowlens_parsers.exports import lines
from flowlens_parsers.fields import known
from flowlens_parsers.headers import names
from flowlens_parsers.lines import refused
from flowlens_parsers.streams import Reader

__all__ = ["layout", "match", "read"]

_BOM = "\ufeff"

#: Columns that hold a whole log line.
_MESSAGES = ("message", "@message")

#: A quote that is not at both ends of a value without commas: the csv module decides.
_UNSURE = r'(?:^|,)"[^"]*(?:,|$)|(?:^|,)[^",][^,]*"|""[^,]|[^,]"[^,]'

_NAME = re.compile(r'\s*"?[@$\w][^",\n]*"?\s*')


def match(head: bytes, name: str) -> bool:
    """Say whether the first line is a CSV header: two fields of flow logs, or a message.

    >>> match(b'"sourceaddress","numbytes"', "x.csv"), match(b"timestamp,message", "x.csv")
    (True, True)
    >>> match(b"2,3", "x.csv")
    False
    """
    return _header(head) is not None


def _header(head: bytes) -> list[str] | None:
    """Return the names in the first line of a CSV, or None."""
    first = head.decode(errors="replace").removeprefix(_BOM).lstrip("\r\n").partition("\n")[0]
    parts = first.rstrip("\r").split(",")
    if len(parts) < 2 or not all(_NAME.fullmatch(part) for part in parts):
        return None
    found = [part.strip().strip('"') for part in parts]
    return found if known(aliases.columns(found)) >= 2 or _message(found) is not None else None


def _message(found: Sequence[str]) -> int | None:
    return next((i for i, name in enumerate(found) if name.lower() in _MESSAGES), None)


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns of the header, or of a log line where it names a message."""
    found = _header(reader.peek(cloudwatch.HEAD)) or []
    if _message(found) is not None:
        return Layout("csv", names(options.format))
    return Layout("csv", tuple(aliases.columns(found)))


def read(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Yield the rows of a CSV file; a repeated header is a header again."""
    table = _Table(_header(reader.peek(cloudwatch.HEAD)) or [], name, options)
    for frame, bad in lines(reader, options):
        yield from table.parse(frame, rejects(bad, name))


@dataclass(frozen=True, slots=True)
class _Table:
    """The header of a CSV file and how its rows are read."""

    header: list[str]
    source: str
    options: Options

    def parse(self, frame: pl.DataFrame, bad: pl.DataFrame) -> Iterator[Batch]:
        """Turn lines into batches."""
        title = self.titles(frame)
        rows, wrong = self.split(frame.filter(~title))
        *batches, last = self.judge(rows)
        yield from batches
        whole = cloudwatch.account(last, bad, headers=int(title.sum()))
        yield cloudwatch.account(whole, refused(wrong, self.source))

    def titles(self, frame: pl.DataFrame) -> pl.Series:
        """Say which lines are the header, quoted or not."""
        text = frame.get_column("text")
        maybe = text.str.contains(self.header[0].strip(), literal=True)
        bare = text.filter(maybe).str.replace_all(r'["\ufeff]', "").str.replace_all(r"\s*,\s*", ",")
        title = ",".join(name.strip() for name in self.header)
        return maybe & text.is_in(text.filter(maybe).filter(bare == title).implode())

    def judge(self, rows: pl.DataFrame) -> list[Batch]:
        """Read rows as log lines where they hold messages, else as columns."""
        message = _message(self.header)
        if message is not None:
            texts = rows.select("line", pl.nth(message + 1).alias("text"))
            blank = pl.col("text").fill_null("").str.strip_chars() == ""
            *batches, last = cloudwatch.records(texts.filter(~blank), self.source, self.options)
            lost = rejects([(n, MESSAGE, "") for n in texts.filter(blank)["line"]], self.source)
            return [*batches, cloudwatch.account(last, lost)]
        names_ = ["line", *aliases.columns(self.header)]
        return [
            typed(
                rows.rename(dict(zip(rows.columns, names_, strict=True))),
                self.source,
                self.options.columns,
            )
        ]

    def split(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return (line and a text column for each name, what has another number of values)."""
        width = len(self.header)
        commas = pl.col("text").str.count_matches(",", literal=True)
        clear = frame.select((commas == width - 1) & ~pl.col("text").str.contains(_UNSURE))
        plain, odd = frame.filter(clear.to_series()), frame.filter(~clear.to_series())
        sure = _plain(plain, width)
        read = [(line, text, _row(text)) for line, text in odd.iter_rows()]
        good = [(line, *row) for line, _, row in read if len(row) == width]
        rest = pl.DataFrame(good, schema=sure.schema, orient="row")
        wrong = [(line, VALUES, text) for line, text, row in read if len(row) != width]
        shape = {"line": LINE, "reason": pl.String(), "text": pl.String()}
        return pl.concat([sure, rest]).sort("line"), pl.DataFrame(wrong, schema=shape, orient="row")


def _plain(lines: pl.DataFrame, width: int) -> pl.DataFrame:
    """Split lines in which a quote only ever stands around a whole value."""
    schema = {str(i): pl.String() for i in range(width)}
    if not lines.height:
        return pl.DataFrame(schema={"line": LINE, **schema})
    text = "\n".join(lines.get_column("text")).encode()
    values = pl.read_csv(text, has_header=False, schema=schema)
    return values.insert_column(0, lines.get_column("line"))


def _row(text: str) -> list[str]:
    """Split one line as the csv module does; nothing where a value is beyond its limit."""
    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return []
