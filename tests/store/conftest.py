from collections.abc import Callable
from pathlib import Path

import pytest

from flowlens.store import Store
from flowlens.store.schema import TABLES

NOON = 1795262400  # 2026-11-21T12:00:00Z
HOURS = 2 * 3600  # from one object to the next

Content = dict[str, list[tuple[object, ...]]]


def line(start: int, client: int = 5, port: int = 49152, server: str = "34.110.5.8") -> str:
    """A record from a client to a server, sixty seconds long."""
    ends = f"10.0.1.{client} {server} {port} 443 6 10 900"
    return f"2 123456789010 eni-0a {ends} {start} {start + 60} ACCEPT OK\n"


def reply(start: int, client: int = 5, port: int = 49152, server: str = "34.110.5.8") -> str:
    """The record of the other direction."""
    ends = f"{server} 10.0.1.{client} 443 {port} 6 12 4800"
    return f"2 123456789010 eni-0a {ends} {start} {start + 60} ACCEPT OK\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of lines below the folder `logs`."""

    def write(name: str, *lines: str) -> Path:
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
        return path

    return write


@pytest.fixture
def logs(write: Callable[..., Path], tmp_path: Path) -> Path:
    """Twelve objects of two days, with silent windows, bad lines and records in two objects."""
    for number in range(12):
        start = NOON + number * HOURS
        lines = [
            make(start + 60 * minute, client=minute % 7, port=40000 + minute)
            for minute in range(20)
            for make in (line, reply)
        ]
        lines.append(f"2 123456789010 eni-0b - - - - - - - {start} {start + 60} - NODATA\n")
        lines += ["not a record\n"] * (number % 3)
        # the first record of the next object comes here too
        lines.append(line(start + HOURS, client=0, port=40000))
        write(f"{number:02}.log", *lines)
    return tmp_path / "logs"


@pytest.fixture
def content() -> Callable[..., Content]:
    """Reads every row of every table of a store, sorted."""

    def content(store: Store, *, but: tuple[str, ...] = ()) -> Content:
        tables = {name: store.scan(name).collect() for name in TABLES}
        return {
            name: sorted(table.select(sorted({*table.columns} - {*but})).rows(), key=repr)
            for name, table in tables.items()
        }

    return content
