from collections.abc import Callable
from pathlib import Path

import pytest

from flowlens.cli import main

ACCOUNT = "123456789010"
# One client, one server, both directions with handshake flags unknown (version 2): the client
# port is high and 443 is a service, so the roles are plain.
LINES = """\
10.0.1.5 34.110.5.8 49152 443 6 10 900 1795255200 1795255260 ACCEPT OK
34.110.5.8 10.0.1.5 443 49152 6 12 4800 1795255200 1795255260 ACCEPT OK
10.0.1.5 176.206.173.108 49153 8333 6 9 2900000 1795258800 1795258860 ACCEPT OK
176.206.173.108 10.0.1.5 8333 49153 6 8 700 1795258800 1795258860 ACCEPT OK
10.0.1.5 10.0.9.9 49154 22 6 1 40 1795258800 1795258860 REJECT OK
- - - - - - - 1795258800 1795258860 - NODATA
- - - - - - - 1795262400 1795262460 - SKIPDATA
"""
BAD = "not a record\n2 1 eni-0a 10.0.1.5 10.0.9.9 x 22 6 1 40 1795258800 1795258860 ACCEPT OK\n"
EXPECTED = """\
version: 1
names:
  payment gateway: [34.110.5.8/29]
egress:
  - from: {cidr: 10.0.1.0/24}
    to:
      - {cidr: 34.110.5.8/29, ports: [tcp/443], why: card payments}
      - {cidr: 10.0.9.0/24, ports: [tcp/22], why: bastion}
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, no colour, and always the same now."""
    monkeypatch.setenv("FLOWLENS_OFFLINE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795424400")  # 2026-11-23T09:00:00Z
    monkeypatch.delenv("FLOWLENS_DEBUG", raising=False)


@pytest.fixture
def logs(tmp_path: Path) -> str:
    path = tmp_path / "flow.log"
    lines = [f"2 {ACCOUNT} eni-0a {line}\n" for line in LINES.splitlines()]
    path.write_text("".join(lines) + BAD)
    return str(path)


@pytest.fixture
def expected(tmp_path: Path) -> str:
    path = tmp_path / "expected.yaml"
    path.write_text(EXPECTED)
    return str(path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process: its exit code, standard output and standard error."""

    def command(*args: str) -> tuple[int, str, str]:
        code = main(args)
        told = capsys.readouterr()
        return code, told.out, told.err

    return command
