"""Words that would admit forbidden space, and so are no words for anything else."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.known import Known
from flowlens.expected.evidence import within

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["tainted"]


def tainted(
    frame: pl.DataFrame, known: Known, forbidden: tuple[str, ...], inventory: "Inventory | None"
) -> frozenset[tuple[str, str]]:
    """Return every word, as kind and value, that would admit forbidden space.

    Args:
        frame: Edges, also those that are not learned from.
        known: What is known about addresses.
        forbidden: Prefixes that nothing may admit.
        inventory: For the addresses of security groups.
    """
    banned = frame.filter(within(frame["server"], forbidden))
    columns = {
        "security_group": "server_groups",
        "prefix_list": "lists",
        "aws_service": "services",
    }
    found = {
        (kind, value)
        for kind, column in columns.items()
        for value in banned[column].explode(empty_as_null=True).drop_nulls()
    }
    found |= {("endpoint", value) for value in banned["endpoint"].drop_nulls()}
    heard = banned["domains"].explode(empty_as_null=True).drop_nulls()
    found |= {("domain", value) for value in heard.struct.field("name")} if len(heard) else set()
    lists = known.lists.drop_nulls("cidr")
    found |= {
        ("prefix_list", name)
        for name, cidr in lists.select("prefix_list", "cidr").iter_rows()
        if _overlaps(cidr, forbidden)
    }
    found |= {
        ("aws_service", service)
        for prefix, service in _ranges(known)
        if _overlaps(prefix, forbidden)
    }
    found |= {("security_group", group) for group in _holding(inventory, forbidden)}
    return frozenset(found)


def _ranges(known: Known) -> Iterable[tuple[str, str]]:
    if known.ranges is None:
        return ()
    return known.ranges.table.select("prefix", "service").iter_rows()


def _overlaps(prefix: str, forbidden: Iterable[str]) -> bool:
    one = ip_network(prefix)
    others = map(ip_network, forbidden)
    return any(one.version == o.version and one.overlaps(o) for o in others)


def _holding(inventory: "Inventory | None", forbidden: tuple[str, ...]) -> list[str]:
    """Return the security groups of interfaces with forbidden addresses."""
    if inventory is None:
        return []
    table = inventory.interfaces.select("groups", "addresses")
    rows = table.explode("addresses", empty_as_null=True).drop_nulls("addresses")
    hit = rows.filter(within(rows["addresses"], forbidden))
    return hit["groups"].explode(empty_as_null=True).drop_nulls().unique().to_list()
