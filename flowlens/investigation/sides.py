"""Edges as the subject saw them: which end it was, who the other one was, what it sent."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.edges import OWNED, owned
from flowlens.investigation.subject import Subject
from flowlens.tables import EDGES, TIME

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["SEEN", "doubtful", "held", "seen"]

#: An edge from the subject's side; bytes_out is what the subject sent.
SEEN: dict[str, pl.DataType] = {
    "hour": TIME,
    "role": pl.String(),  # client, server, or middle: it only passed the traffic on
    "own": pl.String(),  # the subject's address; of a middle, the client's
    "interface": pl.String(),  # that held it, null where unknown
    "peer": pl.String(),
    "peer_owner": pl.List(pl.String),
    "peer_kind": pl.String(),
    "name": pl.String(),  # what the peer is: destination or owners, else its address
    "class": pl.String(),  # destination_kind, or the kind of the owner
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "action": pl.String(),
    "bytes_out": pl.UInt64(),
    "bytes_in": pl.UInt64(),
    "packets_out": pl.UInt64(),
    "packets_in": pl.UInt64(),
    "records": pl.UInt64(),
    "connections": pl.UInt64(),
    "first_seen": TIME,
    "last_seen": TIME,
    "orientation": pl.String(),
    "leg": pl.String(),
    "path": pl.String(),
    "expected": pl.String(),
    "why": pl.String(),
    "domains": EDGES["domains"],
}
_HELD = ("interface", "groups", "certainty")


def held(edges: pl.DataFrame, inventory: "Inventory | None") -> pl.DataFrame:
    """Add interface, groups and certainty of both ends, as of the time of each edge."""
    ends = ("client", "server")
    there = [f"{end}_{name}" for end in ends for name in OWNED if f"{end}_{name}" in edges.columns]
    told = owned(edges.lazy().drop(there), inventory)
    return edges.with_columns(
        told.select(f"{end}_{name}" for end in ends for name in _HELD).collect()
    )


def seen(edges: pl.DataFrame, subject: Subject) -> pl.DataFrame:
    """Return the subject's edges from its side: a table of SEEN, in the order of `edges`.

    Where both ends are the subject's, it is the client.

    Args:
        edges: from `held`.
        subject: what is investigated.
    """
    client, server = (_is(edges, subject, end) for end in ("client", "server"))
    middle = ~client & ~server & _passed(subject)
    role = (
        pl.when(client)
        .then(pl.lit("client"))
        .when(server)
        .then(pl.lit("server"))
        .when(middle)
        .then(pl.lit("middle"))
    )
    mine = edges.with_columns(role=role).filter(pl.col("role").is_not_null())
    return mine.select(_columns())


def doubtful(edges: pl.DataFrame, subject: Subject) -> pl.DataFrame:
    """Return edges of the subject's addresses at a time when it is not known who held them."""
    if not subject.held or edges.is_empty():
        return edges.clear()
    tests = []
    for end in ("client", "server"):
        at = pl.col(end).is_in(subject.has(edges[end]).to_list())
        unsure = pl.col(f"{end}_interface").is_null() | pl.col(f"{end}_certainty").is_null()
        tests.append(at & unsure)
    return edges.filter(pl.any_horizontal(tests))


def _is(edges: pl.DataFrame, subject: Subject, end: str) -> pl.Expr:
    """Say whether an end is the subject."""
    at = pl.col(end).is_in(subject.has(edges[end]).to_list()).fill_null(value=False)
    if subject.kind == "domain":
        known = pl.col("domains").list.eval(
            (pl.element().struct.field("name") == subject.said)
            | pl.element().struct.field("name").str.ends_with(f".{subject.said}")
        )
        return (
            at & known.list.any().fill_null(value=False) if end == "server" else pl.lit(value=False)
        )
    if not subject.interfaces:
        named = pl.col("observer").is_not_null() & (pl.col("vantage") == end)
        return named & _watched(subject) if not subject.addresses else at
    if not subject.held:
        return at
    if subject.kind == "group":
        ours = pl.col(f"{end}_groups").list.contains(subject.said)
    elif subject.kind == "interface":
        ours = pl.col(f"{end}_interface") == subject.said
    else:
        owner = pl.col(f"{end}_owner").list.contains(subject.said)
        ours = pl.col(f"{end}_interface").is_in(subject.interfaces) & owner
        if subject.said.startswith("i-"):
            ours = pl.col(f"{end}_interface").is_in(subject.interfaces)
    return at & ours.fill_null(value=False)


def _watched(subject: Subject) -> pl.Expr:
    """Say whether the subject's interface wrote an edge down; of an instance, all records are."""
    if subject.kind == "instance":
        return pl.lit(value=True)
    return pl.col("observers").list.contains(subject.said).fill_null(value=False)


def _passed(subject: Subject) -> pl.Expr:
    """Say whether the subject passed an edge on: it wrote it down and is neither end."""
    if subject.kind in {"domain", "group", "address", "prefix", "finding"}:
        return pl.lit(value=False)
    names = subject.interfaces or (subject.said,)
    here = pl.col("observers").list.eval(pl.element().is_in(names)).list.any()
    return here.fill_null(value=False)


def _columns() -> list[pl.Expr]:
    """Return the columns of SEEN out of an edge with its role."""
    forth = pl.col("role") != "server"

    def side(ours: str, theirs: str) -> pl.Expr:
        return pl.when(forth).then(pl.col(ours)).otherwise(pl.col(theirs))

    owners = pl.col("client_owner").list.join(" or ")
    named = pl.when(forth).then(pl.col("destination")).when(owners != "").then(owners)
    peer = side("server", "client")
    derived = {
        "own": side("client", "server"),
        "interface": side("client_interface", "server_interface"),
        "peer": peer,
        "peer_owner": side("server_owner", "client_owner"),
        "peer_kind": side("server_kind", "client_kind"),
        "name": pl.coalesce(named, peer),
        "class": side("destination_kind", "client_kind"),
        **{f"{unit}_out": side(f"{unit}_out", f"{unit}_in") for unit in ("bytes", "packets")},
        **{f"{unit}_in": side(f"{unit}_in", f"{unit}_out") for unit in ("bytes", "packets")},
    }
    return [derived.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in SEEN.items()]
