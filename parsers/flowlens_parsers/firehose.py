"""Amazon Data Firehose: lines in ``{"message": …}`` objects, base64 records, whole envelopes.

Flow logs sent to Firehose directly arrive as one such object a line; whether a line break stands
between them depends on the stream. Streams fed by a CloudWatch subscription write gzip members,
each an envelope, one after the other. The event of a transformation function holds its records in
base64.
"""

from collections.abc import Iterator

from flowlens_parsers import cloudwatch
from flowlens_parsers.batch import Batch, Layout, Options
from flowlens_parsers.streams import Reader

__all__ = ["layout", "match", "read"]


def match(head: bytes, name: str) -> bool:
    """Say whether an object is JSON at all: what holds no message is rejected piece by piece.

    >>> match(b'{"message":"2 123"}', "x"), match(b"2 123", "x")
    (True, False)
    """
    return bool(cloudwatch.keys(head))


def read(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Yield the flow-log lines that the objects of a stream carry."""
    yield from cloudwatch.read(reader, name, options)


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns of the first message."""
    return Layout("firehose", cloudwatch.first(reader, options))
