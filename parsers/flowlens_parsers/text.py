"""Flow logs as lines of text: S3 `.log.gz`, and the lines that other deliveries carry."""

from collections.abc import Iterator, Sequence

import polars as pl

from flowlens_parsers.batch import Batch, Layout, Options
from flowlens_parsers.fields import DEFAULT
from flowlens_parsers.streams import Reader

__all__ = ["layout", "match", "names", "parse_lines", "read_text"]


def names(format: str | None) -> tuple[str, ...]:
    """Return the columns of a log format: '${version} ${account-id}' or plain names; None: v2."""
    raise NotImplementedError


def parse_lines(
    lines: pl.DataFrame, names: Sequence[str], source: str, columns: Sequence[str] | None = None
) -> Batch:
    """Parse `lines` (line: UInt64, text: String) whose values are in the order of `names`."""
    raise NotImplementedError


def match(head: bytes, name: str) -> bool:
    """Say whether an object may be lines of text."""
    raise NotImplementedError


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns of a text object, from its header or the format given."""
    raise NotImplementedError


def read_text(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Read a text object."""
    raise NotImplementedError
