"""Why a flow was accepted or refused: the layer and the rule, or why that cannot be told."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.reach.compare import CASES, HELD, compare
from flowlens.reach.evaluate import evaluate
from flowlens.reach.schema import EXPLAINED, FLOWS, REACH
from flowlens.reach.seen import SEEN, given, seen
from flowlens.reach.sentences import sentences
from flowlens.tables import TIME

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["explain", "judged"]

#: Cases that another capture may account for; of the second kind, the captures around only.
_CONTRARY, _OPEN = ("drift", "late"), ("unknown", "likely", "part")
_TOLD = ["case", "layers", "rules", "way", "bpa", *REACH]
_OTHER = pl.when(pl.col("role") == "initiate").then(pl.lit("reply")).otherwise(pl.lit("initiate"))
_ORDER = ["first_seen", "interface_id", "client", "server", "server_port", "protocol", "direction"]


def explain(flows: pl.LazyFrame | pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Say of each flow which layer and rules let it through or refused it.

    An *explanation* holds what the log says against the configuration of that time: it
    ``agrees``; or it does not, which is *drift*; or the two do not tell which layer it was
    (``ambiguous``); or something is missing (``unknown``, and `notes` say what).

    Args:
        flows: the records table, or flows (`schema.FLOWS`), which may have ``action``,
            ``records``, ``first_seen`` and the other columns of `seen.SEEN`.
        inventory: from `flowlens.inventory.load`.

    Returns:
        A table of `schema.EXPLAINED`, a row for each distinct flow, sorted by time and ends.

    Raises:
        UsageError: the log format has no source or destination address.
    """
    lazy = flows.lazy()
    names = lazy.collect_schema().names()
    raw = any(name in names for name in ("srcaddr", "pkt_srcaddr"))
    asked = seen(lazy, inventory) if raw else given(lazy.collect())
    found = sentences(judged(asked, inventory), inventory)
    classes = found.with_columns(
        explanation=pl.col("case").replace_strict(CASES, return_dtype=pl.String),
        role=pl.when(pl.col("case") == "other").then(_OTHER).otherwise("role"),
    )
    table = _together(classes).select(pl.col(n).cast(dtype) for n, dtype in EXPLAINED.items())
    return table.sort(*_ORDER, pl.all().exclude(_ORDER), nulls_last=True)


def _together(found: pl.DataFrame) -> pl.DataFrame:
    """Merge rows that say the same: no rule told apart what they differ in."""
    counted = ("client_port", "records", "bytes", "connections", "first_seen", "last_seen")
    alike = [name for name in EXPLAINED if name not in counted]
    several = pl.col("client_port").n_unique() == 1
    return found.group_by(alike).agg(
        pl.when(several).then(pl.col("client_port").first()),
        *(
            pl.when(pl.col(name).count() > 0).then(pl.col(name).sum())
            for name in ("records", "bytes", "connections")
        ),
        pl.min("first_seen"),
        pl.max("last_seen"),
    )


def judged(asked: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Hold flows against the configuration, as of their time and as other captures show it.

    Args:
        asked: columns of `seen.SEEN`.
        inventory: from `flowlens.inventory.load`.

    Returns:
        `asked` with the columns of `schema.REACH`, of `compare.compare`, and ``changed_after``,
        ``changed_before``, ``held`` and ``was``: the captures between which it changed, the one
        that accounts for the log, and its rules.
    """
    rows = asked.with_row_index("row")
    first = _turned(_held(rows, inventory), inventory)
    past = _history(first.filter(pl.col("case").is_in([*_CONTRARY, *_OPEN])), inventory)
    if past.is_empty():
        return first.with_columns(**_NO_PAST).drop("row")
    joined = first.join(past, on="row", how="left", maintain_order="left", suffix="_past")
    # Where the captures around contradict each other, the one that accounts for the log counts.
    took = pl.col("case").is_in(_OPEN) & pl.col("case_past").is_not_null()
    columns = {
        name: pl.when(took).then(f"{name}_past").otherwise(name)
        for name in _TOLD
        if name != "notes"
    }
    return (
        joined.with_columns(was=pl.when(~took).then("rules_past"), **columns)
        .drop("row", *(f"{name}_past" for name in _TOLD))
        .select(
            *asked.columns,
            *(c for c in first.columns if c in {*_TOLD, "refusers", "acl", "entry", "opens"}),
            *_NO_PAST,
        )
    )


_NO_PAST = {
    "changed_after": pl.lit(None, TIME),
    "changed_before": pl.lit(None, TIME),
    "held": pl.lit(None, TIME),
    "was": pl.lit(None, pl.List(pl.String)),
}


def _held(asked: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Ask the configuration about flows, and hold it against the log."""
    return compare(asked.hstack(evaluate(asked.select(*FLOWS), inventory)))


def _turned(found: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Ask once more, with the roles exchanged, where they are a guess and the log contradicts."""
    odd = (pl.col("orientation") == "guess") & pl.col("case").is_in(_CONTRARY)
    doubt = found.filter(odd)
    if doubt.is_empty():
        return found
    again = _held(doubt.select("row", *SEEN).with_columns(role=_OTHER), inventory)
    fits = again.filter(pl.col("case").is_in(HELD))
    settled = fits.with_columns(case=pl.lit("other"))
    kept = found.join(settled, on="row", how="anti")
    return pl.concat([kept, settled.select(found.columns)]).sort("row")


def _history(open: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Find for each flow the nearest capture that accounts for what the log says.

    Args:
        open: flows with ``row`` and their case.
        inventory: the captures.
    """
    times = pl.Series(sorted({each.captured_at for each in inventory.captures}), dtype=TIME)
    left, right = (
        pl.lit(times).search_sorted(pl.col("at"), side=side) for side in ("left", "right")
    )
    known = open.filter(pl.col("action").is_not_null(), pl.col("at").is_not_null())
    lost = known.select("row", *SEEN, "case").with_columns(
        earlier=left.cast(pl.Int64) - 1, later=right.cast(pl.Int64)
    )
    found = []
    for _ in range(len(times)):
        for side in ("earlier", "later"):
            there = lost.filter(pl.col(side).is_between(0, len(times) - 1))
            if there.is_empty():
                continue
            told = _as_of(there, side, times, inventory)
            found.append(told)
            lost = lost.join(told, on="row", how="anti")
        # What is open because the captures around contradict each other asks no others.
        lost = lost.filter(pl.col("case").is_in(_CONTRARY)).with_columns(
            pl.col("earlier") - 1, pl.col("later") + 1
        )
    return pl.concat(found) if found else pl.DataFrame()


def _as_of(
    flows: pl.DataFrame, side: str, times: pl.Series, inventory: "Inventory"
) -> pl.DataFrame:
    """Return the flows that a capture accounts for, what it says, and between which it changed."""
    spot, step = pl.col(side), 1 if side == "earlier" else -1
    ends = ("changed_after", "changed_before") if step > 0 else ("changed_before", "changed_after")

    def at(place: pl.Expr) -> pl.Expr:
        inside = pl.when(place.is_between(0, len(times) - 1)).then(place)
        return pl.lit(times).gather(inside)

    timed = flows.with_columns(**{"held": at(spot), ends[0]: at(spot), ends[1]: at(spot + step)})
    asked = timed.select("row", *SEEN).with_columns(at=timed["held"])
    told = _held(asked, inventory).filter(pl.col("case").is_in(HELD))
    return told.select("row", *_TOLD).join(timed.select("row", "held", *sorted(ends)), on="row")
