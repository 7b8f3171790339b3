import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import flowlens

ROOT = Path(__file__).parent.parent
CASE = ROOT / "data" / "case"
SUMS = ["bytes_out", "packets_out", "bytes_in", "packets_in"]
PAIR = ["client", "server", "server_port", "protocol"]
INTRUDER = ["invoice-pdf", "orders-api", "orders-worker"]


@pytest.fixture(scope="module")
def truth() -> pl.DataFrame:
    """What really happened, as the generator knows it."""
    return pl.DataFrame(json.loads((CASE / "truth.json").read_text()))


@pytest.fixture(scope="module")
def ledger() -> flowlens.Ledger:
    return flowlens.Ledger()


@pytest.fixture(scope="module")
def edges(ledger: flowlens.Ledger) -> pl.DataFrame:
    """The edges of the case, through the public API."""
    inventory = flowlens.load_inventory(CASE / "inventory")
    records = flowlens.scan_records(CASE / "flowlogs", ledger=ledger)
    return flowlens.edges(
        flowlens.conversations(records, inventory),
        inventory,
        flowlens.load_expected(CASE / "expected.yaml"),
        flowlens.scan_answers(CASE / "resolver.jsonl.gz"),
        aws_ranges=CASE / "ip-ranges.json",
    ).collect()


def test_the_generator_makes_the_committed_bytes(tmp_path: Path) -> None:
    """The same case comes out on every run, and it is small."""
    made = tmp_path / "case"
    subprocess.run([sys.executable, ROOT / "data" / "make.py", made], check=True)
    names = sorted(path.relative_to(CASE) for path in CASE.rglob("*") if path.is_file())
    assert names == sorted(p.relative_to(made) for p in made.rglob("*") if p.is_file())
    assert all((CASE / name).read_bytes() == (made / name).read_bytes() for name in names)
    assert sum((CASE / name).stat().st_size for name in names) < 2_000_000


def test_every_conversation_is_counted_once_and_whole(
    edges: pl.DataFrame, truth: pl.DataFrame
) -> None:
    """NAT legs, both ends and an overlapping flow log change no sum: all equal the truth."""
    seen = (
        edges.filter(pl.col("vantage") == "client", pl.col("action") == "ACCEPT")
        .group_by(PAIR)
        .agg(pl.sum(*SUMS))
    )
    wanted = truth.select(
        *PAIR[:2], pl.col("server_port").cast(pl.UInt16), pl.col("protocol").cast(pl.UInt8), *SUMS
    ).with_columns(pl.col(SUMS).cast(pl.UInt64))
    assert seen.sort(PAIR).rows() == wanted.sort(PAIR).rows()


def test_every_conversation_has_the_owners_and_the_verdict_of_the_truth(
    edges: pl.DataFrame, truth: pl.DataFrame
) -> None:
    """Candidate sets are exact, that of a published version too; no verdict is left open."""
    seen = edges.join(truth.select("client").unique(), on="client", how="semi")
    judged = seen.group_by(PAIR).agg(
        pl.col("client_owner").unique().alias("owners"), pl.col("expected").unique()
    )
    rows = {tuple(row[:4]): (row[4], row[5]) for row in judged.iter_rows()}
    wanted = {
        tuple(row[name] for name in PAIR): ([row["owner"]], [row["expected"]])
        for row in truth.iter_rows(named=True)
    }
    assert rows == wanted


def test_what_flags_settle_is_certain(edges: pl.DataFrame, truth: pl.DataFrame) -> None:
    """No certain conversation has its ends the wrong way round, and most are certain."""
    sure = edges.filter(pl.col("orientation") == "certain")
    servers = set(truth["server"]) - set(truth["client"])
    assert not servers & set(sure["client"])
    assert int(sure["records"].sum()) > 0.85 * int(edges["records"].sum())


def test_no_other_client_is_made_up(edges: pl.DataFrame, truth: pl.DataFrame) -> None:
    """Whatever was not opened by a client of the truth only knocked on the gateway."""
    others = edges.join(truth.select("client").unique(), on="client", how="anti")
    assert set(others["server_owner"].list.join(" ")) == {"nat-0a8b0e0d28266841f"}
    assert set(others["action"]) == {"REJECT"}


def test_an_address_that_changed_hands_has_the_owner_of_its_time(edges: pl.DataFrame) -> None:
    """The old batch instance and the nightly function used one address, one after the other."""
    rows = edges.filter(pl.col("client") == "10.20.2.40").sort("first_seen")
    owners = rows["client_owner"].list.join(" ").unique(maintain_order=True).to_list()
    assert owners == ["batch-old", "nightly-export"]


def test_everything_that_was_declared_is_expected(edges: pl.DataFrame) -> None:
    """Only the intruder's steps are unexpected, and each is laid to the set of candidates."""
    strange = edges.filter(pl.col("expected") == "no")
    assert {tuple(owner) for owner in strange["client_owner"]} == {tuple(INTRUDER)}
    assert set(strange["destination"]) == {
        "198.51.100.200",
        "203.0.113.77",
        "cdn.update-check.example",
        "batch",
        "shop-db",
        "com.amazonaws.us-east-1.secretsmanager",
    }
    judged = edges.filter(pl.col("why") != "not egress: the client is outside")
    assert set(judged["expected"]) == {"yes", "no"}


def test_each_step_of_the_intruder_is_one_finding(edges: pl.DataFrame) -> None:
    """Six destinations, six findings, in the order of what they cost."""
    found = flowlens.findings(edges)
    assert found["owner"].to_list() == [INTRUDER] * 6
    grave = found.filter(pl.col("severity").is_in(["medium", "high", "critical"]))
    assert grave["destination"].to_list() == [
        "198.51.100.200",
        "203.0.113.77",
        "cdn.update-check.example",
    ]


def test_every_record_is_explained(ledger: flowlens.Ledger, edges: pl.DataFrame) -> None:
    """Each record has its layer and rule, or the reason why nobody can tell; edges have them too.

    The hosts that the intruder knocked on refused him by their groups; the public subnet's ACL
    keeps out those who knock on the gateway; resets of dead connections are late packets.
    """
    found = flowlens.explain(
        flowlens.scan_records(CASE / "flowlogs"), flowlens.load_inventory(CASE / "inventory")
    )
    assert found["records"].sum() == ledger.counts()["records"]
    counts = found.group_by("action", "explanation", pl.col("layers").list.join(" ")).agg(
        pl.sum("records")
    )
    refused = {row[1:] for row in counts.iter_rows() if row[0] == "REJECT"}
    assert refused == {
        ("agrees", "sg", 9), ("agrees", "nacl_in", 120), ("ambiguous", "", 12),
    }  # fmt: skip
    accepted = counts.filter(action="ACCEPT")
    assert set(accepted["explanation"]) == {"agrees"}
    assert found["text"].null_count() == edges["rule"].null_count() == 0


def test_lines_add_up(edges: pl.DataFrame, ledger: flowlens.Ledger) -> None:
    """Read + coverage + rejects are the lines of the files; one line was cut off."""
    count = ledger.counts()
    silent = count["nodata"] + count["skipdata"]
    assert not edges.is_empty()
    assert count["records"] + silent + count["rejects"] == count["lines"]
    assert (count["rejects"], count["skipdata"]) == (1, 1)
