"""Where a finding happened, as far as inventory and names of objects say."""

import re
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["PLACE", "place"]

#: What `place` adds, as one struct of this name's schema.
PLACE = pl.Struct(
    {
        "account": pl.String,
        "region": pl.String,
        "interface": pl.String,  # of the end that is ours
        "kind": pl.String,  # lambda, ec2, …
        "end": pl.String,  # client or server: which end is ours; null where neither is known
    }
)

#: Account and Region in the names that AWS gives to delivered objects and their folders:
#: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html
NAMED = re.compile(
    r"(?:aws-account-id=|AWSLogs/)(?P<a>\d{12})/(?:aws-service=)?vpcflowlogs/"
    r"(?:aws-region=)?(?P<r>[a-z]{2}(?:-[a-z]+)+-\d)/"
    r"|(?:^|/)(?P<b>\d{12})_vpcflowlogs_(?P<s>[a-z]{2}(?:-[a-z]+)+-\d)_"
)


def place(findings: pl.DataFrame, inventory: "Inventory | None" = None) -> pl.DataFrame:
    """Add `place`: account, Region and interface of the end that is ours.

    The interface is the one that the client's address belonged to, else the server's. Account and
    Region are the interface's; without one they are taken from the names of the quoted objects,
    else from an inventory of one account and Region. What nothing tells is null.

    Args:
        findings: a table of schema FINDINGS.
        inventory: AWS's configuration.
    """
    held = _held(findings, inventory)
    alone = _alone(inventory)
    rows = []
    for near, lines in zip(held, findings["evidence"].struct.field("lines").to_list(), strict=True):
        told = _named([line["source"] for line in lines or []])
        seat = {name: near[name] or told[name] or alone[name] for name in told}
        rows.append({**near, **seat})
    return findings.with_columns(pl.Series("place", rows, dtype=PLACE))


def _held(findings: pl.DataFrame, inventory: "Inventory | None") -> list[dict[str, str | None]]:
    """Return the interface of the client, else of the server."""
    if inventory is None or findings.is_empty():
        return [dict.fromkeys(("account", "region", "interface", "kind", "end"))] * findings.height
    from flowlens.inventory import own

    frame = findings.lazy().select("client", "server", "first_seen", "last_seen")
    for end in ("client", "server"):
        frame = own(frame, inventory, address=end, time="first_seen", until="last_seen", prefix=end)
    seats = inventory.interfaces.group_by("interface_id", maintain_order=True).agg(
        pl.col("account_id", "region").drop_nulls().last()
    )
    here = pl.col("client_interface").is_not_null()
    there = pl.when(pl.col("server_interface").is_not_null()).then(pl.lit("server"))
    ours = pl.when(here).then(pl.lit("client")).otherwise(there)
    return (
        frame.select(
            end=ours,
            interface=pl.coalesce("client_interface", "server_interface"),
            kind=pl.when(here).then("client_kind").otherwise("server_kind"),
        )
        .join(
            seats.lazy(),
            left_on="interface",
            right_on="interface_id",
            how="left",
            maintain_order="left",
        )
        .select("end", "interface", "kind", "region", account="account_id")
        .collect()
        .to_dicts()
    )


def _named(objects: list[str]) -> dict[str, str | None]:
    """Return account and Region that the names of objects tell, if they agree."""
    found = [match for name in objects if (match := NAMED.search(name or ""))]
    told = {(match["a"] or match["b"], match["r"] or match["s"]) for match in found}
    account, region = told.pop() if len(told) == 1 else (None, None)
    return {"account": account, "region": region}


def _alone(inventory: "Inventory | None") -> dict[str, str | None]:
    """Return account and Region of an inventory that has one of each."""
    captures = inventory.captures if inventory else ()
    accounts = {one.account_id for one in captures if one.account_id}
    regions = {one.region for one in captures if one.region}
    return {
        "account": accounts.pop() if len(accounts) == 1 else None,
        "region": regions.pop() if len(regions) == 1 else None,
    }
