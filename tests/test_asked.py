import gzip
import tempfile
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, active_count

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowlens.ahead import abreast
from flowlens.errors import StrictError
from flowlens.filters import clauses
from flowlens.records import Ledger, scan_records
from flowlens_parsers.batch import Clause
from flowlens_parsers.fields import SCHEMA
from flowlens_parsers.search import COMPILED, plain, prepare, swift
from tests.examples import examples

T = 1_784_000_000
V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes"
    " start end action log-status"
)
SHORT = "interface-id dstaddr srcaddr dstport colour"  # begins with a letter, as its lines do
PART = 1 << 20  # bytes that are searched at once


def flow(src: str, port: object = 443, eni: str = "eni-1", action: str = "ACCEPT") -> str:
    """A line of version 2."""
    return f"2 12 {eni} {src} 10.9.9.9 {port} 5353 6 1 40 {T} {T + 60} {action} OK"


FILLER = flow("172.16.0.1", 7777, "eni-7")


def both(
    text: bytes, where: str, *, pack: bool = False, **how: object
) -> tuple[pl.DataFrame, pl.DataFrame, Ledger, Ledger]:
    """What is found with reading only some lines, and with reading all."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.write_bytes(gzip.compress(text, 1) if pack else text)
        for every in (False, True):
            ledger = Ledger()
            rows = scan_records(
                path,
                where=where,
                every=every,
                line=True,
                ledger=ledger,
                **how,  # type: ignore[arg-type]
            )
            found.append((rows.collect(), ledger))
    return found[0][0], found[1][0], found[0][1], found[1][1]


SIX = ("2001:db8::a:b0de", "2001:DB8:0:0::a:B0DE", "2001:0db8::000A:b0DE", "2001:db8::10.0.176.222")
DOTTED = ("2001:db8::9876", "2001:DB8::0.0.152.118", "2001:db8::98765")
ADDRESSES = ("10.0.1.5", "10.0.1.50", "110.0.1.5", "10.0.1.05", "10.0.2.5", *SIX, *DOTTED)
PORTS = (443, "0443", "+443", 4430, 1443, "65536", "-", "x")
LINES = st.one_of(
    st.builds(
        flow,
        st.sampled_from(ADDRESSES),
        st.sampled_from(PORTS),
        st.sampled_from(["eni-1", "eni-2", "eni-1x", "-"]),
        st.sampled_from(["ACCEPT", "REJECT"]),
    ),
    st.sampled_from(
        [
            *("", " ", "10.0.1.5", V2, V2.upper(), SHORT, f"\ufeff{SHORT}", f"  {V2}\t"),
            f"2 12 eni-1 - - - - - - - {T} {T + 60} - NODATA",
            *("eni-1 10.0.1.5 10.0.2.5 443 red", "eni-2 10.0.2.5 10.0.1.50 443 eni-1"),
            *("eni-1 ten ten five red", "x" * 400),
        ]
    ),
)
MESS = st.sampled_from([b"", b"", b"", b"\r", b" ", b"\t", b"\xff"])
TEXTS = st.lists(st.tuples(LINES, MESS), min_size=1, max_size=40).map(
    lambda lines: b"".join(
        line.encode().replace(b" ", b"  " if end == b"\t" else b" ") + end + b"\n"
        for line, end in lines
    )
)
TESTS = st.sampled_from(
    [
        *(
            "addr = 10.0.1.5",
            "src in (2001:db8::a:b0de, 2001:db8::9876)",
            "src = 2001:db8::9876",
            "addr in 10.0.1.0/24",
            "dst = 10.9.9.9",
        ),
        *("port = 443", "dport in (443, 5353)", "port in 440-450", "interface-id = eni-1"),
        *("eni = eni-1*", "action = REJECT", "reject", "host 10.0.1.50", "addr in (10.0.1.5, ::1)"),
        *("colour = red", "account = 12", "bytes = 40", "protocol = tcp", "line = 3", "addr ~ 1.5"),
        *("addr = 10.0.1.*", "addr != 10.0.1.5", "not port = 443", "src is null", "bytes > 5"),
    ]
)
FILTERS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=4,
)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, FILTERS, st.sampled_from([V2, V2, SHORT, FILLER]), st.booleans(), st.floats(0, 1))
def test_passing_over_lines_changes_no_record(
    text: bytes, where: str, first: str, pack: bool, at: float
) -> None:
    """Whatever lines there are, where they lie and what is asked: the same records and numbers."""
    # The border between two parts lies somewhere in the lines.
    count = (PART - len(first) - int(at * len(text))) // (len(FILLER) + 1)
    padding = f"{FILLER}\n" * (count if at > 0.8 else 3)
    whole = f"{first}\n{SHORT}\n{V2}\n{first}\n{padding}".encode() + text * 2
    some, every, _, ledger = both(whole, where, pack=pack)
    # Lines below different headers come in the order of the headers, block by block.
    assert some.sort("line").equals(every.sort("line"))
    assert "unread" not in str(ledger.notes())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["10.0.1.5", "0.1.5", "5 ", "\n", "x", " 10.0.1.5 ", "a" * 61])),
    st.sampled_from([b"10.0.1.5", b".5", b"1.510.0.1", b"a" * 70]),
    st.booleans(),
    st.integers(1, 9),
)
def test_machine_code_finds_the_same(
    words: list[str], needle: bytes, whole: bool, times: int
) -> None:
    """Places and lines are those of the plain search, wherever in the vectors they lie."""
    prepare(COMPILED)
    quick, slow = swift(), plain()
    assert quick is not None
    text = "".join(words * times).encode() + b"\n"
    clause = Clause((needle, b"x"), None, whole=whole)
    for most in (1, 1000):
        found = slow.places(text, clause, most)
        assert quick.places(text, clause, most) == found
        assert quick.places(bytearray(text), clause, most) == found
    places = slow.places(text, clause, 1000) or []
    ours, theirs = (one.lines(text, places) for one in (quick, slow))
    assert (ours.total, ours.before) == (theirs.total, theirs.before)
    firsts = [line[:1] for line in text.split(b"\n")[:-1]]
    assert ours.odd == any(not b"!" <= (first or b"\n") <= b"9" for first in firsts)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("end", ["\n", ""])
def test_lines_that_are_not_read_are_counted(pack: bool, end: str) -> None:
    """The account is full: what was read by what it is, all else as unread, and a note says so."""
    lines = [V2, FILLER, flow("10.0.1.5"), "short", V2, flow("10.0.1.5", "x"), FILLER, FILLER]
    lines += [flow("10.0.1.5", 80)]
    some, every, ledger, whole = both(
        "\n".join(lines).encode() + end.encode(), "src = 10.0.1.5", pack=pack
    )
    assert some["line"].to_list() == every["line"].to_list() == [3, 9]
    counts = ledger.counts()
    assert counts["records"] == 2
    assert counts["rejects"] == 1
    assert ledger.rejects()["line"].to_list() == [6]
    assert counts["lines"] + counts["headers"] + counts["unread"] == len(lines)
    assert whole.counts()["unread"] == 0
    assert whole.counts()["rejects"] == 2
    assert ledger.notes() == [
        f"{counts['unread']} lines that cannot count for 'src = 10.0.1.5' were not read; "
        "unreadable ones among them are unknown (--rejects FILE reads all)"
    ]


def test_strict_reads_every_line() -> None:
    """An unreadable line stops a strict run also where no filter asks for it."""
    with pytest.raises(StrictError, match=r"a\.log:2: wrong number of values"):
        both(f"{V2}\nshort\n{flow('10.0.1.5')}\n".encode(), "src = 10.0.1.5", strict=True)


def test_lines_that_nearly_all_count_are_read_as_ever() -> None:
    """Where most lines hold the text nothing is passed over, so the account is full."""
    lines = [V2, *(flow("10.0.1.5", port) for port in range(30_000))]
    some, every, ledger, _ = both("\n".join(lines).encode(), "src = 10.0.1.5")
    assert some.equals(every)
    assert (some.height, ledger.counts()["unread"]) == (30_000, 0)


def test_a_damaged_object_gives_the_same_records(tmp_path: Path) -> None:
    """Up to the damage all records are found, and the damage is a reject, in either way."""
    lines = "\n".join([V2, *(flow(f"10.0.{n % 200}.5", n) for n in range(40_000))])
    packed = bytearray(gzip.compress(lines.encode(), 1))
    for damage, reason in (
        (slice(len(packed) // 2, None), "truncated"),
        (slice(-8, -4), "damaged"),
    ):
        broken = packed.copy()
        broken[damage] = b"" if reason == "truncated" else b"\0\0\0\0"
        path = tmp_path / "a.gz"
        path.write_bytes(broken)
        tables, reasons = [], []
        for every in (False, True):
            ledger = Ledger()
            rows = scan_records(path, where="src = 10.0.1.5", every=every, ledger=ledger, line=True)
            tables.append(rows.collect())
            reasons.append(ledger.reasons())
        assert tables[0].equals(tables[1])
        assert reason != "damaged" or tables[0].height == 200  # only the sum at the end is wrong
        assert tables[0].height >= 90
        assert reasons == [{reason: 1}, {reason: 1}]


def test_several_objects_keep_their_order(tmp_path: Path) -> None:
    """Objects that are read at the same time come out one after the other."""
    for number in range(7):
        rows = [flow("10.0.1.5" if at % 50 == number else "1.1.1.1", at) for at in range(2_000)]
        (tmp_path / f"{number}.log").write_text("\n".join([V2, *rows]))
    found = scan_records(tmp_path, where="src = 10.0.1.5", source=True).collect()
    assert found["source"].is_sorted()
    assert found["srcport"].to_list() == [at for n in range(7) for at in range(n, 2_000, 50)]


def test_frames_made_abreast_stop_with_their_reader() -> None:
    """Who reads no further lets the threads end, and what one raises is raised in its turn."""
    closed, begun = [], Event()

    def part(number: int) -> Generator[pl.DataFrame]:
        try:
            for _ in range(100):
                yield pl.DataFrame({"a": [number]})
                if number == 1:
                    begun.set()
            if number == 1:
                raise ValueError(number)
        finally:
            closed.append(number)

    threads = active_count()
    frames = abreast((part(number) for number in range(3)), 2)
    assert next(frames).item() == 0
    assert begun.wait(60)
    frames.close()
    assert sorted(closed) == [0, 1]
    assert active_count() == threads
    numbers: list[int] = []
    with pytest.raises(ValueError, match="1"):
        numbers.extend(frame.item() for frame in abreast((part(n) for n in range(3)), 2))
    assert numbers == [0] * 100 + [1] * 100


@pytest.mark.parametrize(
    ("where", "needles"),
    [
        ("addr = 10.0.1.5", [(b"10.0.1.5",)]),
        ("addr = 10.0.1.5 and port = 443", [(b"10.0.1.5",), (b"443",)]),
        ("addr = 10.0.1.5 or eni = eni-1", [(b"10.0.1.5", b"eni-1")]),
        ("addr = 10.0.1.5 or bytes > 5", []),
        ("not addr = 10.0.1.5", []),
        ("addr != 10.0.1.5", []),
        ("addr in 10.0.1.0/24", [(b"10.0.1.",)]),
        ("addr in 10.0.0.0/21", [(b"10.0.",)]),
        ("addr in 2001:db8::/32", []),
        ("dport in (8080, 8443)", [(b"8080", b"8443")]),
        ("dport = 80", [(b"80",)]),
        ("src = 2600:1f18::9abc:1", [(b"2600",)]),
        ("src = 2600:1f18::9876", [(b"9876", b"0.0.152.118")]),
        ("flow_log = fl-1", []),
        ("addr = 10.0.1.*", [(b"10.0.1.",)]),
        ("start > 1h", []),
    ],
)
def test_what_a_line_must_hold(where: str, needles: list[tuple[bytes, ...]]) -> None:
    """Texts are derived only where every spelling of a value holds one of them."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    schema = {**SCHEMA, "flow_log": pl.String()}
    assert [clause.needles for clause in clauses(where, schema, now=now)] == needles


@pytest.fixture
def columns(tmp_path: Path) -> Path:
    """A Parquet file of four row groups of a hundred records, sorted by time."""
    start = pl.int_range(T, T + 400, eager=True)
    rows = pl.DataFrame(
        {
            "srcaddr": [f"10.0.{number // 100}.5" for number in range(400)],
            "dstaddr": [None if number % 2 else "10.9.9.9" for number in range(400)],
            "srcport": pl.int_range(400, eager=True, dtype=pl.Int32),
            "start": start,
            "end": start + 59,
        }
    )
    path = tmp_path / "a.parquet"
    rows.write_parquet(path, row_group_size=100, statistics="full")
    return path


@pytest.mark.parametrize(
    ("where", "read"),
    [
        ("src = 10.0.1.5", 100),
        ("addr = 10.0.1.5", 100),
        ("addr = 10.9.9.9", 400),
        ("addr in 10.0.2.0/24 or srcport = 7", 200),
        ("srcport = 123 and src = 10.0.1.5", 100),
        ("srcport = 123 and src = 10.0.2.5", 0),
        ("srcport > 300", 400),
    ],
)
def test_row_groups_without_the_value_are_not_read(columns: Path, where: str, read: int) -> None:
    """The least and greatest values of a row group decide; records and numbers stay the same."""
    ledger = Ledger()
    some = scan_records(columns, where=where, line=True, ledger=ledger).collect()
    assert some.equals(scan_records(columns, where=where, line=True, every=True).collect())
    assert (ledger.counts()["lines"], ledger.counts()["unread"]) == (read, 400 - read)


def test_row_groups_of_another_time_are_not_read(columns: Path) -> None:
    """A row group that ends before, or begins after the asked time is passed over."""
    since, until = (datetime.fromtimestamp(T + second, UTC) for second in (170, 200))
    ledger = Ledger()
    found = scan_records(columns, since=since, until=until, ledger=ledger).collect()
    assert found["srcport"].to_list() == list(range(170, 200))
    # The first row group's last record ends at 158, the second one's records begin at 100.
    assert (ledger.counts()["outside"], ledger.counts()["unread"]) == (70, 300)
