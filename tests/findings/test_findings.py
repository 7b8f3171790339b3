import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from flowlens.findings import LEVELS, Context, findings, quote
from flowlens.findings.evidence import conversations
from flowlens.findings.identity import identity
from flowlens.findings.severity import grade
from flowlens.findings.unexpected import unexpected
from flowlens.tables import EDGES, FINDINGS

HOUR = datetime(2026, 11, 21, 11, tzinfo=UTC)
EDGE: dict[str, Any] = {
    "hour": HOUR,
    "observer": "eni-0a",
    "client": "10.0.1.5",
    "server": "176.206.173.108",
    "server_port": 8333,
    "protocol": 6,
    "action": "ACCEPT",
    "bytes_out": 2_900_000,
    "packets_out": 2000,
    "bytes_in": 60_000,
    "packets_in": 900,
    "records": 323,
    "connections": 4,
    "first_seen": HOUR + timedelta(minutes=4),
    "last_seen": HOUR + timedelta(minutes=55),
    "orientation": "certain",
    "observers": ["eni-0a"],
    "client_owner": ["audit", "billing", "orders-api"],
    "client_kind": "lambda",
    "destination": "176.206.173.108",
    "destination_kind": "address",
    "domains": [],
    "expected": "no",
    "why": "no entry of the document",
}


def frame(*changes: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([EDGE | change for change in changes], schema=EDGES)


def strange(edges: pl.DataFrame) -> pl.DataFrame:
    """Return what the detection of unexpected destinations alone finds."""
    return unexpected(edges.lazy(), Context())


def test_sentence() -> None:
    """One accepted transfer becomes one sentence with who, how much, where, when and how grave."""
    row = findings(frame({})).row(0, named=True)
    assert row["text"] == (
        "audit or one of 2 others on its interface sent 2.9 MB to 176.206.173.108 (no name known) "
        "tcp/8333 in 323 records between 2026-11-21 11:04 and 11:55 UTC, all accepted; high "
        "because it was accepted and answered, much was sent and the address has no name and no "
        "AWS owner."
    )
    assert {name: value for name, value in row["numbers"].items() if value is not None} == {
        "bytes_out": 2_900_000,
        "bytes_in": 60_000,
        "packets_out": 2000,
        "packets_in": 900,
        "records": 323,
        "rejected": 0,
        "connections": 4,
        "hours": 1,
        "clients": 1,
        "servers": 1,
        "ports": 1,
        "workloads": 1,
    }
    assert (row["severity"], row["technique"], row["owner"]) == (
        "high",
        "T1048",
        ["audit", "billing", "orders-api"],
    )
    assert row["evidence"] == {
        "filter": "addr = 10.0.1.5 and addr = 176.206.173.108 and port = 8333 and proto = tcp and "
        "start >= 2026-11-21T11:00:00Z and start < 2026-11-21T12:00:00Z and "
        "action = ACCEPT and interface_id = eni-0a",
        "lines": [],
    }


def test_schema() -> None:
    """The table has the published schema, with and without rows."""
    assert dict(findings(frame({})).schema) == FINDINGS
    assert dict(findings(frame()).schema) == FINDINGS


def test_merges() -> None:
    """Hours, clients and servers of one owner set and destination are one finding."""
    found = findings(
        frame(
            {"destination": "paste.example", "destination_kind": "domain"},
            {
                "destination": "paste.example",
                "destination_kind": "domain",
                "hour": HOUR + timedelta(hours=2),
                "first_seen": HOUR + timedelta(hours=2),
                "last_seen": HOUR + timedelta(hours=2, minutes=1),
                "client": "10.0.2.7",
                "server": "176.206.173.109",
                "observer": "eni-0b",
                "action": "REJECT",
                "bytes_out": 100,
                "records": 12,
            },
        )
    )
    row = found.row(0, named=True)
    assert found.height == 1
    assert row["numbers"]["bytes_out"] == 2_900_100
    assert row["numbers"]["records"] == 335
    assert row["numbers"]["hours"] == 2
    assert (row["client"], row["server"]) == ("10.0.1.5", "176.206.173.108")
    assert "paste.example (176.206.173.108 and others)" in row["text"]
    assert "some of them rejected" in row["text"]
    assert row["evidence"]["filter"] == (
        "addr in (10.0.1.5, 10.0.2.7) and addr in (176.206.173.108, 176.206.173.109) and "
        "port = 8333 and proto = tcp and start >= 2026-11-21T11:00:00Z and "
        "start < 2026-11-21T14:00:00Z and interface_id in (eni-0a, eni-0b)"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"server_port": 443},
        {"protocol": 17},
        {"destination": "elsewhere"},
        {"client_owner": ["audit"]},
        {"client_owner": None},
    ],
)
def test_keeps_apart(change: dict[str, Any]) -> None:
    """What differs in owner, destination, port or protocol is another finding with another id."""
    assert strange(frame({}, change))["id"].n_unique() == 2


def test_unknown_owner() -> None:
    """Without an owner each client address stands for itself and is called unknown."""
    found = strange(
        frame({"client_owner": None}, {"client_owner": [], "client": "10.0.1.6", "bytes_out": 1})
    )
    assert found["client"].to_list() == ["10.0.1.5", "10.0.1.6"]
    assert found["owner"].to_list() == [None, None]
    assert found["text"].str.contains("(owner unknown)", literal=True).all()


def test_unknown_ends() -> None:
    """An unknown server is no finding; an unknown client, hour or action makes no clause."""
    assert strange(frame({"server": None})).is_empty()
    blank = {"client": None, "hour": None, "first_seen": None, "action": None, "client_owner": None}
    row = strange(frame(blank)).row(0, named=True)
    assert row["evidence"]["filter"] == (
        "addr = 176.206.173.108 and port = 8333 and proto = tcp and interface_id = eni-0a"
    )
    assert row["text"].startswith("an unknown address (owner unknown) sent")
    assert "at an unknown time" in row["text"]


@pytest.mark.parametrize("expected", ["yes", "unknown", None])
def test_only_no(expected: str | None) -> None:
    """Only traffic that is known not to be expected makes a finding."""
    assert strange(frame({"expected": expected})).is_empty()


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({"bytes_out": 100_000_000}, "critical"),
        ({}, "high"),
        ({"bytes_out": 999_999}, "medium"),
        ({"bytes_out": 9_999}, "medium"),
        ({"bytes_in": 0}, "medium"),
        ({"orientation": "guess"}, "medium"),
        ({"destination_kind": "aws"}, "medium"),
        ({"destination_kind": "inside", "bytes_out": 9_999}, "low"),
        ({"action": "REJECT", "bytes_in": 0}, "low"),
        ({"action": "REJECT", "bytes_in": 0, "bytes_out": 60}, "low"),
        ({"action": "REJECT", "bytes_in": 0, "bytes_out": 60, "destination_kind": "aws"}, "info"),
    ],
)
def test_severity(change: dict[str, Any], level: str) -> None:
    """Severity falls with less evidence, fewer bytes and a better known destination."""
    assert strange(frame(change))["severity"].to_list() == [level]


def test_severity_words() -> None:
    """The reason names evidence, amount, destination and a guessed role."""
    row = {
        "accepted": 0,
        "rejected": 0,
        "unsaid": 3,
        "bytes_out": 5,
        "bytes_in": 0,
        "oriented": "guess",
        "destination_kind": "domain",
    }
    graded = grade(row, Context())
    assert graded.why == (
        "it was seen on its way but never answered, little was sent and the destination is known "
        "by DNS alone, though who opened it is a guess"
    )
    assert graded.score == pytest.approx(0.5 * 0.5 * 0.25 * 0.8)


def test_order() -> None:
    """The worst comes first, then the most bytes, whatever the order of the edges."""
    changes = [{"server": f"203.0.113.{n}", "destination": f"203.0.113.{n}"} for n in range(20)]
    rows = [
        {**change, "bytes_out": 10 ** (n % 9), "action": "REJECT" if n % 3 else "ACCEPT"}
        for n, change in enumerate(changes)
    ]
    shuffled = rows.copy()
    random.Random(7).shuffle(shuffled)
    found = findings(frame(*rows))
    ranks = [LEVELS.index(level) for level in found["severity"]]
    assert ranks == sorted(ranks, reverse=True)
    assert found.equals(findings(frame(*shuffled)))


def test_identity() -> None:
    """An id is about what it names: more hours and bytes keep it, a moved letter changes it."""
    later = {"hour": HOUR + timedelta(hours=5), "bytes_out": 7}
    assert findings(frame({}))["id"].to_list() == findings(frame({}, later))["id"].to_list()
    assert identity("k", ["ab", "c"]) != identity("k", ["a", "bc"])
    assert identity("k", None) != identity("k", "")
    assert identity("k", ["a"]) != identity("k", "a")


def test_numbers_in_text() -> None:
    """Every number of a sentence stands in a column of the finding."""
    row = strange(frame({})).row(0, named=True)
    text = row["text"].replace(row["server"], "").replace("tcp/8333", "")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d|\d\d:\d\d", "", text)
    said = re.findall(r"[\d.,]*\d(?: [kMG]?B)?", text)
    assert said == [str(len(row["owner"]) - 1), "2.9 MB", str(row["numbers"]["records"])]


def test_gateway() -> None:
    """Traffic whose sender is hidden behind a NAT gateway is not pinned on the gateway."""
    found = strange(frame({"client_owner": ["nat-0a1"], "client_kind": "nat_gateway"}))
    assert found["text"][0].startswith("someone behind nat-0a1 sent")


def test_tried() -> None:
    """What was only rejected was tried, not sent."""
    found = strange(frame({"action": "REJECT", "bytes_in": 0, "domains": None}))
    assert " tried to send " in found["text"][0]
    assert "(no resolver log was read)" in found["text"][0]
    assert "all rejected" in found["text"][0]


def test_no_ports() -> None:
    """Protocols without ports have none in text and filter; unseen observers are not named."""
    change = {"protocol": 1, "server_port": 0, "observer": None, "client": "2001:db8::5"}
    row = strange(frame(change)).row(0, named=True)
    assert " icmp in " in row["text"]
    assert row["evidence"]["filter"].startswith(
        "addr = 2001:db8::5 and addr = 176.206.173.108 and proto = icmp and start >= "
    )
    assert "interface_id" not in row["evidence"]["filter"]
    assert conversations(row) == (
        "client = 2001:db8::5 and server = 176.206.173.108 and protocol = icmp"
    )


RECORDS = {
    "srcaddr": ["10.0.1.5", "176.206.173.108", "10.0.1.5", "10.0.9.9", "10.0.1.5"],
    "dstaddr": ["176.206.173.108", "10.0.1.5", "176.206.173.108", "176.206.173.108", "10.0.0.4"],
    "srcport": [50000, 8333, 50000, 50000, 50001],
    "dstport": [8333, 50000, 443, 8333, 8333],
    "protocol": [6, 6, 6, 6, 6],
    "pkt_dstaddr": [None, None, None, None, "176.206.173.108"],
    "start": [HOUR + timedelta(minutes=n) for n in (4, 5, 4, 4, 9)],
    "bytes": [10, 20, None, 40, 50],
    "line": [2, 3, 4, 5, 1],
    "source": ["a.gz", "a.gz", "a.gz", "a.gz", "b.gz"],
}
TYPES: dict[str, Any] = {
    "srcport": pl.UInt16,
    "dstport": pl.UInt16,
    "protocol": pl.UInt8,
    "start": pl.Datetime("ms", "UTC"),
    "line": pl.UInt64,
}


def test_quote() -> None:
    """The first records of a finding are quoted, replies and what passed a middlebox too."""
    records = pl.LazyFrame(RECORDS, schema_overrides=TYPES)
    found = strange(frame({}))
    quoted = quote(found, records)
    epoch = int(HOUR.timestamp())
    assert quoted["evidence"][0]["lines"] == [
        {
            "source": "a.gz",
            "line": 2,
            "text": f"10.0.1.5 176.206.173.108 50000 8333 6 - {epoch + 240} 10",
        },
        {
            "source": "a.gz",
            "line": 3,
            "text": f"176.206.173.108 10.0.1.5 8333 50000 6 - {epoch + 300} 20",
        },
        {
            "source": "b.gz",
            "line": 1,
            "text": f"10.0.1.5 10.0.0.4 50001 8333 6 176.206.173.108 {epoch + 540} 50",
        },
    ]
    assert quoted.drop("evidence").equals(found.drop("evidence"))
    assert dict(quoted.schema) == FINDINGS


def test_quote_limit() -> None:
    """No more lines than asked for, the earliest first."""
    quoted = quote(strange(frame({})), pl.LazyFrame(RECORDS, schema_overrides=TYPES), limit=1)
    assert [line["line"] for line in quoted["evidence"][0]["lines"]] == [2]


def test_a_copy_is_not_quoted() -> None:
    """A record that was delivered twice is quoted once, from where it stood first."""
    found = strange(frame({}))
    records = pl.LazyFrame(RECORDS, schema_overrides=TYPES)
    twice = pl.concat([records.with_columns(source=pl.lit("z.log")), records])
    assert quote(found, twice).equals(quote(found, records))


def test_quote_without() -> None:
    """Records that cannot be matched leave the findings as they were."""
    found = strange(frame({}))
    records = pl.LazyFrame(RECORDS, schema_overrides=TYPES)
    assert quote(found, records.drop("line")).equals(found)
    assert quote(found, records.with_columns(srcaddr=pl.lit("192.0.2.1"))).equals(
        quote(found, records.clear())
    )
    assert quote(found.clear(), records).equals(found.clear())
