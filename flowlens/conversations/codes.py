"""Texts as codes of a dictionary, and how codes share integers with numbers.

Grouping by strings costs several times more than everything else that makes conversations.
"""

import polars as pl

__all__ = ["END", "HOUR", "NOTHING", "WORD", "code", "text"]

HOUR = 3600  # seconds
WORD = 2**32  # two dictionary codes share one integer
END = 2**24  # an end is address code * END + port * 256 + protocol
NOTHING = WORD - 1  # the code of null


def code(expr: pl.Expr, words: pl.Categorical) -> pl.Expr:
    """Return the dictionary code of a text as UInt64; null has the code `NOTHING`."""
    return expr.cast(words).to_physical().cast(pl.UInt64).fill_null(NOTHING)


def text(codes: pl.Expr, words: pl.Categorical) -> pl.Expr:
    """Return the text behind dictionary codes: the inverse of `code`."""
    known = pl.when(codes < NOTHING).then(codes).cast(pl.UInt32)
    return known.cat.to(words).cast(pl.String)
