"""Points, lengths and intervals of time as people write them; ``now`` is always handed in.

Everything is UTC unless the text carries a zone, and intervals are half-open: the end is not in.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from flowlens.errors import UsageError

__all__ = ["Interval", "duration", "interval", "parse"]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LENGTH = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
#: "last 24 hours", "3 days ago": the same lengths, spelled out.
SPOKEN = re.compile(
    r"(?:(?:last|past)\s+)?(\d+)\s*(s|sec|m|min|h|hr|d|w|second|minute|hour|day|week)s?(?:\s+ago)?"
)
CLOCK = re.compile(r"(?:(.+?)\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?")
#: 2001 to 2286 in seconds; milliseconds of the same years.
EPOCH = {10: 1, 13: 1000}


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open stretch of time; None is without an end on that side."""

    start: datetime | None = None
    end: datetime | None = None

    def __str__(self) -> str:
        """Write both ends in UTC, as ISO 8601 intervals are; ``..`` is open."""
        return "/".join(_iso(side) if side else ".." for side in (self.start, self.end))


def duration(text: str) -> timedelta:
    """Read a length of time: ``24h``, ``7d``, ``1h30m``, ``last 24 hours``.

    >>> duration("1h30m")
    datetime.timedelta(seconds=5400)

    Raises:
        UsageError: it is not a length of time.
    """
    said = text.strip().lower()
    spoken = SPOKEN.fullmatch(said)
    try:
        if spoken:
            return timedelta(seconds=int(spoken[1]) * SECONDS[spoken[2][0]])
        if LENGTH.fullmatch(said):
            parts = re.findall(r"([\d.]+)([smhdw])", said)
            return timedelta(seconds=sum(float(count) * SECONDS[unit] for count, unit in parts))
    except OverflowError:
        pass
    msg = f"{text!r} is not a length of time; write 90m, 24h, 7d or 'last 24 hours'"
    raise UsageError(msg)


def parse(text: str, *, now: datetime | None = None, zone: tzinfo = UTC) -> datetime:
    """Read a point in time and return it in UTC.

    >>> parse("2026-11-21T11:04+02:00").isoformat()
    '2026-11-21T09:04:00+00:00'
    >>> parse("sat 11:00", now=datetime(2026, 11, 23, 9, tzinfo=UTC)).isoformat()
    '2026-11-21T11:00:00+00:00'

    Args:
        text: ISO 8601, an epoch in seconds or milliseconds, a length back from now (``24h``),
            ``now``, ``today``, ``yesterday``, a weekday (the last one), each also with ``HH:MM``.
        now: what relative times count from.
        zone: the zone of times that carry none.

    Raises:
        UsageError: it is no time, or a relative one without `now`.
    """
    said = text.strip()
    found = _absolute(said, zone) or _relative(said.lower(), _known(now, text).astimezone(zone))
    if found is None:
        msg = (
            f"{text!r} is not a time; write 24h, yesterday, 'sat 11:00', 2026-11-21, "
            "2026-11-21T11:04+02:00 or an epoch"
        )
        raise UsageError(msg)
    return found.astimezone(UTC)


def interval(
    since: str | None = None,
    until: str | None = None,
    last: str | None = None,
    *,
    now: datetime | None = None,
    zone: tzinfo = UTC,
) -> Interval:
    """Resolve the three time options into one interval in UTC.

    >>> str(interval("2026-11-21/2026-11-22"))
    '2026-11-21T00:00:00Z/2026-11-22T00:00:00Z'

    Raises:
        UsageError: they contradict each other, or the end is not after the start.
    """
    if last and (since or until):
        msg = "--last and --since/--until say the same thing twice; use one of them"
        raise UsageError(msg)
    if last:
        present, length = _known(now, last).astimezone(UTC), duration(last)
        if not length:
            msg = f"{last!r} is no time at all; write 90m, 24h, 7d or 'last 24 hours'"
            raise UsageError(msg)
        return Interval(_back(present, length, last), present)
    if since and "/" in since:
        if until:
            msg = f"{since!r} has an end already; leave --until out"
            raise UsageError(msg)
        since, until = since.split("/", 1)
    start = parse(since, now=now, zone=zone) if since else None
    end = parse(until, now=now, zone=zone) if until else None
    if start and end and end <= start:
        msg = f"the end {_iso(end)} is not after the start {_iso(start)}"
        raise UsageError(msg)
    return Interval(start, end)


def _absolute(said: str, zone: tzinfo) -> datetime | None:
    """Read what needs no now: an epoch or ISO 8601."""
    try:
        if said.isdecimal():
            return datetime.fromtimestamp(int(said) / EPOCH[len(said)], UTC)
        found = datetime.fromisoformat(said)
    except (KeyError, ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _relative(said: str, now: datetime) -> datetime | None:
    """Read what counts from now."""
    if said == "now":
        return now
    try:
        return _back(now, duration(said), said)
    except UsageError:
        pass
    clock = CLOCK.fullmatch(said)
    day = _day((clock[1] or "today") if clock else said, now)
    if day is None or clock is None:
        return day
    try:
        found = day.replace(hour=int(clock[2]), minute=int(clock[3]), second=int(clock[4] or 0))
    except ValueError:
        return None
    # "sat 11:00" on a Saturday at ten means the Saturday before; "11:00" likewise.
    again = 7 if clock[1] and clock[1] in DAYS + LONG else 1
    late = found > now and clock[1] not in {"today", "yesterday"}
    return found - timedelta(days=again) if late else found


def _day(said: str, now: datetime) -> datetime | None:
    """Read a day's name as its first moment."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if said == "today":
        return today
    if said == "yesterday":
        return today - timedelta(days=1)
    if said not in DAYS + LONG:
        return None
    return today - timedelta(days=(now.weekday() - DAYS.index(said[:3])) % 7)


def _back(now: datetime, length: timedelta, said: str) -> datetime:
    """Count back from now, without falling off the calendar."""
    try:
        return now - length
    except OverflowError:
        msg = f"{said!r} reaches back before the calendar"
        raise UsageError(msg) from None


def _known(now: datetime | None, text: str) -> datetime:
    """Insist on a now."""
    if now is None:
        msg = f"{text!r} is not an absolute time, and nothing here knows what time it is now"
        raise UsageError(msg)
    return now


def _iso(moment: datetime) -> str:
    """Write a moment in UTC with a Z; parts of a second only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
