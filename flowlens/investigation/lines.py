"""The first raw records of what matters, with object and line."""

import polars as pl

from flowlens.filters import expression
from flowlens.findings.quote import text
from flowlens.investigation.subject import Subject
from flowlens.tables import TIME

__all__ = ["LINES", "lines"]

LINES: dict[str, pl.DataType] = {
    "peer": pl.String(),
    "start": TIME,
    "source": pl.String(),  # object
    "line": pl.UInt64(),
    "text": pl.String(),
}
NEEDED = {"srcaddr", "dstaddr", "start", "source", "line"}


def lines(records: pl.LazyFrame, subject: Subject, peers: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Return the first record with each of the first peers; of a finding, its first records.

    Args:
        records: typed records; without `source`, `line` and what else is needed nothing is quoted.
        subject: what is investigated.
        peers: in the order in which they matter.
        limit: records at most.
    """
    schema = records.collect_schema()
    if not set(schema) >= NEEDED:
        return pl.DataFrame(schema=LINES)
    names = schema.names()
    own = records.filter(expression(subject.own, schema))
    rank = peers.select("peer").drop_nulls().unique(maintain_order=True).with_row_index("_rank")
    ends = [
        pl.coalesce(*(name for name in (f"pkt_{end}", end) if name in names))
        for end in ("srcaddr", "dstaddr")
    ]
    sides = [own.with_columns(peer=end).join(rank.lazy(), on="peer") for end in ends]
    found = pl.concat(sides).select("_rank", "peer", "start", "source", "line", text=text(names))
    by = ["start", "source", "line"]
    if subject.finding is not None:
        told = found.sort(*by, nulls_last=True).unique(by, keep="first", maintain_order=True)
        first = told.head(limit).collect()
    else:
        first = (
            found.filter(pl.col("_rank") < limit)
            .sort(*by, nulls_last=True)
            .unique("_rank", keep="first", maintain_order=True)
            .sort("_rank")
            .collect()
        )
    return first.select(pl.col(name).cast(dtype) for name, dtype in LINES.items())
