"""The left side of a picture: who sends, in at most so many rows."""

import polars as pl

from flowlens_graphs.frame import INTERNET, network, private

__all__ = ["listed", "senders"]

SUMS = ("bytes_out", "records", "conversations")


def senders(small: pl.DataFrame, left: int) -> pl.DataFrame:
    """Give every sender the row in which it is shown (`source`)."""
    found = small.group_by("sender").agg(
        pl.col("candidates").first(),
        pl.col("bytes_out").sum(),
        (pl.col("class") == "unexpected").any().alias("flagged"),
        pl.col("bytes_out").filter(pl.col("class") == "unexpected").sum().alias("flagged_bytes"),
    )
    if found.height <= left:
        return found.select("sender", pl.col("sender").alias("source"))
    found = found.with_columns(stem().alias("stem"))
    stems = found.group_by("stem").agg(
        pl.col("flagged").any(), pl.col("flagged_bytes").sum(), pl.col("bytes_out").sum()
    )
    stems = stems.sort(
        "flagged", "flagged_bytes", "bytes_out", "stem", descending=[True, True, True, False]
    ).with_row_index("place")
    room = left if stems.height <= left else left - 1
    shown = pl.when(pl.col("place") < room).then("stem").otherwise(pl.lit(""))
    return found.join(
        stems.select("stem", shown.alias("source")), on="stem", nulls_equal=True
    ).select("sender", "source")


def stem() -> pl.Expr:
    """The name without its running number; the network of an address; a set as it is."""
    owned = pl.col("candidates").list.len().fill_null(0)
    name = pl.col("sender")
    address = pl.when(private("sender")).then(network("sender")).otherwise(pl.lit(INTERNET))
    plain = name.str.replace(r"-[0-9a-f]{8,17}$", "-…").str.replace(r"([-_.]?v?\d+)+$", "")
    return (
        pl.when(owned == 0)
        .then(address)
        .when(owned > 1)
        .then(name)
        .otherwise(pl.when(plain == "").then(name).otherwise(plain))
    )


def listed(small: pl.DataFrame) -> pl.DataFrame:
    """Return the source rows: label, candidates of a single owner, members, numbers."""
    others = pl.format("{} other workloads", "members")
    lone = pl.col("members") == 1
    return (
        small.group_by("source")
        .agg(
            pl.col("sender").n_unique().alias("members"),
            pl.col("sender").first().alias("only"),
            pl.col("candidates").first(),
            (pl.col("class") == "unexpected").any().alias("unexpected"),
            *(pl.col(name).sum() for name in SUMS),
        )
        .with_columns(
            pl.when(pl.col("source") == "")
            .then(others)
            .when(lone)
            .then("only")
            .otherwise("source")
            .alias("label"),
            pl.when(lone).then("candidates").otherwise(None).alias("candidates"),
        )
        .drop("only")
        .sort("source")
    )
