"""Rows in the order in which they are kept."""

from collections.abc import Iterable

import polars as pl

__all__ = ["ordered"]


def ordered(rows: pl.DataFrame, by: Iterable[pl.Series]) -> pl.DataFrame:
    """Return rows in order; equal ones stay in theirs, and nothing comes first.

    A text is compared with others once, not in each of its rows: sorting takes half the time.

    Args:
        rows: any.
        by: a value for each row, the most important first: texts, numbers or times.

    >>> some = pl.DataFrame({"a": ["b", None, "a"], "n": [1, 2, 3]})
    >>> ordered(some, [some["a"]])["n"].to_list()
    [2, 3, 1]
    """
    keys = pl.DataFrame([_placed(column).alias(f"{at}") for at, column in enumerate(by)])
    return rows[keys.select(pl.arg_sort_by(keys.columns, maintain_order=True)).to_series()]


def _placed(column: pl.Series) -> pl.Series:
    """Return for each text its place among all of them; other values as they are."""
    if column.dtype != pl.String:
        return column
    return column.cast(pl.Enum(column.unique().drop_nulls().sort())).to_physical()
