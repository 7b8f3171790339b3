"""What workloads may reach: ranges of addresses times ranges of ports, and by which rules."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain

import polars as pl

from flowlens.errors import InventoryError
from flowlens.inventory.model import Inventory
from flowlens.reach.evaluate import evaluate, speaking
from flowlens.reach.gather import SAID, Row, either, gather, together
from flowlens.reach.ground import Cells, Ground
from flowlens.reach.meet import End
from flowlens.reach.packets import ICMP, ICMP6, TCP, UDP
from flowlens.reach.ports import REST
from flowlens.reach.schema import CHANGES, FLOWS, MAY, WAYS
from flowlens.reach.spans import Span, blocks, merged, within, words
from flowlens.reach.subjects import Face, People

__all__ = ["changes", "may", "moment"]

_FACES = "ec2.describe_network_interfaces"
_BATCH = 1 << 17  # cells asked about at a time
#: What cells must agree on to be one row.
_KEYS = ("verdict", "way", "rules", "route", "route_target", "at")
_CHANGED = ("before", "after", "way", "rules_before", "rules_after", "at")
#: Where routes lead, by the target's first letters; endpoints and peerings are told below.
_TARGETS = (
    ("local", "local"),
    ("nat-", "nat"),
    ("igw-", "internet gateway"),
    ("eigw-", "internet gateway"),
    ("pcx-", "peering"),
    ("tgw-", "transit gateway"),
    ("vgw-", "virtual private gateway"),
    ("lgw-", "local gateway"),
    ("cagw-", "carrier gateway"),
    ("arn:", "cloud wan"),
    ("vpce-", "gateway endpoint"),
    ("eni-", "appliance"),
    ("i-", "appliance"),
)


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
    client's port is not given, so that a network
    ACL which lets only some answers back makes ``partial``.

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
        return _frame([_unseen(source, target, ends)], MAY)
    ground = Ground(ends, people.faces, spans, deep=target is not None)
    ask = _asker(inventory, moment(inventory, at))
    # What reaches a target is told to the end, what may leave towards everything is summed up.
    judge = "verdict" if target is None else "end_to_end"
    keys = tuple(dict.fromkeys((*_KEYS, judge)))
    found: list[Row] = []
    refused: list[Row] = []
    for cells, (judged,) in _swept(ground, faces, ask):
        told = _placed(cells, judged, ground, inventory)
        rows = gather(cells, told, ground, keys)
        _name(rows, people)
        found += [row for row in rows if row[judge] != "deny"]
        refused += [row for row in rows if row[judge] == "deny"]
    found += _nothing(found, refused)
    return _frame([{**row, **_common(row)} for row in together(found, keys)], MAY)


def changes(
    before: Inventory,
    after: Inventory,
    source: str | None = None,
    target: str | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """Say which connections another configuration lets pass that this one refuses, and vice versa.

    Args:
        before: the inventory as it is.
        after: the same with changes, from `whatif.changed`.
        source: as in `may`.
        target: as in `may`.
        at: as in `may`.

    Returns:
        The columns of `schema.CHANGES`; no row where nothing changes.

    Raises:
        UsageError: nothing in the inventory is called `source` or `target`.
        InventoryError: there is no capture.
    """
    time = moment(before, at)
    ends = [speaking(each, time) for each in (before, after)]
    views = [end.account.view for end in chain(*ends)]
    people = People(before, views)
    spans = None if target is None else people.targets(target)
    ground = Ground([*chain(*ends)], people.faces, spans, deep=False)
    asks = [_asker(each, time) for each in (before, after)]
    found: list[Row] = []
    for cells, (old, new) in _swept(ground, people.sources(source), *asks):
        told = _compared(_placed(cells, old, ground, before), _placed(cells, new, ground, after))
        rows = gather(cells, told, ground, _CHANGED)
        _name(rows, people)
        found += [row for row in rows if row["before"] != row["after"]]
    return _frame([_change(row) for row in together(found, _CHANGED)], CHANGES)


def moment(inventory: Inventory, at: datetime | None) -> datetime:
    """Return a time, or that of the last capture.

    Raises:
        InventoryError: there is no capture.
    """
    if not inventory.captures:
        msg = "the inventory holds no capture; try `flowlens snapshot -o FILE`"
        raise InventoryError(msg)
    return at or max(each.captured_at for each in inventory.captures)


Ask = Callable[[pl.DataFrame], pl.DataFrame]


def _asker(inventory: Inventory, at: datetime) -> Ask:
    """Return what asks `evaluate` about flows at a time."""

    def ask(flows: pl.DataFrame) -> pl.DataFrame:
        return evaluate(flows.with_columns(pl.lit(at).cast(FLOWS["at"]).alias("at")), inventory)

    return ask


def _swept(
    ground: Ground, faces: Sequence[Face], *asks: Ask
) -> Iterator[tuple[Cells, list[pl.DataFrame]]]:
    """Yield the cells of each sender, and what each of `asks` says of them.

    Senders are asked about together, since a question costs more than a flow.
    """
    batch: list[Cells] = []
    senders = ground.senders(faces)
    for n, sender in enumerate(senders, 1):
        batch.append(ground.cells(sender))
        if n < len(senders) and sum(each.frame.height for each in batch) < _BATCH:
            continue
        flows = pl.concat([_flows(cells, ground) for cells in batch])
        told = [ask(flows) for ask in asks]
        start = 0
        for cells in batch:
            height = cells.frame.height
            if height:
                yield cells, [each.slice(start, height) for each in told]
            start += height
        batch = []


def _flows(cells: Cells, ground: Ground) -> pl.DataFrame:
    """Return one flow for each cell."""
    number, first = pl.col("protocol"), pl.col("first")
    columns = {
        "interface_id": pl.lit(cells.sender.face.id),
        "direction": pl.lit("egress"),
        "src": pl.lit(cells.sender.address, pl.String),
        "dst": pl.col("dst"),
        "protocol": pl.when(number == REST).then(ground.rest).otherwise(number),
        "dst_port": pl.when(number.is_in([TCP, UDP])).then(first),
        "icmp_type": pl.when(number.is_in([ICMP, ICMP6])).then(first),
    }
    return cells.frame.select(value.cast(FLOWS[n]).alias(n) for n, value in columns.items())


def _placed(
    cells: Cells, judged: pl.DataFrame, ground: Ground, inventory: Inventory
) -> pl.DataFrame:
    """Add by which way cells are reached, and which endpoint is `at` them."""
    at = ground.at(cells)
    way = pl.coalesce(
        pl.when(pl.col("route_target").str.starts_with(start)).then(pl.lit(word))
        for start, word in _TARGETS
    )
    endpoints = inventory.endpoints.filter(pl.col("type") == "GatewayLoadBalancer")
    balancers = endpoints["endpoint_id"].unique().to_list()
    distant = inventory.peerings.filter(pl.col("requester_region") != pl.col("accepter_region"))
    target = pl.col("route_target")
    exempt = target.is_null() & (pl.col("verdict") == "allow")
    return judged.with_columns(at).with_columns(
        pl.when(exempt)
        .then(pl.lit("hypervisor"))
        .when(target.is_in(balancers))
        .then(pl.lit("gateway load balancer"))
        .when(target.is_in(distant["peering_id"].unique().to_list()))
        .then(pl.lit("inter-region peering"))
        .when((target == "local") & pl.col("at").is_not_null())
        .then(pl.lit("interface endpoint"))
        .otherwise(way)
        .alias("way"),
        pl.col("sg_rules").alias("rules"),
    )


def _compared(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return what is said before and after; ways, notes and layers are those after the change."""
    lost = new["verdict"] == "deny"
    way = pl.select(pl.when(lost).then(old["way"]).otherwise(new["way"])).to_series()
    return new.with_columns(
        old["verdict"].alias("before"),
        new["verdict"].alias("after"),
        way.alias("way"),
        old["rules"].alias("rules_before"),
        new["rules"].alias("rules_after"),
    )


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


def _name(rows: Sequence[Row], people: People) -> None:
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


def _change(row: Row) -> Row:
    """Return a row of `CHANGES`."""
    pair = row["before"], row["after"]
    word = "unsure" if "unknown" in pair else "gained"
    if "unknown" not in pair and ("deny" in pair[1:] or pair == ("allow", "partial")):
        word = "lost"
    return {**row, **_common(row), "change": word}


def _common(row: Row) -> Row:
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


def _frame(rows: list[Row], schema: dict[str, pl.DataType]) -> pl.DataFrame:
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
