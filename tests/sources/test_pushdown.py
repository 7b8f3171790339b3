import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from flowlens import Ledger, conversations, scan_records
from flowlens.errors import UsageError
from flowlens.sources import Window
from flowlens.sources.partitions import Partition, conditions
from flowlens.sources.pushdown import select, unload
from flowlens.sources.table import Table, unused
from tests.examples import examples

Row = dict[str, Any]

START = 1_795_255_200  # 2026-11-21 10:00:00 UTC
CASE = Path(__file__).parent.parent.parent / "data" / "case" / "flowlogs"

#: The types of the text table in the Athena user guide, "Create and query a table for VPC flow
#: logs"; what is not here is a string.
TYPES = {
    **dict.fromkeys(("version", "srcport", "dstport", "tcp_flags", "traffic_path"), "int"),
    **dict.fromkeys(("protocol", "packets", "bytes", "start", "end"), "bigint"),
}
BASE: Row = {
    "version": 5,
    "interface_id": "eni-a",
    "srcaddr": "10.0.0.5",
    "dstaddr": "192.0.2.1",
    "srcport": 40000,
    "dstport": 443,
    "protocol": 6,
    "packets": 2,
    "bytes": 100,
    "start": START,
    "end": START + 50,
    "action": "ACCEPT",
    "log_status": "OK",
}
ADDRESSES = ("10.0.0.5", "10.0.0.6", "192.0.2.1", "2001:db8::1")

row = st.fixed_dictionaries(
    {
        "version": st.sampled_from([5, 7]),
        "interface_id": st.sampled_from(["eni-a", "eni-b"]),
        "srcaddr": st.sampled_from(ADDRESSES),
        "dstaddr": st.sampled_from(ADDRESSES),
        "srcport": st.sampled_from([53, 443, 40_000]),
        "dstport": st.sampled_from([53, 443, 40_000]),
        "protocol": st.sampled_from([6, 17]),
        "packets": st.integers(0, 3),
        "bytes": st.sampled_from([None, 0, 100, 2**33]),
        "start": st.sampled_from([START + n for n in (0, 9, 1800, 3599, 3600, 7300)]),
        "end": st.sampled_from([START + n for n in (7400, 7410)]),
        "action": st.sampled_from(["ACCEPT", "REJECT", None]),
        "log_status": st.sampled_from(["OK", "OK", "OK", "NODATA", "SKIPDATA"]),
        "instance_id": st.sampled_from(["i-1", None]),
        "tcp_flags": st.sampled_from([None, 0, 1, 2, 3, 18, 19]),
        "pkt_srcaddr": st.sampled_from([*ADDRESSES, None]),
        "pkt_dstaddr": st.sampled_from([*ADDRESSES, None]),
        "pkt_dst_aws_service": st.sampled_from(["S3", "EC2", None]),
        "flow_direction": st.sampled_from(["egress", "ingress", None]),
        "traffic_path": st.sampled_from([None, 1, 8]),
        "interface_type": st.sampled_from(["nat_gateway", "vpc_endpoint", None]),
        "log": st.sampled_from(["fl-0a", "fl-0b", None]),
    }
)
#: Rows, and which of them come again: exact copies, or copies that differ in what is no identity.
tables = st.tuples(
    st.lists(row, min_size=1, max_size=14),
    st.lists(st.tuples(st.integers(0, 13), st.sampled_from([0, 2, 18]), st.booleans()), max_size=8),
)


def doubled(made: tuple[list[Row], list[tuple[int, int, bool]]]) -> list[Row]:
    rows, again = made
    copies = [
        rows[n % len(rows)] | ({"tcp_flags": flags} if other else {}) for n, flags, other in again
    ]
    return [*rows, *copies]


def write(rows: list[Row], folder: Path) -> pl.DataFrame:
    """Write rows as text logs, and return the table that Athena sees: numbers are NULL at '-'."""
    names = [name for name in rows[0] if name != "log"]
    for log in sorted({str(row.get("log") or "") for row in rows}):
        lines = [
            " ".join("-" if row[name] is None else str(row[name]) for name in names)
            for row in rows
            if str(row.get("log") or "") == log
        ]
        header = " ".join(name.replace("_", "-") for name in names)
        path(folder, log).write_text("\n".join([header, *lines]) + "\n")
    seen = {
        name: [row[name] if name in TYPES or row[name] is not None else "-" for row in rows]
        for name in names
    }
    seen["$path"] = [str(path(folder, str(row.get("log") or ""))) for row in rows]
    dtypes = {name: pl.Int64() if name in TYPES else pl.String() for name in seen}
    return pl.DataFrame(seen, schema=dtypes)


def path(folder: Path, log: str) -> Path:
    return folder / f"1_vpcflowlogs_us-east-1_{log + '_' if log else ''}20261121T1200Z_h.log"


def table(rows: pl.DataFrame, **types: str) -> Table:
    """The catalog's entry for such a table."""
    named = {name: TYPES.get(name, "string") for name in rows.columns if name != "$path"}
    return Table("logs", "vpc", {**named, **types}, path="$path" in rows.columns)


def answer(engine: Any, entry: Table, rows: pl.DataFrame, window: Window, folder: Path) -> Path:
    """Run the pushed-down query, and write its answer as UNLOAD does."""
    engine.hold("logs", "vpc", rows)
    file = folder / "answer"
    pq.write_table(engine.ask(select(entry, window)), file, compression="zstd")
    return file


@settings(
    max_examples=examples(8),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(made=tables, bound=st.sampled_from([(None, None), (1800, None), (9, 3600), (None, 7300)]))
def test_conversations_of_the_answer_are_those_of_the_records(
    engine: Any, made: tuple[list[Row], list[tuple[int, int, bool]]], bound: tuple[Any, Any]
) -> None:
    """Adding up in Athena changes nothing: conversations, records and coverage stay the same."""
    rows = doubled(made)
    since, until = (
        None if second is None else datetime.fromtimestamp(START + second, UTC) for second in bound
    )
    with tempfile.TemporaryDirectory() as made_folder:
        folder = Path(made_folder)
        (folder / "in").mkdir()
        seen = write(rows, folder / "in")
        file = answer(engine, table(seen), seen, Window(since, until), folder)
        books = Ledger(), Ledger()
        raw = scan_records(folder / "in", since=since, until=until, ledger=books[0])
        sums = scan_records(file, since=since, until=until, ledger=books[1])
        assert_frame_equal(
            conversations(raw).drop("records").collect(),
            conversations(sums).drop("records").collect(),
        )
        merged = sums.select(pl.col("merged").sum()).collect().item()
    assert merged == len(distinct(rows, bound))
    assert books[1].counts()["rejects"] == 0
    shown = ["observer", "status", "start", "end"]
    silent = [book.coverage().select(shown).unique().sort(shown) for book in books]
    assert_frame_equal(*silent)


def distinct(rows: list[Row], bound: tuple[int | None, int | None]) -> set[tuple[Any, ...]]:
    """The records of a time without their copies."""
    since, until = bound
    same = ("interface_id", "srcport", "dstport", "protocol", "action", "packets", "start", "end")
    return {
        (
            *(row[name] for name in same),
            row["bytes"] or 0,
            row["log"] or row["version"],
            row["pkt_srcaddr"] or row["srcaddr"],
            row["pkt_dstaddr"] or row["dstaddr"],
        )
        for row in rows
        if row["log_status"] == "OK"
        if since is None or row["start"] >= START + since
        if until is None or row["start"] < START + until
    }


def test_the_bundled_case_is_the_same(engine: Any, tmp_path: Path) -> None:
    """The conversations of the bundled case are the same from a third of the rows."""
    raw = scan_records(CASE, source=True).collect()
    kept = [name for name in raw.columns if name not in ("source", "flow_log")]
    times = (pl.col("start", "end").dt.epoch("s"),)
    rows = raw.select(kept).with_columns(*times).with_columns(pl.col(pl.UInt8, pl.UInt16).cast(int))
    rows = rows.with_columns(raw["source"].alias("$path"))
    file = answer(engine, table(rows), rows, Window(), tmp_path)
    sums = scan_records(file).collect()
    assert sums.height * 2 < raw.height
    assert_frame_equal(
        conversations(raw.lazy()).drop("records").collect(),
        conversations(sums.lazy()).drop("records").collect(),
    )


def told(engine: Any, rows: list[Row], folder: Path, **types: str) -> list[Row]:
    """The rows of the answer, as the reader types them."""
    seen = pl.DataFrame(rows, infer_schema_length=None)
    file = answer(engine, table(seen, **types), seen, Window(), folder)
    return scan_records(file).collect().to_dicts()


def test_rows_are_added_up_and_a_copy_is_not(engine: Any, tmp_path: Path) -> None:
    """Two records and a copy of one: the sums of two, first start, last end, and how many."""
    second = BASE | {"bytes": 7, "packets": 1, "start": START + 60, "end": START + 110}
    (row,) = told(engine, [BASE, BASE, second], tmp_path)
    assert (row["bytes"], row["packets"], row["merged"]) == (107, 3, 2)
    at = datetime.fromtimestamp(START, UTC)
    assert (row["start"], (row["end"] - at).total_seconds()) == (at, 110)
    assert row["log_status"] == "OK"


def test_both_flags_are_kept(engine: Any, tmp_path: Path) -> None:
    """A SYN and a SYN-ACK from one side stay two facts; the second row counts nothing."""
    rows = [BASE | {"tcp_flags": 2}, BASE | {"tcp_flags": 19, "start": START + 9}]
    got = sorted((r["tcp_flags"], r["bytes"], r["merged"]) for r in told(engine, rows, tmp_path))
    assert got == [(2, 0, 0), (18, 200, 2)]


def test_without_identity_nothing_is_a_copy(engine: Any, tmp_path: Path) -> None:
    """Where a table lacks a field of the identity, every row counts."""
    short = {name: value for name, value in BASE.items() if name != "packets"}
    (row,) = told(engine, [short, short], tmp_path)
    assert (row["bytes"], row["merged"]) == (200, 2)
    assert "packets" not in row


def test_names_and_types_of_older_tables(engine: Any, tmp_path: Path) -> None:
    """Tables made by hand: other names, numbers as text, times as timestamps or milliseconds."""
    named = {
        "account": "1",
        "interfaceid": "eni-a",
        "sourceaddress": "10.0.0.5",
        "destinationaddress": "192.0.2.1",
        "sourceport": "40000",
        "destinationport": "443",
        "protocol": 6.0,
        "numpackets": "2",
        "numbytes": 100,
        "starttime": datetime(2026, 11, 21, 10),
        "endtime": (START + 50) * 1000,
        "action": "ACCEPT",
        "logstatus": "OK",
    }
    types = {"protocol": "double", "numbytes": "bigint", "starttime": "timestamp"}
    (row,) = told(engine, [named], tmp_path, endtime="bigint", **types)
    known = {name: row[name] for name in ("interface_id", "srcport", "packets", "bytes", "start")}
    assert known == {
        "interface_id": "eni-a",
        "srcport": 40000,
        "packets": 2,
        "bytes": 100,
        "start": datetime.fromtimestamp(START, UTC),
    }
    assert row["end"] == datetime.fromtimestamp(START + 50, UTC)


def test_what_is_no_number_is_rejected_not_zero(engine: Any, tmp_path: Path) -> None:
    """A text that should be a number makes a reject that quotes it, and no record."""
    rows = pl.DataFrame([BASE | {"bytes": "100"}, BASE | {"bytes": "lots"}, BASE | {"bytes": "-"}])
    file = answer(engine, table(rows, bytes="string"), rows, Window(), tmp_path)
    books = Ledger()
    assert sorted(scan_records(file, ledger=books).collect()["bytes"]) == [100]
    assert books.reasons() == {"not an address": 1}
    assert "lots" in books.rejects()["text"].item()


def test_silence_keeps_its_own_times(engine: Any, tmp_path: Path) -> None:
    """NODATA of two windows is not silence of the time between them."""
    quiet = {"srcaddr": None, "dstaddr": None, "packets": None, "bytes": None, "action": None}
    silent = BASE | quiet | {"log_status": "NODATA"}
    rows = pl.DataFrame([silent, silent | {"start": START + 1200, "end": START + 1260}, BASE])
    books = Ledger()
    file = answer(engine, table(rows), rows, Window(), tmp_path)
    assert scan_records(file, ledger=books).collect().height == 1
    assert books.coverage()["start"].dt.epoch("s").to_list() == [START, START + 1200]


def test_hostile_names_stay_names(engine: Any, tmp_path: Path) -> None:
    """A column whose name holds quotes and SQL is quoted; its text is never run."""
    rows = pl.DataFrame([{**BASE, "$path": "x"}]).rename({"action": 'act"ion'})
    entry = table(rows, **{'x"; DROP TABLE logs.vpc; --': "string"})
    assert unused(entry) == ['x"; DROP TABLE logs.vpc; --']
    file = answer(engine, entry, rows, Window(), tmp_path)
    assert scan_records(file).collect()["action"].to_list() == ["ACCEPT"]
    assert unload("SELECT 1", "s3://b/it's/").count("''") == 1


@pytest.mark.parametrize("missing", ["srcaddr", "dstaddr"])
def test_a_table_of_something_else_is_refused(missing: str) -> None:
    """Without both addresses there is no question to ask; the error lists what is there."""
    columns = {name: "string" for name in ("srcaddr", "dstaddr", "colour") if name != missing}
    with pytest.raises(UsageError, match=rf"no column for {missing}: it has .*colour"):
        select(Table("logs", "vpc", columns), Window())


def test_nested_columns_are_not_read() -> None:
    """A column that can be no field of a flow log is named as not read."""
    columns = {"srcaddr": "string", "dstaddr": "string", "tags": "map<string,string>"}
    odd = Table("logs", "vpc", {**columns, "action": "array<string>", "type": "string"})
    assert unused(odd) == ["tags", "action", "type"]


DAY = Window(datetime(2026, 7, 14, 9, tzinfo=UTC), datetime(2026, 7, 14, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    ("partitions", "wanted"),
    [
        (
            {"date": Partition("date")},
            ["\"date\" >= DATE '2026-07-13'", "\"date\" <= DATE '2026-07-15'"],
        ),
        (
            {"region": Partition("string"), "day": Partition("string", "yyyy/MM/dd")},
            ["\"day\" >= '2026/07/13'", "\"day\" <= '2026/07/15'"],
        ),
        (
            {"hour": Partition("string", "yyyy-MM-dd-HH")},
            ["\"hour\" >= '2026-07-13-00'", "\"hour\" <= '2026-07-15-23'"],
        ),
        ({"day": Partition("string", "dd/MM/yyyy")}, []),
        ({"day": Partition("string", "yyyy''MM")}, []),
        ({"day": Partition("string")}, []),
        ({"day": Partition("int", "yyyyMMdd")}, []),
    ],
)
def test_days_are_partitions(partitions: dict[str, Partition], wanted: list[str]) -> None:
    """A day column of any of the known kinds is compared; one nobody can read is left alone."""
    assert conditions(partitions, DAY) == wanted
    assert conditions(partitions, Window()) == []


@pytest.mark.parametrize("kind", ["string", "int"])
def test_year_month_and_day_are_one_day(engine: Any, kind: str) -> None:
    """Three columns, with or without leading zeros, keep exactly the days around the time."""
    days = [(2025, 7, 14), (2026, 6, 30), (2026, 7, 12), (2026, 7, 13), (2026, 7, 15)]
    days += [(2026, 7, 16), (2026, 8, 1), (2027, 7, 14)]
    rows = pl.DataFrame(days, schema=["year", "month", "day"], orient="row")
    engine.hold("logs", "days", rows.cast(pl.String) if kind == "string" else rows)
    partitions = {name: Partition(kind) for name in rows.columns}
    where = " AND ".join(conditions(partitions, DAY))
    kept = engine.ask(f'SELECT * FROM "logs"."days" WHERE {where}').to_pylist()
    assert [(int(row["month"]), int(row["day"])) for row in kept] == [(7, 13), (7, 15)]
