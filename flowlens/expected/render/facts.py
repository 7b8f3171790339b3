"""What an inventory says, at its latest, about the ends of rules: workloads, groups, lists."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens.expected.budget import Sizes, sizes
from flowlens.expected.subjects import COLUMNS

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["Facts", "Listed", "Unit", "facts"]

_FUNCTIONS = "lambda.list_functions"
_NETWORK = ("subnets", "vpcs", "endpoints", "lists", "entries", "security_groups")


@dataclass(frozen=True, slots=True)
class Unit:
    """Something that groups are put on: an interface, or a function that has none yet.

    Attributes:
        label: Its id, or the function.
        owners: Whose it may be; null where that is not known.
        kind: What it is, as `flowlens.inventory.owners` says it.
        groups: Its security groups; null where the inventory does not say.
        subnets: Where it is.
        vpc: Likewise.
        addresses: Its private addresses.
    """

    label: str
    owners: tuple[str, ...] | None
    kind: str | None
    groups: tuple[str, ...] | None
    subnets: tuple[str, ...]
    vpc: str | None
    addresses: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What people call it."""
        return self.owners or (self.label,)


@dataclass(frozen=True, slots=True)
class Listed:
    """A managed prefix list of a Region; what of it is not known is null."""

    name: str | None
    family: str | None
    cidrs: tuple[str, ...] | None
    region: str | None = None


@dataclass(frozen=True)
class Facts:
    """What is known; a table that AWS did not answer is null."""

    units: tuple[Unit, ...] = ()
    groups: Mapping[str, str | None] | None = None  # with their VPCs
    lists: Mapping[str, Listed] | None = None
    endpoints: Mapping[str, dict[str, Any]] | None = None
    subnets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # their blocks
    vpcs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions: Mapping[str, str | None] = field(default_factory=dict)  # of groups
    sizes: Sizes = field(default_factory=dict)  # of prefix lists, in rules

    @property
    def seats(self) -> list[tuple[int, str | None, str | None]]:
        """Every address of every unit, by its number in `units`, and the subnet."""
        return [
            (n, address, subnet)
            for n, unit in enumerate(self.units)
            for address in unit.addresses or (None,)
            for subnet in unit.subnets or (None,)
        ]

    def workloads(self) -> pl.DataFrame:
        """Return the seats as `subjects.applying` takes workloads."""
        rows = [
            (n, address, unit.owners, unit.kind, unit.groups, subnet, unit.vpc, unit.label)
            for n, (at, address, subnet) in enumerate(self.seats)
            for unit in [self.units[at]]
        ]
        return pl.DataFrame(rows, schema={"workload": pl.UInt32(), **COLUMNS}, orient="row")


@lru_cache(maxsize=2)
def facts(inventory: "Inventory | None") -> Facts:
    """Return what the latest answers of an inventory say."""
    if inventory is None:
        return Facts()
    rows = {table: _latest(inventory, table) for table in _NETWORK}
    lists, groups = rows["lists"], rows["security_groups"]
    entries = {row["prefix_list_id"]: tuple(row["cidrs"]) for row in rows["entries"] or ()}
    endpoints = rows["endpoints"]
    return Facts(
        units=(*_interfaces(inventory), *_functions(inventory)),
        groups=None if groups is None else {row["group_id"]: row["vpc_id"] for row in groups},
        lists=None
        if lists is None
        else {
            (each := row["prefix_list_id"]): Listed(
                row["name"], row["family"], entries.get(each), row["region"]
            )
            for row in lists
        },
        endpoints=None if endpoints is None else {row["endpoint_id"]: row for row in endpoints},
        subnets={row["subnet_id"]: tuple(row["cidrs"]) for row in rows["subnets"] or ()},
        vpcs={row["vpc_id"]: tuple(row["cidrs"]) for row in rows["vpcs"] or ()},
        regions={row["group_id"]: row["region"] for row in groups or ()},
        sizes=sizes(inventory),
    )


def _latest(inventory: "Inventory", table: str) -> list[dict[str, Any]] | None:
    """Return the rows of the last answer of each account and Region; null where there is none."""
    from flowlens.inventory.shapes import SHAPES

    speaking = _speaking(inventory, SHAPES[table].call)
    if not speaking:
        return None
    return inventory.table(table).filter(pl.col("capture").is_in(speaking)).to_dicts()


def _speaking(inventory: "Inventory", call: str) -> list[int]:
    last = {
        (inventory.captures[n].account_id, inventory.captures[n].region): n
        for n in inventory.answered(call)
    }
    return sorted(last.values())


def _interfaces(inventory: "Inventory") -> Iterable[Unit]:
    from flowlens.inventory import owners

    speaking = _speaking(inventory, "ec2.describe_network_interfaces")
    for row in owners(inventory).filter(pl.col("capture").is_in(speaking)).to_dicts():
        yield Unit(
            row["interface_id"],
            None if row["owner"] is None else tuple(row["owner"]),
            row["kind"],
            None if row["groups"] is None else tuple(row["groups"]),
            (row["subnet_id"],) if row["subnet_id"] else (),
            row["vpc_id"],
            tuple(dict.fromkeys(row["addresses"])),
        )


def _functions(inventory: "Inventory") -> Iterable[Unit]:
    """Yield every network configuration of a function, whether an interface has it or not."""
    every = inventory.functions.filter(
        pl.col("capture").is_in(_speaking(inventory, _FUNCTIONS)), pl.col("provider").is_null()
    )
    columns = ("function", "vpc_id", "subnets", "groups")
    for row in every.select(columns).unique().sort(columns).to_dicts():
        subnets, groups = tuple(row["subnets"]), tuple(row["groups"])
        vpc = row["vpc_id"] or None  # AWS writes "" for functions outside of VPCs
        yield Unit(row["function"], (row["function"],), "lambda", groups, subnets, vpc)
