"""Route 53 Resolver query logs: one JSON object for each query, what it asked and was answered.

Source: "Values that appear in VPC Resolver query logs" in the Route 53 developer guide. Files in S3
hold a line for each query, CloudWatch Logs and Firehose carry the same object as a message. There
is no time to live in them, and answers from the resolver's cache are not logged.
"""

from collections.abc import Iterator

import polars as pl

from flowlens_parsers.batch import (
    ANSWERS,
    COVERAGE,
    LINE,
    TEXT,
    Batch,
    Layout,
    Options,
    reject,
    rejects,
)
from flowlens_parsers.cloudwatch import account, keys
from flowlens_parsers.documents import Broken
from flowlens_parsers.errors import MISSING, NOT_ADDRESS, NOT_TIME, RESOLVER, UNKNOWN
from flowlens_parsers.lines import refused
from flowlens_parsers.messages import messages
from flowlens_parsers.objects import numbered, objects, valid
from flowlens_parsers.streams import Reader
from flowlens_parsers.values import addresses

__all__ = ["answers", "layout", "match", "read"]

_TEXT = pl.String()
_SHAPE: dict[str, pl.DataType] = {
    **dict.fromkeys(("query_timestamp", "query_name", "query_type", "rcode"), _TEXT),
    **dict.fromkeys(("srcaddr", "vpc_id"), _TEXT),
    "srcids": pl.Struct({"instance": _TEXT}),
    "answers": pl.List(pl.Struct({"Type": _TEXT, "Rdata": _TEXT})),
}

#: Record types whose data are names.
_NAMES = ("CNAME", "NS", "PTR", "DNAME")

#: Bytes in which the first names must be found.
HEAD = 64 << 10

_MOMENT = "%Y-%m-%dT%H:%M:%S%.fZ"


def match(head: bytes, name: str) -> bool:
    """Say whether an object is a query log itself, not messages that hold one.

    >>> match(b'{"version":"1.1","query_name":"a.example."}', "x"), match(b'{"message":""}', "x")
    (True, False)
    """
    return b"query_name" in keys(head)


def read(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Refuse a query log that was given as flow logs."""
    text = reader.peek(TEXT).decode(errors="replace")
    yield reject(1, RESOLVER, text.splitlines()[0], name)


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return no columns: a query log has no flow-log fields."""
    return Layout("resolver", ())


def answers(reader: Reader, name: str) -> Iterator[Batch]:
    """Yield what was asked and answered, one row for each query.

    Args:
        reader: The decompressed object: JSON lines, an array, or messages that hold the objects.
        name: Its name, the `source` of rejects.

    Yields:
        Batches whose records have the columns of `batch.ANSWERS` and `line`; no coverage.
    """
    head = reader.peek(HEAD)
    if head.strip() and not keys(head):
        yield reject(1, UNKNOWN, head[:TEXT].decode(errors="replace"), name)
        return
    first = 1
    for pieces, headers in _pieces(reader, plain=match(head, name)):
        frame, bad = numbered(pieces, _SHAPE, first)
        yield account(_batch(frame, name), rejects(bad, name), headers)
        first += len(pieces)


def _pieces(reader: Reader, *, plain: bool) -> Iterator[tuple[list[bytes | Broken], int]]:
    """Yield (objects, control messages) of a plain log or of the messages that carry one."""
    if plain:
        for pieces in objects(reader):
            yield pieces, 0
        return
    for found in messages(reader):
        texts = [text.encode() for text in found.texts if text is not None]
        held = iter(valid(texts))
        yield [found.broken.get(i) or next(held) for i in range(len(found.texts))], found.headers


def _batch(frame: pl.DataFrame, source: str) -> Batch:
    name = pl.col("query_name").str.to_lowercase().str.strip_suffix(".")
    time = pl.col("query_timestamp").str.to_datetime(
        _MOMENT, strict=False, time_unit="ms", time_zone="UTC"
    )
    read = frame.with_columns(
        time=time,
        name=name,
        address=pl.col("srcaddr").map_batches(addresses, return_dtype=pl.String),
        instance=pl.col("srcids").struct.field("instance"),
    )
    reason = (
        pl.when(pl.col("query_name").is_null() | pl.col("query_timestamp").is_null())
        .then(pl.lit(MISSING))
        .when(pl.col("time").is_null())
        .then(pl.lit(NOT_TIME))
        .when(pl.col("address").is_null() & pl.col("srcaddr").is_not_null())
        .then(pl.lit(NOT_ADDRESS))
    )
    read = read.with_columns(reason=reason)
    bad = read.filter(pl.col("reason").is_not_null())
    text = pl.struct("query_timestamp", "query_name", "srcaddr").struct.json_encode()
    good = read.filter(pl.col("reason").is_null()).select(
        *("time", pl.col("address").alias("srcaddr"), "instance", "vpc_id", "name"),
        *(pl.col("query_type").alias("type"), "rcode", _data(read["answers"]), "line"),
    )
    return Batch(
        records=good.cast(pl.Schema({**ANSWERS, "line": LINE})),
        coverage=pl.DataFrame(schema=COVERAGE),
        rejects=refused(bad.select("line", "reason", text.alias("text")), source),
        lines=frame.height,
    )


def _data(column: pl.Series) -> pl.Expr:
    """Return the answers with addresses canonical and names as in `name`."""
    given = column.explode().struct.field("Rdata").drop_nulls().unique()
    given = given.filter(given.str.contains(":", literal=True))
    kind, data = pl.element().struct.field("Type"), pl.element().struct.field("Rdata")
    word = data.str.to_lowercase().str.strip_suffix(".")
    address = data.replace(given, addresses(given).fill_null(given))
    value = (
        pl.when(kind.is_in(_NAMES)).then(word).when(kind == "AAAA").then(address).otherwise(data)
    )
    return pl.col("answers").list.eval(pl.struct(kind.alias("type"), value.alias("rdata")))
