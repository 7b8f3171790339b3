from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from flowlens.tables import EDGES

START = datetime(2026, 11, 16, tzinfo=UTC)
#: One web request of one workload to a named destination, in the first hour.
PLAIN: dict[str, Any] = {
    "observer": "eni-0a",
    "client": "10.0.1.5",
    "client_owner": ["orders"],
    "client_kind": "lambda",
    "vantage": "client",
    "server": "203.0.113.9",
    "server_port": 443,
    "protocol": 6,
    "action": "ACCEPT",
    "bytes_out": 2_000,
    "packets_out": 10,
    "bytes_in": 6_000,
    "packets_in": 10,
    "records": 2,
    "connections": 1,
    "orientation": "certain",
    "destination_kind": "address",
    "domains": [],
    "expected": "unknown",
}

Edge = Callable[..., dict[str, Any]]


def edge(at: float = 0, lasts: float = 60, **change: Any) -> dict[str, Any]:
    """Return an edge `at` hours after the start that lasts some seconds."""
    first = START + timedelta(hours=at)
    row = {**PLAIN, **change}
    given = {"destination": row["server"], "observers": [row["observer"]]}
    return {
        "hour": first.replace(minute=0, second=0, microsecond=0),
        "first_seen": first,
        "last_seen": first + timedelta(seconds=lasts),
        **given,
        **row,
    }


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return edges as a table."""
    return pl.DataFrame(rows, schema=EDGES)


def refused(at: float = 0, **change: Any) -> dict[str, Any]:
    """Return one SYN that the server's groups refused."""
    mute = {
        "action": "REJECT", "bytes_out": 60, "packets_out": 1, "bytes_in": 0, "packets_in": 0,
        "records": 1, "vantage": "server", "observer": "eni-0b",
    }  # fmt: skip
    return edge(at, 0, **{**mute, **change})


def inner(at: float = 0, **change: Any) -> dict[str, Any]:
    """Return an edge to an inside server."""
    return edge(
        at, **{"server": "10.0.2.8", "destination_kind": "inside", "destination": "db", **change}
    )


@pytest.fixture
def records() -> Callable[..., pl.LazyFrame]:
    """Makes records of starts: one out and one back for each second that is given."""

    def made(seconds: list[int], sent: int | list[int] = 600, **change: Any) -> pl.LazyFrame:
        sizes = sent if isinstance(sent, list) else [sent] * len(seconds)
        rows = [
            _pair(n, at, size, change)
            for n, (at, size) in enumerate(zip(seconds, sizes, strict=True))
        ]
        return pl.DataFrame([row for pair in rows for row in pair], schema=RECORDS).lazy()

    return made


TIME = pl.Datetime("ms", "UTC")
RECORDS: dict[str, Any] = {
    "interface_id": pl.String, "srcaddr": pl.String, "dstaddr": pl.String, "srcport": pl.UInt16,
    "dstport": pl.UInt16, "protocol": pl.UInt8, "packets": pl.UInt64, "bytes": pl.UInt64,
    "start": TIME, "end": TIME, "action": pl.String, "tcp_flags": pl.UInt16,
}  # fmt: skip


def _pair(number: int, at: int, sent: int, change: dict[str, Any]) -> list[dict[str, Any]]:
    first = START + timedelta(seconds=at)
    port = change.get("client_port") or 1024 + number * 7 % 60_000
    client, server = change.get("client", "10.0.1.5"), change.get("server", "203.0.113.9")
    service = change.get("server_port", 443)
    common = {
        "interface_id": "eni-0a",
        "protocol": change.get("protocol", 6),
        "packets": change.get("packets", 6),
        "start": first,
        "end": first + timedelta(seconds=change.get("lasts", 2)),
        "action": "ACCEPT",
    }
    out = {"srcaddr": client, "dstaddr": server, "srcport": port, "dstport": service}
    back = {"srcaddr": server, "dstaddr": client, "srcport": service, "dstport": port}
    return [
        {**common, **out, "bytes": sent, "tcp_flags": change.get("flags", 3)},
        {**common, **back, "bytes": change.get("got", 500), "tcp_flags": change.get("reply", 19)},
    ]
