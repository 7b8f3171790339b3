"""Which entries of a document cover which destination."""

from collections.abc import Callable
from functools import partial

import polars as pl

from flowlens.destinations.known import Known, code, region
from flowlens.destinations.paths import private
from flowlens.destinations.prefixes import covering
from flowlens.expected.document import Document
from flowlens.expected.names import CLAIMED, matching
from flowlens.expected.subjects import pattern

__all__ = ["COLUMNS", "covered", "entries"]

#: What a destination is told by.
COLUMNS = {
    "server": pl.String(),
    "server_owner": pl.List(pl.String),
    "server_groups": pl.List(pl.String),
    "services": pl.List(pl.String),
    "region": pl.String(),
    "lists": pl.List(pl.String),
    "endpoint": pl.String(),
    "path": pl.String(),
    "claimed": CLAIMED,  # what `claim` adds
}

_ENTRIES = {
    "entry": pl.UInt32(),
    "rule": pl.UInt32(),
    "kind": pl.String(),
    "value": pl.String(),
    "wanted_region": pl.String(),
}
_FOUND = {"target": pl.UInt32(), "entry": pl.UInt32(), "doubt": pl.String()}
_GATED = ("DYNAMODB", "S3")


def entries(document: Document) -> pl.DataFrame:
    """Return the entries of a document, a row per value, numbered in the order of the file."""
    every = [(n, e) for n, r in enumerate(document.rules) for e in r.entries]
    rows = [
        (i, rule, e.kind, value, e.region)
        for i, (rule, e) in enumerate(every)
        for value in e.values
    ]
    return pl.DataFrame(rows, schema=_ENTRIES, orient="row")


def covered(targets: pl.DataFrame, document: Document, known: Known) -> pl.DataFrame:
    """Return the entries that cover, or may cover, each destination; ports are not looked at.

    Args:
        targets: Distinct rows of `COLUMNS` with their number in `target`.
        document: The entries.
        known: What is known about addresses.

    Returns:
        `target`, `entry` (its number in `entries`) and `doubt`: null where the entry covers it for
        sure, else what is not known.
    """
    listed = entries(document)
    wanted = {kind: rows for (kind,), rows in listed.partition_by("kind", as_dict=True).items()}
    ways: tuple[_Way, ...] = (
        *_WAYS,
        ("prefix_list", partial(_unlisted, known=known)),
        ("aws_service", partial(_unranged, known=known)),
    )
    # Most documents name destinations in a few ways: only these are looked at.
    found = [find(targets, wanted[kind]) for kind, find in ways if kind in wanted]
    named = _expand(listed, document)
    found += [] if named.is_empty() else [_prefixes(targets, named)]
    return (
        pl.concat([pl.DataFrame(schema=_FOUND), *(_shaped(f) for f in found)])
        .sort("target", "entry", "doubt", nulls_last=False)
        .unique(["target", "entry"], keep="first", maintain_order=True)
    )


def _shaped(frame: pl.DataFrame) -> pl.DataFrame:
    doubt = pl.col("doubt") if "doubt" in frame.columns else pl.lit(None)
    return frame.select("target", "entry", doubt=doubt).select(
        pl.col(name).cast(dtype) for name, dtype in _FOUND.items()
    )


def _expand(listed: pl.DataFrame, document: Document) -> pl.DataFrame:
    """Return entries by prefix, the owner's names replaced by their prefixes."""
    rows = [(name, cidr) for name, cidrs in document.names.items() for cidr in cidrs]
    schema = {"value": pl.String(), "cidr": pl.String()}
    names = pl.DataFrame(rows, schema=schema, orient="row")
    by_name = listed.filter(pl.col("kind") == "name").join(names, on="value")
    plain = listed.filter(pl.col("kind") == "cidr").with_columns(cidr="value")
    return pl.concat([f.select("entry", "cidr") for f in (plain, by_name)])


def _prefixes(targets: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    rows = named.with_row_index("row")
    held = covering(targets["server"], rows["cidr"].to_list()).join(rows, on="row")
    return targets.join(held, left_on="server", right_on="address")


def _equal(targets: pl.DataFrame, wanted: pl.DataFrame, *, column: str) -> pl.DataFrame:
    return targets.join(wanted, left_on=column, right_on="value")


def _several(targets: pl.DataFrame, wanted: pl.DataFrame, *, column: str) -> pl.DataFrame:
    return _equal(targets.explode(column, empty_as_null=True), wanted, column=column)


def _anywhere(targets: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    return targets.join(wanted, how="cross")


def _services(targets: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Return entries for AWS services; ``AMAZON`` stands for all of them."""
    known = targets.drop_nulls("services").with_columns(
        services=pl.concat_list("services", pl.lit(["AMAZON"])).list.unique()
    )
    pairs = _equal(known.explode("services"), wanted, column="services")
    place = pl.col("wanted_region").is_null() | (pl.col("wanted_region") == pl.col("region"))
    return pairs.filter(place.fill_null(value=True)).with_columns(
        doubt=pl.when(place.is_null()).then(pl.format("the Region of {} is not known", "server"))
    )


def _owners(targets: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Return entries for owners: sure where they name every candidate."""
    people = targets.with_columns(size=pl.col("server_owner").list.len()).explode(
        "server_owner", empty_as_null=True
    )
    matches = matching(people["server_owner"], wanted["value"], pattern)
    fits = people.join(matches, left_on="server_owner", right_on="name").join(wanted, on="value")
    pairs = fits.unique(["target", "entry", "server_owner"])
    return pairs.group_by("target", "entry").agg(
        doubt=pl.when(pl.len() < pl.col("size").first()).then(
            pl.format(
                "the owner may be another than {}",
                pl.col("server_owner").sort().str.join(", "),
            )
        )
    )


def _names(targets: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Return entries for domains: sure where the names that match are likely together."""
    claims = targets.explode("claimed", empty_as_null=True).drop_nulls("claimed").unnest("claimed")
    return claims.join(wanted, on="value").with_columns(
        doubt=pl.when(~pl.col("likely")).then(
            pl.format("{} more probably has another name", "server")
        )
    )


def _hidden(local: pl.Expr) -> pl.Expr:
    """Return whether an endpoint may be on the way without a trace in the log."""
    gated = pl.col("services").list.eval(pl.element().is_in(_GATED)).list.any()
    silent = pl.col("endpoint").is_null() & pl.col("path").is_null()
    return silent & (local | gated.fill_null(value=False))


def _doubt(
    targets: pl.DataFrame, wanted: pl.DataFrame, *, test: pl.Expr, text: str
) -> pl.DataFrame:
    why = pl.format(text, "server") if "{}" in text else pl.lit(text)
    return targets.filter(test).join(wanted, how="cross").with_columns(doubt=why)


def _unlisted(targets: pl.DataFrame, wanted: pl.DataFrame, *, known: Known) -> pl.DataFrame:
    """Return entries for prefix lists whose prefixes the inventory does not have."""
    read = known.lists.drop_nulls("cidr")["prefix_list"].unique()
    unread = wanted.filter(~pl.col("value").is_in(read.to_list()))
    why = pl.format("the entries of {} are not in the inventory", "value")
    return targets.join(unread, how="cross").with_columns(doubt=why)


def _unranged(targets: pl.DataFrame, wanted: pl.DataFrame, *, known: Known) -> pl.DataFrame:
    """Return entries for services of which nothing tells that the address is not theirs.

    AWS's ranges would tell, records with the service of the address would (they write nothing for
    other addresses), and so would the managed prefix list of the service in the Region.
    """
    told = known.ranges is not None or bool((targets["services"].list.len() > 0).any())
    lists = known.lists.drop_nulls("cidr").select(
        value=code(pl.col("name")), wanted_region=region(pl.col("name"))
    )
    unlisted = wanted.join(lists.unique(), on=["value", "wanted_region"], how="anti")
    lost = (
        pl.col("server_owner").is_null()
        & ~private(pl.col("server"))
        & pl.col("services").is_null()
        & pl.lit(value=not told)
    )
    why = pl.lit("no AWS address ranges were given")
    return targets.filter(lost).join(unlisted, how="cross").with_columns(doubt=why)


_FREE, _LOCAL = pl.col("server_owner").is_null(), private(pl.col("server"))
_Way = tuple[str, Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]]

#: Kind of entry -> the destinations it covers, or may cover.
_WAYS: tuple[_Way, ...] = (
    ("aws_service", _services),
    ("security_group", partial(_several, column="server_groups")),
    ("prefix_list", partial(_several, column="lists")),
    ("endpoint", partial(_equal, column="endpoint")),
    ("owner", _owners),
    ("domain", _names),
    ("any", _anywhere),
    *(
        (kind, partial(_doubt, test=test, text=text))
        for kind, test, text in (
            ("security_group", _FREE & _LOCAL, "the groups of {} are not known"),
            ("owner", _FREE & _LOCAL, "the owner of {} is not known"),
            ("endpoint", _FREE & _hidden(_LOCAL), "the path to {} is not known"),
            ("domain", _FREE & pl.col("claimed").is_null(), "no resolver log"),
        )
    ),
)
