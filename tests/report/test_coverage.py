import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from flowlens.coverage import summary
from flowlens.tables import COVERAGE, TIME, empty

ZERO = datetime(2026, 11, 21, tzinfo=UTC)
REJECTS = {"source": pl.String(), "line": pl.UInt64(), "reason": pl.String(), "text": pl.String()}


def at(hours: float) -> datetime:
    return ZERO + timedelta(hours=hours)


def covered(*rows: tuple[str, str, float, float]) -> pl.DataFrame:
    data = [(who, status, at(start), at(end), "a.gz") for who, status, start, end in rows]
    return pl.DataFrame(data, schema=COVERAGE, orient="row")


def spoke(*hours: int, action: str | None = "ACCEPT") -> pl.DataFrame:
    rows: dict[str, Any] = {
        "hour": [at(hour) for hour in hours],
        "action": [action] * len(hours),
        "records": [2] * len(hours),
        "first_seen": [at(hour + 0.1) for hour in hours],
        "last_seen": [at(hour + 0.5) for hour in hours],
    }
    times = {"hour": TIME, "first_seen": TIME, "last_seen": TIME}
    return pl.DataFrame(rows, schema_overrides=times)


def test_counts() -> None:
    """Lines are records, coverage and rejects, for each object and in all."""
    rejects = pl.DataFrame(
        {
            "source": ["a.gz", "b.gz", "b.gz"],
            "line": [1, 2, 3],
            "reason": ["truncated", "not a number", "not a number"],
            "text": ["", "x", "y"],
        },
        schema=REJECTS,
    )
    coverage = covered(("eni-a", "SKIPDATA", 0, 1), ("eni-a", "NODATA", 1, 2))
    counts = {"b.gz": {"lines": 10, "headers": 1}, "a.gz": {"lines": 10, "headers": 2}}
    told = summary(coverage, rejects, counts)
    assert [told[name] for name in ("lines", "headers", "records", "coverage", "rejects")] == [
        20,
        3,
        15,
        2,
        3,
    ]
    assert told["usable"] == 1 - 4 / 20
    assert list(told["reasons"].items()) == [("not a number", 2), ("truncated", 1)]
    assert told["sources"] == [
        {
            "source": "a.gz",
            "lines": 10,
            "headers": 2,
            "records": 7,
            "outside": 0,
            "coverage": 2,
            "rejects": 1,
        },
        {
            "source": "b.gz",
            "lines": 10,
            "headers": 1,
            "records": 8,
            "outside": 0,
            "coverage": 0,
            "rejects": 2,
        },
    ]
    json.dumps(told)


def test_counted_while_reading() -> None:
    """Counts kept while reading go before the frames; a lost object is no line."""
    rejects = pl.DataFrame(
        {"source": ["a.gz", "a.gz"], "line": [0, 7], "reason": ["truncated", "not a number"]},
        schema={"source": pl.String, "line": pl.UInt64, "reason": pl.String},
    )
    count = {"lines": 20, "headers": 1, "records": 10, "outside": 4}
    count |= {"nodata": 3, "skipdata": 1, "rejects": 2}
    told = summary(covered(("eni-a", "NODATA", 1, 2)), rejects, {"a.gz": count})
    names = ("lines", "records", "outside", "coverage", "rejects")
    assert [told[name] for name in names] == [20, 10, 4, 4, 2]
    assert told["reasons"] == {"not a number": 1}
    assert told["lost"] == [{"source": "a.gz", "reason": "truncated"}]


def test_windows() -> None:
    """Windows of one observer join where they touch or overlap, in any order of rows."""
    rows = [
        ("eni-b", "SKIPDATA", 3.0, 4.0),
        ("eni-a", "SKIPDATA", 0.0, 3.0),
        ("eni-a", "SKIPDATA", 1.0, 2.0),
        ("eni-a", "SKIPDATA", 3.0, 4.0),
        ("eni-a", "SKIPDATA", 5.0, 6.0),
        ("eni-a", "NEWSTATUS", 7.0, 8.0),
    ]
    told = summary(covered(*rows), empty(REJECTS), {})
    assert told["skipped"] == [
        {
            "observer": "eni-a",
            "lines": 4,
            "seconds": 5 * 3600,
            "windows": [
                ["2026-11-21T00:00:00Z", "2026-11-21T04:00:00Z"],
                ["2026-11-21T05:00:00Z", "2026-11-21T06:00:00Z"],
            ],
        },
        {
            "observer": "eni-b",
            "lines": 1,
            "seconds": 3600,
            "windows": [["2026-11-21T03:00:00Z", "2026-11-21T04:00:00Z"]],
        },
    ]
    assert [row["observer"] for row in told["other"]] == ["eni-a"]
    assert told == summary(covered(*reversed(rows)), empty(REJECTS), {})


def test_gaps() -> None:
    """A whole hour without a record or a NODATA window is a gap; its neighbours join."""
    told = summary(covered(("eni-a", "NODATA", 1, 2)), empty(REJECTS), {}, spoke(0, 2, 5, 7))
    assert told["gaps"] == [
        ["2026-11-21T03:00:00Z", "2026-11-21T05:00:00Z"],
        ["2026-11-21T06:00:00Z", "2026-11-21T07:00:00Z"],
    ]
    assert (told["first"], told["last"]) == ("2026-11-21T00:06:00Z", "2026-11-21T07:30:00Z")
    assert told["actions"] == {"ACCEPT": 8}


def test_empty() -> None:
    """Nothing read is unknown, not complete."""
    told = summary(empty(COVERAGE), empty(REJECTS), {})
    assert told["usable"] is None
    assert (told["first"], told["gaps"], told["sources"]) == (None, [], [])


def test_action_unknown() -> None:
    """A transit gateway's log has no action; that is told apart."""
    told = summary(empty(COVERAGE), empty(REJECTS), {}, spoke(0, action=None))
    assert told["actions"] == {"unknown": 2}
