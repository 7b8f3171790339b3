"""The row budget: any number of sources and destinations, shown in a page's worth of rows.

A page holds at most 30 rows of destinations and 24 of sources. Destinations stay in their class
(`frame.CLASSES`) and are grouped there: AWS addresses by service, names by registered domain,
workloads by kind, bare addresses by network. Groups are opened while rows last, unexpected ones
first and down to the address, the others from the heaviest and down to the name. Where even the
groups are too many, the lightest of each class become one row "n smaller groups". Every row of
traffic belongs to exactly one row of the picture, so numbers add up to the total.
"""

from dataclasses import dataclass

import polars as pl

from flowlens_graphs.frame import CLASSES, prepare
from flowlens_graphs.groups import group, keep, levels, refine
from flowlens_graphs.senders import listed, senders

__all__ = ["DESTINATIONS", "SOURCES", "Rows", "rows"]

DESTINATIONS = 30
SOURCES = 24

UNIT = ("class", "group", "target", "server", "kind")


@dataclass(frozen=True, slots=True)
class Rows:
    """What a picture shows: rows on the left, rows on the right, and what joins them."""

    sources: pl.DataFrame  # source, label, candidates, members, unexpected, bytes_out
    destinations: pl.DataFrame  # row, class, label, detail, addresses, ports, bytes_out, …
    links: pl.DataFrame  # source, row, class, rejected (all of it), bytes_out, …
    total: dict[str, int]


def rows(
    edges: pl.DataFrame | pl.LazyFrame, *, budget: int = DESTINATIONS, left: int = SOURCES
) -> Rows:
    """Return the rows of a picture: at most `budget` destinations and `left` sources.

    Args:
        edges: An edge table.
        budget: The most rows of destinations; at least two for each class.
        left: The most rows of sources.

    Returns:
        The rows. Bytes, records and conversations of the destinations, of the sources and of the
        links each add up to `total`.
    """
    small = refine(shrink(edges), budget // 2)
    small = small.join(place(small, budget), on=UNIT, nulls_equal=True)
    small = small.join(senders(small, left), on="sender", nulls_equal=True)
    return Rows(
        sources=listed(small),
        destinations=_destinations(small),
        links=small.group_by("source", "row", "class")
        .agg(pl.col("rejected").all(), *sums())
        .sort("source", "row"),
        total=_total(small),
    )


def sums() -> list[pl.Expr]:
    """The numbers that add up over rows."""
    return [pl.col(name).sum() for name in ("bytes_out", "records", "conversations")]


def shrink(edges: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return the traffic without time: one row a class, target, server, source, port and action."""
    return (
        prepare(edges)
        .with_columns(
            group().alias("group"),
            pl.col("destination_kind").alias("kind"),
            pl.col("source").alias("sender"),
            (pl.col("action") == "REJECT").fill_null(value=False).alias("rejected"),
        )
        .group_by(*UNIT, "sender", "server_port", "rejected", "region")
        .agg(
            pl.col("candidates").sort().drop_nulls().first(),
            (pl.col("expected") != "unknown").any().alias("judged"),
            pl.col("bytes_out").sum(),
            pl.col("records").sum(),
            pl.len().cast(pl.UInt64).alias("conversations"),
        )
        .sort(*UNIT, "sender", "server_port", "rejected", "region", nulls_last=True)
        .collect()
    )


def place(small: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Give every unit (class, group, target, server) its row: a key, a label and a detail."""
    units = small.group_by(UNIT).agg(pl.col("bytes_out").sum())
    kept = keep(units, budget)
    units = units.join(kept, on=["class", "group"], nulls_equal=True)
    level = levels(units, budget)
    units = units.join(level, on=["class", "group"], nulls_equal=True)
    return units.with_columns(row()).select(*UNIT, "row", "level")


def row() -> pl.Expr:
    """The key of a row: unique for what is drawn as one."""
    level = pl.col("level")
    parts = [
        pl.col("class"),
        pl.when(level > 0).then("group"),
        pl.when(level > 1).then("target"),
        pl.when(level > 2).then("server"),
    ]
    return pl.concat_str(*(p.fill_null("") for p in parts), separator="\x1f").alias("row")


def _destinations(small: pl.DataFrame) -> pl.DataFrame:
    ports = pl.col("server_port").drop_nulls()
    order = pl.col("class").replace_strict(CLASSES, range(len(CLASSES)), return_dtype=pl.Int8)
    found = small.group_by("row", "class", "level").agg(
        pl.col("group").n_unique().alias("groups"),
        pl.col("target").n_unique().alias("names"),
        pl.col("server").n_unique().alias("addresses"),
        ports.unique().sort().alias("ports"),
        pl.col("group").first(),
        pl.col("target").first(),
        pl.col("server").first(),
        pl.col("kind").first(),
        pl.col("region").drop_nulls().unique().sort().alias("regions"),
        pl.col("conversations").filter("rejected").sum().alias("refused"),
        *sums(),
    )
    return (
        found.with_columns(
            _label().alias("label"),
            _detail().alias("detail"),
            order.alias("place"),
            (pl.col("level") == 0).alias("merged"),
        )
        .sort("place", "merged", "bytes_out", "row", descending=[False, False, True, False])
        .drop("groups", "group", "target", "server", "kind", "regions", "place", "merged")
    )


def _label() -> pl.Expr:
    by_address = pl.col("kind").is_in(["network", "address"]) | pl.col("kind").is_null()
    return (
        pl.when(pl.col("level") == 0)
        .then(pl.format("{} smaller groups", "groups"))
        .when((pl.col("level") == 3) & by_address)
        .then(pl.col("server").fill_null("unknown"))
        .when((pl.col("level") == 1) & (pl.col("names") > 1))
        .then(pl.col("group"))
        .otherwise("target")
    )


def _detail() -> pl.Expr:
    by_address = pl.col("kind") == "network"
    return (
        pl.when(pl.col("level") == 0)
        .then(pl.lit(""))
        .when((pl.col("level") == 1) & (pl.col("names") > 1))
        .then(pl.format("×{}", "names"))
        .when((pl.col("level") == 3) & by_address)
        .then("target")
        .when((pl.col("level") == 3) & (pl.col("server") != pl.col("target")))
        .then("server")
        .when((pl.col("kind") == "aws") & (pl.col("regions").list.len() == 1))
        .then(pl.col("regions").list.first())
        .otherwise(pl.lit(""))
    )


def _total(small: pl.DataFrame) -> dict[str, int]:
    bad = small.filter(pl.col("class") == "unexpected")
    owned = pl.col("candidates").list.len().fill_null(0) > 0
    return {
        "sources": small["sender"].n_unique(),
        "strangers": small.filter(~owned)["sender"].n_unique(),
        "destinations": small["target"].n_unique(),
        "addresses": small["server"].n_unique(),
        "judged": small.filter(pl.col("judged"))["target"].n_unique(),
        "unexpected": bad["target"].n_unique(),
        "flagged": bad["sender"].n_unique(),
        "bytes_out": int(small["bytes_out"].sum()),
        "unexpected_bytes": int(bad["bytes_out"].sum()),
        "records": int(small["records"].sum()),
        "conversations": int(small["conversations"].sum()),
    }
