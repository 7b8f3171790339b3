"""Whose an interface is: a set of candidates, never a pick among them."""

from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from flowlens.inventory.candidates import CLAIMS
from flowlens.inventory.kinds import classify

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["PASSING", "kinded", "middleboxes", "owners"]

_KEY = ["capture", "interface_id"]
#: Kinds that pass on what others send.
PASSING = [
    "nat_gateway",
    "transit_gateway",
    "nlb",
    "gwlb",
    "gwlb_endpoint",
    "global_accelerator",
]


@lru_cache(maxsize=2)  # rooms ask one after the other
def owners(inventory: "Inventory") -> pl.DataFrame:
    """Return every interface of every capture with its kind and its candidate owners.

    An *owner* is named only by what AWS answered: Lambda functions by subnet and exactly equal
    group set over all versions (interfaces are shared; the description names only their creator),
    functions of a capacity provider, EC2 instances by Name tag else id, databases by subnet group
    and group set, ECS tasks by their attachment, others by the id in the description.

    ``certainty`` is ``exact`` (one candidate), ``shared`` (several), ``none`` (all candidates are
    known and none fits) or ``unknown``; then ``owner`` is null and ``why`` says the reason,
    ``lacks`` the call that was not answered.

    Args:
        inventory: from `load`.
    """
    table = kinded(inventory)
    claims = pl.concat([claim(table, inventory) for claim in CLAIMS])
    whole = table.join(claims, on=_KEY, how="left", maintain_order="left")
    unknown = pl.col("certainty").is_null()
    return whole.with_columns(
        pl.col("certainty").fill_null("unknown"),
        pl.when(unknown)
        .then(pl.lit("nothing in the interface names an owner"))
        .otherwise("why")
        .alias("why"),
    ).drop("provider", "connector", "name")


@lru_cache(maxsize=2)
def kinded(inventory: "Inventory") -> pl.DataFrame:
    """Return the interfaces with `kind` and `resource`.

    NAT gateways and endpoints list their interfaces themselves; that answer speaks where the
    interface says too little.

    Args:
        inventory: from `load`.
    """
    rows = _listed(inventory).explode("interface_id").drop_nulls("interface_id").unique(_KEY)
    vague = pl.col("kind").is_null() | pl.col("kind").is_in(["detached", "aws_managed_other"])
    return (
        classify(inventory.interfaces)
        .join(rows, on=_KEY, how="left", maintain_order="left")
        .with_columns(
            pl.when(vague).then(pl.coalesce("listed_kind", "kind")).otherwise("kind").alias("kind")
        )
        .with_columns(
            pl.when(pl.col("kind") == pl.col("listed_kind"))
            .then(pl.coalesce("resource", "listed"))
            .otherwise("resource")
            .alias("resource")
        )
        .drop("listed_kind", "listed")
    )


def _listed(inventory: "Inventory") -> pl.DataFrame:
    """Return what NAT gateways and endpoints say of their interfaces."""
    gateways, endpoints = inventory.nat_gateways, inventory.endpoints
    return pl.concat(
        [
            gateways.select(
                "capture",
                pl.col("interfaces").alias("interface_id"),
                pl.lit("nat_gateway").alias("listed_kind"),
                pl.col("nat_gateway_id").alias("listed"),
            ),
            endpoints.select(
                "capture",
                pl.col("interfaces").alias("interface_id"),
                pl.when(pl.col("type") == "GatewayLoadBalancer")
                .then(pl.lit("gwlb_endpoint"))
                .otherwise(pl.lit("vpc_endpoint"))
                .alias("listed_kind"),
                pl.col("endpoint_id").alias("listed"),
            ),
        ]
    )


def middleboxes(inventory: "Inventory") -> pl.DataFrame:
    """Return the interfaces that pass on other people's traffic, a row each.

    These are NAT gateways, transit gateways, network and gateway load balancers, their endpoints
    and accelerators; application load balancers answer for themselves and are not among them.
    Addresses of all captures are put together.

    Args:
        inventory: from `load`.
    """
    kinds = kinded(inventory).filter(pl.col("kind").is_in(PASSING))
    return (
        kinds.group_by("interface_id")
        .agg(
            pl.col("kind").last(),
            *(
                pl.col(name).explode(empty_as_null=False).unique().sort()
                for name in ("addresses", "public_addresses")
            ),
        )
        .sort("interface_id")
    )
