"""Conversations added up to the entries of a document, each with its evidence in words."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

import polars as pl

from flowlens.expected.document import Subject
from flowlens.expected.draft import Item, visible
from flowlens.expected.instruments import CHURN
from flowlens.words import moment, noun, share, size

__all__ = ["evidence", "grouped", "items", "listed"]

#: In the order of a rule, the narrowest word first.
ORDER = ("security_group", "endpoint", "prefix_list", "aws_service", "domain", "cidr")
_ENTRY = ["workload", "kind", "value", "place"]
_SHOWN = 4  # names in a text

#: Why an entry has its kind.
REASONS: Mapping[str, str] = {
    "endpoint": "an interface endpoint",
    "security_group": "interfaces with this group",
    "prefix_list": "a list that counts no more rules than its addresses",
    "aws_service": "a service of AWS without a list in the inventory",
    "domain": "too rare to know whether its address stays",
    "cidr": "no word that says it better",
}


def grouped(frame: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Add up conversations, as the columns of `learn.LEARNED` that are evidence.

    Args:
        frame: What `spread.spread` returns.
        by: What makes an entry.
    """
    flows = pl.col("connections").fill_null(1).clip(lower_bound=1)
    spoken = pl.struct("protocol", "port", "said").unique().sort()
    table = frame.group_by(by).agg(
        pl.col("records", "bytes_out", "bytes_in").sum(),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
        pl.col("churn").max(),
        ports=spoken.struct.field("said"),
        conversations=pl.len(),
        flows=flows.sum(),
        hours=pl.col("hour").n_unique(),
        addresses=pl.col("server").n_unique(),
        owners=pl.col("server_owner").explode(empty_as_null=True).drop_nulls().unique().sort(),
        targets=pl.col("destination").drop_nulls().unique().sort(),
    )
    heard = frame.drop_nulls("name").group_by(*by, "name").agg(flows=flows.sum())
    ranked = heard.sort("flows", "name", descending=[True, False])
    names = ranked.group_by(by, maintain_order=True).agg(names="name")
    joined = table.join(names, on=by, how="left", nulls_equal=True)
    return joined.with_columns(pl.col("names").fill_null(pl.lit([], pl.List(pl.String))))


def items(frame: pl.DataFrame, called: Sequence[tuple[Subject, ...]]) -> list[tuple[Item, Any]]:
    """Return the entries to be written with their rows of `grouped`, in the order of a document."""
    rows = grouped(frame.drop_nulls("kind"), _ENTRY).to_dicts()
    rows.sort(key=lambda row: (row["workload"], ORDER.index(row["kind"]), *_place(row)))
    return [
        (
            Item(
                called[row["workload"]],
                row["kind"],
                row["value"],
                row["place"],
                tuple(row["ports"]),
                _why(row),
                evidence(row),
            ),
            row,
        )
        for row in rows
    ]


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what an entry is sorted by within its kind: prefixes as numbers."""
    if row["kind"] == "cidr":
        net = ip_network(row["value"])
        return net.version, int(net.network_address), net.prefixlen
    return row["value"], row["place"] or ""


def _why(row: Mapping[str, Any]) -> str:
    """Return a reason that stays the same while the destinations do."""
    if row["kind"] == "security_group":
        return listed(row["owners"]) or "in the same network"
    if row["kind"] == "domain":
        return "by name, since addresses change"
    names = sorted(row["names"]) or row["owners"]
    told = [each for each in row["targets"] if each not in names and each != row["value"]]
    bare = row["value"].rpartition("/")[0]
    named = names if row["kind"] == "cidr" else []
    return (
        listed([*named, *(each for each in told if each != bare and not named)]) or "no name known"
    )


def listed(texts: Sequence[str]) -> str:
    """Return some texts as one.

    >>> listed(["a", "b"]), listed(list("abcdef"))
    ('a, b', 'a, b, c, d and 2 more')
    """
    more = len(texts) - _SHOWN
    some = ", ".join(visible(each) for each in texts[:_SHOWN])
    return f"{some} and {more} more" if more > 0 else some


def evidence(row: Mapping[str, Any]) -> str:
    """Return what was seen on one line, and why the entry has its kind on the next."""
    seen = (
        f"{moment(row['first_seen'])} to {moment(row['last_seen'])} UTC: "
        f"{noun(row['flows'], 'flow')} in {noun(row['hours'], 'hour')}, "
        f"{size(row['bytes_out'])} out, {size(row['bytes_in'])} in"
    )
    parts = [noun(row["addresses"], "address", "addresses")]
    if row["names"] and row["kind"] != "cidr" and row["names"] != [row["value"]]:
        parts.append(listed(row["names"]))
    return f"{seen}\n{'; '.join([*parts, reason(row)])}"


def reason(row: Mapping[str, Any]) -> str:
    """Say why an entry has its kind."""
    churn = row["churn"]
    if row["kind"] == "domain" and churn and row["addresses"] > 1:
        return f"about {share(churn, 1)} of flows go to addresses not seen before"
    if row["kind"] == "cidr" and row["names"] and churn is not None:
        return "the addresses of the name stay" if churn <= CHURN else "its name may have others"
    return REASONS[row["kind"]]
