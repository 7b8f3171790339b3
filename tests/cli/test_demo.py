from collections.abc import Callable
from pathlib import Path

import pytest

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
