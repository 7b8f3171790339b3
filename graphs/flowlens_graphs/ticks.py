"""Ticks of a time axis in UTC: few, on round hours and days, in words of no locale."""

from datetime import datetime, timedelta

__all__ = ["Tick", "day", "minute", "ticks"]

Tick = tuple[datetime, str, str]  # when, the hour (empty on an axis of days), the day

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Hours between two ticks.
STEPS = (1, 2, 3, 6, 12, 24, 48, 168, 336, 672, 2016, 8736)


def day(time: datetime) -> str:
    """Return the day as people say it.

    >>> day(datetime(2026, 11, 21, 11, 4))
    'Sat 21 Nov'
    """
    return f"{DAYS[time.weekday()]} {time.day} {MONTHS[time.month - 1]}"


def minute(time: datetime) -> str:
    """Return day and minute.

    >>> minute(datetime(2026, 11, 21, 11, 4))
    '21 Nov 11:04'
    """
    return f"{time.day} {MONTHS[time.month - 1]} {time:%H:%M}"


def ticks(first: datetime, last: datetime, most: int = 6) -> list[Tick]:
    """Return at most `most` ticks between two times, with the day where a day begins.

    >>> [(t.hour, hour, name) for t, hour, name in
    ...  ticks(datetime(2026, 11, 21, 20), datetime(2026, 11, 22, 13), 5)]
    [(0, '00:00', 'Sun 22 Nov'), (6, '06:00', ''), (12, '12:00', '')]
    >>> [name for _, _, name in ticks(datetime(2026, 11, 2), datetime(2026, 11, 12))]
    ['2 Nov', '4 Nov', '6 Nov', '8 Nov', '10 Nov', '12 Nov']
    """
    span = (last - first) / timedelta(hours=1)
    step = next((hours for hours in STEPS if span / hours < most), STEPS[-1])
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    every = (start + timedelta(hours=step) * n for n in range(int(span / step) + 25))
    times = [time for time in every if first <= time <= last]
    if step >= 24:
        return [(time, "", day(time).split(" ", 1)[1]) for time in times]
    dated = {time for time in times if time.hour == 0} or set(times[:1])
    return [(time, f"{time:%H:%M}", day(time) if time in dated else "") for time in times]
