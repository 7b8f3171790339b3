"""JSON objects as rows of a frame, without a step through Python objects."""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import polars as pl

from flowlens_parsers.batch import LINE
from flowlens_parsers.documents import RAW, Broken, Readable, attempt, broken, values

__all__ = ["numbered", "objects", "table", "valid"]


def objects(stream: Readable) -> Iterator[list[bytes | Broken]]:
    r"""Yield the valid JSON objects of `stream`, also those in arrays and ``{"Records": […]}``.

    >>> import io
    >>> list(objects(io.BytesIO(b'{"a": 1}\n[{"a": 2}, 3]')))
    [[b'{"a": 1}', b'{"a": 2}', Broken(text='3', reason='no message')]]
    """
    for found in values(stream, RAW):
        yield [piece for value in found for piece in _spread(value)]


def valid(pieces: Sequence[bytes]) -> list[bytes | Broken]:
    """Return `pieces`, each as it is where it is a JSON object.

    >>> valid([b'{"a": 1}', b'{"a": '])
    [b'{"a": 1}', Broken(text='{"a":', reason='not json')]
    """
    if attempt(pieces, RAW) is not None:
        return [_object(piece) for piece in pieces]
    read = [attempt([piece], RAW) for piece in pieces]
    return [broken(p) if r is None else _object(p) for p, r in zip(pieces, read, strict=True)]


def _spread(value: msgspec.Raw | Broken) -> list[bytes | Broken]:
    """Return the objects that a document is or holds."""
    if isinstance(value, Broken):
        return [value]
    document = bytes(value).strip()
    if document.startswith(b"["):
        return [_object(bytes(item)) for item in RAW(document)]
    if b'"Records"' in document[:64]:
        wrapper = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        return _spread(wrapper.get("Records", msgspec.Raw(document)))
    return [_object(document)]


def _object(piece: bytes) -> bytes | Broken:
    return piece if piece.lstrip().startswith(b"{") else broken(piece)


def table(objects: Sequence[bytes], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    r"""Return valid JSON objects as rows; a value that is not of its dtype is null or its text.

    Args:
        objects: One JSON object each.
        schema: Keys to read -> dtypes; others are skipped.

    >>> table([b'{"a": 1,\n"b": {}}', b'{"a": {"c": 2}}'], {"a": pl.String()}).rows()
    [('1',), ('{"c": 2}',)]
    """
    if not objects:
        return pl.DataFrame(schema=schema)
    # Line breaks are legal only between the parts of a JSON document, never inside a string.
    flat = [re.sub(rb"[\r\n]+", b" ", value) for value in objects]
    return pl.read_ndjson(b"\n".join(flat), schema=schema, ignore_errors=True)


def numbered(
    pieces: Sequence[bytes | Broken], schema: Mapping[str, pl.DataType], first: int
) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """Return objects as rows with a `line`, and (line, reason, text) of what is broken.

    >>> frame, bad = numbered([Broken("x", "not json"), b'{"a": 1}'], {"a": pl.Int64()}, 7)
    >>> frame.rows(), bad
    ([(8, 1)], [(7, 'not json', 'x')])
    """
    lines = list(enumerate(pieces, first))
    good = [(line, piece) for line, piece in lines if isinstance(piece, bytes)]
    rows = table([piece for _, piece in good], schema)
    rows.insert_column(0, pl.Series("line", [line for line, _ in good], dtype=LINE))
    return rows, [(n, p.reason, p.text) for n, p in lines if isinstance(p, Broken)]
