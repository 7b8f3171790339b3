"""The hours of an investigation as rows of blocks: bytes sent and got, and when new peers came."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from flowlens import words
from flowlens.output.chart import bars, folded

__all__ = ["timeline"]

#: Hours, or more of them in one, that a chart shows.
WIDTH = 60


def timeline(hours: pl.DataFrame, pivot: datetime | None) -> tuple[list[str], int]:
    """Draw hours as lines; none where nothing has an hour.

    Args:
        hours: `hour`, `bytes_out`, `bytes_in` and `new_peers`.
        pivot: when a peer is new if it is met then or later.

    Returns:
        The lines, and how many hours a sign stands for.
    """
    rows = hours.drop_nulls("hour").to_dicts()
    if not rows:
        return [], 1
    known = {row["hour"]: row for row in rows}
    first, last = min(known), max(known)
    count = int((last - first) / timedelta(hours=1)) + 1
    every = [known.get(first + timedelta(hours=at)) for at in range(count)]
    lines, step = [], 1
    for label, name in (("sent", "bytes_out"), ("got", "bytes_in")):
        values, step = folded([row[name] if row else None for row in every], WIDTH)
        top = max(rows, key=lambda row: row[name])
        most = f"most {words.size(top[name])} at {words.moment(top['hour'])}"
        lines.append(f"{label:5} {bars(values)}  {most}")
    marks, _ = folded([_fresh(row, pivot) for row in every], WIDTH)
    if any(marks):
        lines.append(f"new   {''.join(map(_digit, marks))}  peers never met before")
    return [*lines, f"{'':5} {words.moment(first)} to {words.moment(last)}"], step


def _fresh(row: dict[str, Any] | None, pivot: datetime | None) -> int | None:
    """Return how many new peers an hour brought; before the pivot all are new, and none counts."""
    if row is None or pivot is None or row["hour"] + timedelta(hours=1) <= pivot:
        return None
    return int(row["new_peers"])


def _digit(value: int | None) -> str:
    """Write a small number in one sign."""
    return " " if not value else str(value) if value < 10 else "+"
