"""One comparison of a filter as a Polars expression.

A comparison is true only where the value is known, and ``not``, ``!=`` and ``!~`` are its exact
complement: a filter and its negation together lose no row.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from operator import ge, gt, le, lt
from typing import Any

import polars as pl

from flowlens.filters import values, words
from flowlens.filters.fields import Field
from flowlens.filters.values import Value, Wrong
from flowlens.filters.words import Word

__all__ = ["meaning", "test", "unknown"]

ORDERS: dict[str, Callable[[Any, Any], Any]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def meaning(field: Field, sign: str, word: Word, now: datetime | None) -> Value:
    """Read a word as a value of `field`.

    Raises:
        Wrong: it is none, or `sign` makes no sense for such a field.
    """
    if sign in {"~", "!~"}:
        if field.kind not in {"address", "text", "choice"}:
            why = f"{sign} looks into text, and {field.name} is a {field.kind}"
            raise Wrong(why, "Write = or in.")
        return Value(test=partial(_contains, part=word.said.lower()))
    if sign in ORDERS and field.kind in {"address", "text", "choice"} and not field.ordered:
        why = f"{field.name} has no order, so {sign} says nothing"
        raise Wrong(why, "Write = or in." if field.kind != "address" else "Write: in 10.0.0.0/8.")
    found = _READERS[field.kind](field, word, now)
    if sign in ORDERS and found.test:
        why = f"{word.said!r} is a range, so {sign} says nothing"
        raise Wrong(why, "Write in.")
    return found


def test(field: Field, sign: str, known: Sequence[Value]) -> pl.Expr:
    """Test the columns of a field: true where any holds any of the values, as `sign` says."""
    sides = []
    for column in field.columns:
        if field.lists:
            sides.append(column.list.eval(_one(field, sign, known, pl.element())).list.any())
        else:
            sides.append(_one(field, sign, known, column))
    return pl.any_horizontal(sides).fill_null(value=False)


def unknown(found: Sequence[Field], *, negated: bool) -> pl.Expr:
    """Test that nothing is known of a field."""
    none = pl.all_horizontal(column.is_null() for field in found for column in field.columns)
    return ~none if negated else none


def _one(field: Field, sign: str, known: Sequence[Value], column: pl.Expr) -> pl.Expr:
    """Test one column."""
    if sign in ORDERS and field.ordered:
        ranks = {name: rank for rank, name in enumerate(field.choices)}
        column = column.replace_strict(ranks, default=None, return_dtype=pl.Int8)
        return ORDERS[sign](column, ranks[known[0].plain])  # type: ignore[no-any-return]
    if sign in ORDERS:
        return ORDERS[sign](column, pl.lit(known[0].plain))  # type: ignore[no-any-return]
    plain = [value.plain for value in known if not value.test]
    sides = [value.test(column) for value in known if value.test]
    if len(plain) > 1 and isinstance(plain[0], str):
        sides.append(column.is_in(plain))
    else:
        sides += [column == pl.lit(one) for one in plain]
    return pl.any_horizontal(sides).fill_null(value=False)


def _contains(column: pl.Expr, part: str) -> pl.Expr:
    """Look for a part of a text, whatever the case."""
    return column.str.to_lowercase().str.contains(part, literal=True)


def _choice(field: Field, word: Word, _: datetime | None) -> Value:
    """Read one of a column's words; quoted, any text goes, since AWS may add one."""
    found = [name for name in field.choices if name.lower() == word.said.lower()]
    if found or word.sort == "text" or "*" in word.said:
        return values.text(found[0] if found else word.said)
    why = f"{word.said!r} is not a value of {field.name}"
    raise Wrong(why, words.near(word.said, field.choices, every=field.choices))


_READERS: dict[str, Callable[[Field, Word, datetime | None], Value]] = {
    "address": lambda _, word, __: values.address(word.said),
    "choice": _choice,
    "number": lambda _, word, __: values.number(word.said),
    "port": lambda _, word, __: values.port(word.said),
    "protocol": lambda _, word, __: values.protocol(word.said),
    "text": lambda _, word, __: values.text(word.said),
    "time": lambda _, word, now: values.time(word.said, now),
}
