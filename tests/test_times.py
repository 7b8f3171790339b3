from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlens.errors import UsageError
from flowlens.times import Interval, duration, interval, parse

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21", "2026-11-21T00:00"),
        ("2026-11-21T11:04", "2026-11-21T11:04"),
        ("2026-11-21 11:04:05", "2026-11-21T11:04:05"),
        ("2026-11-21T11:04+02:00", "2026-11-21T09:04"),
        ("2026-11-21T11:04:00Z", "2026-11-21T11:04"),
        ("1795259040", "2026-11-21T11:04"),
        ("1795259040000", "2026-11-21T11:04"),
        ("now", "2026-11-23T09:30"),
        ("24h", "2026-11-22T09:30"),
        ("1h30m", "2026-11-23T08:00"),
        ("last 24 hours", "2026-11-22T09:30"),
        ("2 days ago", "2026-11-21T09:30"),
        ("today", "2026-11-23T00:00"),
        ("yesterday", "2026-11-22T00:00"),
        ("yesterday 14:15", "2026-11-22T14:15"),
        ("sat 11:00", "2026-11-21T11:00"),
        ("Saturday", "2026-11-21T00:00"),
        ("mon 09:00", "2026-11-23T09:00"),
        ("mon 10:00", "2026-11-16T10:00"),
        ("08:00", "2026-11-23T08:00"),
        ("23:00", "2026-11-22T23:00"),
    ],
)
def test_points(text: str, expected: str) -> None:
    """Each way to write a time gives the moment meant, the last one before now."""
    assert parse(text, now=NOW) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "tomorow", "2026-13-01", "25:00", "sat 25:61", "12", "99999999999999999999", "-3d", "7y"],
)
def test_wrong(text: str) -> None:
    """What is no time is an error that says how to write one."""
    with pytest.raises(UsageError, match="is not a time; write"):
        parse(text, now=NOW)


def test_zone() -> None:
    """A zone applies to what carries none, and the answer is in UTC."""
    berlin = ZoneInfo("Europe/Berlin")
    assert parse("2026-11-21", zone=berlin) == datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert parse("2026-11-21T00:00Z", zone=berlin) == datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("24h",), "2026-11-22T09:30:00Z/.."),
        ((None, "yesterday"), "../2026-11-22T00:00:00Z"),
        ((None, None, "7d"), "2026-11-16T09:30:00Z/2026-11-23T09:30:00Z"),
        (("2026-11-21/2026-11-22",), "2026-11-21T00:00:00Z/2026-11-22T00:00:00Z"),
        (("sat 11:00", "sat 12:00"), "2026-11-21T11:00:00Z/2026-11-21T12:00:00Z"),
        ((), "../.."),
    ],
)
def test_intervals(options: tuple[str | None, ...], expected: str) -> None:
    """The options resolve to one interval, written in UTC."""
    assert str(interval(*options, now=NOW)) == expected


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("24h", None, "7d"), "same thing twice"),
        (("2026-11-22", "2026-11-21"), "is not after the start"),
        (("2026-11-22", "2026-11-22"), "is not after the start"),
        (("2026-11-21/2026-11-22", "now"), "has an end already"),
        ((None, None, "soon"), "not a length of time"),
        ((None, None, "9999999w"), "before the calendar"),
        ((None, None, "0h"), "no time at all"),
    ],
)
def test_contradictions(options: tuple[str | None, ...], why: str) -> None:
    """Options that contradict each other are an error."""
    with pytest.raises(UsageError, match=why):
        interval(*options, now=NOW)


def test_clockless() -> None:
    """A relative time without a now is an error: nothing here reads the clock."""
    with pytest.raises(UsageError, match="knows what time it is"):
        parse("24h")


@given(st.integers(1, 9999), st.sampled_from("smhdw"))
def test_lengths(count: int, unit: str) -> None:
    """A number and a unit is that length."""
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert duration(f"{count}{unit}") == timedelta(seconds=count * seconds)


@given(st.text(max_size=30))
def test_any_text(text: str) -> None:
    """Any text is a time or a usage error, never another failure."""
    try:
        assert parse(text, now=NOW).tzinfo is UTC
    except UsageError:
        assert interval() == Interval(None, None)
