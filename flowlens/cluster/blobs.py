"""What tasks hand on: columns of integers, and the texts that the codes among them stand for.

A dictionary belongs to a process, so codes never cross from one to another without their texts.
A *blob* is one row of an Arrow stream whose columns are lists: ``texts``, and one list for each
integer of the rows. Blobs of many parts lie in one file one behind the other. Where each is,
is told by who wrote them, so that a reader fetches its own with one request and no footer.
"""

from collections.abc import Iterator, Sequence
from typing import BinaryIO
from zlib import crc32

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING
from flowlens_parsers.tokens import Words

__all__ = ["Codes", "known", "load", "parts", "recoded", "save", "split"]

Codes = NDArray[np.uint32]
Piece = tuple[NDArray[np.int64], Words]

#: Where the halves of a packed record hold codes: ends, places, action, raw addresses, services.
CODED = [0, 1, 4, 5, 12, 14, 15, 16, 17]

#: An odd constant of xxHash: the upper bits of a multiple depend on all bits below.
MIX = np.uint64(0x9E3779B97F4A7C15)


def save(stream: BinaryIO, texts: Sequence[str] | pl.Series, rows: Words) -> int:
    """Write a blob behind what was written before; return its bytes.

    Args:
        stream: Where to.
        texts: The text of each code.
        rows: One row each, of any width.
    """
    names = [str(at) for at in range(rows.shape[1])]
    lists = [_one(pa.array(texts, pa.string()))]
    lists += [_one(pa.array(np.ascontiguousarray(rows[:, at]))) for at in range(rows.shape[1])]
    batch = pa.record_batch(lists, names=["texts", *names])
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1))
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    data = sink.getvalue().to_pybytes()
    stream.write(data)
    return len(data)


def load(data: bytes | memoryview) -> tuple[pl.Series, Words]:
    """Return the texts and the rows of a blob.

    >>> from io import BytesIO
    >>> stream = BytesIO()
    >>> size = save(stream, ["10.0.0.1"], np.array([[0, 7], [0, 8]], np.uint64))
    >>> texts, rows = load(stream.getvalue())
    >>> texts.to_list(), rows.tolist(), size == len(stream.getvalue())
    (['10.0.0.1'], [[0, 7], [0, 8]], True)
    """
    texts, *columns = pa.ipc.open_stream(data).read_next_batch().columns
    rows = np.empty((len(columns[0].values), len(columns)), np.uint64)
    for at, column in enumerate(columns):
        rows[:, at] = column.values.to_numpy()
    return pl.Series(texts.values, dtype=pl.String), rows


def known(words: pl.Categorical, texts: pl.Series) -> Codes:
    """Return the code of each text in a dictionary; what is new to it is added."""
    codes: Codes = texts.cast(words).to_physical().to_numpy().copy()
    return codes


def recoded(halves: NDArray[np.uint64], codes: Codes) -> NDArray[np.uint64]:
    """Return words that are codes in other codes; null stays null.

    >>> recoded(np.array([1, NOTHING], np.uint64), np.array([7, 9], np.uint32)).tolist()
    [9, 4294967295]
    """
    more = np.append(codes, np.uint32(NOTHING)).astype(np.uint64)
    return more[np.minimum(halves, np.uint64(len(codes)))]


def parts(rows: Words, texts: pl.Series, bits: int) -> NDArray[np.int64]:
    """Return the part of each packed record, by its two addresses, whichever way it goes.

    It is the same on every machine: CRC-32 of the texts (ISO 3309, as in zlib), added and mixed.

    Args:
        rows: Packed records.
        texts: The text of each code.
        bits: There are 2 ** bits parts.
    """
    sums = np.zeros(len(texts) + 1, np.uint64)
    # A dictionary has each text once, so this goes through far less than the rows.
    sums[:-1] = [crc32(text.encode()) for text in texts]
    ends = np.minimum(_halves(rows)[:, :2], len(texts))
    both = (sums[ends[:, 0]] + sums[ends[:, 1]]) * MIX
    return (both >> np.uint64(32) >> np.uint64(32 - bits)).astype(np.int64)


def split(rows: Words, part: NDArray[np.int64], count: int, codes: int) -> Iterator[Piece]:
    """Yield the rows of each part, with codes of the part's own, and which codes these were.

    Args:
        rows: Packed records.
        part: The part of each.
        count: How many parts there are.
        codes: How many codes there are.
    """
    rows = rows[np.argsort(part, kind="stable")]
    ends = np.bincount(part, minlength=count).cumsum()
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        mine = rows[begin:end]
        halves = _halves(mine)
        old = np.minimum(halves[:, CODED], np.uint32(codes))
        there = np.zeros(codes + 1, np.bool_)
        there[old] = True
        used = there[:codes].nonzero()[0]
        new = np.full(codes + 1, NOTHING, np.uint32)
        new[used] = np.arange(len(used), dtype=np.uint32)
        halves[:, CODED] = new[old]
        yield used, mine


def _halves(rows: Words) -> Codes:
    """Return the lower and the upper half of each word, as one more view of the rows."""
    return rows.view("<u4").reshape(len(rows), 2 * rows.shape[1])


def _one(values: pa.Array) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
