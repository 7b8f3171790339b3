"""JSON documents in a stream, however they are laid out.

Deliveries write one document after another with a line break, with a blank or with nothing in
between, one document over many lines, or one array around all of them. `documents` finds the
documents in bounded memory; `decode` turns them into values and says which it could not read.

Cutting works on bytes. In valid JSON a closing bracket followed by ``{"name`` is never inside a
string, because an unescaped quote after the brace would end that string and a letter cannot
follow; and outside strings two documents are the only things that touch without a comma.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import msgspec

from flowlens_parsers.batch import TEXT
from flowlens_parsers.errors import MESSAGE, NOT_JSON, NOT_UTF8, BrokenError

__all__ = ["RAW", "Broken", "Decoder", "Readable", "attempt", "broken", "split", "values"]

#: Bytes read at a time.
CHUNK = 4 << 20

#: Size from which a document is cut into several that say the same.
LARGE = 32 << 20

#: Bytes before the end in which such a document is cut.
LAST = 1 << 20

BETWEEN = re.compile(rb'[\]}]\s*+(?:\[\s*+)?\{\s*+"[\w@$]')
ELEMENT = re.compile(rb'(?<=\})\s*+,\s*+(?=\{\s*+"[\w@$])')
#: What stands before the first element: nothing but an array, or scalars, flat arrays and a name.
OPENING = re.compile(
    rb"\A\s*+(?:\[\s*+(?=\{))?(?:\{[^{}\[\]]{0,4096}(?:\[[^{}\[\]]{0,4096}\][^{}\[\]]{0,4096}){0,8}"
    rb"\[\s*+)?(?=\{)"
)
CLOSING = re.compile(rb"\}\s*+\][^{]*\Z")


class Readable(Protocol):
    """Anything with a bounded read: a file, or a `streams.Reader`."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""


#: Reads one JSON array of documents; raises msgspec's errors.
Decoder = Callable[[bytes], list[Any]]

#: Checks that documents are JSON, and leaves them bytes.
RAW = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Broken:
    """A piece of a stream that is no document of the wanted shape."""

    text: str
    reason: str


def values(stream: Readable, decoder: Decoder) -> Iterator[list[Any]]:
    r"""Yield the values of the JSON documents in `stream`, in order, in bounded memory.

    A broken document is taken apart, so that one bad line or a break in the middle of an array
    does not cost the good messages around it. A document larger than `LARGE` is cut between the
    elements of its array and comes as several values.

    Args:
        stream: Decompressed bytes; its `BrokenError` becomes the last `Broken`.
        decoder: Reads one JSON array of documents; raises msgspec's errors.

    Yields:
        A list for each stretch that was read: values, and `Broken` in place of the unreadable.

    >>> import io
    >>> read = msgspec.json.Decoder(list[dict[str, int]]).decode
    >>> list(values(io.BytesIO(b'{"a": 1}{"a": 2}\n[{"a": 3}]'), read))
    [[{'a': 1}, {'a': 2}, Broken(text='[{"a": 3}]', reason='no message')]]
    """
    for batch, reason in _documents(stream):
        found = _decode(batch, decoder)
        if reason:
            cut = found.pop().text if found and isinstance(found[-1], Broken) else ""
            found.append(Broken(cut, reason))
        yield found


def _documents(stream: Readable) -> Iterator[tuple[list[bytes], str]]:
    """Yield (documents, why the stream broke after them or ""), one pair for each stretch."""
    rest, broke = b"", ""
    whole: list[bytes] = []  # handed on one read later, so that a small object is one stretch
    while not broke:
        try:
            # A document that does not end is scanned again only when it has doubled.
            chunk = stream.read(max(CHUNK, len(rest)))
        except BrokenError as error:
            chunk, broke = b"", error.reason
        if not chunk:
            break
        if whole:
            yield whole, ""
        *whole, rest = split(rest + chunk)
        while len(rest) >= LARGE:
            part, rest = _cut(rest)
            whole.append(part)
        whole = [document for document in whole if document.strip()]
    whole += [rest] if rest.strip() else []
    if whole or broke:
        yield whole, broke


def split(data: bytes) -> list[bytes]:
    """Return the documents in `data`, with the blanks between them.

    >>> split(b'{"a": 1}{"b": "}{"}')
    [b'{"a": 1}', b'{"b": "}{"}']
    """
    cuts = [0, *(match.start() + 1 for match in BETWEEN.finditer(data)), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


def _decode(batch: Sequence[bytes], decoder: Decoder) -> list[Any]:
    """Return the values of all documents, in order; a broken one may give several items."""
    found = attempt(batch, decoder)
    if found is not None:
        return found
    found = []
    for document in batch:
        found += attempt([document], decoder) or _salvage(document, decoder)
    return found


def attempt(batch: Sequence[bytes], decoder: Decoder) -> list[Any] | None:
    """Decode, or say None: RecursionError is what msgspec answers to nesting bombs."""
    try:
        found = decoder(b"[" + b",".join(batch) + b"]")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # Pieces that are only together valid are not the documents they pretend to be.
    return found if len(found) == len(batch) else None


def _salvage(document: bytes, decoder: Decoder) -> list[Any]:
    """Read what can be read of a broken document: its lines, or else the elements of its array."""
    for parts in (document.splitlines(), _elements(document)):
        pieces = [part.strip() for part in parts if part.strip()]
        if len(pieces) < 2:
            continue
        read = [attempt([piece], decoder) if piece[:1] in b"{[" else None for piece in pieces]
        if any(read):
            return [v[0] if v else broken(p) for p, v in zip(pieces, read, strict=True)]
    return [broken(document)]


def broken(document: bytes) -> Broken:
    """Say what is wrong with a document that could not be decoded."""
    start = document.strip()[:TEXT].decode(errors="replace")
    try:
        document.decode()
    except UnicodeDecodeError:
        return Broken(start, NOT_UTF8)
    return Broken(start, NOT_JSON if attempt([document], RAW) is None else MESSAGE)


def _elements(document: bytes) -> list[bytes]:
    opening = OPENING.match(document)
    if opening is None:
        return []
    *parts, last = ELEMENT.split(document[opening.end() :])
    return [*parts, CLOSING.sub(b"}", last)]


def _cut(document: bytes) -> tuple[bytes, bytes]:
    """Cut a large unfinished document between two elements: (a whole document, the rest).

    The last boundaries are tried, as elements may themselves hold arrays of objects. Where none
    gives valid JSON, the whole piece is handed on, to be rejected.
    """
    opening = OPENING.match(document)
    start = opening.group() if opening else b""
    near = max(len(start), len(document) - LAST)
    for boundary in list(ELEMENT.finditer(document, near))[-8:][::-1] if start else ():
        part = document[: boundary.start()] + _closing(start)
        if attempt([part], RAW) is not None:
            return part, start + document[boundary.end() :]
    return document, b""


def _closing(start: bytes) -> bytes:
    """Return the brackets that close what `start` leaves open.

    >>> _closing(b'[{"subscriptionFilters": ["all"], "logEvents": [')
    b']}]'
    """
    open_ = b""
    for bracket in re.findall(rb"[\[\]{}]", start):
        open_ = open_[:-1] if bracket in b"]}" else open_ + bracket
    return open_[::-1].translate(bytes.maketrans(b"[{", b"]}"))
