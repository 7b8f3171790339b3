"""Which format an object is in, found from its content, and the module that reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flowlens_parsers import (
    athena,
    cloudwatch,
    exports,
    firehose,
    insights,
    ocsf,
    parquet,
    resolver,
    text,
)
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
    # Any JSON is Firehose's until its keys say more, so that nothing of it is taken for text.
    "firehose": Format(firehose.match, firehose.read, firehose.layout, priority=10),
    "cloudwatch": Format(cloudwatch.match, cloudwatch.read, cloudwatch.layout, priority=20),
    "insights": Format(insights.match, insights.read, insights.layout, priority=30),
    "ocsf": Format(ocsf.match, ocsf.read, ocsf.layout, priority=30),
    "resolver": Format(resolver.match, resolver.read, resolver.layout, priority=40),
    "export": Format(exports.match, exports.read, exports.layout, priority=10),
    "csv": Format(athena.match, athena.read, athena.layout, priority=10),
    "parquet": Format(parquet.match, parquet.read, parquet.layout, priority=50),
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
