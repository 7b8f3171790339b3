"""Texts as codes of a dictionary, and how codes share integers with numbers.

Grouping by strings costs several times more than everything else that makes conversations.
"""

import numpy as np
import polars as pl

from flowlens_parsers.tokens import Words

__all__ = ["END", "HOUR", "NOTHING", "WORD", "code", "column", "text"]

HOUR = 3600  # seconds
WORD = 2**32  # two dictionary codes share one integer
END = 2**24  # an end is address code * END + port * 256 + protocol
NOTHING = WORD - 1  # the code of null
MANY = 1 << 14


def code(expr: pl.Expr, words: pl.Categorical) -> pl.Expr:
    """Return the dictionary code of a text as UInt64; null has the code `NOTHING`."""
    return expr.cast(words).to_physical().cast(pl.UInt64).fill_null(NOTHING)


def text(codes: pl.Expr, words: pl.Categorical) -> pl.Expr:
    """Return the text behind dictionary codes: the inverse of `code`."""
    known = pl.when(codes < NOTHING).then(codes).cast(pl.UInt32)
    return known.cat.to(words).cast(pl.String)


def column(name: str, values: Words) -> pl.Series:
    """Return integers as a column; few of them through bytes: an array costs an import first."""
    if not len(values):
        return pl.Series(name, [], pl.UInt64)
    if len(values) > MANY:
        return pl.Series(name, np.ascontiguousarray(values))
    data = pl.Series(name, [values.tobytes()])
    return data.bin.reinterpret(
        dtype=pl.Array(pl.UInt64, len(values)), endianness="little"
    ).explode()
