"""Lines that say an interface recorded nothing, NODATA and SKIPDATA, read at little cost.

Most blocks have a handful of them, and a handful is where a call of Polars costs a hundred times
what it reads. What cannot be proven here is left to `lines.parse_lines`; where this reader
answers, both give the same.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from flowlens_parsers.batch import COVERAGE
from flowlens_parsers.fields import ADDRESSES, OBSERVERS, SCHEMA, TIME
from flowlens_parsers.values import SECONDS

__all__ = ["Silence", "silences", "table"]

STATUSES = ("NODATA", "SKIPDATA")

#: Observer, status, start and end, as `COVERAGE` has them; times in seconds since 1970.
Silence = tuple[str | None, str, int | None, int | None]


def silences(lines: Sequence[bytes], names: Sequence[str]) -> tuple[list[Silence], list[int]]:
    """Read lines that are no flows; return what they say, and the places of all others.

    A line is read where it is plain ASCII with single blanks, has all its values, and no numbers
    or addresses but a version and times in seconds.

    Args:
        lines: Without their newlines.
        names: Columns in the order of the values.

    >>> names = ["interface_id", "srcaddr", "start", "end", "log_status"]
    >>> silences([b"eni-1 - 10 70 NODATA", b"eni-1 - x 70 NODATA"], names)
    ([('eni-1', 'NODATA', 10, 70)], [1])
    """
    plan = _plan(tuple(names))
    if plan is None:
        return [], list(range(len(lines)))
    found = [plan.read(line) for line in lines]
    said = [row for row in found if row is not None]
    return said, [place for place, row in enumerate(found) if row is None]


def table(said: Sequence[Silence], source: str) -> pl.DataFrame:
    """Return what lines say as a frame of `COVERAGE`."""
    observers, statuses, starts, ends = zip(*said, strict=True) if said else ((), (), (), ())
    times = (pl.Series(values, dtype=pl.Int64) * 1000 for values in (starts, ends))
    columns = [
        pl.Series(observers, dtype=pl.String),
        pl.Series(statuses, dtype=pl.String),
        *(seconds.cast(TIME) for seconds in times),
        pl.Series([source] * len(said), dtype=pl.String),
    ]
    return pl.DataFrame(
        [column.alias(name) for column, name in zip(columns, COVERAGE, strict=True)]
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What such a line of a layout looks like."""

    match: Callable[[str], "re.Match[str] | None"]
    observers: tuple[str, ...]  # groups of the pattern

    def read(self, line: bytes) -> Silence | None:
        """Return what a line says, or None where that is not proven."""
        found = self.match(line.decode("ascii", "replace"))
        if found is None:
            return None
        said = found.groupdict("-")
        start, end = _second(said.get("start", "-")), _second(said.get("end", "-"))
        if -1 in (start, end):
            return None
        seen = (said[name] for name in self.observers if said[name] != "-")
        return next(seen, None), said["log_status"], start, end


def _second(value: str) -> int | None:
    """Return a time in seconds, None for none, -1 for what is not that."""
    second = -1 if value == "-" else int(value)
    return None if value == "-" else second if second <= SECONDS else -1


@lru_cache(maxsize=16)
def _plan(names: tuple[str, ...]) -> _Plan | None:
    """Return where a layout has what; None where it has no log-status."""
    if "log_status" not in names:
        return None
    last = {name: at for at, name in enumerate(names)}
    parts = [_pattern(name) if last[name] == at else "[!-~]+" for at, name in enumerate(names)]
    observers = tuple(name for name in OBSERVERS if name in last)
    return _Plan(re.compile(" ".join(parts)).fullmatch, observers)


def _pattern(name: str) -> str:
    """Return what the value of a column looks like; others than a few have none."""
    if name in ("start", "end"):
        return f"(?P<{name}>-|[0-9]{{1,{len(str(SECONDS))}}})"
    if name == "log_status":
        return f"(?P<{name}>{'|'.join(STATUSES)})"
    if name == "version":
        return "(?:-|[0-9]{1,2})"
    if name in OBSERVERS:
        return f"(?P<{name}>[!-~]+)"
    bare = name in ADDRESSES or SCHEMA.get(name, pl.String()) != pl.String()
    return "-" if bare else "[!-~]+"
