"""Groups of destinations: how they are named, which keep a row, and how far they are opened."""

import polars as pl

from flowlens_graphs.frame import network
from flowlens_graphs.words import registered

__all__ = ["group", "keep", "levels", "refine"]

#: Groups that every class may keep before a heavier class takes the rest.
FLOOR = 3

#: An AWS region in the name of a destination, with what joins it to the rest.
REGION = r"[ .,(\[/-]*\b([a-z]{2}(-[a-z]+)+-\d|GLOBAL)\b[)\]]*$"


def group() -> pl.Expr:
    """The coarser name of a destination: service, registered domain, kind or network."""
    given = pl.col("destination_kind")
    service = pl.col("target").str.replace(REGION, "")
    domain = pl.col("target").map_batches(_registered, return_dtype=pl.String)
    return (
        pl.when(given == "aws")
        .then(service)
        .when(given == "domain")
        .then(domain)
        .when(given == "inside")
        .then(pl.coalesce("server_kind", network("target")))
        .when(given.is_in(["address"]) | given.is_null())
        .then(network("target"))
        .otherwise("target")
    )


def _registered(names: pl.Series) -> pl.Series:
    known = names.unique().drop_nulls().to_list()
    return names.replace_strict(
        known, [registered(name) for name in known], default=None, return_dtype=pl.String
    )


def refine(small: pl.DataFrame, room: int) -> pl.DataFrame:
    """Regroup what is unexpected by address, else by name, where that takes at most `room` rows."""
    bad = small.filter(pl.col("class") == "unexpected")
    for parts in (["target", "server"], ["target"]):
        if 0 < bad.select(parts).n_unique() <= room:
            finer = pl.concat_str(*(pl.col(p).fill_null("") for p in parts), separator="\x1f")
            picked = pl.when(pl.col("class") == "unexpected").then(finer).otherwise("group")
            return small.with_columns(picked.alias("group"))
    return small


def keep(units: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Say of every group whether it keeps a row of its own (`own`) or joins the smaller ones.

    A class that merges has its own row "n smaller groups", which counts; a single group is never
    merged, since that would save nothing.
    """
    groups = (
        units.group_by("class", "group")
        .agg(pl.col("bytes_out").sum())
        .sort("bytes_out", "class", "group", descending=[True, False, False])
        .with_columns(pl.int_range(pl.len()).over("class").alias("order"))
        .with_columns(
            pl.when(pl.col("order") < FLOOR)
            .then(0)
            .when(pl.col("class") == "unexpected")
            .then(1)
            .otherwise(2)
            .alias("turn")
        )
        .sort("turn", maintain_order=True)
    )
    for room in range(budget, 0, -1):
        marked = groups.with_row_index("place").with_columns(own=pl.col("place") < room)
        merged = marked.filter(~pl.col("own")).group_by("class").len()
        if min(room, groups.height) + merged.height <= budget:
            break
    single = merged.filter(pl.col("len") == 1)["class"].implode()
    own = pl.col("own") | pl.col("class").is_in(single)
    return marked.select("class", "group", own.alias("own"))


def levels(units: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Say how far each group is opened: 0 merged, 1 group, 2 names, 3 addresses."""
    groups = (
        units.group_by("class", "group", "own")
        .agg(
            pl.col("target").n_unique().alias("names"),
            pl.struct("target", "server").n_unique().alias("addresses"),
            pl.col("bytes_out").sum(),
        )
        .with_columns(later=pl.col("class") != "unexpected")
        .sort("later", "bytes_out", "class", "group", descending=[False, True, False, False])
    )
    merged = groups.filter(~pl.col("own"))["class"].n_unique()
    spare = budget - groups.filter("own").height - merged
    level = []
    for kind, own, names, addresses in groups.select("class", "own", "names", "addresses").rows():
        best, cost = (0, 0) if not own else _open(kind, names, addresses, spare)
        level.append(best)
        spare -= cost
    return groups.select("class", "group", pl.Series("level", level, dtype=pl.Int8))


def _open(kind: str, names: int, addresses: int, spare: int) -> tuple[int, int]:
    if kind == "unexpected" and addresses - 1 <= spare:
        return 3, addresses - 1
    if names - 1 <= spare:
        return 2, names - 1
    return 1, 0
