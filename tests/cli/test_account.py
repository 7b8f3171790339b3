import json
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

Run = Callable[..., tuple[int, str, str]]


def test_snapshot(run: Run, aws_server: str, tmp_path: Path) -> None:
    """A snapshot is a file that the other verbs read, and refused calls are named."""
    path = tmp_path / "inventory.json"
    options = ["--region", "us-east-1", "--endpoint-url", aws_server]
    code, out, err = run("snapshot", "-o", str(path), *options)
    taken = json.loads(path.read_text())
    assert (code, out) == (0, "")
    assert {"captured_at", "account_id", "region", "calls", "errors"} <= set(taken)
    assert err.splitlines()[-1] == f"wrote {path}"
    assert sum(line.startswith("unknown: ") for line in err.splitlines()) == len(taken["errors"])


def test_bucket(run: Run, aws_server: str, logs: str, expected: str, tmp_path: Path) -> None:
    """Logs in a bucket give the same findings as the same logs in a file."""
    s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=aws_server)
    s3.create_bucket(Bucket="logs")
    s3.upload_file(logs, "logs", "a/flow.log")
    options = ["-e", expected, "--region", "us-east-1", "--endpoint-url", aws_server]
    code, far, _ = run("findings", "s3://logs/a/", *options, "--as", "json")
    assert code == 0
    assert (
        far.replace("s3://logs/a/flow.log", logs)
        == run("findings", logs, *options, "--as", "json")[1]
    )


def test_no_bucket(run: Run, aws_server: str) -> None:
    """A bucket that is not there is one line and exit code 4."""
    options = ["--region", "us-east-1", "--endpoint-url", aws_server]
    code, out, err = run("records", "s3://nothing-here/", *options)
    assert (code, out) == (4, "")
    assert len(err.splitlines()) == 1


def test_no_profile(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile that is not there is one line and exit code 3."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    code, out, err = run("records", "s3://b/", "--profile", "nobody")
    assert (code, out) == (3, "")
    assert "'nobody'" in err
    assert len(err.splitlines()) == 1
