import gzip
import io
import random
import zlib
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
import zstandard

from flowlens_parsers import FIELDS, SCHEMA, Batch, FormatError, Layout, peek, read

V2 = " ".join(field.name for field in FIELDS[:14])
ROW = "2 001234567890 eni-1 10.0.0.1 10.0.0.2 40000 443 6 3 180 1700000000 1700000060 ACCEPT OK"
QUIET = "2 001234567890 eni-1 - - - - - - - 1700000000 1700000060 - NODATA"
RANDOM = random.Random(7).randbytes(99_999)
START = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
END = datetime(2023, 11, 14, 22, 14, 20, tzinfo=UTC)


def batches(raw: bytes | str, name: str = "x.log", **how: Any) -> list[Batch]:
    data = raw.encode() if isinstance(raw, str) else raw
    return list(read(io.BytesIO(data), name, **how))


def one(raw: bytes | str, **how: Any) -> Batch:
    [batch] = batches(raw, **how)
    return batch


def reasons(found: list[Batch]) -> list[tuple[int, str]]:
    return [row for batch in found for row in batch.rejects.select("line", "reason").rows()]


def totals(found: list[Batch]) -> tuple[int, int, int, int, int]:
    """Records, coverage, rejects, lines, headers."""
    return (
        sum(b.records.height for b in found),
        sum(b.coverage.height for b in found),
        sum(b.rejects.height for b in found),
        sum(b.lines for b in found),
        sum(b.headers for b in found),
    )


def test_headerless_text_is_v2() -> None:
    """Without header and format the columns are those of AWS's default format, typed."""
    batch = one(ROW)
    assert batch.records.to_dicts() == [
        {
            "version": 2,
            "account_id": "001234567890",
            "interface_id": "eni-1",
            "srcaddr": "10.0.0.1",
            "dstaddr": "10.0.0.2",
            "srcport": 40000,
            "dstport": 443,
            "protocol": 6,
            "packets": 3,
            "bytes": 180,
            "start": START,
            "end": END,
            "action": "ACCEPT",
            "log_status": "OK",
            "line": 1,
        }
    ]
    assert {
        name: batch.records.schema[name] for name in SCHEMA if name in batch.records.columns
    } == {field.column: field.dtype for field in FIELDS[:14]}
    assert (batch.lines, batch.headers, batch.unknown) == (1, 0, ())


@pytest.mark.parametrize(
    "text", ["${dstport} ${srcaddr}", "dstport srcaddr", "${dstport},${srcaddr}"]
)
def test_format_names_the_columns_of_headerless_text(text: str) -> None:
    """A log format as AWS writes it, or bare names, gives the order of values."""
    assert one("443 10.0.0.1", format=text).records.rows() == [(443, "10.0.0.1", 1)]


def test_header_wins_over_format() -> None:
    """A header in the object says more than the format given for it."""
    batch = one("dstport srcaddr\n443 10.0.0.1\n", format="${srcaddr} ${dstport}")
    assert batch.records.rows() == [(443, "10.0.0.1", 2)]


def test_format_without_a_field_is_refused() -> None:
    """A format that names no field is the caller's mistake, said in one line."""
    with pytest.raises(FormatError, match="no field name in it"):
        batches(ROW, format="hello world")


def test_alphabetical_order_is_taken_from_the_header() -> None:
    """The console's alphabetical order is read by its header, not by the number of fields."""
    order = sorted(V2.split())
    values = dict(zip(V2.split(), ROW.split(), strict=True))
    batch = one(f"{' '.join(order)}\n{' '.join(values[name] for name in order)}\n")
    assert batch.records.select("srcaddr", "srcport", "start").rows() == [
        ("10.0.0.1", 40000, START)
    ]


def test_headers_in_mid_file_switch_the_columns() -> None:
    """Concatenated downloads repeat headers, also with another order; none is a record."""
    raw = f"{V2}\n{ROW}\n{V2}\n{ROW}\ndstport srcaddr\n53 10.0.0.9\n"
    found = batches(raw)
    assert totals(found) == (3, 0, 0, 3, 3)
    assert found[-1].records.rows() == [(53, "10.0.0.9", 6)]
    assert found[0].records["line"].to_list() == [2, 4]


def test_many_concatenated_files_are_read_fast_and_whole() -> None:
    """Thousands of repeated headers cost no line and keep the numbers of lines."""
    part = f"{V2}\n" + f"{ROW}\n" * 5
    found = batches(part * 500)
    assert totals(found) == (2500, 0, 0, 2500, 500)
    assert found[-1].records["line"][-1] == 3000


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (f"{V2}\r\n{ROW}\r\n", [2]),
        (f"\ufeff{V2}\n{ROW}", [2]),
        (f"\ufeff{ROW}\n", [1]),
        (f"\n\n{V2}\n\n{ROW}\n \t\n{ROW}\n\n", [5, 7]),
        (f"{V2}\n  {ROW.replace(' ', '   ')}  \n", [2]),
        (f"{V2}\n{ROW.replace(' ', chr(9))}\n", [2]),
        (f"{V2.upper().replace('-', '_')}\n{ROW}\n", [2]),
    ],
    ids=["crlf", "bom", "bom without header", "blank lines", "runs", "tabs", "upper underscore"],
)
def test_what_people_do_to_text_is_read(raw: str, lines: list[int]) -> None:
    """CRLF, a byte-order mark, blank lines, runs of blanks and a missing last newline are fine."""
    found = batches(raw)
    assert [line for batch in found for line in batch.records["line"]] == lines
    assert [row[1] for batch in found for row in batch.records.rows()] == ["001234567890"] * len(
        lines
    )
    assert totals(found)[2] == 0


def test_nodata_and_skipdata_are_coverage() -> None:
    """NODATA, SKIPDATA and statuses not known yet are no flows; the observer is named."""
    fields = "interface-id resource-id tgw-attachment-id start end log-status srcport"
    raw = f"""{fields}
eni-1 - - 1700000000 1700000060 NODATA -
- nat-1 - 1700000000 1700000060 SKIPDATA -
- - tgw-attach-1 1700000000 1700000060 INCOMPLETEDATA -
eni-2 - - 1700000000 1700000060 OK 80
eni-3 - - 1700000000 1700000060 - 80
"""
    batch = one(raw)
    assert batch.coverage.rows() == [
        ("eni-1", "NODATA", START, END, "x.log"),
        ("nat-1", "SKIPDATA", START, END, "x.log"),
        ("tgw-attach-1", "INCOMPLETEDATA", START, END, "x.log"),
    ]
    assert batch.records["interface_id"].to_list() == ["eni-2", "eni-3"]
    assert batch.lines == 5


def test_without_log_status_every_row_is_a_flow() -> None:
    """A format without log-status has flows only, '-' or not."""
    assert one("srcaddr dstport\n- -\n").records.rows() == [(None, None, 2)]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("srcport", "65536", "out of range"),
        ("srcport", "-1", "out of range"),
        ("protocol", "256", "out of range"),
        ("bytes", "18446744073709551616", "out of range"),
        ("start", "-5", "out of range"),
        ("end", "253402300800000", "out of range"),
        ("packets", "1.5", "not a number"),
        ("packets", "1e3", "not a number"),
        ("srcport", "https", "not a number"),
        ("start", "yesterday", "not a number"),
        ("srcaddr", "10.0.0.256", "not an address"),
        ("dstaddr", "010.0.0.1", "not an address"),
        ("dstaddr", "fe80::1%eth0", "not an address"),
        ("pkt-srcaddr", "host", "not an address"),
        ("pkt-dstaddr", "2001:db8:::1", "not an address"),
        ("srcaddr", "10.0.0.1 10.0.0.2", "wrong number of values"),
        ("srcaddr", "", "wrong number of values"),
    ],
)
def test_wrong_values_reject_their_line(field: str, value: str, reason: str) -> None:
    """A value that cannot be what its field says rejects the whole line, with the reason."""
    names = f"{V2} pkt-srcaddr pkt-dstaddr".split()
    good = dict(zip(names, [*ROW.split(), "10.0.0.1", "2001:db8::1"], strict=True))
    bad = " ".join({**good, field: value}.values())
    batch = one("\n".join([" ".join(names), *[" ".join(good.values())] * 2, bad]))
    assert batch.records["line"].to_list() == [2, 3]
    assert batch.rejects.rows() == [("x.log", 4, reason, bad)]


def test_one_bad_line_costs_one_line() -> None:
    """Among many blocks of sound lines a wrong one is found, numbered and alone rejected."""
    rows = [ROW] * 30_000
    rows[17_011] = ROW.replace("443", "port")
    found = batches("\n".join([V2, *rows]), size=1 << 20)
    assert totals(found) == (29_999, 0, 1, 30_000, 1)
    assert reasons(found) == [(17_013, "not a number")]


def test_milliseconds_are_recognised() -> None:
    """A start above 2^31-1 is milliseconds, line by line."""
    raw = "srcaddr start\n10.0.0.1 1700000000123\n10.0.0.1 1700000000\n10.0.0.1 2147483647\n"
    assert [row[1] for row in one(raw).records.rows()] == [
        START.replace(microsecond=123_000),
        START,
        datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC),
    ]


def test_addresses_become_canonical() -> None:
    """Addresses are written as RFC 5952 does, IPv4 inside IPv6 with dots."""
    raw = "srcaddr dstaddr\n2001:DB8:0:0:0:0:0:1 ::FFFF:192.0.2.1\n10.0.0.1 ::ffff:c000:201\n"
    assert one(raw).records.rows() == [
        ("2001:db8::1", "::ffff:192.0.2.1", 2),
        ("10.0.0.1", "::ffff:192.0.2.1", 3),
    ]


def test_unknown_field_is_kept_as_text_and_reported() -> None:
    """A field AWS adds tomorrow is a text column today, named in `unknown`."""
    batch = one("srcaddr quantum-state dstport\n10.0.0.1 007 443\n")
    assert batch.records.rows() == [("10.0.0.1", "007", 443, 2)]
    assert batch.unknown == ("quantum_state",)


def test_field_names_that_come_twice_or_collide_stay_apart() -> None:
    """A repeated field and one named like a reader's own column become columns of their own."""
    batch = one("srcaddr srcaddr line dstport\n10.0.0.1 a b 443\n")
    assert batch.records.columns == ["srcaddr", "srcaddr.2", "line.2", "dstport", "line"]
    assert batch.unknown == ("srcaddr.2", "line.2")


def test_projection_keeps_order_and_line() -> None:
    """Only wanted columns come, in the order of the object; absent ones are left out."""
    records = one(f"{V2}\n{ROW}\n", columns=["bytes", "srcaddr", "vpc_id"]).records
    assert records.rows(named=True) == [{"srcaddr": "10.0.0.1", "bytes": 180, "line": 2}]


def test_transit_gateway_records_share_the_columns() -> None:
    """A transit gateway header is read with its own counters typed."""
    batch = one(
        "tgw-id tgw-attachment-id srcaddr packets-lost-blackhole\ntgw-1 tgw-attach-1 10.0.0.1 7\n"
    )
    assert batch.records.rows() == [("tgw-1", "tgw-attach-1", "10.0.0.1", 7, 2)]
    assert batch.unknown == ()


# Bad input


def test_empty_file_has_no_lines() -> None:
    """An empty file, plain or compressed, gives nothing and no error."""
    assert totals(batches(b"")) == (0, 0, 0, 0, 0)
    assert totals(batches(gzip.compress(b""))) == (0, 0, 0, 0, 0)


def test_header_only_has_no_lines() -> None:
    """A file with nothing but its header has no data lines, and still names unknown fields."""
    found = batches(f"{V2} colour\n")
    assert totals(found) == (0, 0, 0, 0, 1)
    assert found[0].unknown == ("colour",)


@pytest.mark.parametrize(
    "raw",
    [
        bytes(range(256)) * 40,
        b"PK\x03\x04\x14\0\0\0\x08\0",
        b"\x7fELF\x02\x01\x01" + b"\0" * 40,
        RANDOM,
    ],
    ids=["every byte", "zip", "elf", "random"],
)
def test_binary_file_is_one_reject(raw: bytes) -> None:
    """A file that is no text is one reject: unknown format."""
    assert reasons(batches(raw)) == [(1, "unknown format")]


def test_utf16_is_an_unknown_format() -> None:
    """Text in another encoding is refused as a whole."""
    assert reasons(batches(f"{V2}\n{ROW}\n".encode("utf-16"))) == [(1, "unknown format")]


def test_utf8_garbage_rejects_its_lines() -> None:
    """A line with bytes that are no UTF-8 is rejected, its neighbours are read."""
    raw = b"\n".join([V2.encode(), ROW.encode(), b"2 \xff\xfe" + ROW.encode()[1:], ROW.encode()])
    found = batches(raw)
    assert totals(found) == (2, 0, 1, 3, 1)
    assert reasons(found) == [(3, "not utf-8")]


def test_megabyte_line_is_rejected_unread() -> None:
    """A line over 1 MiB is "line too long"; the lines around it are read, numbers hold."""
    long = "x" * (3 << 20)
    found = batches(f"{V2}\n{ROW}\n{long}\n{ROW}\n")
    assert totals(found) == (2, 0, 1, 3, 1)
    assert reasons(found) == [(3, "line too long")]
    assert [b.rejects["text"][0] for b in found if b.rejects.height] == ["x" * 200]
    assert [line for b in found for line in b.records["line"]] == [2, 4]


@pytest.mark.parametrize("length", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1])
@pytest.mark.parametrize("size", [70_000, 1 << 20, 4 << 20])
def test_limit_of_a_line_does_not_depend_on_the_cuts(length: int, size: int) -> None:
    """Exactly 1 MiB may be read, a byte more may not, wherever the blocks are cut."""
    tag = "t" * (length - len("10.0.0.1 "))
    found = batches(f"srcaddr instance-tag\n10.0.0.2 a\n10.0.0.1 {tag}\n10.0.0.3 b\n", size=size)
    good = length <= 1 << 20
    assert totals(found) == (3 if good else 2, 0, 0 if good else 1, 3, 1)
    assert [line for b in found for line in b.records["line"]] == ([2, 3, 4] if good else [2, 4])


@pytest.mark.parametrize("row", [ROW, ROW.replace(" ", "  ")])
def test_a_long_line_after_short_ones_costs_one_line(row: str) -> None:
    """A line that is longer than all before it together is judged by itself, as any other."""
    found = batches(f"{V2}\n{row}\n{row}\n{'x' * 900_000}\n{row}\n")
    assert totals(found) == (3, 0, 1, 4, 1)
    assert reasons(found) == [(4, "wrong number of values")]
    assert [line for b in found for line in b.records["line"]] == [2, 3, 5]


@pytest.mark.parametrize("size", [70_000, 1 << 20, 8 << 20])
def test_a_break_within_a_long_line_is_told_apart_from_it(size: int) -> None:
    """The line is too long and the object is cut off, wherever the blocks are cut."""
    cut = gzip.compress(f"{V2}\n{ROW}\n{'x' * (3 << 20)}".encode())[:-8]
    found = batches(cut, "x.log.gz", size=size)
    assert totals(found) == (1, 0, 2, 3, 1)
    assert reasons(found) == [(3, "line too long"), (4, "truncated")]


def test_endless_line_is_never_held() -> None:
    """Gigabytes without a newline are skipped as they come, not collected."""

    class Endless(io.RawIOBase):
        left = 256

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"a" * size if self.left > 0 else b""

    assert reasons(list(read(Endless(), "endless"))) == [(1, "line too long")]  # type: ignore[arg-type]


def test_wrong_gzip_is_a_reject() -> None:
    """A file that begins like gzip and is none is one reject; a .gz that is text is text."""
    assert reasons(batches(b"\x1f\x8b\x08\0" + b"\xff" * 99, "x.log.gz")) == [(1, "damaged")]
    assert totals(batches(ROW, "x.log.gz")) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("lost", [1, 8, 9, 500])
def test_truncated_gzip_gives_every_whole_line_and_one_reject(lost: int) -> None:
    """What stands before the break is read; the break itself is the one reject."""
    rows = [ROW.replace("40000", str(1024 + number % 60_000)) for number in range(20_000)]
    text = "\n".join([V2, *rows, ""])
    cut = gzip.compress(text.encode())[:-lost]
    rescued = zlib.decompressobj(wbits=31).decompress(cut)
    found = batches(cut, "x.log.gz")
    whole = rescued.count(b"\n") - 1
    assert totals(found) == (whole, 0, 1, whole + 1, 1)
    assert reasons(found) == [(whole + 2, "truncated")]
    # isal may keep the last symbols of a cut stream to itself.
    assert rescued.split(b"\n")[-1].decode().startswith(found[-1].rejects["text"][0][:-3])


def test_damaged_gzip_keeps_its_lines() -> None:
    """A wrong checksum, or rubbish after the last member, is one reject after the lines."""
    good = gzip.compress(f"{V2}\n{ROW}\n".encode())
    for bad in (good[:-8] + b"\0" * 8, good + b"rubbish"):
        found = batches(bad, "x.log.gz")
        assert totals(found)[:4] == (1, 0, 1, 2)
        assert [reason for _, reason in reasons(found)] == ["damaged"]


def test_truncated_zstd_gives_its_lines_and_one_reject() -> None:
    """A broken zstandard frame is told from a whole one."""
    raw = zstandard.compress("\n".join([V2, *[ROW] * 9000]).encode(), level=1)
    found = batches(raw[:-3], "x.log.zst")
    assert [reason for _, reason in reasons(found)] == ["truncated"]


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        zstandard.compress,
        lambda raw: gzip.compress(raw[:100]) + gzip.compress(raw[100:]) + b"\0" * 512,
        lambda raw: zstandard.compress(raw[:100]) + zstandard.compress(raw[100:]),
        lambda raw: gzip.compress(gzip.compress(raw)),
        lambda raw: zstandard.compress(gzip.compress(raw)),
    ],
    ids=["gzip", "zstd", "gzip members", "zstd frames", "gzip in gzip", "gzip in zstd"],
)
def test_compression_is_found_by_content(pack: Any) -> None:
    """Gzip and zstandard, several members and one inside the other need no file name."""
    assert totals(batches(pack(f"{V2}\n{ROW}\n{QUIET}\n".encode()), "x")) == (1, 1, 0, 2, 1)


def test_bomb_is_unpacked_in_bounded_pieces() -> None:
    """Much of one byte, compressed twice, ends as rejects without being held."""
    zeros = zlib.compressobj(9, wbits=31)
    packed = b"".join(zeros.compress(b"0" * (1 << 20)) for _ in range(64)) + zeros.flush()
    assert reasons(batches(gzip.compress(packed))) == [(1, "line too long")]


def test_matryoshka_of_gzip_is_not_followed_for_ever() -> None:
    """Compression nested deeper than any log is an unknown format."""
    raw = ROW.encode()
    for _ in range(6):
        raw = gzip.compress(raw)
    assert reasons(batches(raw)) == [(1, "unknown format")]


def test_peek_names_the_columns() -> None:
    """Peeking gives kind, columns and dtypes: from the header, the format, or v2."""
    assert peek(io.BytesIO(b"dstport srcaddr colour\n1 - x\n"), "x") == Layout(
        "text", ("dstport", "srcaddr", "colour")
    )
    assert peek(io.BytesIO(b"1 -\n"), "x", format="${dstport} ${srcaddr}").schema == {
        "dstport": pl.UInt16(),
        "srcaddr": pl.String(),
    }
    assert len(peek(io.BytesIO(b""), "x").fields) == 14
    assert peek(io.BytesIO(b"\0" * 50), "x") == Layout("unknown", ())


def test_reading_is_lazy() -> None:
    """Batches come as the stream is read, not after it."""
    stream = io.BytesIO(f"{ROW}\n".encode() * 100_000)
    first = next(read(stream, "x", size=1 << 20))
    assert 0 < first.lines < 100_000
    assert stream.tell() < 3 << 20
