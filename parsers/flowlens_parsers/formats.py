"""Which format an object is in, found from its content, and the module that reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flowlens_parsers import text
from flowlens_parsers.batch import Batch, Layout, Options
from flowlens_parsers.streams import Reader

__all__ = ["FORMATS", "HEAD", "Format", "sniff"]

#: Decompressed bytes that a format is found from.
HEAD = 64 << 10


@dataclass(frozen=True, slots=True)
class Format:
    """A delivery: how it is recognised and the functions that read it."""

    match: Callable[[bytes, str], bool]  # (first HEAD bytes, name of the object)
    read: Callable[[Reader, str, Options], Iterator[Batch]]
    layout: Callable[[Reader, str, Options], Layout]  # may only peek
    priority: int  # the highest that matches wins


#: kind -> how to read it. A new delivery is one module and one entry.
FORMATS: dict[str, Format] = {
    "text": Format(text.match, text.read_text, text.layout, priority=0),
}


def sniff(head: bytes, name: str) -> str | None:
    """Return the kind of an object, or None where nothing matches.

    Args:
        head: The first bytes, decompressed.
        name: Where they came from; content decides, a name only between equals.

    >>> sniff(b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 40 0 60 ACCEPT OK", "x.log")
    'text'
    """
    fits = [kind for kind, entry in FORMATS.items() if entry.match(head, name)]
    return max(fits, key=lambda kind: FORMATS[kind].priority, default=None)
