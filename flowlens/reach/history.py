"""Flows held against the configuration of their time, and against that of other captures."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.reach.compare import HELD, compare
from flowlens.reach.evaluate import evaluate
from flowlens.reach.schema import FLOWS, REACH
from flowlens.reach.seen import SEEN
from flowlens.tables import TIME

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["TURNED", "judged"]

#: Cases that another capture may account for; of the second kind, the captures around only.
_CONTRARY, _OPEN = ("drift", "late"), ("unknown", "likely", "part")
_TOLD = ["case", "layers", "rules", "way", "bpa", *REACH]
#: The other role.
TURNED = pl.when(pl.col("role") == "initiate").then(pl.lit("reply")).otherwise(pl.lit("initiate"))


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
    told = asked.hstack(evaluate(asked.select(*FLOWS), inventory))
    return compare(told.with_columns(notes=_reasons()))


def _reasons() -> pl.Expr:
    """Return the notes; where the log does not tell the direction, they begin with that."""
    observer = pl.col("interface_id")
    why = (
        pl.when(observer.is_null())
        .then(pl.lit("the log does not say which interface wrote it, or which way it went"))
        .when(observer.str.starts_with("tgw-"))
        .then(pl.lit("a transit gateway has no groups and no network ACL"))
        .when(observer.str.starts_with("nat-"))
        .then(pl.lit("a regional NAT gateway has no groups and no network ACL"))
        .otherwise(pl.lit("the log does not say which way it went"))
    )
    rest = pl.col("notes").list.eval(
        pl.element().filter(pl.element().str.contains("inventory", literal=True))
    )
    own = observer.str.contains(r"^(?:tgw|nat)-").fill_null(value=True)
    notes = pl.when(own).then(pl.concat_list(why)).otherwise(pl.concat_list(why, rest))
    return pl.when(pl.col("direction").is_null()).then(notes).otherwise("notes")


def _turned(found: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Ask once more, with the roles exchanged, where they are a guess and the log contradicts."""
    odd = (pl.col("orientation") == "guess") & pl.col("case").is_in(_CONTRARY)
    doubt = found.filter(odd)
    if doubt.is_empty():
        return found
    again = _held(doubt.select("row", *SEEN).with_columns(role=TURNED), inventory)
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
