"""Findings of records, whose numbers follow from the records that their filters yield."""

from datetime import timedelta
from itertools import accumulate
from typing import Any

import polars as pl
import pytest

import flowlens
from flowlens.findings import Context, findings
from flowlens.tables import COVERAGE, empty
from tests.findings.conftest import RECORDS, START

Row = dict[str, Any]


def talk(at: float, client: str, server: str, port: int, **change: Any) -> list[Row]:
    """Return the records of a connection `at` seconds after the start, as its interface saw it."""
    given = {"sent": 900, "got": 4_000, "near": 40_000, "lasts": 5, **change}
    first = START + timedelta(seconds=at)
    face = client if client.startswith("10.") else server
    common = {
        "interface_id": f"eni-{face}", "protocol": 6, "start": first,
        "end": first + timedelta(seconds=given["lasts"]),
        "action": "ACCEPT" if given["got"] else given.get("action", "REJECT"),
    }  # fmt: skip
    out = {"srcaddr": client, "dstaddr": server, "srcport": given["near"], "dstport": port}
    back = {"srcaddr": server, "dstaddr": client, "srcport": port, "dstport": given["near"]}
    sides = [(out, given["sent"], 2), (back, given["got"], 18)]
    return [
        {**common, **way, "bytes": sent, "packets": sent // 1_000 + 1, "tcp_flags": flags}
        for way, sent, flags in sides
        if sent
    ]


def check(
    rows: list[Row], kind: str, known: dict[str, pl.Expr] | None = None, **context: Any
) -> tuple[Row, pl.DataFrame]:
    """Return the only finding of a kind, and its records, which give the sums of its numbers."""
    records = pl.DataFrame(rows, schema=RECORDS).lazy()
    plain = flowlens.edges(flowlens.conversations(records), **context).collect()
    edges = plain.with_columns(**known or {})
    told = Context(records=records, coverage=empty(COVERAGE), **context)
    (row,) = findings(edges, told).filter(kind=kind).to_dicts()
    mine = flowlens.where(records, row["evidence"]["filter"]).collect()
    numbers = row["numbers"]
    assert mine.height == numbers["records"]
    assert mine["bytes"].sum() == numbers["bytes_out"] + numbers["bytes_in"]
    assert mine["packets"].sum() == numbers["packets_out"] + numbers["packets_in"]
    assert mine.filter(action="REJECT").height == numbers["rejected"]
    assert mine["start"].min() == row["first_seen"]
    assert mine["end"].max() == row["last_seen"]
    return row, mine


def test_probed() -> None:
    """Tries, ports and hosts of a prober are those of its refused records."""
    rows = [
        one
        for n in range(12)
        for one in talk(n * 700, f"198.51.100.{n % 2 + 7}", f"10.0.2.{n % 3 + 4}", 1_000 + n, got=0)
    ]
    rows += talk(9_000, "198.51.100.7", "10.0.2.4", 8080, got=60_000)
    rows += talk(9_100, "203.0.113.5", "10.0.2.4", 8080, got=60_000)  # somebody else
    row, mine = check(rows, "probed")
    refused, numbers = mine.filter(action="REJECT"), row["numbers"]
    assert numbers["tries"] == refused.height
    assert numbers["servers"] == refused["dstaddr"].n_unique()
    assert numbers["ports"] == refused["dstport"].n_unique()
    assert numbers["clients"] == refused["srcaddr"].n_unique()
    assert numbers["peak"] == mine.filter(srcport=8080)["bytes"].sum()


def test_retries() -> None:
    """Starts and retries of a beat at the cap of a backoff are those of its records."""
    gaps = [2, 4, 8, 16, 32, 64, 128, *[300] * 60]
    rows = [
        one
        for n, at in enumerate(accumulate(gaps, initial=40))
        for one in talk(at, "10.0.1.5", "203.0.113.9", 8443, got=0, near=40_000 + n)
    ]
    rows = [row | {"action": "ACCEPT"} for row in rows]
    row, mine = check(rows, "beacon", {"expected": pl.lit("no")})
    starts = mine["start"].sort().dt.epoch("s")
    steps = starts.diff().drop_nulls()
    assert row["numbers"]["tries"] == starts.len() == 68
    assert row["numbers"]["period"] == steps.median()
    assert row["numbers"]["retries"] == 68  # 2 s to 128 s sixfold, and the cap


def test_off_schedule() -> None:
    """The records of an hour off schedule are all that the function's interface had in it."""
    nights = [24 * n + 2.0 for n in range(9)]
    rows = [one for at in nights for one in talk(3_600 * at + 40, "10.0.1.5", "203.0.113.9", 443)]
    for n, server in enumerate(("203.0.113.66", "203.0.113.67", "203.0.113.9")):
        rows += talk(3_600 * 134 + 60 * n, "10.0.1.5", server, 443 + n, near=41_000 + n)
    row, mine = check(rows, "off-schedule", {"client_kind": pl.lit("lambda")})
    assert mine.height == 6
    assert (row["numbers"]["days"], row["numbers"]["servers"]) == (9, 3)


@pytest.mark.parametrize("count", [3, 60])
def test_a_new_door(count: int) -> None:
    """The numbers of a service that is new to outsiders are those of its records."""
    rows = [*talk(60, "10.0.2.4", "203.0.113.5", 443)]
    for n in range(count):
        rows += talk(90_000 + n, f"198.51.100.{n}", "10.0.2.4", 8080, near=40_000 + n)
    row, mine = check(rows, "new-door", learn_until=START + timedelta(hours=24))
    assert row["numbers"]["clients"] == mine.filter(dstport=8080)["srcaddr"].n_unique() == count
