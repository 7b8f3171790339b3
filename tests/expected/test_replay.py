from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from flowlens.expected import parse, replay
from flowlens.expected.replay import REPLAY
from flowlens.tables import EDGES

HOUR = datetime(2026, 11, 21, 10, tzinfo=UTC)
DOCUMENT = """version: 1
egress:
  - from: {function: pay}
    to:
      - {cidr: 10.0.0.0/8, ports: [tcp/443], why: own}
      - {cidr: 34.1.1.0/24, ports: [tcp/443]}
      - {domain: shop.example, ports: [tcp/443]}
"""
PAY = {"client_owner": ["pay"], "client": "10.0.0.5", "server_port": 443, "protocol": 6}


def edges(*rows: dict[str, Any]) -> pl.DataFrame:
    """Edges of one hour, each with 100 bytes out, 10 in and 2 records unless it says otherwise."""
    plain = {
        "first_seen": HOUR, "last_seen": HOUR, "records": 2, "bytes_out": 100, "bytes_in": 10,
        "action": "ACCEPT",
    }  # fmt: skip
    return pl.DataFrame([{**plain, **PAY, **row} for row in rows], schema=EDGES)


def test_replay() -> None:
    """Blocked traffic is summed up by workload, destination, port and reason, heaviest first."""
    later = HOUR.replace(hour=12)
    none = {"expected": "no", "why": "e.yaml: no entry for pay covers it"}
    frame = edges(
        {"expected": "yes", "why": "e.yaml:5 cidr 10.0.0.0/8 tcp/443 (own)", "server": "10.0.0.9"},
        {**none, "destination": "evil.example", "server": "203.0.113.9"},
        {**none, "destination": "evil.example", "last_seen": later, "bytes_out": 900},
        {**none, "destination": "refused anyway", "action": "REJECT"},
        {**none, "server": "203.0.113.7", "client_owner": None, "bytes_out": 5_000},
        {"expected": "unknown", "why": "e.yaml:7 domain shop.example may cover it: no log"},
        {"expected": "unknown", "why": "not egress: the client is outside"},
    )
    found = replay(frame, parse(DOCUMENT, "e.yaml"))
    assert dict(found.schema) == REPLAY
    columns = ("verdict", "workload", "destination", "conversations", "records", "bytes_out")
    assert found.select(columns).rows() == [
        ("blocked", "10.0.0.5", "203.0.113.7", 1, 2, 5_000),
        ("blocked", "pay", "evil.example", 2, 4, 1_000),
        ("unknown", "pay", None, 1, 2, 100),
        ("unused", "function pay", "cidr 34.1.1.0/24 tcp/443", None, None, None),
    ]
    assert found["last_seen"].to_list() == [HOUR, later, HOUR, None]
    assert found["why"][-1] == "line 6: nothing in these logs needed it"


@pytest.mark.parametrize("seed", range(3))
def test_order_does_not_matter(seed: int) -> None:
    """The same traffic in another order gives the same rows."""
    rows = [{"expected": "no", "why": "w", "destination": f"d{n % 7}"} for n in range(30)]
    frame = edges(*rows)
    document = parse(DOCUMENT, "e.yaml")
    mixed = frame.sample(fraction=1, shuffle=True, seed=seed)
    assert replay(mixed.lazy(), document).equals(replay(frame, document))


def test_no_traffic() -> None:
    """Without traffic nothing is blocked, and every entry is unused."""
    assert replay(edges(), parse(DOCUMENT, "e.yaml"))["verdict"].to_list() == ["unused"] * 3
