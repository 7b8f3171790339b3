"""What workloads may reach: ranges of addresses times ranges of ports, and by which rules."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from flowlens.inventory.model import Inventory
from flowlens.reach.evaluate import speaking
from flowlens.reach.gather import SAID, Row, either, gather, together
from flowlens.reach.ground import Ground
from flowlens.reach.meet import End
from flowlens.reach.schema import MAY, WAYS
from flowlens.reach.spans import Span, blocks, merged, within, words
from flowlens.reach.subjects import People
from flowlens.reach.sweep import asker, moment, placed, swept

__all__ = ["common", "may", "named", "tabled"]

_FACES = "ec2.describe_network_interfaces"
#: What cells must agree on to be one row.
_KEYS = ("verdict", "way", "rules", "route", "route_target", "at")


def may(
    inventory: Inventory,
    source: str | None = None,
    target: str | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """Say which connections workloads may open: ranges of addresses and ports, and by which rules.

    Every row is a product of addresses and ports of which `evaluate` says the same throughout:
    what security groups, network ACLs in both directions and routes let out of the interface
    together. What lies beyond the interface is in ``end_to_end``. With a target that is exact, and
    what is refused there has no row; without one it sums up the row (``partial``: some of it), and
    leaves out what interfaces of the account do at the other end (null: there is nothing else). A
    client's port is not given, so that a network ACL which lets only some answers back makes
    ``partial``.

    Args:
        inventory: from `flowlens.inventory.load`.
        source: a function, instance or other owner, security group, subnet, VPC, interface,
            address or prefix, ``*`` for any text; None: every workload, which leaves out
            gateways and endpoints, since they open no connections of their own.
        target: the same, or an AWS service, prefix list or endpoint; None: everything.
        at: the time; None: that of the last capture.

    Returns:
        The columns of `schema.MAY`. A workload that may open nothing has one row that says so.

    Raises:
        UsageError: nothing in the inventory is called `source` or `target`.
        InventoryError: there is no capture.
    """
    ends = speaking(inventory, moment(inventory, at))
    people = People(inventory, [end.account.view for end in ends])
    spans = None if target is None else people.targets(target)
    faces = people.sources(source)
    if not faces:
        return tabled([_unseen(source, target, ends)], MAY)
    ground = Ground(ends, people.faces, spans, deep=target is not None)
    ask = asker(inventory, moment(inventory, at))
    # What reaches a target is told to the end, what may leave towards everything is summed up.
    judge = "verdict" if target is None else "end_to_end"
    keys = tuple(dict.fromkeys((*_KEYS, judge)))
    found: list[Row] = []
    refused: list[Row] = []
    for cells, (judged,) in swept(ground, faces, ask):
        told = placed(cells, judged, ground, inventory)
        rows = gather(cells, told, ground, keys)
        named(rows, people)
        found += [row for row in rows if row[judge] != "deny"]
        refused += [row for row in rows if row[judge] == "deny"]
    found += _nothing(found, refused)
    return tabled([{**row, **common(row)} for row in together(found, keys)], MAY)


def _nothing(found: Sequence[Row], refused: Sequence[Row]) -> Iterator[Row]:
    """Yield a row for each workload that may open nothing: what keeps it from doing so."""
    able = {_workload(row) for row in found if row["way"] != "hypervisor"}
    mute: dict[object, list[Row]] = {}
    for row in refused:
        if _workload(row) not in able:
            mute.setdefault(_workload(row), []).append(row)
    for rows in mute.values():
        spans = merged(span for row in rows for span in row["spans"])
        shared = {
            **dict.fromkeys(_KEYS),
            **{name: sorted({each for row in rows for each in row[name]}) for name in SAID},
            "verdict": either(row["verdict"] for row in rows),
            "end_to_end": "deny",
            "way": "none",
            "rules": [],
            "protocol": "all",
            "first": None,
            "last": None,
            "spans": spans,
            "target": words(spans),
        }
        senders = {id(row["sender"]): row["sender"] for row in rows}
        yield from ({**shared, "sender": sender} for sender in senders.values())


def _workload(row: Row) -> object:
    face = row["sender"].face
    return (face.owner, face.kind) if face.owner else face.id


def named(rows: Sequence[Row], people: People) -> None:
    """Say in words where the rows of a sender lead, without exceptions for what AWS provides."""
    apart = ("hypervisor", "interface endpoint")
    own = [span for row in rows if row["way"] in apart for span in row["spans"]]
    for row in rows:
        spans = row["spans"]
        if row["way"] == "hypervisor":
            row["target"] = "services of the hypervisor"
            continue
        plain = spans if row["way"] in apart else _filled(spans, own)
        row["target"] = people.endpoints.get(row["at"], row["at"])
        row["target"] = row["target"] or people.called(spans) or words(plain)


def _filled(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return spans together with those others that lie between them."""
    whole = merged([*spans, *others])
    return [span for span in whole if within(spans, [span])]


def common(row: Row) -> Row:
    """Return what `MAY` and `CHANGES` say alike of a row."""
    face = row["sender"].face
    return {
        "source": list(face.owner) if face.owner else None,
        "kind": face.kind,
        "interfaces": sorted(row["interfaces"]),
        "addresses": sorted(row["addresses"]),
        "first_port": row["first"],
        "last_port": row["last"],
        "blocks": blocks(row["spans"]),
    }


def _unseen(source: str | None, target: str | None, ends: Sequence[End]) -> Row:
    """Return the row that says that no interface is known, and why."""
    lack = "; ".join(dict.fromkeys(end.account.view.lack(_FACES) for end in ends))
    return {
        "source": [source] if source else None,
        "interfaces": [],
        "addresses": [],
        "target": target,
        "protocol": "all",
        "verdict": "unknown",
        "end_to_end": "unknown",
        "rules": [],
        "blocked_by": [],
        "blocks": [],
        "notes": [f"no interface is known: {lack}"],
    }


def tabled(rows: list[Row], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return rows as a table, by workload, the widest way last."""
    table = [{name: row.get(name) for name in schema} for row in rows]
    frame = pl.DataFrame(table, schema=schema)
    rank = pl.col("way").replace_strict(WAYS, range(len(WAYS)), default=len(WAYS))
    by = [
        pl.col("source").list.join(" | "),
        pl.col("interfaces").list.join(" "),
        rank,
        pl.col("protocol") != "all",
        "protocol",
        "first_port",
        "target",
    ]
    return frame.sort(by, nulls_last=True, maintain_order=True)
