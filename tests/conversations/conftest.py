from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from flowlens.conversations import conversations

HOUR = datetime(2026, 11, 21, 11, tzinfo=UTC)
TIME = pl.Datetime("ms", "UTC")

Rows = list[dict[str, Any]]
Talk = Callable[..., Rows]

DEFAULTS: dict[str, Any] = {
    "interface_id": "eni-client",
    "srcport": 40_000,
    "dstport": 443,
    "protocol": 6,
    "packets": 1,
    "bytes": 100,
    "start": 0,
    "end": 10,
    "action": "ACCEPT",
}
TYPES: dict[str, pl.DataType] = {
    "srcport": pl.UInt16(),
    "dstport": pl.UInt16(),
    "protocol": pl.UInt8(),
    "packets": pl.UInt64(),
    "bytes": pl.UInt64(),
    "start": TIME,
    "end": TIME,
    "tcp_flags": pl.UInt8(),
    "traffic_path": pl.UInt8(),
    "version": pl.UInt8(),
    "merged": pl.UInt64(),
}


def make(rows: Rows, *, without: tuple[str, ...] = ()) -> pl.LazyFrame:
    """Return records from dicts; seconds after 11:00 stand for times, `DEFAULTS` for the rest."""
    full = [DEFAULTS | row for row in rows]
    names = [n for n in dict.fromkeys(key for row in full for key in row) if n not in without]
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in full] for name in names}
    for name in {"start", "end"} & set(names):
        columns[name] = [HOUR + timedelta(seconds=value) for value in columns[name]]
    return pl.LazyFrame(columns, schema={name: TYPES.get(name, pl.String()) for name in names})


@pytest.fixture
def talk() -> Talk:
    """Turn dicts of records into dicts of conversations."""

    def run(rows: Rows, *, without: tuple[str, ...] = (), inventory: Any = None) -> Rows:
        return conversations(make(rows, without=without), inventory).collect().to_dicts()

    return run


@pytest.fixture
def records() -> Callable[..., pl.LazyFrame]:
    return make
