"""The parts of an investigation that come from beside the traffic: owners, names, kin, may."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.investigation.subject import Subject
from flowlens.tables import TIME
from flowlens.words import PORTED

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["KIN", "MAY", "NAMES", "OWNERS", "kin", "may", "names", "owners"]

OWNERS: dict[str, pl.DataType] = {
    "address": pl.String(),
    "interface": pl.String(),
    "owner": pl.List(pl.String),  # candidates
    "kind": pl.String(),
    "certainty": pl.String(),
    "since": TIME,  # captures that show it: the first and the last in a row
    "until": TIME,
    "after": TIME,  # captures around that do not; null: none was made
    "before": TIME,
    "groups": pl.List(pl.String),
    "subnet": pl.String(),
    "vpc": pl.String(),
}

NAMES: dict[str, pl.DataType] = {
    "relation": pl.String(),  # asked: by the subject; called: a name of the subject's address
    "name": pl.String(),
    "addresses": pl.List(pl.String),
    "count": pl.UInt64(),  # answers
    "first_seen": TIME,
    "last_seen": TIME,
    "used": pl.Boolean(),  # whether there is traffic with one of the addresses
}

KIN: dict[str, pl.DataType] = {
    "name": pl.String(),  # destination
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "bytes_out": pl.UInt64(),
    "kin": pl.List(pl.String),  # similar workloads that went there too
    "of": pl.UInt32(),  # similar workloads that were seen at all
    "only": pl.Boolean(),  # none of them did; null where none was seen
}

MAY: dict[str, pl.DataType] = {
    "role": pl.String(),
    "name": pl.String(),
    "addresses": pl.UInt32(),  # of that name that are judged alike
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "accepted": pl.UInt64(),  # records
    "rejected": pl.UInt64(),
    "verdict": pl.String(),  # allow, deny, partial, unknown: at the subject's own end
    "end_to_end": pl.String(),
    "blocked_by": pl.List(pl.String),
    "rules": pl.List(pl.String),  # of security groups, the narrowest first
    "route_target": pl.String(),
    "notes": pl.List(pl.String),
}
#: Addresses that are judged by the configuration, the heaviest.
JUDGED = 500


def owners(subject: Subject, inventory: "Inventory | None") -> pl.DataFrame:
    """Return who held the subject's addresses when, as the captures show it.

    Between ``until`` of one row and ``since`` of the next, who it was is not known.
    """
    if inventory is None:
        return pl.DataFrame(schema=OWNERS)
    from flowlens.inventory import addresses

    held = addresses(inventory)
    if subject.interfaces:
        held = held.filter(pl.col("interface_id").is_in(list(subject.interfaces)))
    else:
        held = held.filter(pl.col("address").is_in(subject.has(held["address"]).to_list()))
    said = inventory.owners.select(
        "interface_id", "owner", "kind", "certainty", "groups", "subnet_id", pl.col("captured_at")
    )
    # What the last capture of the run said: owners may have changed within it.
    joined = held.join(
        said,
        left_on=["interface_id", "until"],
        right_on=["interface_id", "captured_at"],
        how="left",
    )
    return (
        joined.rename({"interface_id": "interface", "subnet_id": "subnet", "vpc_id": "vpc"})
        .select(pl.col(name).cast(dtype) for name, dtype in OWNERS.items())
        .unique(maintain_order=True)
        .sort("address", "since", "interface", nulls_last=True)
    )


def names(subject: Subject, known: pl.DataFrame | None, seen: pl.DataFrame) -> pl.DataFrame:
    """Return the names the subject asked for, and those its addresses were answered for.

    Args:
        subject: what is investigated.
        known: a frame of `flowlens.destinations.dns.NAMES`; null without a resolver log.
        seen: a table of SEEN.
    """
    if known is None or known.is_empty():
        return pl.DataFrame(schema=NAMES)
    own = [*subject.has(known["srcaddr"]), *seen.filter(role="client")["own"].unique().drop_nulls()]
    ours = pl.col("address").is_in(subject.has(known["address"]).to_list())
    if subject.kind == "domain":
        below = pl.col("name").str.ends_with(f".{subject.said}") | (pl.col("name") == subject.said)
        ours &= below
    asked = known.filter(pl.col("srcaddr").is_in(own)).with_columns(relation=pl.lit("asked"))
    called = known.filter(ours).with_columns(relation=pl.lit("called"))
    met = seen["peer"].drop_nulls().unique().to_list()
    rows = (
        pl.concat([called, asked])
        .group_by("relation", "name")
        .agg(
            pl.col("address").unique().sort().alias("addresses"),
            pl.col("count").sum(),
            pl.col("first").min().alias("first_seen"),
            pl.col("last").max().alias("last_seen"),
            pl.col("address").is_in(met).any().alias("used"),
        )
        .with_columns(
            used=(pl.col("relation") == "called") & pl.lit(not seen.is_empty()) | pl.col("used")
        )
    )
    order = ["relation", "count", "name"]
    return rows.sort(order, descending=[True, True, False]).select(
        pl.col(name).cast(dtype) for name, dtype in NAMES.items()
    )


def kin(seen: pl.DataFrame, others: pl.DataFrame, subject: Subject) -> pl.DataFrame:
    """Return for each destination of the subject which similar workloads went there too.

    Args:
        seen: a table of SEEN, the subject's.
        others: edges with ends from `sides.held`.
        subject: has the similar workloads.
    """
    if not subject.kin:
        return pl.DataFrame(schema=KIN)
    theirs = others.filter(pl.col("client_interface").is_in(list(subject.kin)))
    owner = pl.col("client_owner").list.join(" or ")
    told = theirs.select(
        pl.coalesce("destination", "server").alias("name"),
        "server_port",
        "protocol",
        kin=pl.when(owner != "").then(owner).otherwise(pl.col("client")),
    )
    key = ["name", "server_port", "protocol"]
    went = told.group_by(key).agg(pl.col("kin").unique().sort())
    count = theirs["client_interface"].n_unique()
    return (
        seen.filter(role="client")
        .group_by(pl.coalesce("name", "peer").alias("name"), "server_port", "protocol")
        .agg(pl.col("bytes_out").sum())
        .join(went, on=key, how="left", nulls_equal=True)
        .with_columns(pl.col("kin").fill_null(pl.lit([], pl.List(pl.String))), of=pl.lit(count))
        .with_columns(only=pl.when(pl.col("of") > 0).then(pl.col("kin").list.len() == 0))
        .sort("only", "bytes_out", *key, descending=[True, True, False, False, False])
        .select(pl.col(name).cast(dtype) for name, dtype in KIN.items())
    )


def may(seen: pl.DataFrame, inventory: "Inventory | None") -> pl.DataFrame:
    """Return what the configuration makes of the subject's traffic, for the services it used.

    Args:
        seen: a table of SEEN; rows whose interface is not known are left out.
        inventory: AWS's configuration.
    """
    if inventory is None:
        return pl.DataFrame(schema=MAY)
    from flowlens.reach import evaluate

    asked = _asked(seen)
    said = evaluate(_flows(asked), inventory).select(
        "verdict", "end_to_end", "blocked_by", "route_target", "notes", rules="sg_rules"
    )
    alike = ["role", "name", "server_port", "protocol", *said.columns]
    return (
        asked.hstack(said)
        .group_by(alike, maintain_order=True)
        .agg(pl.col("accepted", "rejected").sum(), addresses=pl.col("peer").n_unique())
        .select(pl.col(name).cast(dtype) for name, dtype in MAY.items())
    )


def _asked(seen: pl.DataFrame) -> pl.DataFrame:
    """Return the services and peers that are asked about, the heaviest first, and their records."""
    records, action = pl.col("records"), pl.col("action")
    key = ["role", "peer", "server_port", "protocol"]
    return (
        seen.filter(pl.col("role") != "middle", pl.col("interface").is_not_null())
        .sort("last_seen", "own", "interface")
        .group_by(key, maintain_order=True)
        .agg(
            pl.col("name").drop_nulls().first(),
            pl.col("own", "interface", "last_seen").last(),
            accepted=records.filter(action == "ACCEPT").sum(),
            rejected=records.filter(action == "REJECT").sum(),
            weight=(pl.col("bytes_out") + pl.col("bytes_in")).sum(),
        )
        .drop_nulls(["peer", "protocol"])
        .sort("weight", *key, descending=[True] + [False] * len(key), nulls_last=True)
        .head(JUDGED)
    )


def _flows(asked: pl.DataFrame) -> pl.DataFrame:
    """Return them as flows that the subject's end opens or is met by."""
    out = pl.col("role") == "client"
    return asked.select(
        interface_id="interface",
        direction=pl.when(out).then(pl.lit("egress")).otherwise(pl.lit("ingress")),
        src=pl.when(out).then("own").otherwise("peer"),
        dst=pl.when(out).then("peer").otherwise("own"),
        protocol="protocol",
        dst_port=pl.when(pl.col("protocol").is_in(sorted(PORTED))).then("server_port"),
        role=pl.lit("initiate"),
        at="last_seen",
    )
