"""Answers -> tables: pure, and the same for every call (the differences are data in `shapes`)."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec
import polars as pl

from flowlens.errors import InventoryError
from flowlens.inventory.calls import call
from flowlens.inventory.capture import Capture, parts
from flowlens.inventory.pick import Shape
from flowlens.tables import TIME

__all__ = ["shape"]

_KEYS = {
    "capture": pl.UInt32(),
    "captured_at": TIME,
    "account_id": pl.String(),
    "region": pl.String(),
}


def shape(captures: Sequence[Capture], table: Shape) -> pl.DataFrame:
    """Return one table of an inventory, with a row per item and capture.

    A capture without the answer gives no rows; ask the inventory what is `missing` before reading
    anything into that.

    Args:
        captures: in the order in which `capture`, the first column, counts them.
        table: which answer, and which parts of it.

    Raises:
        InventoryError: a part of an answer has a type that AWS does not give it.
    """
    try:
        return _shape(captures, table)
    except pl.exceptions.PolarsError as exc:
        capture, said = _fault(captures, table) or (captures[0], exc)
        msg = f"{capture.source}: {table.call}: not what AWS answers: {str(said)[:160]!r}"
        raise InventoryError(msg) from None


def _shape(captures: Sequence[Capture], table: Shape) -> pl.DataFrame:
    """Decode the items of all captures at once: a query for each would cost more than its rows."""
    rows = [
        (number, capture.captured_at, capture.account_id, capture.region, text)
        for number, capture in enumerate(captures)
        for text in _items(capture, table.call)
    ]
    return _decoded(rows, table) if rows else _empty(table)


@cache
def _empty(table: Shape) -> pl.DataFrame:
    return _decoded([], table)


def _decoded(rows: list[tuple[Any, ...]], table: Shape) -> pl.DataFrame:
    texts = pl.LazyFrame(rows, schema={**_KEYS, "Item": pl.String()}, orient="row")
    item = pl.col("Item").str.json_decode(table.read)
    frame = texts.select(*_KEYS, item.alias("Item")).unnest("Item")
    if table.explode:
        frame = frame.explode(table.explode).filter(pl.col(table.explode).is_not_null())
    return frame.select(*_KEYS, **table.table).collect(engine="in-memory")


def _fault(captures: Sequence[Capture], table: Shape) -> tuple[Capture, Exception] | None:
    """Return the first capture that cannot be shaped, and what Polars says of it."""
    for capture in captures:
        try:
            _shape([capture], table)
        except pl.exceptions.PolarsError as exc:
            return capture, exc
    return None


def _items(capture: Capture, name: str) -> Iterator[str]:
    """Yield the items of an answer as JSON text; per-item answers are one item each."""
    known, answer = call(name), capture.calls.get(name)
    if known is None or known.key is None or answer is None:
        return
    for item, part in parts(answer, known).items():
        held = {"Item": item, **part} if known.each else part[known.key]
        # BlockPublicAccess answers one object where the others answer a list of them.
        listed: list[Any] = [held] if isinstance(held, dict) else held
        for each in listed:
            yield msgspec.json.encode(each).decode()
