import gzip
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from flowlens.conversations import conversations, packed, stamps
from flowlens.conversations.parts import MEMORY, Views
from flowlens.conversations.rows import VIEW, framed
from flowlens.conversations.shelf import Shelf
from flowlens.conversations.spool import Spool
from flowlens.records import Ledger, scan_records, scanned
from tests.examples import examples

START = 1_763_722_800  # 2025-11-21 11:00
PLACE = "123456789010_vpcflowlogs_us-east-1_fl-0a1b2c3d4e5f60718"
ADDRESSES = ("10.0.0.4", "10.0.0.5", "192.0.2.1", "2001:db8::1", "2001:DB8:0::1", "-")
FIELDS = {
    "version": ("2", "5", "-"),
    "interface-id": ("eni-a", "eni-b", "nat-1", "-"),
    "srcaddr": ADDRESSES,
    "dstaddr": ADDRESSES,
    "srcport": ("0", "53", "443", "40000", "-"),
    "dstport": ("0", "53", "443", "50000", "-"),
    "protocol": ("6", "17"),
    "packets": ("0", "3", "99999999999", "-"),
    "bytes": ("0", "77", "8589934592", "18446744073709551615"),
    "start": (*(str(START + step) for step in (0, 60, 3_599, 7_300)), "-", "1763722800123"),
    "end": (str(START + 9_000), str(START + 9_100)),
    "action": ("ACCEPT", "REJECT", "-"),
    "tcp-flags": ("0", "2", "3", "18", "19", "-"),
    "pkt-srcaddr": ADDRESSES,
    "pkt-dstaddr": ADDRESSES,
    "flow-direction": ("egress", "ingress", "-"),
    "traffic-path": ("1", "8", "-"),
    "instance-id": ("i-1", "-"),
    "interface-type": ("lambda", "nat_gateway", "-"),
    "pkt-dst-aws-service": ("S3", "AMAZON", "-"),
    "resource-id": ("nat-9", "-"),
    "tgw-attachment-id": ("tgw-attach-1", "-"),
    "log-status": ("OK", "OK", "OK", "NODATA", "-"),
}
NUMBERS = {
    **dict.fromkeys(("version", "srcport", "dstport", "protocol"), pl.Int32()),
    **dict.fromkeys(("tcp-flags", "traffic-path"), pl.Int32()),
    **dict.fromkeys(("packets", "start", "end"), pl.Int64()),
    "bytes": pl.UInt64(),
}
NEEDED = ("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start", "end", "bytes")


@st.composite
def logs(draw: st.DrawFn) -> str:
    """A log in a format of its own, with a line now and then that cannot be read."""
    more = draw(st.lists(st.sampled_from(sorted(set(FIELDS) - set(NEEDED))), unique=True))
    names = draw(st.permutations([*NEEDED, *more]))
    line = st.tuples(*(st.sampled_from(FIELDS[name]) for name in names)).map(" ".join)
    rows = draw(st.lists(st.one_of(line, line, line, st.just("x y")), min_size=1, max_size=25))
    rows += rows[: draw(st.integers(0, 5))]  # copies
    return "\n".join([" ".join(names), *rows]) + "\n"


def table(text: str) -> pl.DataFrame:
    """The lines of a log that have all values, in columns as AWS types them in Parquet."""
    head, *lines = (line.split(" ") for line in text.splitlines())
    rows = [line for line in lines if len(line) == len(head)]
    columns = []
    for at, name in enumerate(head):
        values = [row[at] for row in rows]
        given = [None if value == "-" else value for value in values]
        if name in NUMBERS:
            whole = [None if value is None else int(value) for value in given]
            columns.append(pl.Series(name.replace("-", "_"), whole, dtype=NUMBERS[name]))
        else:
            columns.append(pl.Series(name.replace("-", "_"), values, dtype=pl.String))
    return pl.DataFrame(columns)


@settings(max_examples=examples(14), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(logs(), min_size=1, max_size=3),
    until=st.sampled_from([None, 60, 60.5, 3_600]),
    as_columns=st.booleans(),
)
def test_packed_records_give_what_the_plain_path_gives(
    texts: list[str],
    until: float | None,
    as_columns: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Straight from the bytes, through frames or poured from them: one table and one account."""
    folder = tmp_path_factory.mktemp("logs")
    for number, text in enumerate(texts):
        name = f"fl-0000000{number}.log.gz" if number else "a.log.gz"
        (folder / name).write_bytes(gzip.compress(text.encode()))
        if as_columns and (rows := table(text)).height:
            rows.write_parquet(folder / f"{number}.log.parquet")
    end = None if until is None else datetime.fromtimestamp(START + until, UTC)
    tables, counts = [], []
    for pack, pour in ((True, False), (False, False), (True, True)):
        ledger = Ledger()
        records = scan_records(folder, until=end, ledger=ledger)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packed, "worthwhile", lambda _, pack=pack: pack)
            patch.setattr(import_module("flowlens.conversations"), "MANY", 1)
            patch.setattr(packed, "MOST", 4)
            tables.append(conversations(records.collect().lazy() if pour else records).collect())
        counts.append(ledger.counts())
    for way in (1, 2):
        assert_frame_equal(tables[0], tables[way])
        assert counts[0] == counts[way]


LINES = "".join(
    f"2 1 eni-{n % 7} 10.0.{n % 5}.{n % 11} 192.0.2.{n % 13} {40_000 + n % 50} 443 6 1 {n} "
    f"{START + n % 9_000} {START + n % 9_000 + 9} ACCEPT OK\n"
    for n in range(5_000)
)


def shelved(path: Path, memory: int = MEMORY, **options: Any) -> pl.DataFrame:
    """The views of a file, in order."""
    words = pl.Categorical(pl.Categories.random("test"))
    records = scan_records(path)
    columns = frozenset(records.collect_schema().names())
    scan = scanned(records)
    assert scan is not None
    with Spool(memory) as spool, Spool(memory) as spare:
        views = Views(spool, spare)
        packed.seen(scan, words, columns, views, **options)
        every = np.concatenate(views.over(lambda part: part.reshape(-1, VIEW).copy()))
    seen = framed(every.T, columns, words)
    return seen.drop("client", "server_end", "what", "where", "aws_service").sort(pl.all())


def test_records_among_many_silent_lines_are_of_the_same_flow_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is nearly all NODATA is read in another way, and counted with the others."""
    silent = f"2 1 eni-1 - - - - - - - {START} {START + 60} - NODATA\n" * 200
    flow = "2 1 eni-1 10.0.0.1 192.0.2.9 40000 443 6 1 7 {} {} ACCEPT OK\n"
    for at in range(3):
        lines = flow.format(START + 60 * at, START + 60 * at + 59) + (silent if at == 1 else "")
        (tmp_path / f"{PLACE}_20260101T00{at}0Z_0156f7bd.log").write_text(lines)
    monkeypatch.setattr(packed, "worthwhile", lambda _: True)
    talk = conversations(scan_records(tmp_path)).collect()
    assert talk.select("records", "bytes_out").rows() == [(3, 21)]


def test_rows_that_do_not_fit_into_memory_wait_in_a_file(tmp_path: Path) -> None:
    """The views are the same with room for all rows, for some, and for none."""
    path = tmp_path / "a.log"
    path.write_text(LINES)
    whole = shelved(path)
    assert whole["records"].sum() == 5_000
    for memory in (0, 100_000):
        assert_frame_equal(whole, shelved(path, memory=memory, bits=4))


def test_more_stamps_than_rows_have_numbers_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The views are the same where a desk soon has all places and signs that it can number."""
    path = tmp_path / "a.log"
    path.write_text(LINES)
    whole = shelved(path)
    monkeypatch.setattr(stamps, "MOST", (4, 2))
    assert_frame_equal(whole, shelved(path, bits=2))


def test_a_part_that_does_not_fit_into_memory_is_merged_in_slices(tmp_path: Path) -> None:
    """The views are the same however few rows are merged at once, copies among them or not."""
    path = tmp_path / "a.log"
    path.write_text(LINES + LINES[: len(LINES) // 2])
    whole = shelved(path, bits=0)
    for most in (3_000, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packed, "Shelf", partial(Shelf, most=most))
            assert_frame_equal(whole, shelved(path, bits=0))


def test_a_time_that_rows_have_no_room_for_takes_the_plain_path(tmp_path: Path) -> None:
    """A record of the year 2200 is counted like any other."""
    path = tmp_path / "a.log"
    path.write_text(
        LINES + "2 1 eni-1 10.0.0.1 192.0.2.9 40000 443 6 1 7 7258118400000 "
        "7258118400000 ACCEPT OK\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "worthwhile", lambda _: True)
        talk = conversations(scan_records(path)).collect()
    assert talk["last_seen"].max() == datetime(2200, 1, 1, tzinfo=UTC)
