import gzip
import io
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowlens.cli import main
from flowlens.cluster import Engine, engine
from flowlens.cluster.portable import portable
from flowlens.conversations import conversations
from flowlens.errors import AccessError, StrictError, UsageError
from flowlens.records import Ledger, scan_records
from flowlens.sources import Aws, Object
from flowlens.store import Store, ingest

BEGIN = 1_763_722_800  # 2025-11-21 11:00
DENIED = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
HEAD = (
    "version interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status tcp-flags pkt-srcaddr pkt-dstaddr\n"
)


def line(
    src: str, dst: str, *, eni: str = "eni-a", flags: int = 0, at: int = 0, size: int = 100,
    packet: str | None = None,
) -> str:  # fmt: skip
    """A record between two `address:port`; `packet` is the destination inside the packet."""
    (one, from_port), (two, to_port) = (end.rsplit(":", 1) for end in (src, dst))
    when = f"{BEGIN + at} {BEGIN + at + 50}"
    ends = f"{one} {two} {from_port} {to_port} 6 2 {size} {when} ACCEPT OK {flags}"
    return f"5 {eni} {ends} {one} {packet or two}\n"


def silent(status: str, at: int = 0) -> str:
    return f"5 eni-a - - - - - - - {BEGIN + at} {BEGIN + at + 50} - {status} - - -\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, *lines: str) -> Path:
        path = tmp_path / "logs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress((HEAD + "".join(lines)).encode()))
        return path

    return write


@pytest.fixture
def logs(write: Callable[..., Path], tmp_path: Path) -> Path:
    """Five objects with both ends, a gateway, copies, what is no record, and a cut object."""
    for number in range(4):
        lines = [silent("NODATA", at=number), silent("SKIPDATA", at=number)]
        lines += ["no record\n"] * (number % 3)
        for client in range(20):
            here, there = f"10.0.{client % 5}.{client}:{40000 + client}", f"192.0.2.{number}:443"
            out = line(here, there, at=number * 900 + client, flags=2 * (client % 2))
            back = line(there, here, at=number * 900 + client, size=900)
            other = line(here, "10.9.0.1:443", eni="eni-gw", packet=f"192.0.2.{number}")
            lines += [out, back, other, line(here, there, eni="eni-b", at=number * 900 + client)]
            lines += [out] * (client == 7)
            # neither flags nor ports tell: these 5-tuples are weighed against those of all parts
            peer, other = f"10.0.{(client + number) % 5}.{client}:50001", f"10.7.0.{client}:50002"
            lines += [line(here, peer, at=number * 900), line(peer, here, at=number * 900 + 1)]
            lines += [line(one, two) for one, two in ((peer, other), (other, peer))]
        # what the next object has comes here too, and a time of another flow log
        lines.append(line("10.0.0.0:40000", f"192.0.2.{number + 1}:443", at=(number + 1) * 900))
        write(f"1_vpcflowlogs_eu-west-1_fl-0{number % 2}_20251121T1100Z_{number}.log.gz", *lines)
    path = write("broken.log.gz", *[line(f"10.1.0.{n}:5000", "192.0.2.1:80") for n in range(90)])
    path.write_bytes(path.read_bytes()[:-20])
    return tmp_path / "logs"


@pytest.fixture
def bucket(logs: Path, aws_client: Callable[[str], Any]) -> Any:
    """The objects in the bucket `flows`, and an empty bucket `scratch`."""
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="flows")
    s3.create_bucket(Bucket="scratch")
    for path in sorted(logs.iterdir()):
        s3.put_object(Bucket="flows", Key=path.name, Body=path.read_bytes())
    return s3


def told(ledger: Ledger) -> list[Any]:
    """Everything that a ledger knows."""
    frames = (ledger.coverage(), ledger.rejects(), ledger.objects())
    return [ledger.counts(), ledger.reasons(), ledger.notes(), *(one.rows() for one in frames)]


def both(src: Any, where: Engine, aws: Aws | None = None, **asked: Any) -> pl.DataFrame:
    """Read here and there; the tables and the ledgers are equal."""
    found, books = [], []
    for place in (None, where):
        ledger = Ledger()
        records = scan_records(src, ledger=ledger, aws=aws, **asked)
        found.append(conversations(records, None, place).collect())
        books.append(told(ledger))
    assert_frame_equal(*found)
    assert books[0] == books[1]
    return found[1]


def test_the_table_is_that_of_one_machine(machines: Any, logs: Path, tmp_path: Path) -> None:
    """Both ends, gateways, copies, silence, rejects, a lost object: all as on one machine."""
    where = Engine(machines.url, str(tmp_path / "scratch"))
    whole = both(logs, where)
    until = datetime.fromtimestamp(BEGIN + 2000, UTC)
    part = both(logs, where, until=until)
    assert 0 < part.height < whole.height
    assert set(whole["orientation"]) == {"certain", "likely", "guess"}
    assert list((tmp_path / "scratch").iterdir()) == []


def test_copies_in_different_objects_count_once(machines: Any, write: Callable[..., Path]) -> None:
    """A record that two objects of a flow log have is one record of 100 bytes."""
    for name in "ab":
        path = write(f"fl-0_{name}.log.gz", line("10.0.0.4:40000", "192.0.2.1:443"))
    (row,) = both(path.parent, Engine(machines.url)).to_dicts()
    assert (row["client"], row["records"], row["bytes_out"]) == ("10.0.0.4", 1, 100)


def test_a_syn_in_another_object_decides(machines: Any, write: Callable[..., Path]) -> None:
    """Who sent the SYN is the client in the hours and objects without one, whatever the ports."""
    ends = "10.0.0.4:443", "10.0.0.9:40000"
    write("a.log.gz", line(*ends, flags=2))
    write("b.log.gz", line(*reversed(ends), at=4000, eni="eni-b"))
    path = write("c.log.gz", line(*ends, at=8000))
    table = both(path.parent, Engine(machines.url))
    assert table["hour"].n_unique() == 3
    seen = table.select("client", "server_port", "orientation").unique().rows()
    assert seen == [("10.0.0.4", 40000, "certain")]


def test_strict_stops_at_the_first_bad_line(machines: Any, logs: Path) -> None:
    """It is the first in the order of the objects, whoever read which."""
    said = []
    for where in (None, Engine(machines.url)):
        with pytest.raises(StrictError, match="no record") as problem:
            conversations(scan_records(logs, strict=True), None, where).collect()
        said.append(str(problem.value))
    assert said[0] == said[1]


def test_times_beyond_the_rows_are_read_here(machines: Any, write: Callable[..., Path]) -> None:
    """A record of the year 2200 is no reason to fail or to differ."""
    far = line("10.0.0.4:40000", "192.0.2.1:443", at=5_500_000_000)
    path = write("a.log.gz", far, line("10.0.0.4:40000", "192.0.2.1:443"))
    assert both(path, Engine(machines.url)).height == 2


def test_ingest_keeps_the_same(machines: Any, logs: Path, tmp_path: Path) -> None:
    """A store that workers read for has the tables of one that was read for here."""
    kept = []
    for name, where in (("here", None), ("there", Engine(machines.url))):
        store = Store(str(tmp_path / name))
        summary = ingest(logs, store, engine=where)
        assert summary.objects == 5
        tables = ("records", "conversations", "coverage", "rejects", "objects")
        kept.append([sorted(store.scan(one).collect().rows(), key=repr) for one in tables])
        assert not (tmp_path / name / "_scratch").exists()
    assert kept[0] == kept[1]


def test_the_command_takes_an_engine(
    machines: Any, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--engine` changes nothing of what is printed."""
    printed = []
    for more in ([], ["--engine", machines.url, "--scratch", str(tmp_path / "scratch")]):
        assert main(["conversations", str(logs), "--as", "ndjson", *more]) == 0
        printed.append(capsys.readouterr())
    assert printed[0] == printed[1]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("spark://10.0.0.1:7077", "no such engine"),
        ("dask://10.0.0.1", "no such engine"),
        ("dask://10.0.0.1:x", "no such engine"),
        ("dask://127.0.0.1:{closed}", "no scheduler answers there"),
        ("dask://127.0.0.1:{mute}", "no scheduler answers there"),
    ],
)
def test_an_address_without_a_scheduler_is_wrong_use(
    url: str, said: str, logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """One line names the address, and the exit code is 2."""
    monkeypatch.setattr(engine, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        where = url.format(mute=mute.getsockname()[1], closed=closed.getsockname()[1])
        assert main(["conversations", str(logs), "--engine", where]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert where in line
    assert said in line


def test_the_extra_is_named_where_it_is_missing(
    logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without dask one line says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["conversations", str(logs), "--engine", "dask://127.0.0.1:8786"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'vpc-flowlens[cluster]'" in line


def test_what_only_this_machine_can_read_is_refused() -> None:
    """Standard input and log groups go to no worker."""
    for uri, remote in (("-", False), ("cloudwatch:flows", True)):
        with pytest.raises(UsageError, match="only from here"):
            portable([Object(uri, io.BytesIO, remote=remote)])


def test_objects_that_are_all_refused_are_an_error(machines: Any, bucket: Any, proxy: Any) -> None:
    """As on one machine, a permission that is missing everywhere is no empty table."""
    aws = Aws(endpoint_url=proxy.url)
    records = scan_records("s3://flows/", aws=aws)
    proxy.spoil("GET /flows/", status=403, body=DENIED, times=999)
    with pytest.raises(AccessError, match="every object was refused"):
        conversations(records, None, Engine(machines.url, aws=aws)).collect()


def test_a_worker_that_is_killed_changes_nothing(machines: Any, bucket: Any, proxy: Any) -> None:
    """One of two dies by SIGKILL while it reads an object; the other does its work again.

    What they hand on lies in S3, and nothing of it stays there.
    """
    from distributed import Client

    proxy.spoil("GET /flows/broken", status=403, body=DENIED, times=999)
    aws = Aws(endpoint_url=proxy.url)
    ledger, wanted = Ledger(), Ledger()
    alone = conversations(scan_records("s3://flows/", aws=aws, ledger=wanted)).collect()
    records = scan_records("s3://flows/", aws=aws, ledger=ledger)
    fault, dead, waiting = proxy.fault, Event(), set()

    def hold(request: str) -> Any:
        if not dead.is_set() and "GET /flows/1" in request:
            waiting.add(request)
            dead.wait()
        return fault(request)

    proxy.fault = hold
    found: list[pl.DataFrame] = []
    where = Engine(machines.url, "s3://scratch/here", aws)
    with Client(machines.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        run = Thread(target=lambda: found.append(conversations(records, None, where).collect()))
        run.start()
        # No object is handed out, so whoever is given a task has it until the end.
        names = {
            one["name"]: address for address, one in client.scheduler_info()["workers"].items()
        }
        while len(waiting) < 2 or not client.processing()[names["two"]]:
            assert run.is_alive()
            dead.wait(0.02)
        machines.kill("two")
        dead.set()
        run.join()
    assert_frame_equal(found[0], alone)
    assert told(ledger) == told(wanted)
    assert ledger.counts()["lost"] == 1
    assert bucket.list_objects_v2(Bucket="scratch")["KeyCount"] == 0
