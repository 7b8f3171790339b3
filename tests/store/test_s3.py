import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest

from flowlens.cli import main
from flowlens.errors import InputError, OutputError
from flowlens.sources import Aws, keys
from flowlens.store import Store, conversations, ingest, is_store, objects, records

Client = Callable[[str], Any]

BUSY = "<Error><Code>SlowDown</Code><Message>slow</Message></Error>"


@pytest.fixture
def bucket(aws_client: Client, logs: Path) -> Any:
    """The twelve objects under `s3://flows/raw/`; the bucket for stores is `kept`."""
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="flows")
    s3.create_bucket(Bucket="kept")
    for path in sorted(logs.iterdir()):
        s3.put_object(Bucket="flows", Key=f"raw/{path.name}", Body=path.read_bytes())
    return s3


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Where the first test that wants a clean run keeps it; the bucket is the same for all."""
    return Store(str(tmp_path_factory.mktemp("clean") / "store"))


@pytest.fixture
def wanted(bucket: Any, aws_server: str, clean: Store, content: Callable[..., Any]) -> Any:
    """The tables of a clean run."""
    if not is_store(clean.root):
        ingest("s3://flows/raw/", clean, aws=Aws(endpoint_url=aws_server))
    return content(clean)


def test_faults_of_s3_lose_nothing(
    proxy: Any, wanted: Any, tmp_path: Path, content: Callable[..., Any]
) -> None:
    """Server errors, throttling and cut bodies while reading end with the tables of a clean run."""
    proxy.spoil("list-type=2", status=503, body=BUSY)
    proxy.spoil("GET /flows/raw/03.log", status=500)
    proxy.spoil("GET /flows/raw/04.log", status=503, body=BUSY)
    proxy.spoil("GET /flows/raw/05.log", cut=500, times=3)
    store = Store(str(tmp_path / "store"))
    told = ingest("s3://flows/raw/", store, aws=Aws(endpoint_url=proxy.url))
    assert (told.objects, told.lost) == (12, {})
    assert content(store) == wanted


def test_an_object_that_cannot_be_read_whole_waits(
    proxy: Any, wanted: Any, clean: Store, tmp_path: Path, content: Callable[..., Any]
) -> None:
    """Nothing of it is kept, the others are; when it can be read the next run takes it."""
    store = Store(str(tmp_path / "store"))
    proxy.spoil("GET /flows/raw/05.log", cut=0, times=99)
    told = ingest("s3://flows/raw/", store, aws=Aws(endpoint_url=proxy.url))
    assert (told.objects, told.lost) == (11, {"s3://flows/raw/05.log": "unreadable"})
    assert "s3://flows/raw/05.log" not in records(store, source=True).collect()["source"]
    proxy.faults.clear()
    told = ingest("s3://flows/raw/", store, aws=Aws(endpoint_url=proxy.url))
    assert (told.objects, told.there) == (1, 11)
    but = ("batch", "kept", "line", "source")
    assert content(store, but=but) == {
        name: sorted(rows, key=repr) for name, rows in content(clean, but=but).items()
    }


def test_an_object_that_vanishes_is_left_out(proxy: Any, bucket: Any, tmp_path: Path) -> None:
    """An object deleted between listing and reading is named, and the rest is kept."""
    gone = "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>"
    proxy.spoil("GET /flows/raw/07.log", status=404, body=gone, times=9)
    store = Store(str(tmp_path / "store"))
    told = ingest("s3://flows/raw/", store, aws=Aws(endpoint_url=proxy.url))
    assert told.lost == {"s3://flows/raw/07.log": "vanished"}
    assert objects(store).collect().height == told.objects == 11


def test_a_store_in_s3_is_like_one_in_a_folder(
    bucket: Any, aws_server: str, wanted: Any, content: Callable[..., Any]
) -> None:
    """The same tables come out, a second run changes nothing, and it is known as a store.

    Polars reads the tables with the options that a store gives.
    """
    aws = Aws(endpoint_url=aws_server)
    store = Store("s3://kept/flows", aws)
    assert not is_store("s3://kept/flows", aws)
    assert ingest("s3://flows/raw/", store, aws=aws).objects == 12
    assert ingest("s3://flows/raw/", store, aws=aws).there == 12
    assert content(store) == wanted
    assert is_store("s3://kept/flows", aws)
    assert not is_store("s3://kept/fl", aws)
    assert not is_store("s3://nowhere/flows", aws)
    frame = pl.scan_delta(store.uri("conversations"), storage_options=store.options())
    assert frame.select(pl.sum("records")).collect().item() == 481
    assert conversations(store).collect().height == frame.collect().height
    with pytest.raises(InputError, match=r"s3://kept/flows: Delta tables left out"):
        ingest("s3://kept/flows/records", "s3://kept/other", aws=aws)
    bucket.put_object(
        Bucket="kept", Key="more/a.log", Body=b"2 1 eni-0a - - - - - - - 1 2 - NODATA"
    )
    told = ingest("s3://kept/", store, aws=aws)
    assert (told.objects, [*told.notes]) == (1, [keys.tables("s3://kept/flows")])


def test_commands_read_a_store_in_s3(
    bucket: Any, aws_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line ingests from S3 into S3 and prints the same of the store as of the logs."""
    reach = ["--endpoint-url", aws_server]
    assert main(["ingest", "s3://flows/raw/", "--store", "s3://kept/a", *reach]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == (
        "kept 481 records of 12 objects in 2 days; 0 objects were there already"
    )
    assert main(["conversations", "s3://flows/raw/", *reach]) == 0
    raw = capsys.readouterr().out
    assert main(["conversations", "s3://kept/a", *reach]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(raw.splitlines())


def test_two_at_once_in_s3_are_one(
    bucket: Any, aws_server: str, wanted: Any, content: Callable[..., Any]
) -> None:
    """S3 refuses the second PUT of a version, so two runs at a time keep every record once."""
    aws = Aws(endpoint_url=aws_server)
    store = Store("s3://kept/flows", aws)
    runs = [
        Thread(target=ingest, args=("s3://flows/raw/", store), kwargs={"aws": aws}) for _ in "ab"
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert content(store) == wanted


def test_a_bucket_that_cannot_be_written_is_one_line(bucket: Any, aws_server: str) -> None:
    """A store in a bucket that does not exist is an error of one line."""
    with pytest.raises(OutputError, match="s3://nowhere/a: no store can be made here") as error:
        ingest("s3://flows/raw/", "s3://nowhere/a", aws=Aws(endpoint_url=aws_server))
    assert "\n" not in str(error.value)


def test_a_commit_whose_answer_is_lost_is_made_once(
    proxy: Any, wanted: Any, aws_server: str, content: Callable[..., Any]
) -> None:
    """S3 carried commits out, but the line dropped or said 500: nothing is lost or there twice."""
    for table, status in (("records", 0), ("objects", 500), ("conversations", 0)):
        log = f"PUT /kept/flows/{table}/_delta_log/00000000000000000001.json"
        proxy.spoil(log, status=status, done=True)
    # In a process of its own: Delta may keep the lock that the proxy's threads need.
    command = [sys.executable, "-m", "flowlens", "ingest", "s3://flows/raw/"]
    # Whether that run sees its commits through or ends there is the client's affair.
    subprocess.run([*command, "--store", "s3://kept/flows", "--endpoint-url", proxy.url])
    assert [fault.times for fault in proxy.faults] == [0, 0, 0]
    store = Store("s3://kept/flows", Aws(endpoint_url=aws_server))
    told = ingest("s3://flows/raw/", store, aws=store.aws)
    assert (told.kept, told.there) == (0, 12)
    assert content(store) == wanted
