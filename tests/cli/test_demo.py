import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import flowlens
from flowlens.cli.demo import demo_case
from flowlens.errors import InputError

Run = Callable[..., tuple[int, str, str]]


def test_demo(run: Run, tmp_path: Path) -> None:
    """One command, one folder with everything in it, with findings, and it says where it is."""
    try:
        demo_case()
    except InputError:
        pytest.skip("the case is not generated yet")
    code, out, err = run("demo", "-o", str(tmp_path / "demo"))
    assert (code, out) == (0, "")
    last = err.splitlines()[-1]
    assert last.endswith(f"open {tmp_path / 'demo' / 'report.html'}")
    assert not last.startswith("0 findings")
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"report.html", "map.svg", "timeline.svg", "edges.parquet", "findings.json"} <= names
    blocks_the_intruder(tmp_path / "demo")


def blocks_the_intruder(tour: Path) -> None:
    """What the quiet hours taught blocks the intruder and nobody else."""
    truth = pl.DataFrame(json.loads((demo_case() / "truth.json").read_text()))
    meant = truth.filter(pl.col("expected") == "no")
    assert flowlens.load_expected(tour / "learned.yaml").rules
    rows = json.loads((tour / "replay.json").read_text())["rows"]
    told = {"workload", "destination", "server_port"}
    blocked = pl.DataFrame([{n: r[n] for n in told} for r in rows if r["verdict"] == "blocked"])
    assert set(blocked["workload"]) == {", ".join(meant["owner"][0])}
    edges = pl.read_parquet(tour / "edges.parquet").select("server", "server_port", "destination")
    hosts = blocked.join(edges.unique(), on=["destination", "server_port"])
    seen = hosts.select("server", "server_port").unique()
    assert set(seen.rows()) == set(meant.select("server", "server_port").rows())
    # A function that did not exist in the quiet hours has no rule that could block it.
    others = {(r["verdict"], r["workload"]) for r in rows if r["verdict"] != "blocked"}
    assert others == {("undeclared", "nightly-export")}
