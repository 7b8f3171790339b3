"""Cases against entries: which entry covers what for whom, and the verdict that follows."""

from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.known import Known
from flowlens.expected import subjects, targets
from flowlens.expected.document import Document

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["CARRIERS", "compare"]

#: Kinds of owner that open connections on behalf of others.
CARRIERS = ("alb", "clb", "gwlb", "gwlb_endpoint", "nat_gateway", "nlb", "transit_gateway")

#: What the verdict depends on; `era` counts the ends of entries that have passed.
_CASE = ["workload", "target", "server_port", "protocol", "era"]
_PORTS = {
    "entry": pl.UInt32(),
    "rule": pl.UInt32(),
    "spoken": pl.UInt8(),
    "first": pl.UInt16(),
    "last": pl.UInt16(),
    "ends": pl.UInt32(),
    "text": pl.String(),
    "until": pl.String(),
}


def compare(
    frame: pl.DataFrame, document: Document, inventory: "Inventory | None", known: Known
) -> pl.DataFrame:
    """Judge conversations by a document.

    Everything is matched on distinct workloads, destinations and cases, so the cost does not grow
    with the number of conversations.

    Args:
        frame: Egress with the columns of `subjects` and `targets`.
        document: What should happen.
        inventory: For the instances behind interfaces.
        known: What is known about addresses.

    Returns:
        `frame` with `expected` and `why`.
    """
    ends = sorted({e.until for r in document.rules for e in r.entries if e.until is not None})
    frame = targets.claim(frame, document)
    who, what = list(subjects.COLUMNS), list(targets.COLUMNS)
    workloads = frame.select(who).unique(maintain_order=True).with_row_index("workload")
    reached = frame.select(what).unique(maintain_order=True).with_row_index("target")
    passed = [(pl.col("first_seen") >= end).cast(pl.UInt32) for end in ends]
    numbered = (
        frame.join(workloads, on=who, how="left", nulls_equal=True, maintain_order="left")
        .join(reached, on=what, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(era=pl.sum_horizontal(pl.lit(0, pl.UInt32), *passed).cast(pl.UInt32))
    )
    cases = numbered.select(_CASE).unique(maintain_order=True).with_row_index("case")
    about = subjects.applying(workloads, document, inventory)
    hits = _hits(cases, about, targets.covered(reached, document, known), _table(document, ends))
    verdicts = _verdicts(cases, workloads, about, hits, document.source)
    keyed = cases.join(verdicts, on="case", maintain_order="left").drop("case")
    return numbered.join(keyed, on=_CASE, how="left", nulls_equal=True, maintain_order="left").drop(
        "workload", "target", "era"
    )


def _table(document: Document, ends: list[datetime]) -> pl.DataFrame:
    """Return the entries with a row per port range; `ends` is the era in which they are over."""
    every = [(n, e) for n, r in enumerate(document.rules) for e in r.entries]
    rows = [
        (
            i,
            rule,
            port.protocol,
            port.first,
            port.last,
            ends.index(entry.until) + 1 if entry.until else None,
            f"{document.source}:{entry.line} {entry}",
            f"{entry.until:%Y-%m-%d %H:%M} UTC" if entry.until else None,
        )
        for i, (rule, entry) in enumerate(every)
        for port in entry.ports
    ]
    return pl.DataFrame(rows, schema=_PORTS, orient="row")


def _hits(
    cases: pl.DataFrame, about: pl.DataFrame, covered: pl.DataFrame, table: pl.DataFrame
) -> pl.DataFrame:
    """Return the entries that cover, or may cover, a case for one candidate.

    Protocol and port must fit; `live` tells whether the entry still counted, `doubt` what is not
    known.
    """
    port = pl.col("server_port").fill_null(0)
    return (
        cases.lazy()
        .join(covered.lazy(), on="target")
        .join(table.lazy(), on="entry")
        .filter(
            pl.col("spoken").is_null() | (pl.col("spoken") == pl.col("protocol")),
            port.is_between(pl.col("first"), pl.col("last")),
        )
        .join(about.lazy(), on=["workload", "rule"], suffix="_client")
        .select(
            "case",
            "candidate",
            "entry",
            "text",
            "until",
            doubt=pl.coalesce("doubt_client", "doubt"),
            live=(pl.col("era") < pl.col("ends")).fill_null(value=True),
        )
        .unique(["case", "candidate", "entry"], keep="first")
        .sort("case", "candidate", "entry")
        .collect()
    )


def _verdicts(
    cases: pl.DataFrame,
    workloads: pl.DataFrame,
    about: pl.DataFrame,
    hits: pl.DataFrame,
    source: str,
) -> pl.DataFrame:
    """Return `expected` and `why` of each case."""
    size = pl.col("client_owner").list.len().clip(lower_bound=1).fill_null(1)
    people = workloads.select("workload", "client", "client_owner", "client_kind", size=size)
    declared = about.filter(pl.col("doubt").is_null()).select("workload").unique()
    full = cases.select("case", "workload").join(people, on="workload", maintain_order="left")
    declared = declared.with_columns(declared=pl.lit(value=True))
    full = full.join(declared, on="workload", how="left", maintain_order="left")
    for table in _reasons(hits):
        full = full.join(table, on="case", how="left", maintain_order="left")
    return full.with_columns(expected=_expected()).select("case", "expected", why=_why(source))


def _reasons(hits: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return, by case, what allows it, what may allow it, and what did until it ended."""

    def first(rows: pl.DataFrame) -> pl.DataFrame:
        ordered = rows.sort("case", "entry", "doubt", "candidate")
        return ordered.unique("case", keep="first", maintain_order=True)

    live = hits.filter("live")
    allowed = (
        live.filter(pl.col("doubt").is_null())
        .group_by("case")
        .agg(
            allowed=pl.col("candidate").unique().sort(),
            count=pl.col("candidate").n_unique(),
            rule=pl.col("text").sort_by("entry").first(),
        )
    )
    maybe = first(live.drop_nulls("doubt")).select("case", "doubt", possible="text")
    ended = pl.format("{} ended {}", "text", "until")
    over = first(hits.filter(~pl.col("live"))).select("case", ended=ended)
    return allowed, maybe, over


def _carried() -> pl.Expr:
    return (pl.col("client_kind").is_in(CARRIERS) & pl.col("declared").is_null()).fill_null(
        value=False
    )


def _expected() -> pl.Expr:
    open_ = pl.col("count").is_not_null() | pl.col("possible").is_not_null() | _carried()
    return (
        pl.when(pl.col("count") >= pl.col("size"))
        .then(pl.lit("yes"))
        .when(open_)
        .then(pl.lit("unknown"))
        .otherwise(pl.lit("no"))
    )


def _why(source: str) -> pl.Expr:
    """Return the entry that decided, or what was missing."""
    owner = pl.coalesce(pl.col("client_owner").list.join(", "), "client")
    nothing = (
        pl.when("declared")
        .then(pl.format("no entry for {} covers it", owner))
        .otherwise(pl.format("nothing is declared for {}", owner))
    )
    ended = pl.coalesce(pl.format("; {}", "ended"), pl.lit(""))
    others = pl.format(
        "{} covers it for {} only, the client may be any of {}",
        "rule",
        pl.col("allowed").list.join(", "),
        owner,
    )
    return (
        pl.when(pl.col("expected") == "yes")
        .then("rule")
        .when(pl.col("count").is_not_null())
        .then(others)
        .when(pl.col("possible").is_not_null())
        .then(pl.format("{} may cover it: {}", "possible", "doubt"))
        .when(_carried())
        .then(pl.format("{} carries the traffic of others", owner))
        .otherwise(pl.concat_str(pl.lit(f"{source}: "), nothing, ended))
    )
