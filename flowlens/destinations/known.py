"""What is known about addresses, gathered once before traffic is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.aws import Ranges
from flowlens.destinations.prefixes import covering

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["Known", "code", "gather", "region"]

_LISTS = {"prefix_list": pl.String(), "name": pl.String(), "cidr": pl.String()}
_ENDPOINTS = {
    "endpoint": pl.String(),
    "service": pl.String(),
    "type": pl.String(),
    "vpc": pl.String(),
    "interface": pl.String(),
}
_MIDDLE = {"interface_id": pl.String(), "kind": pl.String()}
_PEERINGS = {"one": pl.String(), "other": pl.String()}
_REGION = r"\.([a-z]{2}(?:-[a-z]+)+-\d|global)\."


def _none(schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame(schema=schema)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that can say who an address is, except DNS and owners.

    Attributes:
        lists: Managed prefix lists, a row per entry; `cidr` is null where the entries could not
            be read.
        endpoints: VPC endpoints, a row per interface; `interface` is null for gateway endpoints.
        middle: Interfaces that carry the traffic of others, with their kind.
        peerings: Pairs of VPCs with an active peering connection.
        blocks: Address blocks of the VPCs; null where no capture answers that.
        ranges: AWS's address ranges of one day; null where none were given.
        names: The owner's own words for address ranges.
        asn: The user's file of networks.
    """

    lists: pl.DataFrame = field(default_factory=lambda: _none(_LISTS))
    endpoints: pl.DataFrame = field(default_factory=lambda: _none(_ENDPOINTS))
    middle: pl.DataFrame = field(default_factory=lambda: _none(_MIDDLE))
    peerings: pl.DataFrame = field(default_factory=lambda: _none(_PEERINGS))
    blocks: tuple[str, ...] | None = None
    ranges: Ranges | None = None
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asn: Path | None = None

    def within(self, addresses: pl.Series) -> pl.Series | None:
        """Return those addresses that lie in a VPC of the inventory; null where it cannot tell."""
        if self.blocks is None:
            return None
        return covering(addresses, self.blocks)["address"].unique()


def gather(
    inventory: "Inventory | None",
    *,
    ranges: Ranges | None = None,
    names: Mapping[str, tuple[str, ...]] | None = None,
    asn: str | Path | None = None,
) -> Known:
    """Return what an inventory and the user's files say about addresses.

    Several captures are taken together: an endpoint or a prefix of a list that one of them saw
    counts for the whole time.

    Args:
        inventory: AWS's configuration; null where there is none.
        ranges: AWS's address ranges.
        names: The owner's own words for address ranges.
        asn: A ``.mmdb`` file of networks.
    """
    given = {"ranges": ranges, "names": names or {}, "asn": Path(asn) if asn else None}
    if inventory is None:
        return Known(**given)  # type: ignore[arg-type]
    from flowlens.inventory import middleboxes

    blocks = inventory.vpcs.explode("cidrs")["cidrs"].drop_nulls().unique().sort()
    return Known(
        lists=_lists(inventory),
        endpoints=_endpoints(inventory),
        middle=middleboxes(inventory).select(*_MIDDLE).unique().sort(pl.all()),
        peerings=_peerings(inventory),
        blocks=tuple(blocks) if inventory.answered("ec2.describe_vpcs") else None,
        **given,  # type: ignore[arg-type]
    )


def _lists(inventory: "Inventory") -> pl.DataFrame:
    rows = inventory.prefix_lists.explode("cidrs", empty_as_null=True)
    frame = rows.select(prefix_list="prefix_list_id", name="name", cidr="cidrs")
    return frame.unique().sort(pl.all(), nulls_last=True)


def _endpoints(inventory: "Inventory") -> pl.DataFrame:
    rows = inventory.endpoints.explode("interfaces", empty_as_null=True)
    frame = rows.select(
        endpoint="endpoint_id", service="service", type="type", vpc="vpc_id", interface="interfaces"
    )
    return frame.unique().sort(pl.all(), nulls_last=True)


def _peerings(inventory: "Inventory") -> pl.DataFrame:
    active = inventory.peerings.filter(pl.col("state") == "active")
    there = active.select(one="requester_vpc", other="accepter_vpc")
    back = active.select(one="accepter_vpc", other="requester_vpc")
    return pl.concat([there, back]).drop_nulls().unique().sort(pl.all())


def code(service: pl.Expr) -> pl.Expr:
    """Return the service code in the name of an AWS endpoint service or managed prefix list.

    >>> frame = pl.DataFrame({"s": ["com.amazonaws.us-east-1.s3", "my-list"]})
    >>> frame.select(code(pl.col("s"))).to_series().to_list()
    ['S3', None]
    """
    name = service.str.extract(rf"amazonaws{_REGION}(?:ipv6\.)?(.+)$", 2)
    return name.str.to_uppercase().str.replace_all(r"[.-]", "_")


def region(service: pl.Expr) -> pl.Expr:
    """Return the Region in the name of an AWS endpoint service or managed prefix list.

    >>> frame = pl.DataFrame({"s": ["com.amazonaws.us-east-1.s3", "com.amazonaws.global.x"]})
    >>> frame.select(region(pl.col("s"))).to_series().to_list()
    ['us-east-1', 'GLOBAL']
    """
    found = service.str.extract(rf"amazonaws{_REGION}", 1)
    return pl.when(found == "global").then(pl.lit("GLOBAL")).otherwise(found)
