"""CloudWatch Logs Insights: answers of GetQueryResults.

Rows are lists of ``{"field": …, "value": …}`` with every value as text. Fields that Insights finds
in flow logs have camel-case names; `@message` is the log line itself, other names with @ are the
service's own.
"""

import io
from collections.abc import Iterator

import msgspec
import polars as pl

from flowlens_parsers import aliases, cloudwatch
from flowlens_parsers.batch import LINE, Batch, Layout, Options, rejects
from flowlens_parsers.columns import typed
from flowlens_parsers.documents import Broken, values
from flowlens_parsers.headers import names
from flowlens_parsers.streams import Reader

__all__ = ["layout", "match", "read"]


#: The field that holds the whole log line.
_LINE = "@message"


class _Cell(msgspec.Struct):
    field: str
    value: str | None = None


class _Answer(msgspec.Struct):
    results: list[list[_Cell]]


_DECODE = msgspec.json.Decoder(list[_Answer]).decode


def match(head: bytes, name: str) -> bool:
    """Say whether an object is the answer of a query.

    >>> match(b'{"results": [[{"field": "srcAddr", "value": "10.0.0.1"}]]}', "x")
    True
    """
    return {b"results", b"field"} <= cloudwatch.keys(head)


def read(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Yield the rows of query results."""
    line = 1
    for found in values(reader, _DECODE):
        rows: list[tuple[int, dict[str, str | None]]] = []
        bad: list[tuple[int, str, str]] = []
        for value in found:
            for row in [value] if isinstance(value, Broken) else value.results:
                if isinstance(row, Broken):
                    bad.append((line, row.reason, row.text))
                else:
                    rows.append((line, {cell.field: cell.value for cell in row}))
                line += 1
        *batches, last = _batches(rows, name, options)
        yield from batches
        yield cloudwatch.account(last, rejects(bad, name))


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns of the fields in the first bytes, or of a log line."""
    head = io.BytesIO(reader.peek(cloudwatch.HEAD))
    rows = [
        [cell.field for cell in row]
        for found in values(head, msgspec.json.Decoder(list[_Answer | list[_Cell]]).decode)
        for value in found
        if not isinstance(value, Broken)
        for row in (value.results if isinstance(value, _Answer) else [value])
    ]
    fields = list(dict.fromkeys(field for row in rows for field in row))
    if _LINE in fields or not fields:
        return Layout("insights", names(options.format))
    return Layout("insights", tuple(aliases.columns(f for f in fields if not f.startswith("@"))))


def _batches(
    rows: list[tuple[int, dict[str, str | None]]], name: str, options: Options
) -> list[Batch]:
    """Read rows as log lines where they hold them, else as columns."""
    line = pl.Series("line", [line for line, _ in rows], dtype=LINE)
    fields = list(dict.fromkeys(field for _, row in rows for field in row))
    wanted = [_LINE] if _LINE in fields else [f for f in fields if not f.startswith("@")]
    columns = [[row.get(field) for _, row in rows] for field in wanted]
    new = ["text"] if _LINE in fields else aliases.columns(wanted)
    named = zip(new, columns, strict=True)
    frame = pl.DataFrame([line, *(pl.Series(n, c, dtype=pl.String) for n, c in named)])
    if _LINE in fields:
        return cloudwatch.records(frame, name, options)
    return [typed(frame, name, options.columns)]
