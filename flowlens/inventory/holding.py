"""Who held an address when: runs of captures that agree."""

from bisect import bisect_left
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

import polars as pl

from flowlens.tables import TIME

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["PAYLOAD", "addresses", "claims", "key80", "states"]

_CALL = "ec2.describe_network_interfaces"
_SCOPE = ["account_id", "region"]

#: What is said about an interface; each may change from capture to capture.
PAYLOAD = ["owner", "kind", "certainty", "groups", "subnet_id", "vpc_id"]


def addresses(inventory: "Inventory") -> pl.DataFrame:
    """Return who held which address when, as far as the captures show it.

    A row is a run of consecutive captures of one account and region that show the address on the
    interface: it held it for sure in ``[since, until]``, and may have held it in the open interval
    ``(after, before)`` around, whose ends are captures that do not show it there. A null end is
    open: nothing was captured beyond, and the nearest capture speaks for that time.

    ``address`` is canonical text; a delegated IPv6 prefix stands as its /80 block, a delegated
    IPv4 prefix as its 16 addresses. ``public`` tells public addresses of the interface.

    Args:
        inventory: from `load`.
    """
    clock = _clock(inventory)
    held = _held(inventory.interfaces).join(clock, on="capture")
    keys = ["address", "interface_id", *_SCOPE]
    runs = (
        held.unique([*keys, "turn"])
        .sort(*keys, "turn")
        .with_columns(
            (pl.col("turn") != pl.col("turn").shift(1).over(keys) + 1)
            .fill_null(value=True)
            .cum_sum()
            .alias("run")
        )
        .group_by(*keys, "run")
        .agg(
            pl.col("vpc_id").drop_nulls().first(),
            pl.col("public").any(),
            pl.col("captured_at").min().alias("since"),
            pl.col("captured_at").max().alias("until"),
            pl.col("previous").first().alias("after"),
            pl.col("next").last().alias("before"),
        )
    )
    return runs.drop("run").sort("address", "interface_id", "since", *_SCOPE, nulls_last=True)


def _clock(inventory: "Inventory") -> pl.DataFrame:
    """Return the captures that list interfaces, each with its neighbours in account and region."""
    seen = inventory.answered(_CALL)
    rows = [
        (n, each.account_id, each.region, each.captured_at)
        for n, each in enumerate(inventory.captures)
        if n in seen
    ]
    schema: dict[str, pl.DataType] = {
        "capture": pl.UInt32(),
        "account_id": pl.String(),
        "region": pl.String(),
        "time": TIME,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    # Several captures of one time are one turn: they may add to each other or contradict.
    turns = (
        frame.select(*_SCOPE, "time")
        .unique()
        .sort("time")
        .with_columns(
            pl.int_range(pl.len()).over(_SCOPE).alias("turn"),
            pl.col("time").shift(1).over(_SCOPE).alias("previous"),
            pl.col("time").shift(-1).over(_SCOPE).alias("next"),
        )
    )
    return frame.join(turns, on=[*_SCOPE, "time"], nulls_equal=True).select(
        "capture", "turn", "previous", "next"
    )


def _held(interfaces: pl.DataFrame) -> pl.DataFrame:
    """Return a row per address of an interface, prefixes included."""
    keys = ["capture", "captured_at", *_SCOPE, "interface_id", "vpc_id"]
    texts = interfaces["prefixes"].explode().drop_nulls().unique()
    members = {text: _members(text) for text in texts}
    spread = pl.DataFrame(
        {"prefix": list(members), "address": list(members.values())},
        schema={"prefix": pl.String, "address": pl.List(pl.String)},
    )
    parts = [
        interfaces.select(*keys, pl.col(name).alias("address"), pl.lit(public).alias("public"))
        .explode("address")
        .drop_nulls("address")
        for name, public in (("addresses", False), ("public_addresses", True))
    ]
    delegated = (
        interfaces.select(*keys, pl.col("prefixes").alias("prefix"))
        .explode("prefix")
        .drop_nulls("prefix")
        .join(spread, on="prefix")
        .explode("address")
        .select(*keys, "address", pl.lit(value=False).alias("public"))
    )
    return pl.concat([*parts, delegated]).unique(
        [*keys, "address"], keep="first", maintain_order=True
    )


def _members(prefix: str) -> list[str]:
    """Spell a delegated prefix: 16 addresses of a /28, one key for a /80.

    These are the only two sizes AWS delegates (EC2 user guide, "Prefix delegation").
    """
    network = ip_network(prefix, strict=False)
    if isinstance(network, IPv6Network):
        return [prefix]
    return [str(each) for each in network] if network.num_addresses <= 256 else [prefix]


def key80(address: pl.Expr) -> pl.Expr:
    """Return the first five groups of a canonical IPv6 address: its /80; null for IPv4.

    >>> frame = pl.DataFrame({"a": ["2001:db8::1:2:3", "2001:db8:1:2:3::9", "10.0.0.1"]})
    >>> frame.select(key80(pl.col("a")))["a"].to_list()
    ['2001:db8:0:0:0/80', '2001:db8:1:2:3/80', None]
    """
    halves = address.str.split("::")
    left = _groups(halves.list.get(0))
    right = _groups(halves.list.get(1, null_on_oob=True).fill_null(""))
    gap = (8 - left.list.len().cast(pl.Int64) - right.list.len().cast(pl.Int64)).clip(0)
    groups = pl.concat_list(left, pl.lit("0").repeat_by(gap), right).list.head(5)
    text = pl.concat_str(groups.list.join(":"), pl.lit("/80"))
    return pl.when(address.str.contains(":", literal=True)).then(text)


def _groups(text: pl.Expr) -> pl.Expr:
    return text.str.split(":").list.eval(pl.element().filter(pl.element() != ""))


def states(inventory: "Inventory") -> pl.DataFrame:
    """Return what was said about each interface when: runs of captures that say the same.

    Ids of interfaces are never used again, so the ends of an interface's first and last run are
    open: a record that names it proves that it was there. ``owner_text`` and ``groups_text`` spell
    the lists for comparison.

    Args:
        inventory: from `load`.
    """
    said = (
        inventory.owners.select("interface_id", "captured_at", "capture", "lacks", *PAYLOAD)
        .with_columns(_text(name).alias(f"{name}_text") for name in ("owner", "groups"))
        .sort("interface_id", "captured_at", "capture")
    )
    same = ["lacks", "owner_text", "kind", "certainty", "groups_text", "subnet_id", "vpc_id"]
    changed = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(1).over("interface_id")) for name in same
    )
    first = pl.int_range(pl.len()).over("interface_id") == 0
    runs = (
        said.with_columns((changed | first).cum_sum().alias("run"))
        .group_by("interface_id", "run", maintain_order=True)
        .agg(
            pl.col("lacks", *PAYLOAD, "owner_text", "groups_text").first(),
            pl.col("captured_at").first().alias("since"),
            pl.col("captured_at").last().alias("until"),
        )
    )
    return runs.with_columns(
        pl.col("until").shift(1).over("interface_id").alias("after"),
        pl.col("since").shift(-1).over("interface_id").alias("before"),
    ).drop("run")


def _text(name: str) -> pl.Expr:
    """Spell a list so that a null list, an empty one and one of an empty text differ."""
    size = pl.col(name).list.len().cast(pl.String)
    return pl.concat_str(size, pl.col(name).list.join("\n"), separator="\n")


def claims(inventory: "Inventory") -> pl.DataFrame:
    """Return for each address on an interface the VPCs in whose blocks it lies.

    Inside such a VPC the address can only mean that VPC's own interface: the local route cannot be
    replaced by a route to another VPC (VPC user guide, "Route tables", "Local route").

    Args:
        inventory: from `load`.
    """
    held = sorted(
        (each.version, int(each), str(each))
        for each in map(_address, inventory.interfaces["addresses"].explode().drop_nulls().unique())
        if each
    )
    blocks = inventory.vpcs.select("vpc_id", "cidrs").explode("cidrs").drop_nulls().unique()
    pairs = {
        (text, vpc)
        for vpc, cidr in blocks.iter_rows()
        for _, _, text in _inside(held, ip_network(cidr, strict=False))
    }
    return pl.DataFrame(
        sorted(pairs), schema={"address": pl.String, "claimed_by": pl.String}, orient="row"
    )


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _inside(
    held: Sequence[tuple[int, int, str]], network: IPv4Network | IPv6Network
) -> Sequence[tuple[int, int, str]]:
    low = bisect_left(held, (network.version, int(network.network_address), ""))
    high = bisect_left(held, (network.version, int(network.broadcast_address) + 1, ""))
    return held[low:high]
