import gzip
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowlens.errors import AccessError, InputError, StrictError, UsageError
from flowlens.records import Ledger, scan_records
from flowlens.sources import Aws
from flowlens_parsers.fields import DEFAULT

T = 1_784_000_000  # seconds; 2026-07-14T03:33:20Z
WHEN = datetime.fromtimestamp(T, UTC)


def _v2(port: int, start: int = T, action: str = "ACCEPT OK") -> str:
    return f"2 1 eni-1 10.0.0.1 10.0.0.2 {port} 443 6 1 40 {start} {start + 60} {action}"


HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes"
    " start end action log-status"
)
NODATA = f"2 1 eni-1 - - - - - - - {T} {T + 60} - NODATA"


def _write(path: Path, *lines: str) -> Path:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return path


def _name(flow_log: str, slot: str = "20260714T0330", suffix: str = "gz") -> str:
    return f"1_vpcflowlogs_eu-west-1_{flow_log}_{slot}Z_h.log.{suffix}"


def test_one_file_with_place(tmp_path: Path) -> None:
    """Records carry their object and line where asked, and the flow log always, at the end."""
    path = _write(tmp_path / _name("fl-0a"), HEADER, _v2(1), NODATA, _v2(2))
    ledger = Ledger()
    frame = scan_records(path, ledger=ledger, line=True, source=True)
    assert frame.collect_schema().names() == [*DEFAULT, "source", "line", "flow_log"]
    assert frame.select("srcport", "source", "line", "flow_log").collect().to_dict(
        as_series=False
    ) == {
        "srcport": [1, 2],
        "source": [str(path)] * 2,
        "line": [2, 4],
        "flow_log": ["fl-0a"] * 2,
    }
    assert ledger.counts() == {
        "objects": 1,
        "lost": 0,
        "partial": 0,
        "bytes": path.stat().st_size,
        "lines": 3,
        "headers": 1,
        "records": 2,
        "outside": 0,
        "nodata": 1,
        "skipdata": 0,
        "rejects": 0,
        "unread": 0,
    }
    assert ledger.coverage().select("observer", "status", "source").rows() == [
        ("eni-1", "NODATA", str(path))
    ]


def test_union_of_formats(tmp_path: Path) -> None:
    """Objects of several formats make one table, each field null where an object lacks it."""
    _write(tmp_path / "a.gz", "srcaddr bytes", "10.0.0.1 5")
    _write(tmp_path / "b.gz", "colour version bytes", "red 2 7")
    ledger = Ledger()
    frame = scan_records(tmp_path, ledger=ledger)
    assert frame.collect().to_dict(as_series=False) == {
        "version": [None, 2],
        "srcaddr": ["10.0.0.1", None],
        "bytes": [5, 7],
        "colour": [None, "red"],
        "flow_log": [None, None],
    }
    assert ledger.notes() == [
        "2 record formats in the input; a field that one lacks is null there",
        f"fields that AWS does not document, kept as text: colour (first in {tmp_path}/b.gz)",
    ]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_pushdown_changes_no_result_and_no_count(tmp_path: Path, engine: Any) -> None:
    """Columns, filters and a whole read give the same rows and the same account."""
    for number in range(3):
        bad = _v2(9).replace(" 40 ", " forty ")
        lines = [_v2(port) for port in range(number * 10, number * 10 + 4)]
        _write(tmp_path / f"{number}.gz", HEADER, *lines, bad, NODATA, "short")
    whole, narrow, counted = Ledger(), Ledger(), Ledger()
    full = scan_records(tmp_path, ledger=whole, line=True).collect(engine=engine)
    asked = (pl.col("srcport") > 11) & (pl.col("line") != 3)
    some = (
        scan_records(tmp_path, ledger=narrow, line=True).filter(asked).select("action", "srcport")
    )
    got = some.collect(engine=engine)
    assert got.to_dict(as_series=False) == {
        "action": ["ACCEPT"] * 5,
        "srcport": [12, 13, 20, 22, 23],
    }
    assert got.equals(full.filter(asked).select("action", "srcport"))
    rows = scan_records(tmp_path, ledger=counted).select(pl.len()).collect(engine=engine).item()
    assert rows == full.height == 12
    assert whole.counts() == narrow.counts() == counted.counts()
    assert whole.rejects().equals(narrow.rejects())
    assert whole.counts()["lines"] == 3 * 7
    assert whole.reasons() == {"not a number": 3, "wrong number of values": 3}


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_columns_that_an_object_lacks_keep_its_rows(tmp_path: Path, engine: Any) -> None:
    """Asking only for what is the same in every row, or missing, still gives every row."""
    _write(tmp_path / _name("fl-0a"), "srcport bytes", "1 2", "3 4")
    _write(tmp_path / _name("fl-0b"), "srcport action", "5 REJECT")
    frame = scan_records(tmp_path)
    logs = frame.select("flow_log").collect(engine=engine).to_series().to_list()
    assert logs == ["fl-0a", "fl-0a", "fl-0b"]
    assert frame.select("action").collect(engine=engine).to_series().to_list() == [
        None,
        None,
        "REJECT",
    ]
    lacking = frame.filter(pl.col("bytes").is_null()).select("flow_log")
    assert lacking.collect(engine=engine).to_series().to_list() == ["fl-0b"]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_head_stops_early(tmp_path: Path, engine: Any) -> None:
    """The first rows are had without reading the objects after them, and the account says so."""
    for number in range(3):
        _write(tmp_path / f"{number}.gz", HEADER, _v2(number), _v2(number + 10))
    ledger = Ledger()
    frame = scan_records(tmp_path, ledger=ledger).select("srcport")
    assert frame.head(3).collect(engine=engine).to_series().to_list() == [0, 10, 1]
    assert ledger.counts()["partial"] == 1
    assert ledger.counts()["objects"] == 2
    first = scan_records(tmp_path).filter(pl.col("srcport") >= 10).select("srcport").head(2)
    assert first.collect(engine=engine).to_series().to_list() == [10, 11]


def test_time_is_half_open_on_start(tmp_path: Path) -> None:
    """A record that starts at `since` is in, one that starts at `until` is not but is counted."""
    path = _write(tmp_path / "a.gz", HEADER, *[_v2(port, T + port) for port in range(5)], NODATA)
    ledger = Ledger()
    frame = scan_records(
        path,
        since=datetime.fromtimestamp(T + 1, UTC),
        until=datetime.fromtimestamp(T + 3, UTC),
        ledger=ledger,
    )
    assert frame.select("srcport").collect().to_series().to_list() == [1, 2]
    counts = ledger.counts()
    assert (counts["records"], counts["outside"], counts["nodata"], counts["lines"]) == (2, 3, 1, 6)
    assert ledger.coverage().height == 1


def test_time_without_start(tmp_path: Path) -> None:
    """Without `start` the `end` decides; a record with neither is kept."""
    _write(tmp_path / "a.gz", "srcport end", f"1 {T}", f"2 {T + 100}")
    _write(tmp_path / "b.gz", "srcport bytes", "3 0")
    frame = scan_records(tmp_path, since=datetime.fromtimestamp(T + 50, UTC))
    assert frame.select("srcport").collect().to_series().to_list() == [2, 3]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_second_pass_counts_once(tmp_path: Path, engine: Any) -> None:
    """A frame that is used twice, or twice in one query, books every line once."""
    path = _write(tmp_path / "a.gz", HEADER, _v2(1), "short")
    ledger = Ledger()
    frame = scan_records(path, ledger=ledger)
    frame.collect()
    both = pl.concat([frame.select("srcport"), frame.select(pl.col("dstport").alias("srcport"))])
    assert both.collect(engine=engine).to_series().to_list() == [1, 443]
    assert ledger.counts()["lines"] == 2
    assert ledger.rejects().to_dict(as_series=False) == {
        "source": [str(path)],
        "line": [3],
        "reason": ["wrong number of values"],
        "text": ["short"],
    }


def test_partial_pass_does_not_replace_a_whole_one(tmp_path: Path) -> None:
    """Looking at the first rows after a whole reading leaves the account whole."""
    path = _write(tmp_path / "a.gz", HEADER, _v2(1), _v2(2), "short")
    ledger = Ledger()
    frame = scan_records(path, ledger=ledger)
    frame.collect()
    before = ledger.counts()
    assert frame.head(1).collect().height == 1
    assert ledger.counts() == before
    assert (before["partial"], before["rejects"]) == (0, 1)


def test_kept_rejects_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit unreadable lines are counted, and said, but their text is not kept."""
    for module in ("ledger", "entries"):
        monkeypatch.setattr(f"flowlens.{module}.KEPT", 3)
    for name in ("a.gz", "b.gz"):
        _write(tmp_path / name, HEADER, "short", "shorter")
    ledger = Ledger()
    frame = scan_records(tmp_path, ledger=ledger)
    for _ in range(2):
        frame.collect()
        assert ledger.counts()["rejects"] == 4
        assert ledger.reasons() == {"wrong number of values": 4}
        assert ledger.rejects()["text"].to_list() == ["short", "shorter", "short"]
    assert ledger.notes() == ["only the first 3 unreadable lines are kept; all are counted"]


def test_strict_names_the_place(tmp_path: Path) -> None:
    """Under `strict` the first bad line stops the run, with file, line, reason and text."""
    path = _write(tmp_path / "a.gz", HEADER, _v2(1), "short", "shorter")
    with pytest.raises(StrictError) as error:
        scan_records(path, strict=True).collect()
    assert str(error.value) == f"{path}:3: wrong number of values: short"


def test_vanished_file(tmp_path: Path) -> None:
    """A file that goes away after the listing is a reject of line 0; strict stops at it."""
    for name in ("a.gz", "b.gz"):
        _write(tmp_path / name, HEADER, _v2(1))
    ledger = Ledger()
    frame, strict = scan_records(tmp_path, ledger=ledger), scan_records(tmp_path, strict=True)
    (tmp_path / "a.gz").unlink()
    assert frame.collect().height == 1
    assert ledger.rejects().select("source", "line", "reason").rows() == [
        (f"{tmp_path}/a.gz", 0, "vanished")
    ]
    counts = ledger.counts()
    assert (counts["objects"], counts["lost"], counts["partial"], counts["rejects"]) == (2, 1, 0, 0)
    with pytest.raises(StrictError, match=r"a\.gz:0: vanished"):
        strict.collect()


def test_file_with_nothing_has_the_default_columns(tmp_path: Path) -> None:
    """An empty file gives no records, but the columns of the default format."""
    (tmp_path / "a.log").write_bytes(b"")
    frame = scan_records(tmp_path)
    assert frame.collect_schema().names() == [*DEFAULT, "flow_log"]
    assert frame.collect().height == 0


def test_one_glance_for_a_flow_log(tmp_path: Path) -> None:
    """The first object of a flow log that has a header tells the columns of all its objects."""
    (tmp_path / _name("fl-0a", "20260714T0330")).write_bytes(b"")
    _write(tmp_path / _name("fl-0a", "20260714T0335"), "srcport bytes", "1 2")
    _write(tmp_path / _name("fl-0b", "20260714T0330"), "bytes action", "3 REJECT")
    frame = scan_records(tmp_path).collect()
    assert frame.to_dict(as_series=False) == {
        "srcport": [1, None],
        "bytes": [2, 3],
        "action": [None, "REJECT"],
        "flow_log": ["fl-0a", "fl-0b"],
    }


def test_headerless_format(tmp_path: Path) -> None:
    """Lines without a header are read after the format given, and a wrong one is wrong use."""
    path = _write(tmp_path / "a.gz", "443 10.0.0.1")
    frame = scan_records(path, format="${dstport} ${srcaddr}").collect()
    assert frame.row(0) == ("10.0.0.1", 443, None)
    with pytest.raises(UsageError, match="--format"):
        scan_records(path, format="${}")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is glanced at and then read whole, as often as the frame is used."""
    data = f"{HEADER}\n{_v2(1)}\n{_v2(2)}\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(data))))
    frame = scan_records("-", source=True)
    assert [frame.select("source", "srcport").collect().rows() for _ in range(2)] == [
        [("-", 1), ("-", 2)]
    ] * 2


def test_progress_is_told_in_stored_bytes(tmp_path: Path) -> None:
    """Progress never goes back and ends with the bytes of all objects."""
    paths = [_write(tmp_path / f"{number}.gz", HEADER, _v2(1)) for number in range(3)]
    told: list[tuple[int, int | None]] = []
    scan_records(tmp_path, ledger=Ledger(lambda done, total: told.append((done, total)))).collect()
    total = sum(path.stat().st_size for path in paths)
    assert told == sorted(told)
    assert told[-1] == (total, total)


def test_missing_path() -> None:
    """A source that is not there is an error at the call."""
    with pytest.raises(InputError, match="no such file"):
        scan_records("nowhere/at/all")


@pytest.fixture
def bucket(aws_server: str, aws_client: Callable[[str], Any], tmp_path: Path) -> dict[str, Any]:
    """A bucket with a text and a Parquet flow log of different formats, two days each."""
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="logs")
    base = "AWSLogs/1/vpcflowlogs/eu-west-1/"
    for day in (13, 14):
        start = T + (day - 14) * 86400
        text = gzip.compress(f"{HEADER}\n{_v2(day, start)}\nshort\n".encode())
        s3.put_object(
            Bucket="logs",
            Key=f"{base}2026/07/{day}/{_name('fl-0a', f'202607{day}T0330')}",
            Body=text,
        )
        table = pl.DataFrame(
            {"srcport": [day + 100], "start": [start], "protocol": [6], "vpc_id": ["vpc-1"]},
            schema_overrides={"srcport": pl.Int32, "protocol": pl.Int32},
        )
        buffer = io.BytesIO()
        table.write_parquet(buffer)
        s3.put_object(
            Bucket="logs",
            Key=f"{base}2026/07/{day}/{_name('fl-0b', f'202607{day}T0330', 'parquet')}",
            Body=buffer.getvalue(),
        )
    return {"src": "s3://logs", "aws": Aws(endpoint_url=aws_server)}


def test_bucket_of_text_and_parquet(bucket: dict[str, Any]) -> None:
    """Text and Parquet of two formats in one prefix are one table, of the asked time only."""
    ledger = Ledger()
    since = datetime(2026, 7, 14, tzinfo=UTC)
    frame = scan_records(**bucket, since=since, ledger=ledger).select(
        "srcport", "vpc_id", "flow_log"
    )
    assert sorted(frame.collect().rows()) == [(14, None, "fl-0a"), (114, "vpc-1", "fl-0b")]
    assert ledger.counts()["objects"] == 2
    assert ledger.reasons() == {"wrong number of values": 1}


def test_vanished_key(bucket: dict[str, Any], aws_client: Callable[[str], Any]) -> None:
    """A key that vanished is a reject and the rest is read."""
    s3 = aws_client("s3")
    ledger = Ledger()
    frame = scan_records(**bucket, ledger=ledger)
    gone = s3.list_objects_v2(Bucket="logs")["Contents"][0]["Key"]
    s3.delete_object(Bucket="logs", Key=gone)
    assert frame.collect().height == 3
    assert ledger.rejects().filter(pl.col("line") == 0).select("source", "reason").rows() == [
        (f"s3://logs/{gone}", "vanished")
    ]


def test_log_group(aws_server: str, aws_client: Callable[[str], Any]) -> None:
    """A log group's messages are read in the format of its flow log."""
    logs, ec2 = aws_client("logs"), aws_client("ec2")
    logs.create_log_group(logGroupName="flows")
    logs.create_log_stream(logGroupName="flows", logStreamName="eni-1-all")
    now = int(datetime.now(UTC).timestamp())
    messages = [f"{now} 443 OK", f"{now} x OK", f"{now} - NODATA"]
    logs.put_log_events(
        logGroupName="flows",
        logStreamName="eni-1-all",
        logEvents=[{"timestamp": now * 1000, "message": message} for message in messages],
    )
    ec2.create_flow_logs(
        ResourceIds=[ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="cloud-watch-logs",
        LogGroupName="flows",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flows",
        LogFormat="${start} ${dstport} ${log-status}",
    )
    ledger = Ledger()
    frame = scan_records("cloudwatch:flows", aws=Aws(endpoint_url=aws_server), ledger=ledger)
    assert frame.select("dstport").collect().to_series().to_list() == [443]
    counts = ledger.counts()
    assert (counts["lines"], counts["nodata"], counts["rejects"]) == (3, 1, 1)
    with pytest.raises(AccessError, match="profile"):
        scan_records("cloudwatch:flows", aws=Aws(profile="ghost"))


def test_published_records(published: Path) -> None:
    """Every published file is read, and every one of its lines is accounted for."""
    ledger = Ledger()
    frame = scan_records(published, ledger=ledger, line=True, source=True).collect()
    counts = ledger.counts()
    assert counts["lost"] == counts["partial"] == 0
    assert counts["records"] == frame.height > 0
    parts = ("records", "outside", "nodata", "skipdata", "rejects")
    assert counts["lines"] == sum(counts[name] for name in parts)
    assert json.dumps(ledger.reasons())
