import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import flowlens
from flowlens.cli import main
from flowlens.store import (
    Store,
    about,
    answers,
    conversations,
    coverage,
    ingest,
    is_store,
    records,
    rejects,
    scan,
)
from flowlens.store.schema import TABLES

ROOT = Path(__file__).parents[2]
CASE = ROOT / "data" / "case"
LOGS, DNS = str(CASE / "flowlogs"), str(CASE / "resolver.jsonl.gz")
KEY = ["hour", "client", "server", "server_port", "protocol", "action", "observer", "leg"]

Run = Callable[..., str]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The bundled case, ingested; only read by tests."""
    store = Store(str(tmp_path_factory.mktemp("case") / "store"))
    ingest(LOGS, store, dns=DNS)
    return store


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line and returns its output, lines sorted unless it shall be plain."""
    monkeypatch.setenv("FLOWLENS_OFFLINE", "1")

    def command(*args: str, plain: bool = False) -> str:
        assert main(args) == 0
        lines = capsys.readouterr().out.splitlines()
        return "\n".join(lines if plain else sorted(lines))

    return command


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--where", "addr = 10.20.1.21"],
        ["--where", "server = 203.0.113.77 and port = 8443"],
        ["--where", "addr in 203.0.113.0/24 or dport = 22"],
        ["-i", str(CASE / "inventory")],
        ["-i", str(CASE / "inventory"), "--since", "2026-11-21T02:20Z"],
    ],
)
def test_conversations_are_those_of_the_logs(case: Store, run: Run, options: list[str]) -> None:
    """A store gives the conversations of its logs in their order, whole or asked for in part."""
    kept, raw = (run("conversations", src, *options, plain=True) for src in (case.root, LOGS))
    assert kept == raw


def test_hours_that_lie_in_memory_alone_come_in_the_same_order(
    case: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few conversations may be sorted at once, the rows and their order are the same."""
    whole = conversations(case, ordered=True).collect()
    monkeypatch.setattr(scan, "MOST", 1)
    assert conversations(case, ordered=True).collect().equals(whole)
    assert whole["hour"].n_unique() > 1


SURE = ["guess", "likely", "certain"]


def test_whole_hours_are_those_of_the_logs_and_as_sure_or_surer(case: Store, run: Run) -> None:
    """Kept conversations know the whole day, so only who opened them may be surer."""
    hours = ["--since", "2026-11-21T02:00Z", "--until", "2026-11-21T05:00Z", "--as", "ndjson"]
    tables = [
        pl.read_ndjson(run("conversations", src, *hours).encode()).sort(KEY)
        for src in (case.root, LOGS)
    ]
    kept, raw = (table.drop("orientation").to_dicts() for table in tables)
    assert kept == raw
    sure = [[SURE.index(word) for word in table["orientation"]] for table in tables]
    assert all(one >= other for one, other in zip(*sure, strict=True))


def test_records_are_those_of_the_logs(case: Store) -> None:
    """Every field of every record is kept, with its object and line."""
    raw = flowlens.scan_records(LOGS, source=True, line=True)
    kept = flowlens.scan_records(case.root, source=True, line=True)
    assert kept.collect_schema() == raw.collect_schema()
    place = ["source", "line"]
    assert kept.collect().sort(place).equals(raw.collect().sort(place))


def test_records_of_a_time_are_those_of_the_logs(case: Store) -> None:
    """The bounds of a time may lie within an hour and within a day."""
    window: dict[str, Any] = {
        "since": datetime(2026, 11, 20, 23, 50, 30, tzinfo=UTC),
        "until": datetime(2026, 11, 21, 3, 1, 1, tzinfo=UTC),
    }
    raw = flowlens.scan_records(LOGS, source=True, line=True, **window)
    kept = records(case, source=True, line=True, **window)
    place = ["source", "line"]
    assert 0 < kept.collect().height < 27_480
    assert kept.collect().sort(place).equals(raw.collect().sort(place))


def test_findings_are_those_of_the_logs(case: Store, run: Run) -> None:
    """Judgement, numbers and the raw lines quoted are the same; names come from the store."""
    grounds = ["-i", str(CASE / "inventory"), "-e", str(CASE / "expected.yaml")]
    grounds += ["--aws-ranges", str(CASE / "ip-ranges.json"), "--as", "json"]
    raw = run("findings", LOGS, *grounds, "--dns", DNS)
    assert "cdn.update-check.example" in raw
    assert run("findings", case.root, *grounds) == raw


def test_report_of_a_store_accounts_for_its_objects(logs: Path, run: Run, tmp_path: Path) -> None:
    """The account of lines, windows and rejects is that of reading the logs."""
    store = str(tmp_path / "store")
    ingest(logs, store)
    run("report", str(logs), "-o", str(tmp_path / "raw"))
    run("report", store, "-o", str(tmp_path / "kept"))
    assert (tmp_path / "raw" / "rejects.ndjson").read_text().count("\n") == 12
    for name in ("coverage.json", "rejects.ndjson"):
        assert (tmp_path / "kept" / name).read_text() == (tmp_path / "raw" / name).read_text()


def test_coverage_rejects_and_names_are_kept(case: Store) -> None:
    """What is no record is kept beside the records."""
    ledger = flowlens.Ledger()
    flowlens.scan_records(LOGS, ledger=ledger).collect()
    place = ["observer", "start", "end", "source"]
    assert coverage(case).collect().sort(place).equals(ledger.coverage().sort(place))
    assert rejects(case).collect().equals(ledger.rejects())
    raw = flowlens.scan_answers(DNS).collect().sort("time", "name", "srcaddr")
    assert answers(case).collect().sort("time", "name", "srcaddr").equals(raw)


@pytest.mark.parametrize("address", ["10.20.1.21", "203.0.113.77", "10.20.2.50", "192.0.2.99"])
def test_a_point_question_finds_both_ends(case: Store, address: str) -> None:
    """An address is found as client and as server, once each, and never missed."""
    either = (pl.col("client") == address) | (pl.col("server") == address)
    every = conversations(case).filter(either).collect()
    assert about(case, address).sort(KEY).collect().equals(every.sort(KEY))
    sides = [about(case, address, end=end).collect().height for end in ("client", "server")]
    assert sum(sides) == every.height


@pytest.mark.parametrize("verb", ["records", "conversations"])
def test_strict_refuses_a_store_with_unreadable_lines(
    case: Store, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What ends a strict run over logs ends it over the store that was made of them."""
    assert main([verb, case.root, "--strict"]) == main([verb, LOGS, "--strict"]) == 4
    kept, raw = capsys.readouterr().err.splitlines()
    assert "log.gz:7: wrong number of values" in kept
    assert kept == raw


def test_a_store_and_raw_logs_are_read_together(case: Store, tmp_path: Path, run: Run) -> None:
    """Records of a store and of a file are one frame; fields that one lacks are null there."""
    fresh = tmp_path / "new.log"
    ends = "10.20.1.21 203.0.113.77 40000 8443 6 1 40"
    fresh.write_text(f"2 1 eni-0a {ends} 1795348800 1795348860 ACCEPT OK\n")
    both = flowlens.scan_records([case.root, str(fresh)]).collect()
    assert both.height == 27_481
    assert both.schema.names() == flowlens.scan_records(LOGS).collect_schema().names()
    assert both["tcp_flags"][-1] is None
    assert "2026-11-22" in run("conversations", case.root, str(fresh))


def test_a_folder_is_a_store_only_with_its_tables(case: Store, tmp_path: Path) -> None:
    """A folder of logs, a file and a lone Delta table are no stores."""
    assert is_store(case.root)
    assert not is_store(LOGS)
    assert not is_store(case.uri("records"))
    assert not is_store(tmp_path / "nothing")


@pytest.mark.parametrize("engine", ["Polars", "DuckDB"])
def test_the_lines_of_the_documentation_run(
    case: Store, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/store.md shows for an engine gives the bytes that flowlens counts."""
    text = (ROOT / "docs" / "store.md").read_text()
    found = re.search(rf"# {engine}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    monkeypatch.chdir(Path(case.root).parent)
    names: dict[str, Any] = {}
    exec(found[1], names)
    result = names["talk"]
    rows = result.collect().rows() if engine == "Polars" else result.fetchall()
    sums = conversations(case).group_by("server").agg(pl.sum("bytes_out")).collect()
    assert dict(rows) == dict(sums.rows())


def test_every_table_is_read_as_delta_says(case: Store, tmp_path: Path) -> None:
    """The files of a table are the rows that Polars finds there through Delta, empty ones too."""
    empty = Store(str(tmp_path / "store"))
    empty.create()
    for store, name in product((case, empty), TABLES):
        ours, theirs = store.scan(name), pl.scan_delta(store.uri(name))
        assert ours.collect_schema() == theirs.collect_schema()
        assert_frame_equal(ours.collect(), theirs.collect())


def test_logs_of_tables_are_summed_up_often(case: Store) -> None:
    """Whoever opens a table reads no more than ten commits."""
    told = [case.open(name).metadata().configuration for name in TABLES]
    assert {each["delta.checkpointInterval"] for each in told} == {"10"}
