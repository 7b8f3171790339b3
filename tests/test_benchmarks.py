from pathlib import Path

import duckdb
import polars as pl
import pytest

import flowlens
from benchmarks import in_duckdb, in_polars
from benchmarks.capture import FORMS, write
from benchmarks.engines import result
from benchmarks.network import Network


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    write(20_000, folder, tuple(FORMS))
    return folder


def table(form: str, logs: Path, scratch: Path) -> pl.DataFrame:
    out = scratch / "flowlens.parquet"
    flowlens.conversations(flowlens.scan_records(logs / form)).sink_parquet(out)
    return result(out)


@pytest.mark.parametrize("form", FORMS)
def test_engines_agree(form: str, logs: Path, tmp_path: Path) -> None:
    """DuckDB and Polars give every row that flowlens gives, from text and from Parquet."""
    ours = table(form, logs, tmp_path)
    duck, plain = tmp_path / "duckdb.parquet", tmp_path / "polars.parquet"
    query = in_duckdb.query(form, str(logs / form))
    duckdb.connect().sql(f"copy ({query}) to '{duck}' (format parquet)")
    in_polars.table(form, str(logs / form)).sink_parquet(plain)
    assert ours.height > 2_000
    assert result(duck).equals(ours)
    assert result(plain).equals(ours)


def test_capture_has_what_it_promises(logs: Path) -> None:
    """The logs have pairs seen from both sides, NAT legs, IPv6, rejects, repeats, empty windows."""
    rows = pl.read_parquet(logs / "parquet" / "*.parquet")
    some = rows.filter(pl.col("log_status") == "OK")
    ends = ["pkt_srcaddr", "pkt_dstaddr", "srcport", "dstport", "start"]
    observers = some.group_by(ends).agg(pl.col("interface_id").n_unique())["interface_id"]
    assert (observers == 2).any()
    assert (some["srcaddr"] != some["pkt_srcaddr"]).any()
    assert set(rows["log_status"]) == {"OK", "NODATA", "SKIPDATA"}
    assert set(some["type"]) == {"IPv4", "IPv6"}
    assert set(some["action"]) == {"ACCEPT", "REJECT"}
    assert some.is_duplicated().any()
    assert some.height == pytest.approx(20_000, rel=0.01)


def test_capture_is_the_same_every_time(logs: Path, tmp_path: Path) -> None:
    """Writing again gives the same files, byte for byte."""
    write(20_000, tmp_path, ("v2",))
    names = sorted(path.name for path in (logs / "v2").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "v2").iterdir())
    for name in names:
        assert (tmp_path / "v2" / name).read_bytes() == (logs / "v2" / name).read_bytes()


def test_network_pairs_are_different() -> None:
    """No two outside pairs of a client share their server, so that pairs count conversations."""
    network = Network(40_000)
    talk = network.pair(pl.int_range(40_000, eager=True).to_numpy()).filter(pl.col("kind") > 0)
    assert talk.select("near", "far").is_unique().all()
    assert talk["far"].max() < network.addresses().height  # type: ignore[operator]
