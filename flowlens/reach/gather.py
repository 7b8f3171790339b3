"""Cells that are judged alike, put together again: stretches of ports, protocols, addresses."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from flowlens.reach.bits import VERDICTS
from flowlens.reach.ground import Cells, Ground
from flowlens.reach.ports import LAST, REST
from flowlens.reach.spans import merged
from flowlens.words import PROTOCOLS

__all__ = ["SAID", "Row", "either", "gather", "together"]

Row = dict[str, Any]
_SEPARATOR = "\x1f"
#: What is not the same in all cells of a row, but said of any of them.
SAID = ("notes", "blocked_by", "nacl_out_rules", "nacl_in_rules")
#: Bits of a verdict, so that verdicts of several cells can be put together.
_BITS = {"allow": 1, "deny": 2, "partial": 3, "unknown": 4}


def gather(cells: Cells, judged: pl.DataFrame, ground: Ground, keys: Sequence[str]) -> list[Row]:
    """Return the fewest rows that say the same as the cells of a sender.

    Args:
        cells: the cells.
        judged: a row for each cell. `keys`, and the columns of `schema.REACH`.
        ground: where the places of the cells are.
        keys: columns that must be equal for cells to be put together.
    """
    frame = cells.frame.drop("dst").hstack(_flat(judged, keys))
    # What interfaces at the other end do is told only where it was told apart.
    open_end = pl.lit(ground.deep) | (pl.col("class") == 0)
    bits = pl.when(open_end).then("bits").otherwise(0).cast(pl.UInt8).alias("bits")
    frame = frame.with_columns(bits).drop("class")
    frame = _ports(frame)
    frame = _protocols(frame)
    found = frame.group_by("protocol", "first", "last", "key").agg(
        "place",
        pl.col("bits").bitwise_or(),
        *_united(),
        *(pl.col(name).first() for name in keys),
    )
    order = np.argsort(cells.kinds, kind="stable")
    starts = np.searchsorted(cells.kinds[order], np.arange(cells.frame["place"].n_unique() + 1))
    rows = []
    for row in found.iter_rows(named=True):
        places = [order[starts[n] : starts[n + 1]] for n in row.pop("place")]
        row["spans"] = merged(ground.spans(np.concatenate(places)))
        bits = row.pop("bits")
        row["end_to_end"] = VERDICTS[bits] if bits else None
        row["sender"] = cells.sender
        rows.append(row)
    return rows


def either(verdicts: Iterable[str]) -> str:
    """Return what several verdicts come to.

    >>> either(["allow", "deny"]), either(["deny", "deny"]), either(["allow", "unknown"])
    ('partial', 'deny', 'unknown')
    """
    bits = 0
    for verdict in verdicts:
        bits |= _BITS[verdict]
    return VERDICTS[bits]


def _flat(judged: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return what is judged with one text for all `keys`, and verdicts as bits."""
    texts = [
        (
            pl.col(name).list.join(_SEPARATOR) if dtype == pl.List else pl.col(name).cast(pl.String)
        ).fill_null(_SEPARATOR)
        for name in keys
        for dtype in (judged.schema[name],)
    ]
    return judged.select(
        *keys,
        "blocked_by",
        "notes",
        *(
            pl.concat_list(f"{name}_rule").list.drop_nulls().alias(f"{name}_rules")
            for name in ("nacl_out", "nacl_in")
        ),
        pl.concat_str(texts, separator="\x1e").alias("key"),
        pl.col("end_to_end").replace_strict(_BITS, return_dtype=pl.UInt8).alias("bits"),
    )


def _ports(frame: pl.DataFrame) -> pl.DataFrame:
    """Join stretches of ports that follow each other."""
    ordered = frame.sort("place", "protocol", "first")
    run = pl.struct("place", "protocol", "key").rle_id().alias("run")
    return _joined(ordered.with_columns(run), ["run"]).drop("run")


def _joined(frame: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Put rows together: the first and last port of all, everything that is said of any."""
    rest = [name for name in frame.columns if name not in (*by, "first", "last", "bits", *SAID)]
    return frame.group_by(by, maintain_order=True).agg(
        pl.col("first").min(),
        pl.col("last").max(),
        pl.col("bits").bitwise_or(),
        *_united(),
        *(pl.col(name).first() for name in rest),
    )


def _united() -> list[pl.Expr]:
    return [pl.col(name).explode(empty_as_null=False).unique().sort() for name in SAID]


def _protocols(frame: pl.DataFrame) -> pl.DataFrame:
    """Join protocols of which the same is said: all of them, or all without a name here."""
    number = pl.col("protocol")
    last = number.replace_strict(LAST, default=0, return_dtype=pl.UInt16)
    whole = (pl.col("first") == 0) & (pl.col("last") == last)
    spoken = frame["protocol"].n_unique()
    marked = frame.with_columns(
        whole.alias("whole"),
        (whole.sum().over("place", "key") == spoken).alias("all"),
        ((number == REST).any().over("place", "key") & ~number.is_in(list(LAST))).alias("rest"),
    )
    # What other protocols do is one thing, unless one of them differs.
    odd = (
        marked.filter(~pl.col("protocol").is_in([*LAST, REST]) & ~pl.col("rest"))
        .group_by("place")
        .agg(pl.col("protocol").sort().cast(pl.String).str.join(", ").alias("odd"))
    )
    marked = marked.join(odd, on="place", how="left", maintain_order="left")
    other = pl.concat_str(pl.lit("other"), pl.lit(" but ") + pl.col("odd"), ignore_nulls=True)
    word = (
        pl.when("all")
        .then(pl.lit("all"))
        .when("rest")
        .then(other)
        .otherwise(number.replace_strict(_names(), default=number.cast(pl.String)))
    )
    blank = pl.col("whole") | pl.col("all")
    named = marked.with_columns(
        word.alias("protocol"),
        pl.when(~blank).then("first").alias("first"),
        pl.when(~blank).then("last").alias("last"),
    ).drop("whole", "all", "rest", "odd")
    return _joined(named.with_columns(run=pl.struct("place", "protocol", "key", "first")), ["run"])


def _names() -> dict[int, str]:
    return {number: PROTOCOLS[number] for number in LAST}


def together(rows: list[Row], keys: Sequence[str]) -> list[Row]:
    """Put rows of several senders of a workload together where they say the same.

    Args:
        rows: from `gather`, of any number of senders.
        keys: columns that must be equal.
    """
    found: dict[object, Row] = {}
    for row in rows:
        face = row["sender"].face
        parts = [str(row[name]) for name in (*keys, "protocol", "first", "last", "end_to_end")]
        key = (face.owner, face.kind, tuple(row["spans"]), tuple(parts))
        if key not in found:
            found[key] = {**row, "interfaces": set(), "addresses": set()}
        held = found[key]
        held["interfaces"] |= set(row["sender"].alike)
        held["addresses"] |= set(row["sender"].addresses)
        for name in SAID:
            held[name] = sorted({*held[name], *row[name]})
    return list(found.values())
