"""The verdict on each conversation: expected, not expected, or not known.

Only *egress* is judged: conversations that an interface of ours, or else a private address, opened.
What merely arrives is ``unknown`` ("not egress"). With a document

- ``yes``: an entry covers it for every candidate owner of the client
- ``no``: no entry covers it for any candidate. That includes workloads the document does not
  mention at all: nothing was declared for them, and a workload nobody declared is what an intruder
  would start; `why` tells the two apart
- ``unknown``: an entry may cover it but something is missing (a resolver log, the groups of the
  client, the prefixes of a list), the candidates of a shared interface differ, or the client only
  carries the traffic of others (`verdict.CARRIERS`) and nothing is declared for it

An entry counts for conversations that began before its `until`. Refused traffic is judged like
any other. Without a document the time before `learn_until` takes its place (`baseline`), and
without either everything is ``unknown``.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.known import Known, gather
from flowlens.destinations.paths import private
from flowlens.destinations.prefixes import covering
from flowlens.expected import baseline, subjects, targets, verdict
from flowlens.expected.document import Document
from flowlens.tables import DOMAIN, EDGES

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["ARRIVED", "egress", "judge", "judged_by"]

#: Why nothing is said of a conversation that none of ours opened.
ARRIVED = "not egress: the client is outside"


def judge(
    edges: pl.DataFrame,
    document: Document | None = None,
    inventory: "Inventory | None" = None,
    learn_until: datetime | None = None,
    *,
    known: Known | None = None,
) -> pl.DataFrame:
    """Add the verdict on each conversation.

    Args:
        edges: Conversations with owners, destinations and paths; columns that say more than
            `flowlens.tables.EDGES` (groups, subnets, services, …) are used where they are there.
        document: What should happen.
        inventory: AWS's configuration.
        learn_until: Without a document, the end of the baseline.
        known: What is known about addresses; gathered from the inventory where it is left out.

    Returns:
        `edges` with `expected` (yes, no, unknown) and `why`.
    """
    if known is None:
        known = gather(inventory, names=document.names if document else None)
    columns = {**subjects.COLUMNS, **targets.COLUMNS, "domains": pl.List(DOMAIN)}
    missing = [pl.lit(None, d).alias(n) for n, d in columns.items() if n not in edges.columns]
    full = edges.drop("expected", "why", strict=False).with_columns(*missing)
    full = full.with_columns(judged=egress(full, known)).with_row_index("position")
    to = pl.col("server").is_not_null()
    judged = _judge(
        full.filter(pl.col("judged") & to).drop("judged"), document, inventory, learn_until, known
    )
    nowhere = pl.lit("the log has no server address")
    arrived = pl.lit(ARRIVED)
    other = full.filter(~(pl.col("judged") & to)).with_columns(
        expected=pl.lit("unknown"), why=pl.when("judged").then(nowhere).otherwise(arrived)
    )
    every = pl.concat([judged, other.select(judged.columns)]).sort("position")
    kept = [name for name in edges.columns if name not in ("expected", "why")]
    return every.select(*kept, "expected", "why")


def judged_by() -> dict[str, pl.DataType]:
    """Return the columns beside `flowlens.tables.EDGES` that the judgement looks at."""
    looked = {**subjects.COLUMNS, **targets.COLUMNS}
    return {n: d for n, d in looked.items() if n not in EDGES and n != "claimed"}


def egress(frame: pl.DataFrame, known: Known) -> pl.Series:
    """Return whether one of our interfaces, or else a private address, opened the conversation."""
    clients = frame["client"]
    if known.blocks is None:
        ours = frame.select(private(pl.col("client"))).to_series()
    else:
        ours = clients.is_in(covering(clients, known.blocks)["address"].unique().to_list())
    owned = pl.col("client_owner").is_not_null() | pl.col("client_kind").is_not_null()
    seen = (pl.col("vantage") == "client").fill_null(value=False)
    return frame.select((owned | seen | pl.lit(ours)).fill_null(value=False)).to_series()


def _judge(
    frame: pl.DataFrame,
    document: Document | None,
    inventory: "Inventory | None",
    learn_until: datetime | None,
    known: Known,
) -> pl.DataFrame:
    if document is not None:
        return verdict.compare(frame, document, inventory, known)
    if learn_until is not None:
        until = learn_until if learn_until.tzinfo else learn_until.replace(tzinfo=UTC)
        return baseline.compare(frame, until)
    why = pl.lit("neither an expected document nor a baseline was given")
    return frame.with_columns(expected=pl.lit("unknown"), why=why)
