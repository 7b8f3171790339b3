"""Nested and typed columns -> plain cells, for formats that have rows and columns only."""

import re
from collections.abc import Iterator, Mapping

import polars as pl

__all__ = ["escape", "flat", "instants", "plain", "safe"]

#: Characters that steer a terminal or turn the reading direction: C0, DEL, C1, bidi controls.
HOSTILE = "[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
#: A spreadsheet takes a cell that starts so for a formula.
FORMULA = r"^[=+\-@\t\r]"
MOMENT = "%Y-%m-%dT%H:%M:%S%.fZ"


def escape(text: str) -> str:
    r"""Write control characters as what they are, so that a terminal only shows them.

    >>> print(escape("a\x1b[31mred\nb"))
    a\x1b[31mred\nb
    """
    return re.sub(HOSTILE, lambda sign: repr(sign[0])[1:-1], text)


def instants(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Write times as ISO 8601 in UTC, with parts of a second only where there are any."""
    schema = frame.collect_schema()
    times = [name for name, dtype in schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(name).dt.strftime(MOMENT) for name in times)


def flat(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Turn lists into ``a;b``, structs into columns ``name.part``, times into ISO text.

    A struct inside a list becomes its parts joined by ``:``.
    """
    return instants(frame.select(list(_columns(frame.collect_schema()))))


def safe(frame: pl.DataFrame, *, formulas: bool = False) -> pl.DataFrame:
    """Escape control characters in text, and defuse formulas with an apostrophe if asked."""
    for name, dtype in frame.schema.items():
        if dtype != pl.String:
            continue
        column = _escaped(frame[name])
        if formulas and column.str.contains(FORMULA).any():
            frame = frame.with_columns(
                pl.when(column.str.contains(FORMULA))
                .then("'" + column)
                .otherwise(column)
                .alias(name)
            )
        else:
            frame = frame.with_columns(column)
    return frame


def plain(value: object) -> str:
    """Write one value for people: lists with commas, nothing known as a dash."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return str(next(iter(value.values()), ""))
    if isinstance(value, list):
        return ", ".join(plain(one) for one in value) or "–"
    return escape(str(value))


def _escaped(column: pl.Series) -> pl.Series:
    """Escape the values that need it; few do, so each is done once."""
    bad = column.filter(column.str.contains(HOSTILE)).unique()
    if bad.is_empty():
        return column
    return column.replace(bad, pl.Series([escape(text) for text in bad], dtype=pl.String))


def _columns(schema: Mapping[str, pl.DataType]) -> Iterator[pl.Expr]:
    """Yield one expression for each flat column."""
    for name, dtype in schema.items():
        yield from _spread(pl.col(name), name, dtype)


def _spread(column: pl.Expr, name: str, dtype: pl.DataType) -> Iterator[pl.Expr]:
    """Yield the flat columns of one column."""
    if isinstance(dtype, pl.Struct):
        for part in dtype.fields:
            inner = _typed(part.dtype)
            yield from _spread(column.struct.field(part.name), f"{name}.{part.name}", inner)
    elif isinstance(dtype, pl.List):
        cell = _cell(pl.element(), _typed(dtype.inner))
        yield column.list.eval(cell).list.join(";", ignore_nulls=True).alias(name)
    else:
        yield column.alias(name)


def _cell(element: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Write an element of a list as text."""
    if isinstance(dtype, pl.Struct):
        parts = [element.struct.field(part.name).cast(pl.String) for part in dtype.fields]
        return pl.concat_str(parts, separator=":", ignore_nulls=True)
    return element.cast(pl.String)


def _typed(dtype: object) -> pl.DataType:
    """Insist on an instance: Polars also lets classes stand for types."""
    return dtype if isinstance(dtype, pl.DataType) else dtype()  # type: ignore[operator]
