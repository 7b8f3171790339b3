"""A table for a terminal: human units, cut to the width, and text that cannot steer it."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

import polars as pl

from flowlens import words
from flowlens.output import flat

if TYPE_CHECKING:  # only a terminal needs it
    from rich.console import Console

__all__ = ["Shown", "show"]

#: Rows that are shown when nobody said how many.
ROWS = 50
WIDEST = 44
#: The columns that people need first; the others follow while the terminal has room.
VIEWS: dict[str, tuple[str, ...]] = {
    "changes": (
        "change", "source", "target", "protocol", "first_port", "last_port", "way", "before",
        "after", "rules_before", "rules_after",
    ),
    "conversations": (
        "hour", "client", "server", "server_port", "protocol", "action", "bytes_out", "bytes_in",
        "connections", "orientation", "observer",
    ),
    "diff": (
        "change", "bytes_a", "bytes_b", "destination", "server_port", "owner", "ratio", "protocol",
        "expected", "first_seen", "client", "clients_a", "clients_b", "records_a", "records_b",
    ),
    "edges": (
        "hour", "client_owner", "client", "destination", "server_port", "protocol", "bytes_out",
        "bytes_in", "expected", "path", "action", "connections", "why",
    ),
    "explain": (
        "explanation", "action", "client", "server", "server_port", "protocol", "layers", "rules",
        "records", "interface_id", "first_seen", "text",
    ),
    "exposure": (
        "rule", "workloads", "target", "protocol", "first_port", "last_port", "used",
        "conversations", "share", "why", "covered_by", "instead", "bytes", "last_seen", "group",
    ),
    "findings": (
        "severity", "owner", "destination", "server_port", "protocol", "bytes_out", "first_seen",
        "text", "id",
    ),
    "outlook": (
        "source", "kind", "reach", "ports", "ways", "rules", "notes",
    ),
    "reach": (
        "source", "target", "protocol", "first_port", "last_port", "way", "verdict", "end_to_end",
        "rules", "notes", "route", "route_target",
    ),
    "records": (
        "start", "srcaddr", "dstaddr", "dstport", "protocol", "action", "bytes", "srcport",
        "packets", "interface_id", "tcp_flags", "flow_direction", "account_id",
    ),
}  # fmt: skip
LABELS = {
    "client_owner": "OWNER",
    "first_port": "PORT",
    "last_port": "TO",
    "protocol": "PROTO",
    "server_port": "PORT",
}
STYLES = {
    "critical": "bold red",
    "high": "bold red",
    "medium": "yellow",
    "no": "bold red",
    "drift": "bold red",
}
SIGNS = {"critical": "◆ ", "high": "◆ ", "medium": "◆ ", "low": "◇ ", "info": "◇ "}


@dataclass(frozen=True, slots=True)
class Shown:
    """What came out: how many rows, whether there were more, and which columns had no room."""

    rows: int
    more: bool = False
    hidden: tuple[str, ...] = ()


def show(frame: pl.LazyFrame, stream: TextIO, name: str, limit: int | None = None) -> Shown:
    """Print a table, `limit` rows of it or `ROWS`."""
    from rich.console import Console

    console = Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )
    wanted = ROWS if limit is None else limit
    rows = _open(frame.head(wanted + 1)).collect(engine="streaming")
    more, rows = rows.height > wanted, rows.head(wanted)
    cells = {column: _cells(rows[column]) for column in _order(rows, name)}
    kept: list[str] = []
    room = console.width
    for column, texts in cells.items():
        width = min(WIDEST, max([len(_label(column)), *map(len, texts)]))
        if room < width and kept:
            break
        room -= width + 2
        kept.append(column)
    _print(console, rows, {column: cells[column] for column in kept})
    return Shown(rows.height, more, tuple(column for column in cells if column not in kept))


def _print(console: "Console", rows: pl.DataFrame, cells: dict[str, list[str]]) -> None:
    """Lay the cells out."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for at, column in enumerate(cells, 1):
        right = rows.schema[column].is_numeric()
        table.add_column(
            Text(_label(column)),
            justify="right" if right else "left",
            no_wrap=True,
            overflow="ellipsis",
            # The last one, often a sentence, has what is left of the line.
            max_width=WIDEST if at < len(cells) else None,
        )
    for row in zip(*cells.values(), strict=True):
        table.add_row(*(Text(cell, style=STYLES.get(cell.lstrip("◆◇ "), "")) for cell in row))
    console.print(table)


def _label(column: str) -> str:
    """Head a column; machine-readable formats keep the column's own name."""
    return LABELS.get(column, column.upper().replace("_", " "))


def _open(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Replace the numbers of a finding by the two that tell most, and leave its evidence out."""
    numbers = frame.collect_schema().get("numbers")
    if not isinstance(numbers, pl.Struct):
        return frame
    told = [part.name for part in numbers.fields if part.name in {"bytes_out", "records"}]
    parts = [pl.col("numbers").struct.field(name) for name in told]
    return frame.with_columns(parts).drop("numbers", "evidence", strict=False)


def _order(rows: pl.DataFrame, name: str) -> list[str]:
    """Put the columns that people need first."""
    view = [column for column in VIEWS.get(name, ()) if column in rows.columns]
    rest = [column for column in rows.columns if column not in view]
    return view + rest


def _cells(column: pl.Series) -> list[str]:
    """Write a column for people."""
    return [_cell(column.name, value) for value in column.to_list()]


def _cell(name: str, value: object) -> str:
    """Write a value for people."""
    if isinstance(value, datetime):
        return _moment(value)
    if name == "share" and isinstance(value, float):
        return words.share(value, 1.0)
    if not isinstance(value, int) or name.endswith("port"):
        return (
            SIGNS.get(str(value), "") + flat.plain(value)
            if name == "severity"
            else flat.plain(value)
        )
    if name.startswith("bytes"):
        return words.size(value)
    return words.proto(value) if name == "protocol" else f"{value:,}"


def _moment(value: datetime) -> str:
    """Write a time in UTC; whole minutes without their seconds."""
    return f"{value:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
