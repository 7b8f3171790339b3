import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flowlens.reach import EXPLAINED
from tests.reach.accounts import World

Run = Callable[..., tuple[int, str, str]]
SSH = "10.0.1.10 -> 10.0.2.10:22/tcp"


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    capture = World().capture()
    document = {"captured_at": capture.captured_at.isoformat(), "calls": capture.calls}
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(document | {"account_id": "1", "region": "us-east-1"}))
    return str(path)


def test_logs_and_typed_flows(run: Run, inventory: str, tmp_path: Path) -> None:
    """Both give the same columns, in any format; --where describes rows of the result."""
    log = tmp_path / "flow.log"
    log.write_text(
        "2 1 eni-b 10.0.1.10 10.0.2.10 40000 22 6 1 40 1772366400 1772366430 REJECT OK\n"
        "2 1 eni-b 10.0.1.10 10.0.2.10 40001 443 6 1 40 1772366400 1772366430 ACCEPT OK\n"
    )
    code, out, err = run(
        *("explain", str(log), "-i", inventory, "--where", "reject", "--as", "json")
    )
    document = json.loads(out)
    assert (code, err, document["schema"]) == (0, "1 record: 1 agrees\n", "flowlens.explain/1")
    (row,) = document["rows"]
    assert list(row) == list(EXPLAINED)
    assert (row["layers"], row["rules"]) == (["sg"], ["sg-b"])
    code, out, _ = run("explain", "--flow", SSH, "-i", inventory, "--as", "csv")
    (near, far) = csv.DictReader(out.splitlines())
    assert (code, list(near)) == (0, list(EXPLAINED))
    assert (near["layers"], far["layers"], far["rules"]) == ("far_sg", "sg", "sg-b")
    code, out, _ = run("explain", "--flow", SSH, "-i", inventory, "--redact", "ips", "--as", "tsv")
    assert (code, "10.0." in out) == (0, False)


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ((), "explain takes logs, or --flow"),
        (("--flow", "a->b"), "no protocol; end it with /tcp"),
        (("--flow", SSH), "explain needs an inventory"),
        (("--flow", SSH, "x.log"), "one of the two"),
        (("--at", "now", "x.log"), "--at is about --flow"),
    ],
)
def test_wrong_use_is_one_line(run: Run, args: tuple[str, ...], why: str) -> None:
    """Exit code 2, and what to do instead."""
    code, out, err = run("explain", *args)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert why in err
