"""Findings of records, whose numbers follow from the records that their filters yield."""

from datetime import timedelta
from typing import Any

import polars as pl

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


def check(rows: list[Row], kind: str, **context: Any) -> tuple[Row, pl.DataFrame]:
    """Return the only finding of a kind, and its records, which give the sums of its numbers."""
    records = pl.DataFrame(rows, schema=RECORDS).lazy()
    edges = flowlens.edges(flowlens.conversations(records)).collect()
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
