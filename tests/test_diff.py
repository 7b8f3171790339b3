from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowlens.cli import main
from flowlens.cli.compare import _split
from flowlens.diff import CHANGES, diff, hours
from flowlens.errors import UsageError
from flowlens.tables import EDGES

HOUR = datetime(2026, 11, 21, 11, tzinfo=UTC)
EDGE: dict[str, Any] = {
    "client": "10.0.1.5",
    "client_owner": ["billing"],
    "server": "192.0.2.1",
    "destination": "pay.example",
    "destination_kind": "domain",
    "server_port": 443,
    "protocol": 6,
    "action": "ACCEPT",
    "bytes_out": 60,
    "bytes_in": 40,
    "records": 2,
    "first_seen": HOUR,
    "last_seen": HOUR,
    "expected": "yes",
}
LINE = "2 123456789010 eni-0a 10.0.1.5 {} 49152 443 6 10 {} {} {} ACCEPT OK\n"
SHOWN = ["change", "destination", "bytes_a", "bytes_b", "ratio"]


def edges(*changes: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([EDGE | change for change in changes], schema=EDGES)


def test_changes() -> None:
    """Each service is new, gone, grown, shrunk or the same; the greatest change comes first."""
    names = ["gone", "grown", "shrunk", "same"]
    a = edges(*({"destination": name} for name in names))
    b = edges(
        {"destination": "new", "bytes_out": 5},
        {"destination": "newer", "bytes_out": 5000, "server_port": None},
        {"destination": "grown", "bytes_out": 160},
        {"destination": "shrunk", "bytes_out": 10},
        {"destination": "same", "bytes_in": 130},
    )
    assert diff(a, b).select(SHOWN).rows() == [
        ("new", "newer", 0, 5040, None),
        ("new", "new", 0, 45, None),
        ("gone", "gone", 100, 0, 0.0),
        ("grown", "grown", 100, 200, 2.0),
        ("shrunk", "shrunk", 100, 50, 0.5),
        ("same", "same", 100, 190, 1.9),
    ]
    assert CHANGES == ("new", "gone", "grown", "shrunk", "same")


def test_growth_is_by_the_hour() -> None:
    """Twice the bytes in twice the time is no growth; the time is the window's or the records'."""
    a, b = edges({}), edges({}, {"first_seen": HOUR + timedelta(hours=1)})
    b = b.with_columns(last_seen=pl.col("first_seen"))
    assert (hours(a), hours(b), hours(edges())) == (1.0, 2.0, 1.0)
    assert diff(a, b)["change"].to_list() == ["same"]
    assert diff(a, b, spans=(1, 1))["change"].to_list() == ["grown"]
    assert diff(a, b, ratio=1.5, spans=(1, 1.5))["ratio"].to_list() == [1.3333]


def test_who_is_compared() -> None:
    """Owners count, not addresses; unknown clients count apart, save before our own servers."""
    moved = {"client": "10.0.1.77"}
    assert diff(edges({}), edges(moved))["change"].to_list() == ["same"]
    nobody = {"client_owner": None}
    assert sorted(diff(edges(nobody), edges(moved | nobody))["change"]) == ["gone", "new"]
    stranger = {**nobody, "client": "198.51.100.1", "server_owner": ["web"]}
    found = diff(edges(stranger), edges(stranger | {"client": "198.51.100.2"}, stranger))
    assert found.select("change", "owner", "client", "clients_a", "clients_b").rows() == [
        ("grown", None, None, 1, 2)
    ]


def test_any_order_is_the_same() -> None:
    """The table does not depend on the order of edges, and nothing is modified."""
    some = [{"destination": f"d{at % 5}", "client": f"10.0.0.{at}"} for at in range(20)]
    a, b = edges(*some[:12]), edges(*some[6:])
    whole = diff(a, b)
    assert diff(a.reverse(), b.sample(fraction=1, shuffle=True, seed=1).lazy()).equals(whole)
    assert a.equals(edges(*some[:12]))


def test_a_ratio_below_one() -> None:
    """A ratio below one, or none at all, is refused."""
    for ratio in (0.5, float("nan")):
        with pytest.raises(UsageError, match="is no growth"):
            diff(edges(), edges(), ratio=ratio)


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("logs@2026-11-20/2026-11-21", ("logs", "2026-11-20/2026-11-21")),
        ("@7d/24h", ("", "7d/24h")),
        ("s3://b/p@yesterday", ("s3://b/p", "yesterday")),
        ("s3://b/me@example.com/logs", ("s3://b/me@example.com/logs", None)),
        ("logs", ("logs", None)),
    ],
)
def test_windows(said: str, place: tuple[str, str | None]) -> None:
    """What follows an @ is a window where it is a time, else part of the source."""
    assert _split(said) == place


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, list[str], str]]:
    monkeypatch.setenv("FLOWLENS_OFFLINE", "1")

    def command(*args: str) -> tuple[int, list[str], str]:
        code = main(args)
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err

    return command


def test_command(run: Callable[..., tuple[int, list[str], str]], tmp_path: Path) -> None:
    """Two windows of a file, two files, and what cannot be compared."""
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    start = int(HOUR.timestamp())
    old = LINE.format("192.0.2.1", 100, start, start)
    first.write_text(old + LINE.format("192.0.2.9", 900, start + 3600, start + 3600))
    second.write_text(old)
    windows = (f"{first}@2026-11-21T11:00/2026-11-21T12:00", "@2026-11-21T12:00/2026-11-21T13:00")
    code, out, err = run("diff", *windows)
    assert code == 0
    assert [line.split("\t")[0] for line in out] == ["change", "new", "gone"]
    assert err.splitlines()[-1] == (
        "1 new, 1 gone, 0 grown, 0 shrunk, 0 same; A is 1 hour, B is 1 hour"
    )
    code, out, _ = run("diff", str(first), str(second), "--all", "--redact", "ips")
    assert [line.split("\t")[:3] for line in out[1:]] == [
        ["gone", "", "ip-1"],
        ["grown", "", "ip-1"],
    ]
    for args, why in (
        ((str(first), str(first)), "are the same; compare two places"),
        ((str(first), str(second), "--ratio", "0"), "is no growth"),
    ):
        code, out, err = run("diff", *args)
        assert (code, out) == (2, [])
        assert why in err


def test_documents(run: Callable[..., tuple[int, list[str], str]], tmp_path: Path) -> None:
    """Two expected documents are compared by their entries."""
    entry = (
        "version: 1\negress:\n  - from: {function: f}\n    to:\n"
        "      - {cidr: 192.0.2.%d/32, ports: [tcp/443]}\n"
    )
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(entry % 1)
    second.write_text(entry % 2)
    code, out, err = run("diff", str(first), str(second))
    assert code == 0
    assert sorted(line.split("\t")[0] for line in out[1:]) == ["gone", "new"]
    assert err.splitlines() == ["2 differences"]
