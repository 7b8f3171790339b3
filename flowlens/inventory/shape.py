"""Answers -> tables: pure, and the same for every call (the differences are data in `shapes`)."""

from collections.abc import Iterator, Sequence
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
    frames = [_shape(number, capture, table) for number, capture in enumerate(captures)]
    return pl.concat(frames) if frames else _select([], table)


def _shape(number: int, capture: Capture, table: Shape) -> pl.DataFrame:
    try:
        frame = _select(list(_items(capture, table.call)), table)
    except pl.exceptions.PolarsError as exc:
        msg = f"{capture.source}: {table.call}: not what AWS answers: {str(exc)[:160]!r}"
        raise InventoryError(msg) from None
    keys = (number, capture.captured_at, capture.account_id, capture.region)
    return frame.with_columns(
        pl.lit(value, dtype=dtype).alias(name)
        for (name, dtype), value in zip(_KEYS.items(), keys, strict=True)
    )


def _select(items: list[str], table: Shape) -> pl.DataFrame:
    texts = pl.Series(items, dtype=pl.String)
    frame = texts.str.json_decode(pl.Struct(table.fields)).struct.unnest()
    if table.explode:
        frame = frame.explode(table.explode).filter(pl.col(table.explode).is_not_null())
    keys = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in _KEYS.items()]
    return frame.select(*table.columns).select(*keys, pl.all())


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
