"""Why a flow was accepted or refused: the layer and the rule, or why that cannot be told."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.reach.compare import CASES
from flowlens.reach.history import TURNED, judged
from flowlens.reach.schema import EXPLAINED
from flowlens.reach.seen import given, seen
from flowlens.reach.sentences import sentences

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["explain"]

_TRACKED = "a tracked connection outlives the rule that let it through"
_LIKELY = "who opened it is likely, not certain"
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
        role=pl.when(pl.col("case") == "other").then(TURNED).otherwise("role"),
        notes=pl.concat_list("notes", _doubts()),
    )
    table = _together(classes).select(pl.col(n).cast(dtype) for n, dtype in EXPLAINED.items())
    return table.sort(*_ORDER, pl.all().exclude(_ORDER), nulls_last=True)


def _doubts() -> pl.Expr:
    """Return what a contradiction between log and configuration may come from instead."""
    case, group = pl.col("case"), pl.col("layers").list.contains(pl.lit("sg"))
    # User guide of EC2, "Security group connection tracking".
    outlived = (case == "drift") & (pl.col("action") == "ACCEPT") & group
    outlived &= pl.col("changed_after").is_not_null()
    likely = case.is_in(["drift", "late"]) & (pl.col("orientation") == "likely")
    said = [pl.when(outlived).then(pl.lit(_TRACKED)), pl.when(likely).then(pl.lit(_LIKELY))]
    return pl.concat_list(said).list.drop_nulls()


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
