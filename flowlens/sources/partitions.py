"""Which partitions of a table may hold records of a time, as conditions in SQL.

AWS hands out table definitions with three kinds of day: one column of type `date`, one text
such as `2026/07/14`, or three columns `year`, `month` and `day`
(https://docs.aws.amazon.com/athena/latest/ug/vpc-flow-logs.html). Days are those of the folders,
so of the time at which records end: `Window.days` tells how far to look around.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowlens.sources.base import Window

__all__ = ["Partition", "conditions", "literal", "name", "pattern"]

#: Letters of Java's date patterns that sort as text, largest unit first, and what Python says.
TOKENS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}

#: What the value of a partition looks like -> its pattern.
LOOKS = (
    (r"\d{4}([/-])\d\d\1\d\d", "yyyy{0}MM{0}dd"),
    (r"\d{4}([/-])\d\d\1\d\d\1\d\d", "yyyy{0}MM{0}dd{0}HH"),
    (r"(?:19|20)\d{6}()", "yyyyMMdd"),
)

DAY = ("year", "month", "day")


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition column.

    Args:
        kind: Its type, as the catalog spells it.
        pattern: How its days are written, in letters of Java; None if nobody knows.
    """

    kind: str
    pattern: str | None = None


def name(text: str) -> str:
    """Return an identifier of SQL, quoted.

    >>> name('sales"; DROP TABLE x')
    '"sales""; DROP TABLE x"'
    """
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text of SQL, quoted.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def pattern(value: str) -> str | None:
    """Return how the days of a partition are written, from one of its values.

    >>> pattern("2026/07/14"), pattern("2026-07-14-09"), pattern("20260714"), pattern("eu-west-1")
    ('yyyy/MM/dd', 'yyyy-MM-dd-HH', 'yyyyMMdd', None)
    """
    for look, shape in LOOKS:
        found = re.fullmatch(look, value, re.ASCII)
        if found:
            return shape.format(found[1])
    return None


def conditions(partitions: Mapping[str, Partition], window: Window) -> list[str]:
    r"""Return the conditions that leave out partitions which cannot hold records of the time.

    Args:
        partitions: The partition columns by name.
        window: The asked time.

    Returns:
        Conditions that must all hold; none where the time is open or no partition is a day.

    >>> from datetime import UTC
    >>> window = Window(since=datetime(2026, 7, 14, 9, tzinfo=UTC))
    >>> conditions({"date": Partition("date")}, window)
    ['"date" >= DATE \'2026-07-13\'']
    >>> conditions({"day": Partition("string", "yyyy/MM/dd")}, window)
    ['"day" >= \'2026/07/13\'']
    """
    bounds = [
        (sign, day)
        for sign, day in zip((">=", "<="), window.days(), strict=True)
        if day is not None
    ]
    if set(DAY) <= partitions.keys():
        return _parts(partitions, bounds)
    return [
        f"{name(column)} {sign} {value}"
        for column, partition in partitions.items()
        for sign, day in bounds
        if (value := _value(partition, day, last=sign == "<=")) is not None
    ]


def _parts(
    partitions: Mapping[str, Partition], bounds: Sequence[tuple[str, datetime]]
) -> list[str]:
    """Compare three columns as one number: some write months as 7, others as 07.

    The year alone comes before it because an engine prunes by it without asking for all days.
    """
    number = " + ".join(
        f"CAST({name(part)} AS integer) * {weight}"
        for part, weight in zip(DAY, (10_000, 100, 1), strict=True)
    )
    text = partitions["year"].kind in ("string", "varchar")
    return [
        condition
        for sign, day in bounds
        for condition in (
            f'"year" {sign} ' + (literal(f"{day:%Y}") if text else f"{day:%Y}"),
            f"{number} {sign} {day:%Y%m%d}",
        )
    ]


def _value(partition: Partition, day: datetime, *, last: bool) -> str | None:
    """Return the day as the partition writes it; None where that does not sort as text."""
    if partition.kind == "date":
        return f"DATE '{day:%Y-%m-%d}'"
    parts = re.findall(r"yyyy|MM|dd|HH|[A-Za-z]+|[^A-Za-z']+", partition.pattern or "")
    units = [part for part in parts if part[0].isalpha()]
    if not units or units != list(TOKENS)[: len(units)] or "".join(parts) != partition.pattern:
        return None
    if partition.kind not in ("string", "varchar"):
        return None
    moment = day.replace(hour=23 if last else 0)
    return literal(moment.strftime("".join(TOKENS.get(part, part) for part in parts)))
