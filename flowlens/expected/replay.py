"""Traffic through a document: what it would have blocked, and what it admits that nobody used."""

import polars as pl

from flowlens.expected.document import Document
from flowlens.expected.judgement import ARRIVED
from flowlens.tables import EDGES

__all__ = ["REPLAY", "replay", "undeclared"]

REPLAY: dict[str, pl.DataType] = {
    # blocked, undeclared (no rule is about the workload, so none is rendered that could block it),
    # unknown (it may be blocked), unused (entries without traffic)
    "verdict": pl.String(),
    "workload": pl.String(),  # candidate owners, else the client's address; of entries their `from`
    "destination": pl.String(),  # of entries the entry
    "server_port": EDGES["server_port"],
    "protocol": EDGES["protocol"],
    "conversations": pl.UInt64(),
    "records": pl.UInt64(),
    "bytes_out": pl.UInt64(),
    "bytes_in": pl.UInt64(),
    "first_seen": EDGES["first_seen"],
    "last_seen": EDGES["last_seen"],
    "why": pl.String(),
}

_KEYS = ["verdict", "workload", "destination", "server_port", "protocol", "why"]
_SUMS = ("records", "bytes_out", "bytes_in")


def replay(edges: pl.DataFrame | pl.LazyFrame, document: Document) -> pl.DataFrame:
    """Return what a document does to traffic that the network let through.

    Traffic that was refused anyway is left out, and so is what merely arrived.

    Args:
        edges: A table of schema EDGES, judged by the document.
        document: What should happen.

    Returns:
        A table of schema `REPLAY`: blocked traffic first, then that of workloads that no rule is
        about, then what may be blocked (something is not known), each by bytes; then the entries
        that decided nothing, in the order of the file. An entry whose traffic an earlier one
        covers as well counts as unused.
    """
    frame = edges.lazy()
    let = pl.col("action").fill_null("ACCEPT") != "REJECT"
    verdict = (
        pl.when(undeclared(document))
        .then(pl.lit("undeclared"))
        .when(pl.col("expected") == "no")
        .then(pl.lit("blocked"))
        .otherwise(pl.lit("unknown"))
    )
    workload = pl.coalesce(pl.col("client_owner").list.join(", "), "client")
    stopped = (
        frame.filter(let, pl.col("expected") != "yes", pl.col("why") != ARRIVED)
        .with_columns(
            verdict=verdict,
            workload=workload,
            destination=pl.coalesce("destination", "server"),
        )
        .group_by(_KEYS)
        .agg(
            pl.len().alias("conversations"),
            *(pl.col(name).sum() for name in _SUMS),
            pl.col("first_seen").min(),
            pl.col("last_seen").max(),
        )
        .sort(
            "verdict",
            pl.col("bytes_out") + pl.col("bytes_in"),
            *_KEYS[1:],
            descending=[False, True, *[False] * 5],
            nulls_last=True,
        )
        .select(pl.col(name).cast(dtype) for name, dtype in REPLAY.items())
    )
    return pl.concat([stopped.collect(engine="streaming"), _unused(frame, document)])


def undeclared(document: Document) -> pl.Expr:
    """Return whether no rule of a document is about the workload of a judged edge."""
    nothing = f"{document.source}: nothing is declared for "
    told = pl.col("why").str.starts_with(nothing)
    return ((pl.col("expected") == "no") & told).fill_null(value=False)


def _unused(frame: pl.LazyFrame, document: Document) -> pl.DataFrame:
    """Return the entries that neither let a conversation pass nor may have."""
    prefix = f"{document.source}:"
    line = pl.col("why").str.strip_prefix(prefix).str.extract(r"^(\d+) ").cast(pl.UInt32)
    named = frame.filter(pl.col("why").str.starts_with(prefix), pl.col("expected") != "no")
    used = set(named.select(line=line).unique().collect()["line"])
    rows = [
        {
            "verdict": "unused",
            "workload": ", ".join(f"{each.kind} {each.value}" for each in rule.subjects),
            "destination": str(entry),
            "why": f"line {entry.line}: nothing in these logs needed it",
        }
        for rule in document.rules
        for entry in rule.entries
        if entry.line not in used
    ]
    return pl.DataFrame(rows, schema=REPLAY)
