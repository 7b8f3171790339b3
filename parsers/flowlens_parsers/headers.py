"""Which columns the values of a line stand for: header lines and log formats."""

import re
from collections.abc import Iterable
from functools import lru_cache

import polars as pl

from flowlens_parsers.errors import FormatError
from flowlens_parsers.fields import DEFAULT, SCHEMA, known

__all__ = ["BLANKS", "columns", "header", "headers", "names"]

#: What separates values: runs of blanks, tabs and carriage returns.
BLANKS = " \t\r"

_WORD = r"[A-Za-z][A-Za-z0-9_-]*"
_HEADER = rf"^\x{{FEFF}}?[{BLANKS}]*{_WORD}(?:[{BLANKS}]+{_WORD})+[{BLANKS}]*$"
_FORMAT = re.compile(r"\$\{\s*([^}]*?)\s*\}|([^\s,${}]+)")
_GAP = re.compile(rf"[{BLANKS}\n]+")
_RESERVED = ("line", "source", "flow_log")  # columns that readers add
_WIDEST = 300  # fields of a header; AWS documents 72
_LONGEST = 1 << 16  # characters of a header


def columns(fields: Iterable[str]) -> tuple[str, ...]:
    """Return column names of field names: lower case, underscores, each once.

    A name that comes again, or that readers use themselves, gets a number.

    >>> columns(["Account-ID", "srcaddr", "srcaddr", "line"])
    ('account_id', 'srcaddr', 'srcaddr.2', 'line.2')
    """
    seen = dict.fromkeys(_RESERVED, 1)
    result = []
    for field in fields:
        name = field.lower().replace("-", "_")
        seen[name] = count = seen.get(name, 0) + 1
        result.append(name if count == 1 else f"{name}.{count}")
    return tuple(result)


def names(format: str | None) -> tuple[str, ...]:
    """Return the columns of a log format, in its order; of v2 without one.

    Args:
        format: '${version} ${account-id}' as AWS writes it, or the bare names, hyphens or
            underscores.

    Raises:
        FormatError: Where not one name is a field of VPC or transit gateway flow logs.

    >>> names("${srcaddr} ${dstaddr} ${colour}"), names("account-id bytes"), len(names(None))
    (('srcaddr', 'dstaddr', 'colour'), ('account_id', 'bytes'), 14)
    """
    if format is None:
        return DEFAULT
    found = columns(a or b for a, b in _FORMAT.findall(format))
    if not known(found):
        msg = f"log format {format[:80]!r}: no field name in it; expected '${{version}} ${{…}} …'"
        raise FormatError(msg)
    return found


@lru_cache(maxsize=64)  # each object of a flow log begins with the same one
def header(line: str) -> tuple[str, ...] | None:
    """Return the columns a line names if it is a header: two known fields and more than half.

    A word that is a number or an address never is a field name, so no record is a header.

    >>> header("srcaddr dst-addr dstaddr"), header("2 123456789012 eni-1")
    (('srcaddr', 'dst_addr', 'dstaddr'), None)
    """
    if len(line) > _LONGEST:
        return None
    words = [word for word in _GAP.split(line.removeprefix("\ufeff")) if word]
    if not 2 <= len(words) <= _WIDEST or not all(re.fullmatch(_WORD, word) for word in words):
        return None
    count = known(word.lower().replace("-", "_") for word in words)
    return columns(words) if count >= 2 and 2 * count > len(words) else None


def headers(lines: pl.DataFrame) -> dict[int, tuple[str, ...]]:
    """Return the header lines among `lines` (line, text): line number -> columns."""
    words = (
        pl.col("text").str.to_lowercase().str.replace_all("-", "_").str.extract_all(r"[a-z_0-9]+")
    )
    count = words.list.eval(pl.element().is_in(list(SCHEMA))).list.sum()
    likely = lines.filter(pl.col("text").str.contains(_HEADER)).filter(count >= 2)
    found = ((line, header(text)) for line, text in likely.iter_rows())
    return {line: names for line, names in found if names is not None}
