"""Filters: ``dst in 185.32.0.0/16 and dport = 8333``, the same text everywhere.

SQL-like comparisons with unquoted, typed values; the words of BPF work too
(``dst net 185.32/16 and dst port 8333``). See `grammar` for the whole language.
"""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from flowlens.filters.grammar import Grammar
from flowlens_parsers.batch import Clause

__all__ = ["clauses", "expression", "where"]


def expression(
    text: str, schema: Mapping[str, pl.DataType], *, now: datetime | None = None
) -> pl.Expr:
    """Compile a filter against the columns of a table.

    >>> schema = {"server": pl.String(), "server_port": pl.UInt16()}
    >>> kept = expression("dst in 10/8 and port = https", schema)
    >>> rows = {"server": ["10.9.9.9", "11.0.0.1"], "server_port": [443, 443]}
    >>> pl.DataFrame(rows, schema=schema).filter(kept)["server"].to_list()
    ['10.9.9.9']

    Args:
        text: the filter.
        schema: column name -> type, such as one of `flowlens.tables`.
        now: what relative times (``first_seen > 7d``) count from.

    Returns:
        A Boolean expression without nulls.

    Raises:
        UsageError: the filter is wrong; the text has a caret under the place.
    """
    return Grammar(text, schema, now).read().rows


def clauses(
    text: str, schema: Mapping[str, pl.DataType], *, now: datetime | None = None
) -> tuple[Clause, ...]:
    """Return what every record that a filter keeps must hold, as far as a glance can tell.

    >>> schema = {"srcaddr": pl.String(), "srcport": pl.UInt16()}
    >>> [found.needles for found in clauses("srcaddr = 10.0.1.5 and srcport > 1023", schema)]
    [(b'10.0.1.5',)]
    >>> clauses("not srcaddr = 10.0.1.5", schema)
    ()

    Args:
        text: the filter.
        schema: column name -> type of the records.
        now: what relative times count from.

    Raises:
        UsageError: the filter is wrong.
    """
    return Grammar(text, schema, now).read().clauses


def where(frame: pl.LazyFrame, text: str, *, now: datetime | None = None) -> pl.LazyFrame:
    """Keep the rows of a frame that a filter describes.

    Raises:
        UsageError: the filter is wrong.
    """
    return frame.filter(expression(text, frame.collect_schema(), now=now))
