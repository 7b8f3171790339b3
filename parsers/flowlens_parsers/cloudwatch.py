"""CloudWatch Logs: flow-log lines without a header, inside answers, envelopes and exports.

Read here are FilterLogEvents and GetLogEvents answers, subscription envelopes, and the events of a
Lambda trigger; the forms written as lines or CSV are in `exports`, query results in `insights`.

The log group does not say what the fields of a line are: without a format the default is assumed,
and the default of transit gateways for lines that can be nothing else.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from flowlens_parsers.batch import Batch, Layout, Options, rejects
from flowlens_parsers.errors import RESOLVER
from flowlens_parsers.fast import parse_block
from flowlens_parsers.fields import DEFAULT
from flowlens_parsers.headers import names
from flowlens_parsers.lines import parse_lines
from flowlens_parsers.messages import messages
from flowlens_parsers.streams import Reader

__all__ = ["TRANSIT", "account", "first", "keys", "layout", "match", "read", "records"]

#: Bytes in which the first message must be found.
HEAD = 64 << 10

#: The default format of transit gateway flow logs, in its order ("Transit Gateway Flow Logs").
TRANSIT: tuple[str, ...] = (
    *("version", "resource_type", "account_id", "tgw_id", "tgw_attachment_id"),
    *("tgw_src_vpc_account_id", "tgw_dst_vpc_account_id", "tgw_src_vpc_id", "tgw_dst_vpc_id"),
    *("tgw_src_subnet_id", "tgw_dst_subnet_id", "tgw_src_eni", "tgw_dst_eni"),
    *("tgw_src_az_id", "tgw_dst_az_id", "tgw_pair_attachment_id", "srcaddr", "dstaddr"),
    *("srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "log_status", "type"),
    *("packets_lost_no_route", "packets_lost_blackhole", "packets_lost_mtu_exceeded"),
    *("packets_lost_ttl_expired", "tcp_flags", "region", "flow_direction"),
    *("pkt_src_aws_service", "pkt_dst_aws_service"),
)

#: A line of 36 values that names its resource can only be the default transit gateway format.
TRANSIT_LINE = r"^6\s+TransitGateway(\s+\S+){34}\s*$"

#: What a Resolver query log looks like inside a message.
RESOLVER_LINE = r'^\s*\{.*"query_name"'

KEYS = re.compile(rb'(?<!\\)"([@\w-]{1,64})"\s*+:')


def keys(head: bytes) -> set[bytes]:
    r"""Return the names of the JSON objects at the start of an object; none if it is not JSON.

    >>> sorted(keys(b'{"message": "{\\"query_name\\": 1}", "id": 2}'))
    [b'id', b'message']
    """
    if head.lstrip()[:1] not in {b"{", b"["}:
        return set()
    return {key.group(1) for key in KEYS.finditer(head)}


def match(head: bytes, name: str) -> bool:
    """Say whether an object holds CloudWatch Logs events as JSON."""
    own = {b"logEvents", b"messageType", b"searchedLogStreams", b"events", b"awslogs", b"@message"}
    return bool(keys(head) & own)


def read(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Yield the flow-log lines that the messages of a JSON object carry.

    Args:
        reader: The decompressed object.
        name: Its name, the `source` of rejects and coverage.
        options: `format` gives the fields of a line.
    """
    line = 1
    for found in messages(reader):
        *batches, last = records(found.frame(line), name, options)
        yield from batches
        yield account(last, rejects(found.bad(line), name), headers=found.headers)
        line += len(found.texts)


def records(lines: pl.DataFrame, source: str, options: Options) -> list[Batch]:
    """Parse lines that come without a header: one batch for each layout among them, at least one.

    Args:
        lines: `line` and `text`.
        source: The object they came from.
        options: `format` and `columns`.
    """
    usual = _fast(lines, source, options)
    if usual is not None:
        return [usual]
    dns = pl.col("text").str.contains(RESOLVER_LINE)
    answers, lines = lines.filter(dns), lines.filter(~dns)
    bad = rejects([(line, RESOLVER, text) for line, text in answers.rows()], source)
    transit = pl.col("text").str.contains(TRANSIT_LINE)
    layouts: list[tuple[pl.DataFrame, Sequence[str]]] = [(lines, names(options.format))]
    if options.format is None and lines.select(transit.any()).item():
        layouts = [(lines.filter(~transit), DEFAULT), (lines.filter(transit), TRANSIT)]
        layouts = [entry for entry in layouts if entry[0].height]
    *batches, last = (parse_lines(part, order, source, options.columns) for part, order in layouts)
    return [*batches, account(last, bad)]


def _fast(lines: pl.DataFrame, source: str, options: Options) -> Batch | None:
    """Parse lines at once where the fast parser can prove each, and they follow one another."""
    number = lines.get_column("line")
    if not lines.height or number[-1] - number[0] != lines.height - 1:
        return None
    block = "\n".join([*lines.get_column("text"), ""]).encode()
    return parse_block(block, names(options.format), number[0], source, options.columns)


def account(batch: Batch, bad: pl.DataFrame, headers: int = 0) -> Batch:
    """Add rejects and headers to what a batch already counts."""
    return replace(
        batch,
        rejects=pl.concat([batch.rejects, bad]).sort("line"),
        lines=batch.lines + bad.height,
        headers=batch.headers + headers,
    )


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns of the first message."""
    return Layout("cloudwatch", first(reader, options))


def first(reader: Reader, options: Options) -> tuple[str, ...]:
    """Return the columns of the first message that can be seen without reading on."""
    if options.format is None:
        for found in messages(io.BytesIO(reader.peek(HEAD))):
            texts = pl.Series([text for text in found.texts[:1] if text], dtype=pl.String)
            if texts.str.contains(TRANSIT_LINE).any():
                return TRANSIT
    return names(options.format)
