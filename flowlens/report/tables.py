"""The tables of the report: destinations, workloads, edges."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log10
from typing import Any

import polars as pl

from flowlens.words import count, moment, noun, service, size

__all__ = ["Cell", "Column", "Table", "tables"]

#: Where a destination's name comes from, for each kind.
SOURCES = {
    "inside": "inventory",
    "endpoint": "inventory (endpoint)",
    "aws": "AWS address list",
    "named": "expected document",
    "domain": "DNS answer",
    "network": "network owner",
    "address": "no name",
}

STEPS = 10  # of the bars behind byte counts


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading and how its values are written.

    `kind` is text, mono, code, bytes (with a bar), size, int, time or state; the script and the
    template know these words.
    """

    label: str
    kind: str = "text"


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
    verb: str
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]

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


def tables(edges: pl.DataFrame) -> tuple[Table, ...]:
    """Return the three tables of shaped edges."""
    return _destinations(edges), _workloads(edges), _edges(edges)


def _destinations(edges: pl.DataFrame) -> Table:
    """Return one row for each destination."""
    grouped = _ranked(
        edges.group_by("destination", "destination_kind").agg(
            _state(),
            *_sums(),
            _services(),
            pl.col("server").n_unique().alias("servers"),
            pl.col("key").n_unique().alias("workloads"),
            pl.col("first_seen").min(),
            _chance(),
        ),
        "destination",
        "destination_kind",
    )
    rows = [
        (
            row["destination"], row["state"], _source(row), _listed(row["services"]),
            row["servers"], row["workloads"], row["bytes_out"], row["bytes_in"], row["records"],
            moment(row["first_seen"]),
        )
        for row in grouped.iter_rows(named=True)
    ]  # fmt: skip
    columns = (
        Column("Destination", "mono"), Column("Expected", "state"), Column("Name from"),
        Column("Ports", "code"), Column("Addresses", "int"), Column("Workloads", "int"),
        Column("Sent", "bytes"), Column("Received", "size"), Column("Records", "int"),
        Column("First seen", "time"),
    )  # fmt: skip
    return Table(
        "destinations",
        "Destinations",
        "Unexpected first, then the heaviest; one row for each destination.",
        "edges",
        columns,
        rows,
    )


def _workloads(edges: pl.DataFrame) -> Table:
    """Return one row for each set of candidate owners, or address nobody is known for."""
    lost = pl.col("state") == "unexpected"
    grouped = _ranked(
        edges.filter("ours")
        .group_by("key")
        .agg(
            _state(),
            *_sums(),
            pl.col("who", "client_kind", "candidates").sort().first(),
            pl.col("client").n_unique().alias("clients"),
            pl.col("destination").n_unique().alias("destinations"),
            pl.col("destination").filter(lost).n_unique().alias("unexpected"),
        ),
        "key",
    )
    rows = [
        (
            row["who"], row["client_kind"], _certainty(row["candidates"]), row["clients"],
            row["destinations"], row["unexpected"], row["bytes_out"], row["bytes_in"],
            row["records"], moment(row["last_seen"]),
        )
        for row in grouped.iter_rows(named=True)
    ]  # fmt: skip
    columns = (
        Column("Workload", "mono"), Column("Kind"), Column("Owner"), Column("Addresses", "int"),
        Column("Destinations", "int"), Column("Unexpected", "int"), Column("Sent", "bytes"),
        Column("Received", "size"), Column("Records", "int"), Column("Last seen", "time"),
    )  # fmt: skip
    about = "Functions that share an interface are one row, for the log cannot tell them apart."
    if callers := edges.filter(~pl.col("ours"))["key"].n_unique():
        about += f" Not among them: {noun(callers, 'address', 'addresses')} outside that called in."
    return Table("workloads", "Workloads", about, "edges", columns, rows)


def _edges(edges: pl.DataFrame) -> Table:
    """Return one row for each workload, destination, port, protocol, action and path."""
    key = ("who", "key", "destination", "server_port", "protocol", "action", "path")
    grouped = _ranked(edges.group_by(key).agg(_state(), *_sums()), *key)
    rows = [
        (
            row["who"], row["destination"], service(row["protocol"], row["server_port"]),
            row["state"], row["action"], row["path"], row["bytes_out"], row["bytes_in"],
            row["records"], moment(row["last_seen"]),
        )
        for row in grouped.iter_rows(named=True)
    ]  # fmt: skip
    columns = (
        Column("Workload", "mono"), Column("Destination", "mono"), Column("Port", "code"),
        Column("Expected", "state"), Column("Action"), Column("Path"), Column("Sent", "bytes"),
        Column("Received", "size"), Column("Records", "int"), Column("Last seen", "time"),
    )  # fmt: skip
    return Table(
        "edges", "Edges", "Who sent what where, over the whole window.", "edges", columns, rows
    )


def _state() -> pl.Expr:
    """Return the worst state of a group."""
    state = pl.col("state")
    worst = pl.when((state == "unexpected").any()).then(pl.lit("unexpected"))
    return (
        worst.when((state == "unknown").any())
        .then(pl.lit("unknown"))
        .otherwise(pl.lit("expected"))
        .alias("state")
    )


def _sums() -> tuple[pl.Expr, ...]:
    """Return the sums of a group and the end of its traffic."""
    return pl.col("bytes_out", "bytes_in", "records").sum(), pl.col("last_seen").max()


def _services() -> pl.Expr:
    """Return the pairs of protocol and port, the heaviest first."""
    pair = pl.struct("protocol", "server_port")
    return (
        pair.sort_by("bytes_out", "protocol", "server_port", descending=[True, False, False])
        .unique(maintain_order=True)
        .alias("services")
    )


def _chance() -> pl.Expr:
    """Return how likely the best name of a group is the right one."""
    best = pl.col("domains").list.first().struct.field("probability")
    return best.max().alias("chance")


def _ranked(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Sort by a total order: unexpected first, then bytes sent, then the key."""
    calm = pl.col("state") != "unexpected"
    keys = [pl.col(name).cast(pl.String).fill_null("") for name in names]
    return frame.sort(calm, "bytes_out", *keys, descending=[False, True, *(False for _ in keys)])


def _source(row: dict[str, Any]) -> str:
    """Return where a destination's name comes from."""
    text = SOURCES.get(row["destination_kind"], "unknown")
    if row["destination_kind"] == "domain" and row["chance"] is not None:
        return f"{text}, {row['chance']:.0%}".replace("%", " %")
    return text


def _listed(pairs: Iterable[dict[str, int]], shown: int = 3) -> str:
    """Return services as one text, the rest counted."""
    words = [service(pair["protocol"], pair["server_port"]) for pair in pairs]
    rest = f" + {len(words) - shown}" if len(words) > shown else ""
    return ", ".join(words[:shown]) + rest


def _certainty(candidates: int) -> str:
    """Return how well an owner is known."""
    if candidates == 0:
        return "unknown"
    return "exact" if candidates == 1 else f"one of {candidates}"
