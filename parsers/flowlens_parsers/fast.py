"""The fast parser: a block of text to typed columns at once, or not at all.

Polars' CSV reader is lenient in ways that a log reader may not be: it pads a short line with
nulls, takes an empty value for null and does not notice surplus values when a column is left
out. `parse_block` therefore reads every column and proves the shape of each line:

* surplus values make the reader raise (only as long as no column is projected away),
* a missing value leaves the last column null, because its '-' is not taken for null,
* an empty value (two blanks in a row, or one in front) leaves a null too; only where a block
  has nulls at all is its text searched for such blanks,
* a number that does not parse or does not fit makes the reader raise,
* times and addresses are checked afterwards.

So projection saves conversions and memory, not reading: it costs less than the proof without it.
Whatever cannot be proven is left to `lines.parse_lines`, which judges line by line; where this
parser answers, both give the same.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from flowlens_parsers.batch import COVERAGE, LINE, REJECTS, Batch
from flowlens_parsers.fields import ADDRESSES, SCHEMA, TIME
from flowlens_parsers.lines import coverage
from flowlens_parsers.values import SECONDS, addresses, times

__all__ = ["SMALL", "parse_block", "pieces", "tidy"]

#: Blocks that this parser refuses are cut into this many pieces, down to `SMALL` bytes.
_PIECES = 8
SMALL = 640 << 10

_COVERAGE = pl.DataFrame(schema=COVERAGE)
_REJECTS = pl.DataFrame(schema=REJECTS)


def parse_block(
    block: bytes,
    names: Sequence[str],
    line: int,
    source: str,
    columns: Sequence[str] | None = None,
) -> Batch | None:
    r"""Parse a block of whole lines, or return None where that needs the tolerant parser.

    Args:
        block: Lines, each ending in a newline.
        names: Columns in the order of the values.
        line: Number of the first line.
        source: Name of the object.
        columns: Columns wanted in `records`.

    >>> parse_block(b"80 6 OK\n", ["srcport", "protocol", "log_status"], 7, "a").records.rows()
    [(80, 6, 'OK', 7)]
    >>> parse_block(b"80  6 OK\n", ["srcport", "protocol", "log_status"], 7, "a") is None
    True
    """
    block = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    if not _plain(block, names):
        return None
    frame = _read(block, names)
    if frame is None or not _whole(frame, block):
        return None
    typed = _typed(frame)
    if typed is None:
        return None
    numbers = pl.int_range(line, line + frame.height, dtype=LINE, eager=True).alias("line")
    return _batch([*typed, numbers], names, source, columns)


def _batch(
    typed: list[pl.Series], names: Sequence[str], source: str, columns: Sequence[str] | None
) -> Batch:
    state = next((column for column in typed if column.name == "log_status"), None)
    lines, seen = len(typed[-1]), _COVERAGE
    if state is not None and not (state == "OK").all():
        flows = (state == "OK").fill_null(value=True)
        seen = coverage(pl.DataFrame(typed).filter(~flows), source)
        typed = [column.filter(flows) for column in typed]
    wanted = {*names} if columns is None else {*columns}
    return Batch(
        records=pl.DataFrame([c for c in typed[:-1] if c.name in wanted] + typed[-1:]),
        coverage=seen,
        rejects=_REJECTS,
        lines=lines,
        unknown=tuple(name for name in names if name not in SCHEMA),
    )


def _plain(block: bytes, names: Sequence[str]) -> bool:
    """Say whether blanks and newlines alone separate, and a header line could not pass for data.

    A header in mid-file is noticed because its words are neither numbers nor addresses. Polars
    would decompress a block that begins like gzip, zlib or zstandard: no text does.
    """
    guarded = any(name in ADDRESSES or SCHEMA.get(name) not in (None, pl.String) for name in names)
    text = all(0x20 <= byte < 0x7F for byte in block[:2])
    return len(names) > 1 and guarded and text and b"\t" not in block and b"\r" not in block


def _read(block: bytes, names: Sequence[str]) -> pl.DataFrame | None:
    """Read every column typed, times as integers and the last as text; None where that raises."""
    schema = {name: SCHEMA.get(name, pl.String()) for name in names}
    schema = {name: pl.Int64() if dtype == TIME else dtype for name, dtype in schema.items()}
    schema[names[-1]] = pl.String()
    try:
        return pl.scan_csv(
            block,
            has_header=False,
            separator=" ",
            quote_char=None,
            schema=schema,
            null_values=dict.fromkeys(names[:-1], "-"),
        ).collect()
    except pl.exceptions.PolarsError:
        return None


def _whole(frame: pl.DataFrame, block: bytes) -> bool:
    """Say whether every line has all its values and none is empty."""
    if frame[:, -1].null_count():
        return False
    if not any(column.null_count() for column in frame):
        return True
    text = pl.Series([b"\n", block], dtype=pl.Binary)  # searched with vector instructions
    return not (block.startswith(b" ") or any(text.bin.contains(gap).any() for gap in _GAPS))


_GAPS = (b"  ", b"\n ")


def _typed(frame: pl.DataFrame) -> list[pl.Series] | None:
    """Check and convert times, addresses and the last column; None where a value is wrong."""
    done = []
    for column in frame:
        made = _column(column, last=column.name == frame.columns[-1])
        if made is None:
            return None
        done.append(made)
    return done


def _column(column: pl.Series, *, last: bool) -> pl.Series | None:
    dtype = SCHEMA.get(column.name, pl.String())
    if last:
        column = column.replace("-", None) if (column == "-").any() else column
        stored = pl.Int64() if dtype == TIME else dtype
        try:
            column = column.cast(stored)
        except pl.exceptions.PolarsError:
            return None
    if dtype == TIME:
        return _time(column)
    if column.name in ADDRESSES:
        clean = addresses(column)
        return clean if clean.null_count() == column.null_count() else None
    return column


def _time(column: pl.Series) -> pl.Series | None:
    if column.is_between(0, SECONDS).all():
        return (column * 1000).cast(TIME)
    made = column.to_frame().select(times(pl.col(column.name))).to_series()
    return made if made.null_count() == column.null_count() else None


def tidy(block: bytes) -> bytes:
    """Return a block with single blanks between values and none around; b"" if it is so already.

    The tolerant parser skips runs of blanks as well, so this changes no value.
    """
    if not any(gap in block for gap in (b"\t", b"  ", b" \n", b"\n ", b" \r")):
        return b""
    single = block.replace(b"\r\n", b"\n").replace(b"\t", b" ")
    while b"  " in single:
        single = single.replace(b"  ", b" ")
    return single.replace(b"\n ", b"\n").replace(b" \n", b"\n").removeprefix(b" ")


def pieces(block: bytes, head: bytes) -> Iterator[bytes]:
    """Cut a block at line ends: where the header comes again, else into about `_PIECES`.

    Concatenated downloads repeat their header; what lies between is mostly sound.
    """
    step, begin = max(1, len(block) // _PIECES), 0
    mark = b"\n" + head if head and b"\n" + head in block else b""
    while begin < len(block):
        if mark:
            end = block.find(mark, begin)
        else:  # a line longer than a step is a piece of its own
            end = block.rfind(b"\n", begin, begin + step)
            end = end if end >= 0 else block.find(b"\n", begin + step)
        end = end + 1 or len(block)
        yield block[begin:end]
        begin = end
