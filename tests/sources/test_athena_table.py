import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from flowlens import Ledger, conversations, scan_records
from flowlens.errors import AccessError, FlowlensError, InputError, UsageError
from flowlens.sources import Aws, list_objects

Client = Callable[[str], Any]

SRC = "athena:logs.vpc"
START = 1_795_255_200  # 2026-11-21 10:00:00 UTC
FOLDER = "AWSLogs/1/vpcflowlogs/us-east-1"
DENIED = '{"__type": "AccessDeniedException", "Message": "not for you"}'
COLUMNS = {
    "interface_id": "string",
    "srcaddr": "string",
    "dstaddr": "string",
    "srcport": "int",
    "dstport": "int",
    "protocol": "bigint",
    "packets": "bigint",
    "bytes": "bigint",
    "start": "bigint",
    "end": "bigint",
    "action": "string",
}
ROWS = [
    ("eni-a", "10.0.0.5", "192.0.2.1", 40000, 443, 6, 2, 100, START, START + 50, "ACCEPT"),
    ("eni-a", "10.0.0.5", "192.0.2.1", 40000, 443, 6, 1, 7, START + 60, START + 90, "ACCEPT"),
    ("eni-a", "192.0.2.1", "10.0.0.5", 443, 40000, 6, 3, 900, START, START + 50, "ACCEPT"),
]


@dataclass
class Athena:
    """Athena in front of moto: runs what moto only notes down, and writes where UNLOAD would.

    Source: the API reference of StartQueryExecution (a token that came before gives the query of
    then) and the user guide's pages of UNLOAD (the place must be empty) and of query output files.
    """

    engine: Any
    s3: Any
    queries: list[str] = field(default_factory=list)
    started: dict[str, str] = field(default_factory=dict)  # token -> id
    ends: dict[str, dict[str, Any]] = field(default_factory=dict)  # id -> what moto does not know
    scanned: int = 123_456_789
    parts: int = 2  # files of an answer
    age: int = 0  # seconds that have passed since any query was submitted

    def __call__(self, call: str, sent: bytes, onward: Callable[[], Any]) -> Any:
        if call.endswith("StartQueryExecution"):
            return self.start(json.loads(sent), onward)
        if call.endswith("GetQueryExecution"):
            status, headers, body = onward()
            known = json.loads(body)
            self.finish(known["QueryExecution"])
            return status, headers, json.dumps(known).encode()
        return onward()

    def start(self, asked: dict[str, Any], onward: Callable[[], Any]) -> Any:
        token = asked["ClientRequestToken"]
        if token in self.started:
            return 200, {}, json.dumps({"QueryExecutionId": self.started[token]}).encode()
        reply = onward()
        name = self.started[token] = json.loads(reply[2])["QueryExecutionId"]
        self.ends[name] = self.run(asked["QueryString"], name)
        return reply

    def run(self, query: str, name: str) -> dict[str, Any]:
        found = re.fullmatch(
            r"UNLOAD \((SELECT .*)\) TO 's3://([^/']+)/([^']+/)' "
            r"WITH \(format = 'PARQUET', compression = 'ZSTD'\)",
            query,
        )
        assert found is not None
        self.queries.append(found[1])
        if self.s3.list_objects_v2(Bucket=found[2], Prefix=found[3])["KeyCount"]:
            return {"reason": f"HIVE_PATH_ALREADY_EXISTS: s3://{found[2]}/{found[3]} has data"}
        table = self.engine.ask(found[1])
        size = -(-table.num_rows // self.parts) or 1
        parts = [table.slice(at, size) for at in range(0, table.num_rows, size)]
        names = [f"{found[3]}2026_{name[:8]}_{number}" for number in range(len(parts))]
        for key, part in zip(names, parts, strict=True):
            file = io.BytesIO()
            pq.write_table(part, file, compression="zstd")
            self.s3.put_object(Bucket=found[2], Key=key, Body=file.getvalue())
        manifest = "".join(f"s3://{found[2]}/{key}\n" for key in names)
        self.s3.put_object(Bucket="results", Key=f"{name}-manifest.csv", Body=manifest.encode())
        return {"manifest": f"s3://results/{name}-manifest.csv"}

    def finish(self, query: dict[str, Any]) -> None:
        """Put the end of a query, once moto says that it ended, as Athena would tell it."""
        end = self.ends[query["QueryExecutionId"]]
        query["Status"]["SubmissionDateTime"] -= self.age
        if query["Status"]["State"] != "SUCCEEDED":
            return
        if "reason" in end:
            state = end.get("state", "FAILED")
            query["Status"] |= {"State": state, "StateChangeReason": end["reason"]}
        else:
            query["Statistics"] |= {
                "DataScannedInBytes": self.scanned,
                "DataManifestLocation": end["manifest"],
            }

    def fails(self, reason: str, state: str = "FAILED") -> None:
        """Let every query from now on fail."""
        self.run = lambda *_: {"reason": reason, "state": state}  # type: ignore[method-assign]


@pytest.fixture
def athena(engine: Any, proxy: Any, aws_client: Client) -> Athena:
    """Athena with the table logs.vpc of three records in one object, and a workgroup for it."""
    s3, glue = aws_client("s3"), aws_client("glue")
    for bucket in ("logs", "results"):
        s3.create_bucket(Bucket=bucket)
    glue.create_database(DatabaseInput={"Name": "logs"})
    _table(glue)
    s3.put_object(Bucket="logs", Key=f"{FOLDER}/2026/11/21/{_file('20261121T1000Z')}", Body=b"x")
    configuration = {"ResultConfiguration": {"OutputLocation": "s3://results/flows"}}
    aws_client("athena").create_work_group(Name="soc", Configuration=configuration)
    rows = pl.DataFrame(ROWS, schema=list(COLUMNS), orient="row")
    path = f"s3://logs/{FOLDER}/2026/11/21/{_file('20261121T1000Z')}"
    engine.hold("logs", "vpc", rows.with_columns(pl.lit(path).alias("$path")))
    service = Athena(engine, s3)
    proxy.service = service
    proxy.requests.clear()
    return service


def _file(slot: str) -> str:
    return f"1_vpcflowlogs_us-east-1_fl-0a_{slot}_h.log.gz"


def _table(glue: Any, name: str = "vpc", **more: Any) -> None:
    columns = more.pop("columns", COLUMNS)
    storage = {
        "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
        "Location": f"s3://logs/{FOLDER}/",
    }
    entry = {"Name": name, "StorageDescriptor": storage, "TableType": "EXTERNAL_TABLE", **more}
    glue.create_table(DatabaseName="logs", TableInput=entry)


def _scan(
    proxy: Any, src: str = f"{SRC}?workgroup=soc", **options: Any
) -> tuple[pl.DataFrame, Ledger, list[str]]:
    said: list[str] = []
    books = Ledger(speak=said.append)
    frame = scan_records(src, aws=Aws(endpoint_url=proxy.url), ledger=books, **options)
    return frame.collect(), books, said


def _calls(proxy: Any, name: str) -> int:
    return sum(line.endswith(f".{name}") for line in proxy.requests)


def test_a_table_is_a_source(athena: Athena, proxy: Any) -> None:
    """Records of a table come added up, with their flow log, and make the same conversation."""
    records, books, _ = _scan(proxy)
    shown = records.sort("srcport").select("srcaddr", "bytes", "merged", "flow_log").rows()
    assert shown == [("192.0.2.1", 900, 1, "fl-0a"), ("10.0.0.5", 107, 2, "fl-0a")]
    assert (books.counts()["objects"], books.counts()["rejects"], books.notes()) == (2, 0, [])
    (talk,) = conversations(records.lazy()).collect().to_dicts()
    assert (talk["client"], talk["bytes_out"], talk["bytes_in"]) == ("10.0.0.5", 107, 900)
    assert list(athena.started.values()) == list(athena.ends)


def test_cost_is_said_before_and_after(athena: Athena, proxy: Any) -> None:
    """The most that a query may cost is said before it starts; what it scanned, at its end."""
    said: list[tuple[str, int]] = []
    books = Ledger(speak=lambda text: said.append((text, _calls(proxy, "StartQueryExecution"))))
    scan_records(f"{SRC}?workgroup=soc", aws=Aws(endpoint_url=proxy.url), ledger=books)
    (before, none), (after, one) = said
    assert (none, one) == (0, 1)
    assert before == (
        "athena:logs.vpc: the query scans at most 1 B in 1 objects, "
        "which is less than $0.01 at $5 a TB"
    )
    assert after.startswith("athena:logs.vpc: Athena scanned 123 MB (query ")


def test_the_same_objects_are_paid_for_once(athena: Athena, proxy: Any, aws_client: Client) -> None:
    """A second run finds the first one's answer; a new object makes a new query."""
    first, _, _ = _scan(proxy)
    athena.age = 3600
    second, _, said = _scan(proxy)
    assert len(athena.queries) == 1
    assert first.equals(second)
    assert said[1].endswith("nothing to pay")
    key = f"{FOLDER}/2026/11/21/{_file('20261121T1005Z')}"
    aws_client("s3").put_object(Bucket="logs", Key=key, Body=b"y")
    _scan(proxy)
    assert len(athena.queries) == 2


def test_an_answer_that_is_gone_is_made_again(
    athena: Athena, proxy: Any, aws_client: Client
) -> None:
    """Where a lifecycle rule took files of an old answer, the query runs again elsewhere."""
    first, _, _ = _scan(proxy)
    s3 = aws_client("s3")
    old = s3.list_objects_v2(Bucket="results", Prefix="flows/")["Contents"]
    s3.delete_object(Bucket="results", Key=old[0]["Key"])
    athena.age = 3600
    again, _, _ = _scan(proxy)
    assert len(athena.queries) == 2
    assert again.sort("srcport").equals(first.sort("srcport"))


def test_what_a_failed_query_left_is_not_read(
    athena: Athena, proxy: Any, aws_client: Client
) -> None:
    """Files that lie at the place of an answer make Athena refuse it; the next place is taken."""
    _scan(proxy)
    athena.started.clear()  # Athena has forgotten the token; the files still lie there
    records, _, _ = _scan(proxy)
    assert records["merged"].sum() == 3
    assert len(athena.queries) == 3  # the first, the refused one, the one beside it


def test_an_old_failure_does_not_last(athena: Athena, proxy: Any) -> None:
    """A query that failed is tried again by the next run, though Athena remembers the failure."""
    works = athena.run
    athena.fails("INTERNAL_ERROR_QUERY_ENGINE")
    with pytest.raises(InputError, match="INTERNAL_ERROR"):
        _scan(proxy)
    athena.run, athena.age = works, 3600  # type: ignore[method-assign]
    assert _scan(proxy)[0]["merged"].sum() == 3


@pytest.mark.parametrize(
    ("state", "reason", "error"),
    [
        ("FAILED", "HIVE_BAD_DATA: Field protocol's type INT32\nis not bigint", InputError),
        ("CANCELLED", "Bytes scanned limit was exceeded", InputError),
        ("FAILED", "PERMISSION_DENIED: Access Denied (Service: Amazon S3)", AccessError),
        ("FAILED", "Insufficient Lake Formation permission(s) on vpc", AccessError),
    ],
)
def test_a_failed_query_says_why(
    athena: Athena, proxy: Any, state: str, reason: str, error: type[FlowlensError]
) -> None:
    """The reason that Athena gives comes through in one line."""
    athena.fails(reason, state)
    with pytest.raises(error) as raised:
        _scan(proxy)
    assert state.lower() in str(raised.value)
    assert " ".join(reason.split()) in str(raised.value)


@pytest.mark.parametrize(
    ("call", "action"),
    [
        ("AWSGlue.GetTable", "glue:GetTable"),
        ("AmazonAthena.GetWorkGroup", "athena:GetWorkGroup"),
        ("AmazonAthena.StartQueryExecution", "athena:StartQueryExecution"),
        ("AmazonAthena.GetQueryExecution", "athena:GetQueryExecution"),
    ],
)
def test_a_missing_permission_is_named(athena: Athena, proxy: Any, call: str, action: str) -> None:
    """A refused call says which action to allow."""
    proxy.spoil(call, status=400, body=DENIED, times=9)
    with pytest.raises(AccessError, match=rf"allow {action} on "):
        _scan(proxy)


def test_without_the_right_to_list_the_cost_is_unknown(athena: Athena, proxy: Any) -> None:
    """A refused listing of the logs is no reason to stop; unknown is said, not zero."""
    refused = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    proxy.spoil("GET /logs?", status=403, body=refused, times=9)
    records, _, said = _scan(proxy)
    assert records["merged"].sum() == 3
    assert "how many is unknown (permission missing: allow s3:ListBucket" in said[0]


def test_throttling_is_waited_out(athena: Athena, proxy: Any) -> None:
    """Athena that asks for patience delays the run, no more."""
    busy = '{"__type": "TooManyRequestsException", "Message": "slow down"}'
    proxy.spoil("GetQueryExecution", status=400, body=busy)
    assert _scan(proxy)[0]["merged"].sum() == 3


def test_time_reaches_the_query_and_the_partitions(
    athena: Athena, proxy: Any, aws_client: Client
) -> None:
    """The asked time leaves out partitions in the SQL and in the estimate, and records."""
    glue, s3 = aws_client("glue"), aws_client("s3")
    keys = [{"Name": "date", "Type": "date"}]
    _table(glue, "days", PartitionKeys=keys)
    place = {"Location": f"s3://logs/{FOLDER}/2026/11/21"}
    entry = {"Values": ["2026-11-21"], "StorageDescriptor": place}
    glue.create_partition(DatabaseName="logs", TableName="days", PartitionInput=entry)
    rows = pl.DataFrame(ROWS, schema=list(COLUMNS), orient="row")
    day = pl.lit("2026-11-21").str.to_date().alias("date")
    athena.engine.hold("logs", "days", rows.with_columns(day, pl.lit("x").alias("$path")))
    for number, slot in enumerate(["20261119T1000Z", "20261120T0005Z", "20261124T0000Z"]):
        name = f"{FOLDER}/{slot[:4]}/{slot[4:6]}/{slot[6:8]}/{_file(slot)}"
        s3.put_object(Bucket="logs", Key=name, Body=b"x" * 10**number)
    since = datetime.fromtimestamp(START + 30, UTC)
    until = datetime.fromtimestamp(START + 3600, UTC)
    records, _, said = _scan(proxy, "athena:logs.days?workgroup=soc", since=since, until=until)
    assert records.select("bytes", "merged").rows() == [(7, 1)]
    assert "at most 11 B in 2 objects" in said[0]
    (query,) = athena.queries
    assert "\"date\" >= DATE '2026-11-20' AND \"date\" <= DATE '2026-11-22'" in query


def test_projected_days_and_views(athena: Athena, proxy: Any, aws_client: Client) -> None:
    """Projected partitions are pruned by their format; a view has no objects to be told by."""
    glue = aws_client("glue")
    _table(
        glue,
        "projected",
        PartitionKeys=[{"Name": "day", "Type": "string"}],
        Parameters={"projection.enabled": "true", "projection.day.format": "yyyy/MM/dd"},
    )
    _table(glue, "view", TableType="VIRTUAL_VIEW")
    rows = pl.DataFrame(ROWS, schema=list(COLUMNS), orient="row")
    days = rows.with_columns(pl.lit("2026/11/21").alias("day"), pl.lit("x").alias("$path"))
    athena.engine.hold("logs", "projected", days)
    athena.engine.hold("logs", "view", rows)
    since = datetime.fromtimestamp(START, UTC)
    records, _, _ = _scan(proxy, "athena:logs.projected?workgroup=soc", since=since)
    assert "\"day\" >= '2026/11/20'" in athena.queries[0]
    seen, _, said = _scan(proxy, "athena:LOGS.View?workgroup=soc")
    assert "cannot be told before" in said[0]
    assert records["merged"].sum() == seen["merged"].sum() == 3
    assert "$path" not in athena.queries[1]


def test_no_record_is_no_error(athena: Athena, proxy: Any) -> None:
    """A time without records gives an empty table."""
    records, _, _ = _scan(proxy, since=datetime(2030, 1, 1, tzinfo=UTC))
    assert records.height == 0


def test_output_may_be_given(athena: Athena, proxy: Any) -> None:
    """Results go where the source says, else where the workgroup does, else it is asked for."""
    _scan(proxy, f"{SRC}?output=s3://results/mine")
    (found, _) = list_objects(
        f"{SRC}?output=s3://results/mine", options=Aws(endpoint_url=proxy.url)
    )
    assert found.uri.startswith("s3://results/mine/flowlens-")
    with pytest.raises(UsageError, match=r"workgroup 'primary' does not say .*\?output=s3://"):
        _scan(proxy, SRC)


@pytest.mark.parametrize(
    ("src", "said"),
    [
        ("athena:vpc", "names no table; write athena:DATABASE.TABLE"),
        ("athena:a.b.c", "names no table"),
        ('athena:logs.vpc"; DROP TABLE x', "names no table"),
        ("athena:logs.vpc?outptu=s3://a/", "no option 'outptu'"),
        ("athena:logs.vpc?output=/tmp", "expected s3://BUCKET/FOLDER/"),
        ("athena:logs.vpc?output=s3://results/'x", "expected s3://BUCKET/FOLDER/"),
    ],
)
def test_names_that_are_none(aws_server: str, src: str, said: str) -> None:
    """A name or an option that cannot be meant is refused before anything is called."""
    with pytest.raises(UsageError, match=re.escape(said)):
        list(list_objects(src))


def test_missing_tables_and_partitions(athena: Athena, proxy: Any, aws_client: Client) -> None:
    """A table that is not there, has no partitions or is no flow log is an error of one line."""
    glue = aws_client("glue")
    with pytest.raises(InputError, match=r"athena:logs.nowhere: no such table here"):
        _scan(proxy, "athena:logs.nowhere")
    _table(glue, "bare", PartitionKeys=[{"Name": "date", "Type": "date"}])
    with pytest.raises(InputError, match=r"no partitions yet; add them \(MSCK REPAIR TABLE"):
        _scan(proxy, "athena:logs.bare?workgroup=soc")
    _table(glue, "trail", columns={"eventname": "string"})
    with pytest.raises(UsageError, match="no column for srcaddr"):
        _scan(proxy, "athena:logs.trail?workgroup=soc")
    with pytest.raises(UsageError, match="flow logs only"):
        list(list_objects(SRC, service="vpcdnsquerylogs"))
    assert athena.queries == []


def test_who_stops_waiting_stops_the_query(athena: Athena, proxy: Any) -> None:
    """Ctrl-C while Athena works stops the query there too."""
    athena.finish = lambda query: query["Status"].update(State="RUNNING")  # type: ignore[method-assign]
    source = ["records", f"{SRC}?workgroup=soc", "--endpoint-url", proxy.url]
    command = [sys.executable, "-m", "flowlens", *source]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ) as run:
        try:
            for _ in range(600):
                if _calls(proxy, "GetQueryExecution") > 1:
                    break
                time.sleep(0.05)
            run.send_signal(signal.SIGINT)
            _, said = run.communicate(timeout=30)
        finally:
            run.kill()
    assert run.returncode in (130, -signal.SIGINT)
    assert b"the query scans at most" in said
    assert _calls(proxy, "StopQueryExecution") == 1
