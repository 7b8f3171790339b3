"""The two entry points: an object's batches, and the columns it will have."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from flowlens_parsers.batch import EVERY, SIZE, TEXT, Batch, Layout, Options, Wanted, reject
from flowlens_parsers.errors import UNKNOWN
from flowlens_parsers.formats import FORMATS, HEAD, sniff
from flowlens_parsers.headers import names
from flowlens_parsers.streams import Reader

if TYPE_CHECKING:
    from flowlens_parsers.packing import Packer

__all__ = ["peek", "read", "read_resolver"]


def read(
    stream: BinaryIO,
    name: str,
    *,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    size: int = SIZE,
    packer: "Packer | None" = None,
    wanted: Wanted = EVERY,
) -> Iterator[Batch]:
    r"""Read flow logs of any delivery, batch by batch, in bounded memory.

    The format is found from the content, compression is taken off. Nothing that a line holds
    raises: a line that cannot be read is a reject, also the one at which a stream breaks off.

    Args:
        stream: The object's bytes.
        name: Its name, for `source` in rejects and coverage.
        format: Log format (`${version} ${account-id} …`) of text and messages without a header;
            AWS's default (v2) without it. A header in the object wins.
        columns: Columns wanted in `records`; columns an object lacks are left out. Counts,
            coverage and rejects do not depend on it.
        size: Bytes of text that are parsed at once.
        packer: Packs records instead of typing them, where the delivery is plain text.
        wanted: Lines of text and row groups of Parquet that hold no such record may be passed
            over; they are counted as `unread`, whatever they are.

    Raises:
        FormatError: Where `format` names no field.

    >>> import io
    >>> [batch] = read(io.BytesIO(b"srcaddr dstport\n10.0.0.1 443\n10.0.0.1 x\n"), "a.log")
    >>> batch.records.rows(), batch.rejects["reason"].to_list(), batch.lines, batch.headers
    ([('10.0.0.1', 443, 2)], ['not a number'], 2, 1)
    """
    some = None if columns is None else tuple(columns)
    options = Options(format, some, size, packer, wanted)
    names(format)  # a wrong format is the caller's mistake, whatever the object holds
    reader = Reader(stream)
    head = reader.peek(HEAD)
    kind = sniff(head, name)
    if kind is None:
        yield reject(1, UNKNOWN, head[: 4 * TEXT].decode("utf-8", "replace"), name)
        return
    yield from FORMATS[kind].read(reader, name, options)


def peek(stream: BinaryIO, name: str, *, format: str | None = None) -> Layout:
    r"""Return the columns an object will give, from its first bytes (Parquet: its footer).

    Args:
        stream: The object's bytes; where it stands afterwards is not defined.
        name: Its name.
        format: As for `read`.

    >>> import io
    >>> peek(io.BytesIO(b"srcaddr dstport\n10.0.0.1 443\n"), "a.log").schema
    {'srcaddr': String, 'dstport': UInt16}
    """
    reader = Reader(stream)
    kind = sniff(reader.peek(HEAD), name)
    if kind is None:
        return Layout("unknown", ())
    return FORMATS[kind].layout(reader, name, Options(format))


def read_resolver(stream: BinaryIO, name: str) -> Iterator[Batch]:
    """Read a Route 53 Resolver query log in any of its deliveries.

    Args:
        stream: The object's bytes.
        name: Its name, for `source` in rejects.

    Returns:
        Batches whose `records` have the columns of `batch.ANSWERS` and `line`.
    """
    from flowlens_parsers import resolver

    return resolver.answers(Reader(stream), name)
