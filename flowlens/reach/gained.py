"""What another configuration would let pass, and what it would refuse."""

from datetime import datetime
from itertools import chain

import polars as pl

from flowlens.inventory.model import Inventory
from flowlens.reach.evaluate import speaking
from flowlens.reach.gather import Row, gather, together
from flowlens.reach.ground import Ground
from flowlens.reach.may import common, named, tabled
from flowlens.reach.schema import CHANGES
from flowlens.reach.subjects import People
from flowlens.reach.sweep import asker, moment, placed, swept

__all__ = ["changes"]

#: What cells must agree on to be one row.
_CHANGED = ("before", "after", "way", "rules_before", "rules_after", "at")


def changes(
    before: Inventory,
    after: Inventory,
    source: str | None = None,
    target: str | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """Say which connections another configuration lets pass that this one refuses, and vice versa.

    Args:
        before: the inventory as it is.
        after: the same with changes, from `whatif.changed`.
        source: as in `may`.
        target: as in `may`.
        at: as in `may`.

    Returns:
        The columns of `schema.CHANGES`; no row where nothing changes.

    Raises:
        UsageError: nothing in the inventory is called `source` or `target`.
        InventoryError: there is no capture.
    """
    time = moment(before, at)
    ends = [speaking(each, time) for each in (before, after)]
    views = [end.account.view for end in chain(*ends)]
    people = People(before, views)
    spans = None if target is None else people.targets(target)
    ground = Ground([*chain(*ends)], people.faces, spans, deep=False)
    asks = [asker(each, time) for each in (before, after)]
    found: list[Row] = []
    for cells, (old, new) in swept(ground, people.sources(source), *asks):
        told = _compared(placed(cells, old, ground, before), placed(cells, new, ground, after))
        rows = gather(cells, told, ground, _CHANGED)
        named(rows, people)
        found += [row for row in rows if row["before"] != row["after"]]
    return tabled([_change(row) for row in together(found, _CHANGED)], CHANGES)


def _compared(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return what is said before and after; ways, notes and layers are those after the change."""
    lost = new["verdict"] == "deny"
    way = pl.select(pl.when(lost).then(old["way"]).otherwise(new["way"])).to_series()
    return new.with_columns(
        old["verdict"].alias("before"),
        new["verdict"].alias("after"),
        way.alias("way"),
        old["rules"].alias("rules_before"),
        new["rules"].alias("rules_after"),
    )


def _change(row: Row) -> Row:
    """Return a row of `CHANGES`."""
    pair = row["before"], row["after"]
    word = "unsure" if "unknown" in pair else "gained"
    if "unknown" not in pair and ("deny" in pair[1:] or pair == ("allow", "partial")):
        word = "lost"
    return {**row, **common(row), "change": word}
