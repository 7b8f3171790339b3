import gzip
import zlib
from collections.abc import Callable

import pytest
import zstandard

from flowlens_parsers.fast import parse_block

NAMES = ("version", "srcaddr", "dstport", "start", "vpc_id", "log_status")
GOOD = b"2 10.0.0.1 443 1700000000 vpc-1 OK\n"


@pytest.mark.parametrize(
    "block",
    [
        GOOD * 3,
        GOOD.replace(b"\n", b"\r\n") * 3,
        GOOD + b"2 - - 1700000000 vpc-1 NODATA\n" + GOOD,
        GOOD + b"- - - - - -\n",
        GOOD + b"5 2001:DB8::1 +80 1700000000123 \xc3\xa9 -\n",
    ],
    ids=["sound", "crlf", "nodata", "nulls", "ipv6 and milliseconds"],
)
def test_sound_blocks_are_read_at_once(block: bytes) -> None:
    """Text as AWS writes it never needs the tolerant parser."""
    batch = parse_block(block, NAMES, 1, "x")
    assert batch is not None
    assert batch.lines == block.count(b"\n")


@pytest.mark.parametrize(
    "line",
    [
        b"2 10.0.0.1 443 1700000000 vpc-1\n",
        b"2 10.0.0.1 443 1700000000 vpc-1 OK more\n",
        b"2 10.0.0.1 443 1700000000 vpc-1 OK \n",
        b" 2 10.0.0.1 443 1700000000 vpc-1 OK\n",
        b" 10.0.0.1 443 1700000000 vpc-1 OK\n",
        b"2 10.0.0.1  1700000000 vpc-1 OK\n",
        b"2 10.0.0.1 443 1700000000  OK\n",
        b"\n",
        b"2\t10.0.0.1 443 1700000000 vpc-1 OK\n",
        b"2 10.0.0.1 443 1700000000 vpc-1 O\rK\n",
        b"2 10.0.0.1 65536 1700000000 vpc-1 OK\n",
        b"2 10.0.0.1 -1 1700000000 vpc-1 OK\n",
        b"2 10.0.0.1 1.5 1700000000 vpc-1 OK\n",
        b"2 10.0.0.256 443 1700000000 vpc-1 OK\n",
        b"2 10.0.0.1 443 -5 vpc-1 OK\n",
        b"2 10.0.0.1 443 999999999999999 vpc-1 OK\n",
        b"2 10.0.0.1 443 1700000000 \xff OK\n",
        b"version srcaddr dstport start vpc-id log-status\n",
        b"log-status srcaddr dstport start vpc-id version\n",
    ],
)
@pytest.mark.parametrize("around", [b"", GOOD, GOOD * 5000], ids=["alone", "few", "many"])
@pytest.mark.parametrize("names", [None, ["dstport"], []], ids=["all", "one", "none"])
def test_unproven_blocks_are_left_alone(
    line: bytes, around: bytes, names: list[str] | None
) -> None:
    """Whatever may be wrong is refused wherever it stands, whatever columns are wanted."""
    assert parse_block(around + line + around, NAMES, 1, "x", names) is None


@pytest.mark.parametrize("names", [("vpc_id", "region"), ("version",)])
def test_formats_that_cannot_be_proven_are_refused(names: tuple[str, ...]) -> None:
    """Where no column would betray a header line, or blanks separate nothing, judge by line."""
    assert parse_block(b" ".join([b"2"] * len(names)) + b"\n", names, 1, "x") is None


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, zstandard.compress])
def test_compressed_bytes_among_lines_are_not_unpacked(pack: Callable[[bytes], bytes]) -> None:
    """A block that begins like a compressed file is judged as the text it claims to be."""
    assert parse_block(pack(GOOD * 3) + b"\n", NAMES, 1, "x") is None
