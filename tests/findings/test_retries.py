from collections.abc import Callable
from datetime import timedelta
from itertools import accumulate
from typing import Any

import polars as pl
import pytest

from flowlens.findings import Context, Limits, findings
from flowlens.findings.beacon import beacons
from flowlens.findings.brute import brute_force
from flowlens.findings.retries import retries
from flowlens.findings.scans import scans
from tests.findings.cases import LOGIN
from tests.findings.conftest import edge, frame, inner, refused
from tests.findings.test_beacons import C2, jittered

Records = Callable[..., pl.LazyFrame]
PAIR = {"client": "10.0.1.5", "server": "203.0.113.9", "server_port": 443, "protocol": 6}
BACKOFF = [2, 4, 8, 16, 32, 64, 128, *[300] * 60]
MUTE: dict[str, Any] = {"packets_in": 0, "bytes_in": 0}


def starts(gaps: list[int]) -> list[int]:
    return list(accumulate(gaps, initial=7))


@pytest.mark.parametrize(
    ("seconds", "count"),
    [
        (starts([1, 2, 4, 8, 16, 32]), 7),  # grows five times, to 32 times the first
        (starts([1, 2, 4, 8]), 0),  # grows three times
        (starts([1, 2, 4, 8, 16, 32, 60, 60, 60]), 10),  # at the cap
        (starts([1, 2, 4, 8, 16, 900, 1, 2, 4, 8, 16]), 12),  # two bursts
        (starts([10, 13, 17, 23, 30, 40]), 0),  # fourfold in all
        (starts([300] * 90), 0),  # a beat
        (jittered(300, 120), 0),  # with 40 % of jitter
        (jittered(300, 290), 0),  # anywhen
    ],
)
def test_bursts_by_hand(seconds: list[int], count: int) -> None:
    """Starts in bursts of intervals that double, or stay at their cap, are retries."""
    seen = pl.DataFrame([{**PAIR, "at": at} for at in seconds])
    (row,) = retries(seen, Limits()).to_dicts()
    assert (row["starts"], row["retries"]) == (len(seconds), count)


@pytest.mark.parametrize(
    ("change", "level"),
    [
        (MUTE, "low"),  # nobody answers
        ({}, "high"),  # somebody does
        ({"bytes_in": 400}, "medium"),  # by resets
    ],
)
def test_a_client_whose_server_is_gone(records: Records, change: Any, level: str) -> None:
    """The beat at the cap of a backoff weighs less where nobody answers, and it is said."""
    rows = [edge(n, 3_500, **{"records": 24, **C2, **change}) for n in range(6)]
    seen = records(starts(BACKOFF), server_port=8443)
    (row,) = beacons(frame(rows).lazy(), Context(records=seen)).to_dicts()
    assert (row["severity"], row["numbers"]["retries"]) == (level, 68)
    assert "68 times at intervals that double" in row["text"]
    assert ("as clients do that nobody answers" in row["text"]) == bool(change)


def sweep(records: Records, seconds: list[int]) -> dict[str, Any]:
    """Return what is found of twelve hosts, each tried at the given seconds."""
    tries = {"server_port": 22, "connections": len(seconds)}
    rows = [refused(0, server=f"10.0.2.{n}", **tries) for n in range(12)]
    parts = [records([at + n for at in seconds], server=f"10.0.2.{n}", server_port=22)
             .with_columns(interface_id=pl.lit("eni-0b")) for n in range(12)]  # fmt: skip
    found = scans(frame(rows).lazy(), Context(records=pl.concat(parts)))
    return found.row(0, named=True)


def test_a_client_of_many_that_are_gone(records: Records) -> None:
    """Tries of twelve hosts at intervals that double are no sweep by a scanner."""
    again = sweep(records, starts([1, 2, 4, 8, 16, 32]))
    assert (again["severity"], again["numbers"]["retries"]) == ("low", 84)
    assert "84 connections, 84 times at intervals that double" in again["text"]
    even = sweep(records, starts([10] * 6))
    assert (even["severity"], even["numbers"]["retries"]) == ("high", 0)
    assert sweep(records, [7])["numbers"]["retries"] is None


def test_logins_that_back_off(records: Records) -> None:
    """Log-ins in bursts of intervals that double are a client that retries, unless one got in."""
    bursts = [40 * n + at for n in range(8) for at in starts([1, 2, 4, 8, 16])]
    levels = []
    for last in (2_000, 9_000_000):
        sizes = [2_000] * (len(bursts) - 1) + [last]
        seen = records(bursts, sizes, server="10.0.2.8", server_port=22)
        (row,) = brute_force(frame([inner(0, **LOGIN)]).lazy(), Context(records=seen)).to_dicts()
        levels.append(row["severity"])
        assert row["numbers"]["retries"] == 48
    assert levels == ["low", "critical"]


def test_a_run_by_hand_is_less_than_a_new_destination() -> None:
    """A function off schedule that goes where it always goes is low; the filter has its hours."""
    night = [edge(24 * n + 2) for n in range(9)]
    for server, level in (("203.0.113.9", "low"), ("203.0.113.66", "medium")):
        rows = [*night, edge(134, server=server), edge(135, server=server)]
        (row,) = findings(frame(rows)).filter(kind="off-schedule").to_dicts()
        assert (row["severity"], row["numbers"]["days"], row["numbers"]["hours"]) == (level, 9, 2)
        assert "outside the hours that it keeps (02:00 UTC on 9 days): 4 kB out" in row["text"]
        assert row["evidence"]["filter"] == (
            "((src = 10.0.1.5) or (dst = 10.0.1.5)) and start >= 2026-11-21T14:00:00Z and "
            "start < 2026-11-21T16:00:00Z and action = ACCEPT and interface_id = eni-0a"
        )
    assert row["last_seen"] - row["first_seen"] == timedelta(hours=1, seconds=60)
