"""What a document that is there already says about the traffic to learn from."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.known import Known
from flowlens.expected.document import Document, Entry
from flowlens.expected.judgement import judge
from flowlens.expected.verdict import covers

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["Prior", "settle"]


@dataclass(frozen=True, slots=True)
class Prior:
    """A document before learning.

    Attributes:
        document: Null where there was none.
        seen: Numbers of the entries that traffic needed, or may have needed.
        ended: Entries that are over although traffic needed them, with conversations.
    """

    document: Document | None = None
    seen: frozenset[int] = frozenset()
    ended: tuple[tuple[Entry, int], ...] = field(default=())

    @property
    def entries(self) -> list[Entry]:
        """The entries in the order of their numbers."""
        rules = self.document.rules if self.document else ()
        return [entry for rule in rules for entry in rule.entries]


def settle(
    frame: pl.DataFrame, document: Document | None, inventory: "Inventory | None", known: Known
) -> tuple[pl.DataFrame, Prior]:
    """Add `settled`, the number of the entry that admits a conversation already, else null.

    What an entry covered until it ended is left out: its owner wanted it to end. What an entry may
    cover, if only something were known, is left out as well.

    Args:
        frame: Edges with `left`; it is set for what is left out here.
        document: The document; null where there is none.
        inventory: AWS's configuration.
        known: What is known about addresses.
    """
    if document is None:
        return frame.with_columns(settled=pl.lit(None, pl.UInt32)), Prior()
    numbered = frame.with_row_index("row")
    asked = numbered.filter(pl.col("left").is_null())
    rows = asked.select("row")
    verdicts = rows.with_columns(judge(asked, document, inventory, known=known)["expected"])
    found = covers(asked, document, inventory, known)
    live, sure = pl.col("live"), pl.col("sure")
    hits = found.group_by(position="row").agg(
        entry=pl.col("entry").filter(live & sure).min(),
        dead=pl.col("entry").filter(~live & sure).min(),
    )
    told = (
        verdicts.with_row_index("position").join(hits, on="position", how="left").drop("position")
    )
    told = told.with_columns(
        settled=pl.when(pl.col("expected") == "yes").then("entry"),
        over=pl.when(pl.col("expected") == "unknown", pl.col("entry").is_null())
        .then(pl.lit("doubtful"))
        .when(pl.col("expected") == "no", pl.col("dead").is_not_null())
        .then(pl.lit("ended")),
    )
    whole = numbered.join(told.select("row", "settled", "over"), on="row", how="left").sort("row")
    entries = Prior(document).entries
    over = told.filter(pl.col("over") == "ended").group_by("dead").len().sort("dead")
    return (
        whole.with_columns(left=pl.coalesce("left", "over")).drop("row", "over"),
        Prior(
            document,
            frozenset(found.filter(live)["entry"].to_list()),
            tuple((entries[number], count) for number, count in over.iter_rows()),
        ),
    )
