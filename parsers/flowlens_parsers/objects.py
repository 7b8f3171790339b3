"""JSON objects as rows of a frame, without a step through Python objects."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import polars as pl

from flowlens_parsers.batch import LINE
from flowlens_parsers.documents import RAW, Broken, Readable, attempt, broken, values
from flowlens_parsers.errors import MESSAGE, NOT_JSON

__all__ = ["numbered", "objects", "valid"]

_BLANK = bytes.maketrans(b"\r\n", b"  ")


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


def numbered(
    pieces: Sequence[bytes | Broken], schema: Mapping[str, pl.DataType], first: int
) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """Return objects as rows with a `line`, and (line, reason, text) of what is broken.

    A value that is not of its dtype becomes null, or its text.

    Args:
        pieces: Objects as `objects` yields them.
        schema: Keys to read -> dtypes; others are skipped.
        first: Line of the first piece.

    >>> frame, bad = numbered([Broken("x", "not json"), b'{"a": {"b": 1}}'], {"a": pl.String()}, 7)
    >>> frame.rows(), bad
    ([(8, '{"b": 1}')], [(7, 'not json', 'x')])
    """
    lines = list(enumerate(pieces, first))
    bad = [(line, p.reason, p.text) for line, p in lines if isinstance(p, Broken)]
    good = [(line, piece) for line, piece in lines if isinstance(piece, bytes)]
    rows, odd = _table(good, schema)
    bad += [(line, p.reason, p.text) for line, p in odd]
    return rows, sorted(bad)


def _table(
    good: Sequence[tuple[int, bytes]], schema: Mapping[str, pl.DataType]
) -> tuple[pl.DataFrame, list[tuple[int, Broken]]]:
    """Return numbered objects as rows, and those that only msgspec takes for JSON.

    The two readers differ about bytes that are no UTF-8, lone surrogates and huge numbers; one such
    object fails all, so they are halved until it stands alone.
    """
    line = pl.Series("line", [line for line, _ in good], dtype=LINE)
    if not good:
        return pl.DataFrame([line, *pl.DataFrame(schema=schema)]), []
    # Line breaks are legal only between the parts of a JSON document, never inside a string.
    flat = b"\n".join(piece.translate(_BLANK) for _, piece in good)
    try:
        rows = pl.read_ndjson(flat, schema=schema, ignore_errors=True)
        return rows.insert_column(0, line), []
    except pl.exceptions.PolarsError:
        if len(good) == 1:
            flaw = broken(good[0][1])
            reason = NOT_JSON if flaw.reason == MESSAGE else flaw.reason
            return _table([], schema)[0], [(good[0][0], Broken(flaw.text, reason))]
    half = len(good) // 2
    upper, lower = _table(good[:half], schema), _table(good[half:], schema)
    return upper[0].vstack(lower[0]), upper[1] + lower[1]
