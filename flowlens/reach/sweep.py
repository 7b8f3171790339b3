"""Every cell of the ground asked of `evaluate`, some thousand at a time."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import polars as pl

from flowlens.errors import InventoryError
from flowlens.inventory.model import Inventory
from flowlens.reach.evaluate import evaluate
from flowlens.reach.ground import Cells, Ground
from flowlens.reach.packets import ICMP, ICMP6, TCP, UDP
from flowlens.reach.ports import REST
from flowlens.reach.schema import FLOWS
from flowlens.reach.subjects import Face

__all__ = ["Ask", "asker", "moment", "placed", "swept"]

Ask = Callable[[pl.DataFrame], pl.DataFrame]

_BATCH = 1 << 17  # cells asked about at a time

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


def moment(inventory: Inventory, at: datetime | None) -> datetime:
    """Return a time, or that of the last capture.

    Raises:
        InventoryError: there is no capture.
    """
    if not inventory.captures:
        msg = "the inventory holds no capture; try `flowlens snapshot -o FILE`"
        raise InventoryError(msg)
    return at or max(each.captured_at for each in inventory.captures)


def asker(inventory: Inventory, at: datetime) -> Ask:
    """Return what asks `evaluate` about flows at a time."""

    def ask(flows: pl.DataFrame) -> pl.DataFrame:
        return evaluate(flows.with_columns(pl.lit(at).cast(FLOWS["at"]).alias("at")), inventory)

    return ask


def swept(
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


def placed(
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
