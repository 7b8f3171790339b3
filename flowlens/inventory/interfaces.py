"""Interfaces with every address the inventory knows of them, in canonical text."""

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["canonical", "interfaces"]

_KEY = ["capture", "interface_id"]
_NONE = pl.lit([], dtype=pl.List(pl.String))


def interfaces(inventory: "Inventory") -> pl.DataFrame:
    """Return the table of interfaces.

    Public addresses come from the interface itself, from NAT gateways and from Elastic IPs. A
    regional NAT gateway has no interface; it is listed under its own id, as flow logs name it
    (``resource-id``).

    Args:
        inventory: the captures.
    """
    table = inventory.table("interfaces")
    gateways, elastic = inventory.nat_gateways, inventory.table("elastic")
    more = pl.concat(
        [
            gateways.filter(pl.col("interfaces").list.len() == 1)
            .explode("interfaces")
            .select("capture", pl.col("interfaces").alias("interface_id"), "public_addresses"),
            elastic.filter(pl.col("interface_id").is_not_null()).select(
                "capture", "interface_id", pl.concat_list("address").alias("public_addresses")
            ),
        ]
    )
    extra = more.explode("public_addresses").group_by(_KEY).agg("public_addresses")
    known = table.join(extra, on=_KEY, how="left", suffix="_more").with_columns(
        pl.concat_list("public_addresses", pl.col("public_addresses_more").fill_null(_NONE)).alias(
            "public_addresses"
        )
    )
    whole = pl.concat([known.select(table.columns), _regional(gateways)], how="diagonal")
    return _tidy(whole).sort(_KEY)


def _regional(gateways: pl.DataFrame) -> pl.DataFrame:
    """Return regional NAT gateways as if they were interfaces of their own."""
    return gateways.filter(
        (pl.col("interfaces").list.len() == 0)
        & (pl.col("public_addresses").list.len() > 0)
        & pl.col("state").is_in(["available", "pending", "deleting"])
    ).select(
        "capture",
        "captured_at",
        "account_id",
        "region",
        pl.col("nat_gateway_id").alias("interface_id"),
        pl.lit("nat_gateway").alias("interface_type"),
        pl.format("Interface for NAT Gateway {}", "nat_gateway_id").alias("description"),
        "vpc_id",
        "subnet_id",
        "addresses",
        "public_addresses",
        _NONE.alias("prefixes"),
    )


def _tidy(table: pl.DataFrame) -> pl.DataFrame:
    columns = ["addresses", "public_addresses", "prefixes"]
    texts = pl.concat([table[name].explode() for name in columns]).drop_nulls().unique()
    odd = {text: canonical(text) for text in texts if ":" in text}
    return table.with_columns(
        pl.col(name)
        .list.eval(pl.element().replace(odd) if odd else pl.element())
        .list.drop_nulls()
        .list.unique()
        .list.sort()
        for name in columns
    )


def canonical(text: str) -> str:
    """Return an address or block in the text of RFC 5952; other text as it is.

    >>> canonical("2001:DB8:0:0::1"), canonical("2001:db8:1:0::/80"), canonical("?")
    ('2001:db8::1', '2001:db8:1::/80', '?')
    """
    try:
        return str(ip_network(text)) if "/" in text else str(ip_address(text))
    except ValueError:
        return text
