"""The tables of the report: destinations, workloads, edges."""

import polars as pl

from flowlens.report.grid import Column, Row, Table
from flowlens.words import moment, noun, service

__all__ = ["tables"]

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

SHOWN = 3  # ports of a destination

AMOUNTS = (
    Column("Sent", "bytes_out", "bytes"),
    Column("Received", "bytes_in", "size"),
    Column("Records", "records", "int"),
)
LAST = Column("Last seen", lambda row: moment(row["last_seen"]), "time")


def tables(edges: pl.DataFrame) -> tuple[Table, ...]:
    """Return the three tables of shaped edges."""
    return _destinations(edges), _workloads(edges), _edges(edges)


def _destinations(edges: pl.DataFrame) -> Table:
    """Return one row for each destination."""
    found = edges.group_by("destination", "destination_kind").agg(
        _state(),
        *_sums(),
        _services(),
        pl.col("server").n_unique().alias("servers"),
        pl.col("key").n_unique().alias("workloads"),
        pl.col("first_seen").min(),
        _chance(),
    )
    columns = (
        Column("Destination", "destination", "mono"),
        Column("Expected", "state", "state"),
        Column("Name from", _source),
        Column("Ports", _listed, "code"),
        Column("Addresses", "servers", "int"),
        Column("Workloads", "workloads", "int"),
        *AMOUNTS,
        Column("First seen", lambda row: moment(row["first_seen"]), "time"),
    )
    about = "Unexpected first, then the heaviest; one row for each destination."
    ranked = _ranked(found, "destination", "destination_kind")
    return Table.of("destinations", about, columns, ranked)


def _workloads(edges: pl.DataFrame) -> Table:
    """Return one row for each set of candidate owners, or address nobody is known for."""
    lost = pl.col("state") == "unexpected"
    grouped = edges.filter("ours").group_by("key")
    found = grouped.agg(
        _state(),
        *_sums(),
        pl.col("who", "client_kind", "candidates").sort().first(),
        pl.col("client").n_unique().alias("clients"),
        pl.col("destination").n_unique().alias("destinations"),
        pl.col("destination").filter(lost).n_unique().alias("unexpected"),
    )
    columns = (
        Column("Workload", "who", "mono"),
        Column("Kind", "client_kind"),
        Column("Owner", _certainty),
        Column("Addresses", "clients", "int"),
        Column("Destinations", "destinations", "int"),
        Column("Unexpected", "unexpected", "int"),
        *AMOUNTS,
        LAST,
    )
    about = "Functions that share an interface are one row, for the log cannot tell them apart."
    if callers := edges.filter(~pl.col("ours"))["key"].n_unique():
        about += f" Not among them: {noun(callers, 'address', 'addresses')} outside that called in."
    return Table.of("workloads", about, columns, _ranked(found, "key"))


def _edges(edges: pl.DataFrame) -> Table:
    """Return one row for each workload, destination, port, protocol, action and path."""
    key = ("who", "key", "destination", "server_port", "protocol", "action", "path")
    columns = (
        Column("Workload", "who", "mono"),
        Column("Destination", "destination", "mono"),
        Column("Port", lambda row: service(row["protocol"], row["server_port"]), "code"),
        Column("Expected", "state", "state"),
        Column("Action", "action"),
        Column("Path", "path"),
        *AMOUNTS,
        LAST,
    )
    ranked = _ranked(edges.group_by(key).agg(_state(), *_sums()), *key)
    about = "Who sent what where, over the whole window."
    return Table.of("edges", about, columns, ranked)


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


def _source(row: Row) -> str:
    """Return where a destination's name comes from."""
    text = SOURCES.get(row["destination_kind"], "unknown")
    if row["destination_kind"] == "domain" and row["chance"] is not None:
        return f"{text}, {row['chance']:.0%}".replace("%", " %")
    return text


def _listed(row: Row) -> str:
    """Return services as one text, the rest counted."""
    words = [service(pair["protocol"], pair["server_port"]) for pair in row["services"]]
    rest = f" + {len(words) - SHOWN}" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + rest


def _certainty(row: Row) -> str:
    """Return how well an owner is known."""
    candidates = row["candidates"]
    if candidates == 0:
        return "unknown"
    return "exact" if candidates == 1 else f"one of {candidates}"
