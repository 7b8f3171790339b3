"""Findings of the demo case, re-derived from the raw records that their filters yield."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flowlens
from flowlens.findings import Context, findings, quote
from flowlens.findings.attempts import once
from flowlens.findings.starts import events
from flowlens.findings.unexpected import unexpected
from flowlens.records import Ledger, narrowed
from flowlens.tables import EDGES
from tests.findings.conftest import edge, frame, inner, refused

CASE = Path(__file__).parents[2] / "data" / "case"
FACE = "eni-00000000000000101"  # of the intruder's functions
INTRUDER = ["invoice-pdf", "orders-api", "orders-worker"]


@pytest.fixture(scope="module")
def records() -> pl.LazyFrame:
    """Every record of the case, with object and line."""
    return flowlens.scan_records(CASE / "flowlogs", source=True, line=True).collect().lazy()


@pytest.fixture(scope="module")
def found(records: pl.LazyFrame) -> pl.DataFrame:
    """The findings of the case."""
    inventory = flowlens.load_inventory(CASE / "inventory")
    edges = flowlens.edges(
        flowlens.conversations(records, inventory),
        inventory,
        flowlens.load_expected(CASE / "expected.yaml"),
        flowlens.scan_answers(CASE / "resolver.jsonl.gz"),
        aws_ranges=CASE / "ip-ranges.json",
    ).collect()
    assert dict(edges.schema) == EDGES
    return quote(findings(edges, Context(records=records)), records)


def test_each_step_is_one_finding(found: pl.DataFrame) -> None:
    """What the intruder did is found, step by step, for the right owners, and nothing else is."""
    truth = json.loads((CASE / "truth.json").read_text())
    steps = [step for step in truth if step["expected"] == "no"]
    key = ("server", "server_port", "protocol")
    told = {tuple(row[name] for name in key): row for row in found.iter_rows(named=True)}
    assert set(told) == {tuple(step[name] for name in key) for step in steps}
    for step in steps:
        row = told[tuple(step[name] for name in key)]
        assert row["owner"] == step["owner"] == INTRUDER
        for name in ("bytes_out", "bytes_in", "packets_out", "packets_in"):
            assert row["numbers"][name] == step[name]
    kinds = dict(found.select("destination", "kind").iter_rows())
    assert kinds["203.0.113.77"] == "beacon"
    assert found["severity"].to_list()[:3] == ["high", "high", "medium"]
    assert set(found["severity"][3:]) <= {"low", "info"}


def test_a_refused_try_counts_once(found: pl.DataFrame) -> None:
    """Three SYNs that one interface let out and another refused are 180 B, all rejected."""
    row = found.filter(server="10.20.2.50").row(0, named=True)
    assert (row["numbers"]["bytes_out"], row["numbers"]["records"]) == (180, 3)
    assert row["numbers"]["rejected"] == row["numbers"]["records"]
    assert "tried to send 180 B" in row["text"]
    assert "all rejected" in row["text"]


def test_filters_yield_the_numbers(found: pl.DataFrame, records: pl.LazyFrame) -> None:
    """`records --where FILTER` gives back the records of each finding, and they add up."""
    for row in found.iter_rows(named=True):
        rows = flowlens.where(records, row["evidence"]["filter"]).collect()
        out = pl.col("dstport") == row["server_port"]
        sent, got = rows.filter(out), rows.filter(~out)
        numbers = row["numbers"]
        assert rows.height == numbers["records"]
        assert rows.filter(pl.col("action") == "REJECT").height == numbers["rejected"]
        assert (sent["bytes"].sum(), got["bytes"].sum()) == (
            numbers["bytes_out"], numbers["bytes_in"],
        )  # fmt: skip
        assert (sent["packets"].sum(), got["packets"].sum()) == (
            numbers["packets_out"], numbers["packets_in"],
        )  # fmt: skip
        assert rows["start"].min() == row["first_seen"]
        assert rows["end"].max() == row["last_seen"]
        assert rows.select(pl.col("start").dt.truncate("1h").n_unique()).item() == numbers["hours"]


def test_the_beat_is_in_its_records(found: pl.DataFrame, records: pl.LazyFrame) -> None:
    """Period and jitter of the beacon follow from the starts of its own records."""
    row = found.filter(kind="beacon").row(0, named=True)
    own = flowlens.where(records, row["evidence"]["filter"])
    pair = found.filter(kind="beacon").select(
        "client", "server", "server_port", "protocol",
        observer=pl.lit(own.select("interface_id").collect().item(0, 0)),
    )  # fmt: skip
    seen = events(own, pair)
    assert seen is not None
    gaps = seen["at"].unique().sort().diff().drop_nulls()
    assert gaps.median() == row["numbers"]["period"]
    assert (gaps - gaps.median()).abs().median() == row["numbers"]["jitter"]
    assert seen["at"].n_unique() == row["numbers"]["tries"]


def test_starts_are_looked_for_where_they_can_be(
    found: pl.DataFrame, records: pl.LazyFrame
) -> None:
    """Lines without the addresses are passed over the second time; starts and account stay."""
    ledger = Ledger()
    scanned = flowlens.scan_records(CASE / "flowlogs", ledger=ledger)
    count = scanned.select(pl.len()).collect().item()
    before = ledger.counts()
    pairs = found.filter(kind="beacon").select(
        "client", "server", "server_port", "protocol", observer=pl.lit(FACE)
    )
    seen = events(scanned, pairs)
    same = events(records, pairs)
    assert seen is not None
    assert same is not None
    assert seen.equals(same)
    near = narrowed(scanned, f"addr = {pairs['server'][0]}")
    assert near.select(pl.len()).collect().item() < count / 2
    assert ledger.counts() == before
    changed = scanned.filter(pl.col("bytes") > 0)
    assert narrowed(changed, "addr = 10.0.0.1") is changed


def test_quoted_lines_are_in_their_objects(found: pl.DataFrame, records: pl.LazyFrame) -> None:
    """Object and line of each quoted record lead to it."""
    lines = found.select(pl.col("evidence").struct.field("lines").list.explode()).unnest("lines")
    assert lines.height >= found.height
    placed = records.select("source", "line").collect()
    assert lines.join(placed, on=["source", "line"], how="anti").is_empty()


def half(**change: Any) -> dict[str, Any]:
    """Return the half of a refused try that its sender's interface let out."""
    own = {"action": "ACCEPT", "observer": "eni-0a", "vantage": "client", "expected": "no"}
    return refused(0, **{**own, **change})


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        # Refused at the server: one record, refused.
        ([half(), refused(0, expected="no")], (60, 1, 1)),
        # Nobody refused it: it was let out and not answered.
        ([half()], (60, 1, 0)),
        # More was let out than was refused: both stay.
        ([half(packets_out=3, bytes_out=180), refused(0, expected="no")], (240, 2, 1)),
        # Another hour, another try.
        ([half(), refused(2, expected="no")], (120, 2, 1)),
        # One interface that wrote both halves wrote of two tries.
        ([half(observer="eni-0b"), refused(0, expected="no")], (120, 2, 1)),
    ],
)
def test_halves(rows: list[dict[str, Any]], told: tuple[int, int, int]) -> None:
    """Bytes, records and refused records of tries at which either interface may have spoken."""
    numbers = unexpected(once(frame(rows).lazy()), Context())["numbers"][0]
    assert (numbers["bytes_out"], numbers["records"], numbers["rejected"]) == told


def test_a_scan_is_one_finding_and_explains_its_tries() -> None:
    """400 refused tries that nothing declares are one finding, and none is one of its own."""
    rows = [refused(n / 500, server=f"10.0.{n // 200}.{n % 200}", server_port=22, expected="no")
            for n in range(400)]  # fmt: skip
    other = inner(1, server_port=8080, expected="no")
    got = findings(frame([*rows, other]))
    assert sorted(got["kind"]) == ["host-sweep", "unexpected"]
    row = got.filter(kind="host-sweep").row(0, named=True)
    assert (row["numbers"]["servers"], row["numbers"]["tries"]) == (400, 400)
    assert "tried tcp/22 at 400 hosts without a word said" in row["text"]
    assert row["evidence"]["filter"] == (
        "((src = 10.0.1.5 and dport = 22) or (dst = 10.0.1.5 and sport = 22)) and proto = tcp and "
        "start >= 2026-11-16T00:00:00Z and start < 2026-11-16T01:00:00Z and action = REJECT and "
        "interface_id = eni-0b"
    )


def test_several_detections_are_one_finding() -> None:
    """An undeclared upload of 120 MB on a new port is exfiltration, and the rest is said."""
    rows = [edge(0), edge(30, server_port=21, bytes_out=120_000_000, expected="no")]
    (row,) = findings(frame(rows)).to_dicts()
    assert row["kind"] == "exfiltration"
    assert "(also: it speaks in the clear, nothing declares it); critical because" in row["text"]


def test_a_crowd_of_destinations_is_one_finding() -> None:
    """What goes to more addresses than anybody reads is one finding with their number."""
    rows = [edge(0, server=f"203.0.113.{n}", expected="no") for n in range(30)]
    (row,) = findings(frame(rows)).to_dicts()
    assert (row["destination"], row["numbers"]["servers"]) == (None, 30)
    assert "to 30 addresses tcp/443" in row["text"]
