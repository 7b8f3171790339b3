"""The inventory in the form in which `own` asks it: who held what, in slots of time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from flowlens.inventory.holding import addresses, claims, key80, states
from flowlens.tables import TIME

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["OPEN", "Timeline"]

#: The slot of an end that nothing bounds.
OPEN = 2**31 - 1

_CALL = "ec2.describe_network_interfaces"


@dataclass(frozen=True)
class Timeline:
    """The inventory in the form in which `own` asks it; times are counted in slots.

    Slot ``2k + 1`` is the time of capture ``k``, an even slot lies between two captures. There are
    few slots, so there are few distinct questions.
    """

    times: pl.Series
    holds: pl.DataFrame
    states: pl.DataFrame
    claims: pl.DataFrame
    blind: bool

    @classmethod
    def of(cls, inventory: "Inventory") -> "Timeline":
        """Return the timeline of an inventory."""
        seen = inventory.answered(_CALL)
        times = pl.Series(
            "times", sorted({inventory.captures[n].captured_at for n in seen}), dtype=TIME
        )
        scopes = [(each.account_id, each.region) for each in inventory.captures]
        holds = addresses(inventory).with_columns(
            key80(pl.col("address").str.strip_suffix("/80"))
            .alias("block")
            .pipe(lambda key: pl.when(pl.col("address").str.ends_with("/80")).then(key))
        )
        return cls(
            times=times,
            holds=_slots(holds, times),
            states=_slots(states(inventory), times),
            claims=claims(inventory),
            blind=set(scopes) != {scopes[n] for n in seen} or not seen,
        )

    def slot(self, time: str) -> pl.Expr:
        """Return the slot of a time."""
        return _slot(pl.col(time), self.times)


def _slot(time: pl.Expr, times: pl.Series) -> pl.Expr:
    """Return the slot of a time: twice the captures before it, and one more at a capture."""
    known = time.cast(TIME)
    place = sum(
        (
            pl.lit(times).search_sorted(known, side=side).cast(pl.Int32)
            for side in ("left", "right")
        ),
        start=pl.lit(0, dtype=pl.Int32),
    )
    return pl.when(known.is_not_null()).then(place)


def _slots(frame: pl.DataFrame, times: pl.Series) -> pl.DataFrame:
    return frame.with_columns(
        _slot(pl.col("since"), times).alias("since"),
        _slot(pl.col("until"), times).alias("until"),
        _slot(pl.col("after"), times).fill_null(-OPEN).alias("after"),
        _slot(pl.col("before"), times).fill_null(OPEN).alias("before"),
    )
