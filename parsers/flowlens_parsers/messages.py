"""Messages that carry a log line inside JSON: CloudWatch Logs and Amazon Data Firehose.

One structure reads all of them, because they nest in each other in practice: a Firehose record
may hold a CloudWatch envelope, which holds the line.

Sources: FilterLogEvents and GetLogEvents in the CloudWatch Logs API reference; "Log group-level
subscription filters" of its user guide (envelopes); "Transform source data" of the Amazon Data
Firehose guide (base64 records).
"""

import base64
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import polars as pl

from flowlens_parsers.batch import LINE, TEXT
from flowlens_parsers.documents import LARGE, Broken, Readable, values
from flowlens_parsers.errors import DAMAGED, LONG, MESSAGE, NOT_UTF8, TRUNCATED, BrokenError

__all__ = ["Messages", "messages"]

GZIP = b"\x1f\x8b"

#: Levels of messages inside messages; real ones have four (event, record, envelope, line).
DEPTH = 8


class _Page(msgspec.Struct, omit_defaults=True):
    """Any JSON object that is a message or holds messages; other keys are skipped."""

    message: str | None = None
    raw: str | None = msgspec.field(default=None, name="@message")  # Logs Insights
    data: str | None = None  # base64: Firehose, Kinesis, Lambda events
    type: str | None = msgspec.field(default=None, name="messageType")
    events: list["_Page"] | None = None  # FilterLogEvents, GetLogEvents
    logs: list["_Page"] | None = msgspec.field(default=None, name="logEvents")  # subscription
    records: list["_Page"] | None = None  # Firehose transformation
    batch: list["_Page"] | None = msgspec.field(default=None, name="Records")  # Kinesis to Lambda
    kinesis: "_Page | None" = None
    awslogs: "_Page | None" = None  # CloudWatch Logs to Lambda


_DECODE = msgspec.json.Decoder(list[_Page | list[_Page]]).decode


@dataclass(slots=True)
class Messages:
    """The messages of one stretch of a stream, numbered from `first`."""

    texts: list[str | None] = field(default_factory=list)  # None where `broken` has the piece
    broken: dict[int, Broken] = field(default_factory=dict)  # position in `texts` -> piece
    headers: int = 0  # control messages, which carry no line

    def frame(self, first: int) -> pl.DataFrame:
        """Return the readable messages as lines numbered from `first`."""
        text = pl.Series("text", self.texts, dtype=pl.String).str.strip_chars("\r\n")
        line = pl.int_range(first, first + len(text), dtype=LINE, eager=True).alias("line")
        return pl.DataFrame([line, text]).filter(pl.col("text").is_not_null())

    def bad(self, first: int) -> list[tuple[int, str, str]]:
        """Return (line, reason, text) of the unreadable ones."""
        return [(first + at, b.reason, b.text) for at, b in sorted(self.broken.items())]


def messages(stream: Readable) -> Iterator[Messages]:
    """Yield the messages of a stream of JSON documents, whatever carries them.

    Args:
        stream: Decompressed bytes.

    Yields:
        One `Messages` for each stretch that was read; nothing is left out.

    >>> import io
    >>> [m.texts for m in messages(io.BytesIO(b'{"message": "a"}{"message": "b"}'))]
    [['a', 'b']]
    """
    for found in values(stream, _DECODE):
        out = Messages()
        _walk(found, out, depth=0)
        yield out


def _walk(
    value: "_Page | Sequence[_Page | Sequence[_Page] | Broken] | Broken",
    out: Messages,
    *,
    depth: int,
) -> None:
    """Append the messages of `value` to `out`."""
    if isinstance(value, Broken):
        _fail(value, out)
    elif isinstance(value, Sequence):
        if plain := _plain(value):
            out.texts.extend(plain)
            return
        for item in value:
            _walk(item, out, depth=depth)
    elif value.type == "CONTROL_MESSAGE":
        out.headers += 1
    elif text := value.message or value.raw:
        _say(text, out)
    elif not (depth < DEPTH and _open(value, out, depth=depth + 1)):
        _fail(Broken(msgspec.json.encode(value).decode()[:TEXT], MESSAGE), out)


def _plain(items: "Sequence[_Page | Sequence[_Page] | Broken]") -> list[str] | None:
    """Return the messages where all items are single lines, the usual case; else None."""
    texts = [item.message for item in items if isinstance(item, _Page) and item.type is None]
    found = [text for text in texts if text and "\n" not in text and not text.isspace()]
    return found if len(found) == len(items) else None


def _open(page: _Page, out: Messages, *, depth: int) -> bool:
    """Append what `page` holds and say whether it is of a kind that holds something."""
    if page.data is not None:
        _unpack(page.data, out, depth=depth)
        return True
    inner = [part for part in (page.kinesis, page.awslogs) if part is not None]
    lists = (page.events, page.logs, page.records, page.batch)
    present = [part for part in lists if part is not None]
    for part in (inner, *present):
        _walk(part, out, depth=depth)
    return bool(inner or present)


def _say(text: str, out: Messages) -> None:
    """Append a message; one that holds several lines counts as several, a blank one is none."""
    lines = [line for line in text.splitlines() if line.strip()] if "\n" in text else [text]
    out.texts.extend(lines)
    if not lines or not lines[0].strip():
        out.texts = out.texts[: len(out.texts) - len(lines)]
        _fail(Broken(text, MESSAGE), out)


def _fail(piece: Broken, out: Messages) -> None:
    out.broken[len(out.texts)] = piece
    out.texts.append(None)


def _unpack(data: str, out: Messages, *, depth: int) -> None:
    """Append what a base64 record holds: a line, several, or again JSON, perhaps gzipped."""
    try:
        raw = base64.b64decode(data, validate=True)
        text = (_inflate(raw) if raw.startswith(GZIP) else raw).decode()
    except BrokenError as error:
        _fail(Broken(data[:TEXT], error.reason), out)
    except UnicodeDecodeError:
        _fail(Broken(data[:TEXT], NOT_UTF8), out)
    except ValueError:
        _fail(Broken(data[:TEXT], MESSAGE), out)
    else:
        if not text.lstrip().startswith(("{", "[")):
            _say(text, out)
            return
        for found in values(io.BytesIO(text.encode()), _DECODE):
            _walk(found, out, depth=depth)


def _inflate(raw: bytes) -> bytes:
    """Return what the gzip members in `raw` hold, at most `LARGE` bytes."""
    whole = b""
    while raw:
        member = zlib.decompressobj(wbits=31)
        try:
            whole += member.decompress(raw, LARGE + 1 - len(whole))
        except zlib.error as error:
            raise BrokenError(DAMAGED) from error
        if len(whole) > LARGE:
            raise BrokenError(LONG)
        if not member.eof:
            raise BrokenError(TRUNCATED)
        raw = member.unused_data
    return whole
