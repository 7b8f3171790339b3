"""The first raw records behind each finding, with object and line number."""

from collections.abc import Sequence

import polars as pl

from flowlens.words import PORTED

__all__ = ["quote", "text"]

#: Columns that say where a record stood and are no part of its text.
PLACE = ("source", "line", "flow_log")


def quote(findings: pl.DataFrame, records: pl.LazyFrame, *, limit: int = 5) -> pl.DataFrame:
    """Fill `evidence.lines` with the first raw records of each finding.

    Quoted are the earliest records of the finding's address pair, in either direction and from
    any observer, within a day of its first hour; one that was delivered twice is quoted once. The
    text of a record is its values in the column order of `records`, with `-` for null and times in
    seconds, as AWS writes them.

    Args:
        findings: a table of schema FINDINGS.
        records: typed records with the columns `source` and `line`.
        limit: the number of records quoted for a finding.

    Returns:
        `findings` in its order; lines stay empty where the records lack what is needed to find
        them (an address column, `start`, `source` or `line`).
    """
    names = records.collect_schema().names()
    if findings.is_empty() or not {"srcaddr", "dstaddr", "start", "source", "line"} <= set(names):
        return findings
    lines = (
        _keyed(records, names)
        .join(_pairs(findings), on=["_src", "_dst"])
        .filter(_within(names))
        .select("id", "start", "source", "line", text=text(names))
        .collect(engine="streaming")
        .sort("id", "start", "source", "line")
        .unique(["id", "start", "text"], keep="first", maintain_order=True)
        .group_by("id", maintain_order=True)
        .agg(_lines=pl.struct("source", "line", "text").head(limit))
    )
    evidence = pl.col("evidence").struct
    return (
        findings.join(lines, on="id", how="left", maintain_order="left")
        .with_columns(
            evidence=pl.struct(
                evidence.field("filter"),
                pl.coalesce("_lines", evidence.field("lines")).alias("lines"),
            )
        )
        .drop("_lines")
    )


def _keyed(records: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """Add the far addresses: those of the packet where a middlebox stands between.

    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-fields.html (pkt-srcaddr)
    """

    def far(name: str) -> pl.Expr:
        packet = f"pkt_{name}"
        return pl.coalesce(packet, name) if packet in names else pl.col(name)

    return records.with_columns(_src=far("srcaddr"), _dst=far("dstaddr"))


def _pairs(findings: pl.DataFrame) -> pl.LazyFrame:
    """Return each finding twice, once for either direction, with the ports to look for."""
    ported = pl.col("protocol").is_in(sorted(PORTED))
    there = findings.lazy().select(
        "id",
        "client",
        "server",
        _port=pl.when(ported).then("server_port"),
        _protocol=pl.col("protocol"),
        _from=pl.col("first_seen").dt.truncate("1h"),
    )
    out = there.rename({"client": "_src", "server": "_dst"}).with_columns(_reply=False)
    back = there.rename({"server": "_src", "client": "_dst"}).with_columns(_reply=True)
    return pl.concat([out, back.select(out.collect_schema().names())])


def _within(names: Sequence[str]) -> pl.Expr:
    """Return the condition on time and, where the records have them, protocol and port."""
    start = pl.col("start")
    found = start.is_between("_from", pl.col("_from").dt.offset_by("1d"), closed="left")
    if "protocol" in names:
        found &= pl.col("_protocol").is_null() | (pl.col("protocol") == pl.col("_protocol"))
    if {"srcport", "dstport"} <= set(names):
        port = pl.when("_reply").then("srcport").otherwise("dstport")
        found &= pl.col("_port").is_null() | (port == pl.col("_port"))
    return found


def text(names: Sequence[str]) -> pl.Expr:
    """Return a record as blank-separated text."""
    values = []
    for name in names:
        if name in PLACE:
            continue
        value = pl.col(name).dt.epoch("s") if name in {"start", "end"} else pl.col(name)
        values.append(value.cast(pl.String).fill_null("-"))
    return pl.concat_str(values, separator=" ")
