"""Promises that hold for any text: round trip, accounting, one result however it is read."""

import gzip
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowlens_parsers import text
from flowlens_parsers.batch import COVERAGE, REJECTS, Batch
from flowlens_parsers.fields import ADDRESSES, FIELDS, SCHEMA, TIME
from flowlens_parsers.packing import Packer
from flowlens_parsers.reading import read
from flowlens_parsers.streams import Reader
from flowlens_parsers.tokens import NULL
from tests.examples import examples

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOP: dict[pl.DataType, int] = {pl.UInt8(): 255, pl.UInt16(): 65535, pl.UInt64(): 2**64 - 1}

moderate = settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)


def whole(batches: Sequence[Batch]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, int, int]:
    """All batches as one: rows in order of line, whatever the cuts were."""
    filled = [batch.records for batch in batches if batch.records.height]
    records = (
        pl.concat(filled, how="diagonal") if filled else pl.DataFrame(schema={"line": pl.UInt64})
    )
    return (
        records.select(sorted(records.columns)).sort("line"),
        pl.concat([b.coverage for b in batches] or [pl.DataFrame(schema=COVERAGE)]).sort(
            pl.all(), nulls_last=True
        ),
        pl.concat([b.rejects for b in batches] or [pl.DataFrame(schema=REJECTS)]).sort("line"),
        sum(b.lines for b in batches),
        sum(b.headers for b in batches),
    )


@cache  # a strategy that is new at each draw takes as long as the parser
def cells(name: str) -> st.SearchStrategy[tuple[str, object]]:
    """Well-formed values of a field: (as written, as read)."""
    dtype = SCHEMA.get(name, pl.String())
    if name in ADDRESSES:
        value: st.SearchStrategy[tuple[str, object]] = st.one_of(
            st.integers(0, 2**32 - 1).map(lambda n: (str(IPv4Address(n)), str(IPv4Address(n)))),
            st.integers(2**64, 2**128 - 1).map(
                lambda n: (IPv6Address(n).exploded.upper(), IPv6Address(n).compressed)
            ),
        )
    elif dtype == TIME:
        value = st.integers(0, 2**31 - 1).map(lambda n: (str(n), EPOCH + timedelta(seconds=n)))
    elif name == "log_status":
        value = st.just(("OK", "OK"))
    elif dtype == pl.String():
        word = st.text("abcdefz0189-_:/.%é", min_size=1, max_size=30)
        value = word.filter(lambda w: w != "-").map(lambda w: (w, w))
    else:
        value = st.integers(0, TOP[dtype]).map(lambda n: (str(n), n))
    return st.one_of(value, st.just(("-", None)))


columns = st.lists(st.sampled_from(sorted(SCHEMA)), min_size=2, max_size=30, unique=True)
chunks = st.sampled_from([40, 333, 5000, 1 << 20])


@moderate
@given(data=st.data(), names=columns, size=chunks, crlf=st.booleans(), hyphens=st.booleans())
def test_what_is_written_is_read(
    data: st.DataObject, names: list[str], size: int, crlf: bool, hyphens: bool
) -> None:
    """Any choice and order of documented fields is read back value by value, as its dtype."""
    rows = data.draw(st.lists(st.tuples(*map(cells, names)), max_size=12))
    head = " ".join(name.replace("_", "-") if hyphens else name for name in names)
    end = "\r\n" if crlf else "\n"
    written = end.join([head, *(" ".join(cell[0] for cell in row) for row in rows)])
    records, coverage, rejects, lines, headers = whole(
        list(read(io.BytesIO(written.encode()), "w.log", size=size))
    )
    assert (coverage.height, rejects.rows(), lines, headers) == (0, [], len(rows), 1)
    if rows:
        assert records.select(names).rows() == [tuple(cell[1] for cell in row) for row in rows]
        assert {name: records.schema[name] for name in names} == {n: SCHEMA[n] for n in names}
        assert records["line"].to_list() == list(range(2, len(rows) + 2))


WORDS = """
+5 ++5 -5 -0 +-5 007 1.5 1e3 5_0 0x5 256 65536 4294967296 18446744073709551616 300 ٣
9223372036854775808 2147483648 1700000000123 253402300800000 999999999999999999 é --
10.0.0.256 010.0.0.1 10.0.0 1.2.3.4.5 ::FFFF:10.0.0.1 fe80::1%eth0 ::1 :: a:b host 1.2.3.4
NODATA SKIPDATA OK ok UNKNOWN "x "x" #x x, - version srcaddr end \ufeff2 x\x00y
"""
ODD = [*WORDS.split(), "a\x0bb", "a\u00a0b", "srcaddr\x0bdstaddr", ""]
SMALL = ["version", "srcaddr", "dstport", "start", "end", "action", "interface_id", "log_status"]
odd_cells = st.sampled_from(ODD)
blanks = st.sampled_from([" "] * 12 + ["  ", "\t", "\r"])
ends = st.sampled_from(["\n"] * 8 + ["\r\n", " \n", "\n\n", "\n \n", "\r\r\n"])
formats = st.sampled_from(
    [SMALL, SMALL[::-1], ["srcaddr", "action"], ["action", "region"], SMALL[3:], SMALL[1:5]]
)


@st.composite
def messy(draw: st.DrawFn) -> bytes:
    """Text in which most lines are sound and everything that may go wrong does."""
    names = draw(formats)
    parts: list[str] = [draw(st.sampled_from(["", "\ufeff", "\n"])), " ".join(names), "\n"]
    for _ in range(draw(st.integers(0, 14))):
        if draw(st.integers(0, 9)) == 0:
            names = draw(formats)
            parts += [" ".join(names), draw(ends)]
            continue
        row = [draw(cells(name))[0] for name in names]
        if draw(st.booleans()):
            row[draw(st.integers(0, len(row) - 1))] = draw(odd_cells)
        if draw(st.integers(0, 5)) == 0:
            row = row[1:] if draw(st.booleans()) else [*row, "more"]
        parts += [piece for cell in row for piece in (cell, draw(blanks))][:-1]
        parts.append(draw(ends))
    return "".join(parts).encode() + draw(st.sampled_from([b"", b"\xff\xfe\n", b"2 3"]))


def tolerant(raw: bytes, size: int) -> list[Batch]:
    """Read with the line-by-line parser alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "parse_block", lambda *_: None)
        return list(read(io.BytesIO(raw), "m.log", size=size))


@moderate
@given(raw=messy(), size=chunks)
def test_fast_and_tolerant_parsers_agree(raw: bytes, size: int) -> None:
    """Where the fast parser answers, it gives what judging line by line gives."""
    slow = whole(tolerant(raw, 1 << 20))
    fast = whole(list(read(io.BytesIO(raw), "m.log", size=size)))
    for one, other in zip(slow[:3], fast[:3], strict=True):
        assert one.to_dict(as_series=False) == other.to_dict(as_series=False)
        assert one.schema == other.schema
    assert slow[3:] == fast[3:]


def unpacked(batch: Batch, packer: Packer, texts: list[str]) -> list[dict[str, Any]]:
    """What packed rows say of the fields of `SMALL`, null and 0 alike."""
    rows = []
    for src, ports, places, times, last in (
        (int(r[0]), int(r[1]), int(r[2]), int(r[3]), int(r[6])) for r in batch.packed[0].rows
    ):
        word = [
            None if code == NULL else texts[packer.codes[code]]
            for code in (src & NULL, places & NULL, places >> 32, last & NULL)
        ]
        rows.append(
            {
                "srcaddr": word[0],
                "interface_id": word[1],
                "version": word[2],
                "action": word[3],
                "dstport": ports >> 16 & 0xFFFF,
                "start": times & NULL,
                "end": times >> 32,
            }
        )
    return rows


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """What a typed record says of the same."""
    seconds = {
        name: int(row[name].timestamp()) if row.get(name) else 0 for name in ("start", "end")
    }
    version = row.get("version")
    return {
        **{name: row.get(name) for name in ("srcaddr", "interface_id", "action")},
        "version": None if version is None else str(version),
        "dstport": row.get("dstport") or 0,
        **seconds,
    }


def agree(raw: bytes, size: int) -> None:
    """Pack a text and read it line by line; fail where the two differ."""
    texts: dict[str | None, int] = {}
    packer = Packer(lambda new: np.array([texts.setdefault(t, len(texts)) for t in new], np.uint32))
    batches, rows = [], []
    for batch in read(io.BytesIO(raw), "m.log", size=size, packer=packer):
        assert batch.height + batch.coverage.height + batch.rejects.height == batch.lines
        if batch.packed:
            rows += unpacked(batch, packer, [str(text) for text in texts])
        batches.append(batch)
    slow, packed = whole(tolerant(raw, 1 << 20)), whole(batches)
    for one, other in zip(slow[1:3], packed[1:3], strict=True):
        assert one.to_dict(as_series=False) == other.to_dict(as_series=False)
    assert slow[3:] == packed[3:]
    order = [str(sorted(row.items(), key=str)) for row in (plain(r) for r in slow[0].to_dicts())]
    rows += [plain(row) for row in packed[0].to_dicts()]
    assert sorted(str(sorted(row.items(), key=str)) for row in rows) == sorted(order)


@moderate
@given(raw=messy(), size=chunks)
def test_packing_and_tolerant_parsers_agree(raw: bytes, size: int) -> None:
    """Packed records say what typed ones say, and every other line has the same fate."""
    agree(raw, size)


def test_packing_and_tolerant_parsers_agree_on_long_texts() -> None:
    """Also where odd lines stand among hundreds of others, and one has many thousand values."""
    lines = [" ".join(SMALL)]
    for n in range(3000):
        start = 1_700_000_000 + n % 97
        version, host = n % 3 + 2, f"10.{n % 7}.{n % 251}.{n % 13}"
        lines.append(f"{version} {host} {n % 65536} {start} {start + 60} ACCEPT eni-{n % 19} OK")
    breaks = ("", "x", " y", "2 - - - - - eni-1 NODATA", "z " * 20_000, "\x01", lines[2] + "\r")
    for n, odd in enumerate(breaks):
        lines[300 * n + 150] = odd
        lines[311 * n + 77] = lines[311 * n + 77].replace(" ", odd[:2] or "\t", 1)
    raw = "\n".join([*lines, lines[5].replace(" ACCEPT", " \u00e9")]).encode()
    for size in (1 << 20, 50_001):
        agree(raw, size)


@moderate
@given(raw=messy(), size=chunks)
def test_every_line_is_accounted_for(raw: bytes, size: int) -> None:
    """Records, coverage and rejects add up to the data lines, in every batch and in all."""
    batches = list(read(io.BytesIO(raw), "m.log", size=size))
    for batch in batches:
        assert batch.records.height + batch.coverage.height + batch.rejects.height == batch.lines
    filled = [line for line in raw.split(b"\n") if line.strip(b" \t\r\xef\xbb\xbf")]
    assert sum(b.lines + b.headers for b in batches) == len(filled)


@moderate
@given(raw=messy(), wanted=st.lists(st.sampled_from([*SMALL, "no_such"]), unique=True))
def test_projection_changes_no_count(raw: bytes, wanted: list[str]) -> None:
    """Wanting fewer columns gives those columns unchanged, and the same coverage and rejects."""
    every = whole(list(read(io.BytesIO(raw), "m.log")))
    some = whole(list(read(io.BytesIO(raw), "m.log", columns=wanted)))
    kept = [name for name in every[0].columns if name in (*wanted, "line")]
    assert some[0].equals(every[0].select(kept))
    assert some[1].equals(every[1])
    assert some[2].equals(every[2])
    assert some[3:] == every[3:]


def test_strategies_reach_every_field() -> None:
    """The round trip draws from every documented field."""
    assert {field.column for field in FIELDS} == set(SCHEMA)


@moderate
@given(
    parts=st.lists(st.binary(max_size=300), max_size=6),
    wanted=st.lists(st.integers(1, 400), min_size=1, max_size=20),
    pack=st.sampled_from([bytes, gzip.compress, zstandard.compress]),
    ahead=st.integers(0, 100),
)
def test_readers_give_every_byte_once(
    parts: list[bytes], wanted: list[int], pack: Callable[[bytes], bytes], ahead: int
) -> None:
    """Reading and peeking in any sizes gives the decompressed bytes, in order, once."""
    reader = Reader(io.BytesIO(b"".join(pack(b"." + part) for part in parts)))
    whole = b"".join(b"." + part for part in parts)
    out = b""
    for size in wanted:
        assert reader.peek(ahead) == whole[len(out) : len(out) + ahead]
        out += (piece := reader.read(size))
        assert len(piece) == min(size, len(whole) - len(out) + len(piece))
    assert out + reader.read() == whole
    assert reader.read(1) == b""
    assert reader.ended
