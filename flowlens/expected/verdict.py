"""Cases against entries: which entry covers what for whom, and the verdict that follows."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.known import Known
from flowlens.expected import subjects
from flowlens.expected.cases import CASE, ask, hits
from flowlens.expected.document import Document

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["CARRIERS", "compare", "covers"]

#: Kinds of owner that open connections on behalf of others.
CARRIERS = ("alb", "clb", "gwlb", "gwlb_endpoint", "nat_gateway", "nlb", "transit_gateway")


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
    asked = ask(frame, document)
    about = subjects.applying(asked.workloads, document, inventory)
    found = hits(asked, about, document, known)
    verdicts = _verdicts(asked.cases, asked.workloads, about, found, document.source)
    keyed = asked.cases.join(verdicts, on="case", maintain_order="left").drop("case")
    return asked.frame.join(
        keyed, on=CASE, how="left", nulls_equal=True, maintain_order="left"
    ).drop("workload", "target", "era")


def covers(
    frame: pl.DataFrame, document: Document, inventory: "Inventory | None", known: Known
) -> pl.DataFrame:
    """Return every entry that covers, or may cover, a conversation, not only the deciding one.

    Args:
        frame: As in `compare`.
        document: Likewise.
        inventory: Likewise.
        known: Likewise.

    Returns:
        `row` (position in `frame`), `entry` (number in the document, from 0), `sure` (nothing is
        left unknown) and `live` (it still counted then), in order.
    """
    asked = ask(frame, document)
    about = subjects.applying(asked.workloads, document, inventory)
    found = hits(asked, about, document, known)
    found = found.group_by("case", "entry").agg(
        sure=pl.col("doubt").is_null().any(), live=pl.col("live").any()
    )
    keyed = asked.frame.select(CASE).with_row_index("row")
    cases = keyed.join(asked.cases, on=CASE, nulls_equal=True).select("row", "case")
    return cases.join(found, on="case").drop("case").sort("row", "entry")


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
