"""Workloads that should behave like the subject: what they do tells what is odd about it."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.investigation.subject import Subject

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["similar"]

#: Similar interfaces whose records are read as well: the less similar, the fewer.
MOST = {"same owners": 32, "same security groups": 32, "same kind in the same VPC": 8}


def similar(subject: Subject, inventory: "Inventory") -> tuple[dict[str, str], list[str]]:
    """Return interfaces of similar workloads, by how they are similar, and their addresses.

    An interface is similar to one of the subject's if it shares with it one of
    `flowlens.inventory.alike.DEGREES`, the closest first. Of the closest degree of which
    there are any, at most `MOST` are taken, in the order of their ids.
    """
    from flowlens.inventory.alike import DEGREES, alike

    table, shared = inventory.owners, alike(inventory)
    listed = pl.concat_list("addresses", "public_addresses", "prefixes")
    addresses = table.select("interface_id", address=listed).explode("address").drop_nulls()
    if subject.interfaces:
        mine = set(subject.interfaces)
    else:
        inside = subject.has(addresses["address"])
        mine = {*addresses.filter(pl.col("address").is_in(inside.to_list()))["interface_id"]}
    here = pl.col("interface_id").is_in(list(mine))
    ours, others = shared.filter(here), shared.filter(~here)
    for name in DEGREES:
        near = ours.filter(degree=name).select("shared").unique()
        same = others.filter(degree=name).join(near, on="shared")
        chosen = same["interface_id"].unique().sort().head(MOST[name]).to_list()
        if chosen:
            of = addresses.filter(pl.col("interface_id").is_in(chosen))["address"]
            return dict.fromkeys(chosen, name), of.unique().sort().to_list()
    return {}, []
