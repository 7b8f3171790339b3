"""Owners as of the time of a record: exact where the captures agree, *unknown* where they do not.

The rule, for an address between the times ``a`` and ``b``:

1. A record that names the address's own interface settles who held it.
2. Else an interface held the address if every capture from the last one at or before ``a`` to the
   first one at or after ``b`` shows it there. Before the first and after the last capture the
   nearest one speaks.
3. An address that captures around show on different interfaces, or only one of them on any, is
   unknown in between.
4. Private addresses are unique in a VPC only. Among several holders the one in the observer's VPC
   counts; an address in the blocks of the observer's VPC means no interface elsewhere.
5. What is said about the interface (owner, kind, groups, …) holds where the captures around agree
   on it; a capture that lacked the needed answer does not contradict one that had it.
"""

from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from flowlens.inventory.holding import PAYLOAD, key80
from flowlens.inventory.timeline import OPEN, Timeline

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["own"]

_NEEDLE = ["address", "start", "end", "interface", "observer"]
_ANSWER: dict[str, pl.DataType] = {
    "owner": pl.List(pl.String),
    "kind": pl.String(),
    "certainty": pl.String(),
    "interface": pl.String(),
    "groups": pl.List(pl.String),
    "subnet": pl.String(),
    "vpc": pl.String(),
    "as_of": pl.String(),
}


def own(
    frame: pl.LazyFrame,
    inventory: "Inventory",
    *,
    address: str = "client",
    time: str = "hour",
    until: str | None = None,
    interface: str | None = None,
    observer: str | None = None,
    prefix: str = "client",
) -> pl.LazyFrame:
    """Add who held an address at the time.

    Adds ``{prefix}_owner`` (candidates, sorted), ``_kind``, ``_certainty`` (exact, shared, none,
    unknown; null where no captured interface held the address), ``_interface``, ``_groups``,
    ``_subnet``, ``_vpc`` and ``_as_of``: ``between`` captures, ``before first`` or ``after last``,
    where the nearest capture speaks. Rows keep their order.

    Args:
        frame: with at least the named columns.
        inventory: from `load`.
        address: column of canonical addresses.
        time: column of the (first) time, UTC.
        until: column of the last time; null or not given: the same as `time`.
        interface: column with the interface that is known to hold the address, null elsewhere.
        observer: column with the interface that recorded the traffic; its VPC tells equal
            addresses apart.
        prefix: of the added columns.
    """
    schema = frame.collect_schema()
    added = {f"{prefix}_{name}": dtype for name, dtype in _ANSWER.items()}
    columns = {
        "address": address,
        "start": time,
        "end": until or time,
        "interface": interface,
        "observer": observer,
    }
    return frame.map_batches(
        partial(_own, timeline=inventory.timeline, columns=columns, prefix=prefix),
        schema={**schema, **added},
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
    )


def _own(
    frame: pl.DataFrame, *, timeline: Timeline, columns: dict[str, str | None], prefix: str
) -> pl.DataFrame:
    asked = frame.select(_needle(name, column, timeline) for name, column in columns.items())
    asked = asked.with_columns(pl.col("end").fill_null(pl.col("start")))
    needles = asked.unique(maintain_order=True).with_row_index("id")
    answers = needles.join(_answer(needles, timeline), on="id", how="left", suffix="_answer")
    found = asked.join(
        answers.select(*_NEEDLE, *(pl.col(name).alias(f"= {name}") for name in _ANSWER_COLUMNS)),
        on=_NEEDLE,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    added = [
        pl.col(f"= {column}").cast(dtype).alias(f"{prefix}_{name}")
        for (name, dtype), column in zip(_ANSWER.items(), _ANSWER_COLUMNS, strict=True)
    ]
    return frame.hstack(found.select(added))


_ANSWER_COLUMNS = [
    "owner",
    "kind",
    "certainty",
    "interface_id",
    "groups",
    "subnet_id",
    "vpc_id",
    "as_of",
]


def _needle(name: str, column: str | None, timeline: Timeline) -> pl.Expr:
    if column is None:
        return pl.lit(None, dtype=pl.String).alias(name)
    if name in ("start", "end"):
        return timeline.slot(column).alias(name)
    return pl.col(column).alias(name)


def _answer(needles: pl.DataFrame, timeline: Timeline) -> pl.DataFrame:
    """Answer each distinct question: one row per id."""
    told = needles.filter(pl.col("interface").is_not_null()).select(
        "id", pl.col("interface").alias("interface_id")
    )
    looked = _holders(needles.filter(pl.col("interface").is_null()), timeline)
    faces = pl.concat([told, looked.filter(pl.col("interface_id").is_not_null())])
    said = _state(needles.select("id", "start", "end").join(faces, on="id"), timeline)
    doubtful = looked.filter(pl.col("interface_id").is_null()).select("id", doubt=True)
    whole = (
        needles.select("id", "address", "start")
        .join(faces, on="id", how="left")
        .join(said.drop("interface_id"), on="id", how="left")
        .join(doubtful, on="id", how="left")
    )
    unsure = (
        pl.col("interface_id").is_not_null()
        | pl.col("doubt")
        | (pl.col("address").is_not_null() & (pl.col("start").is_null() | pl.lit(timeline.blind)))
    )
    certainty = pl.coalesce("certainty", pl.when(unsure).then(pl.lit("unknown")))
    return whole.select(
        "id", *(certainty.alias(name) if name == "certainty" else name for name in _ANSWER_COLUMNS)
    )


def _holders(needles: pl.DataFrame, timeline: Timeline) -> pl.DataFrame:
    """Return the interface that held each address; null where that cannot be told.

    Addresses that no interface can have held are left out.
    """
    holds = timeline.holds
    asked = needles.select("id", "address", "start", "end", "observer")
    exact = asked.join(holds.drop("block"), on="address")
    blocks = holds.filter(pl.col("block").is_not_null()).drop("address")
    if blocks.height:
        keyed = asked.with_columns(key80(pl.col("address")).alias("block"))
        exact = pl.concat(
            [exact, keyed.join(blocks, on="block").select(exact.columns)],
        )
    possible = exact.filter(
        (pl.col("start") < pl.col("before")) & (pl.col("end") > pl.col("after"))
    )
    return (
        _local(possible, timeline)
        .with_columns(_sure().alias("sure"))
        .group_by("id")
        .agg(
            pl.when((pl.col("interface_id").n_unique() == 1) & pl.col("sure").any())
            .then(pl.col("interface_id").first())
            .alias("interface_id")
        )
    )


def _sure() -> pl.Expr:
    """Say whether every capture around shows the address on the interface."""
    low = (pl.col("start") >= pl.col("since")) | (pl.col("after") == -OPEN)
    high = (pl.col("end") <= pl.col("until")) | (pl.col("before") == OPEN)
    return low & high


def _local(possible: pl.DataFrame, timeline: Timeline) -> pl.DataFrame:
    """Drop holders that an observer in another VPC cannot have met under that address."""
    seats = timeline.states.group_by("interface_id").agg(pl.col("vpc_id").drop_nulls().first())
    seats = seats.rename({"interface_id": "observer", "vpc_id": "seat"})
    met = possible.join(seats, on="observer", how="left").join(
        timeline.claims.with_columns(claimed=True),
        left_on=["address", "seat"],
        right_on=["address", "claimed_by"],
        how="left",
    )
    local = (pl.col("vpc_id") == pl.col("seat")).fill_null(value=False)
    taken = pl.col("claimed").fill_null(value=False) | local.any().over("id")
    return met.filter(local | ~taken)


def _state(faces: pl.DataFrame, timeline: Timeline) -> pl.DataFrame:
    """Return what the captures around say about each interface, column by column.

    A column on which they differ is null, an owner on which they differ is unknown.
    """
    met = faces.join(timeline.states, on="interface_id").with_columns(
        pl.col("since").min().over("id").alias("first"),
        pl.col("until").max().over("id").alias("last"),
    )
    around = met.filter((pl.col("start") < pl.col("before")) & (pl.col("end") > pl.col("after")))
    whole = pl.col("lacks").is_null()
    told = around.filter(whole | ~whole.any().over("id"))
    owned = (pl.col("owner_text").n_unique() == 1) & (pl.col("certainty").n_unique() == 1)
    agreed = {
        "owner": owned,
        "certainty": owned,
        "groups": pl.col("groups_text").n_unique() == 1,
        **{name: pl.col(name).n_unique() == 1 for name in ("kind", "subnet_id", "vpc_id")},
    }
    return told.group_by("id").agg(
        pl.col("interface_id").first(),
        *(pl.when(agreed[name]).then(pl.col(name).first()).alias(name) for name in PAYLOAD),
        _age().first().alias("as_of"),
    )


def _age() -> pl.Expr:
    return (
        pl.when(pl.col("start") < pl.col("first"))
        .then(pl.lit("before first"))
        .when(pl.col("end") > pl.col("last"))
        .then(pl.lit("after last"))
        .otherwise(pl.lit("between"))
    )
