"""A table of the report: its columns, its rows, and its cells as they are shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log10
from typing import Any

import polars as pl

from flowlens.words import count, size

__all__ = ["STEPS", "Cell", "Column", "Row", "Table"]

STEPS = 10  # of the bars behind byte counts

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its values and how they are written.

    `value` is the name of a value of a row, or a function of it. `kind` is text, mono, code, bytes
    (with a bar), size, int, time or state; the script and the template know these words.
    """

    label: str
    value: str | Callable[[Row], Any]
    kind: str = "text"

    def of(self, row: Row) -> Any:
        """Return the value of a row."""
        return row[self.value] if isinstance(self.value, str) else self.value(row)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it is shown, its class, and how many bytes it is."""

    text: str
    style: str
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report; rows are raw values, worst or heaviest first."""

    name: str
    title: str
    about: str
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]

    @classmethod
    def of(cls, name: str, about: str, columns: tuple[Column, ...], frame: pl.DataFrame) -> "Table":
        """Return the table of a frame."""
        rows = [tuple(each.of(row) for each in columns) for row in frame.iter_rows(named=True)]
        return cls(name, name.capitalize(), about, columns, rows)

    @property
    def top(self) -> int:
        """Return the largest number of bytes in the table."""
        places = [n for n, column in enumerate(self.columns) if column.kind == "bytes"]
        return max((row[n] for row in self.rows for n in places), default=0)

    def cells(self, limit: int) -> list[list[Cell]]:
        """Return the first `limit` rows as they are shown."""
        top = self.top
        return [
            [cell(value, column.kind, top) for value, column in zip(row, self.columns, strict=True)]
            for row in self.rows[:limit]
        ]


def cell(value: Any, kind: str, top: int) -> Cell:
    """Return a raw value as a cell.

    >>> cell(1000, "bytes", 1_000_000)
    Cell(text='1 kB', style='n w5', bytes=1000)
    """
    if kind == "bytes":
        return Cell(size(value), f"n w{bar(value, top)}", value)
    if kind == "size":
        return Cell(size(value), "n", value)
    if kind == "int":
        return Cell(count(value), "n")
    text = "–" if value is None or value == "" else str(value)
    styles = {"mono": "m", "code": "c", "time": "t", "state": f"s {text}"}
    return Cell(text, styles.get(kind, ""))


def bar(value: int, top: int) -> int:
    """Return the length of a bar in tenths, on a log scale: bytes span nine decades."""
    return round(STEPS * log10(1 + value) / log10(1 + top)) if value and top else 0
