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

    An interface is similar to one of the subject's if it has the same owner or owners, else the
    same set of security groups, else the same kind in the same VPC. Of the closest degree of which
    there are any, at most `MOST` are taken, in the order of their ids.
    """
    from flowlens.inventory.owners import PASSING

    table = inventory.owners.filter(~pl.col("kind").is_in(PASSING)).with_columns(
        _owner=pl.col("owner").list.sort().list.join("\x1f"),
        _groups=pl.col("groups").list.sort().list.join("\x1f"),
    )
    listed = pl.concat_list("addresses", "public_addresses", "prefixes")
    addresses = table.select("interface_id", address=listed).explode("address").drop_nulls()
    if subject.interfaces:
        mine = set(subject.interfaces)
    else:
        inside = subject.has(addresses["address"])
        mine = {*addresses.filter(pl.col("address").is_in(inside.to_list()))["interface_id"]}
    ours = table.filter(pl.col("interface_id").is_in(list(mine)))
    others = table.filter(~pl.col("interface_id").is_in(list(mine)))
    for name, keys in {
        "same owners": ["_owner"],
        "same security groups": ["_groups", "vpc_id"],
        "same kind in the same VPC": ["kind", "vpc_id"],
    }.items():
        alike = others.join(ours.select(keys).drop_nulls().unique(), on=keys)
        alike = alike.filter(pl.any_horizontal(pl.col(key) != "" for key in keys[:1]))
        chosen = alike["interface_id"].unique().sort().head(MOST[name]).to_list()
        if chosen:
            of = addresses.filter(pl.col("interface_id").is_in(chosen))["address"]
            return dict.fromkeys(chosen, name), of.unique().sort().to_list()
    return {}, []
