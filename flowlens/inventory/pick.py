"""The words in which a table of the inventory says which parts of an answer it takes.

``fields`` is the part of AWS's answer that is read (the names are AWS's own; what an answer
leaves out is null); ``columns`` are the table's columns after ``capture``. ``explode`` makes a row
per member of a list inside an item.
"""

from dataclasses import dataclass

import polars as pl

__all__ = [
    "FLAG",
    "TAGS",
    "TEXT",
    "WHOLE",
    "Shape",
    "at",
    "each",
    "ids",
    "struct",
    "structs",
    "tag",
]

TEXT, FLAG, WHOLE = pl.String(), pl.Boolean(), pl.Int64()
TAGS = pl.List(pl.Struct({"Key": TEXT, "Value": TEXT}))
NONE = pl.lit([], dtype=pl.List(pl.String))


@dataclass(frozen=True, slots=True)
class Shape:
    """How the answer of one call becomes a table."""

    call: str
    fields: dict[str, pl.DataType]
    columns: tuple[pl.Expr, ...]
    explode: str | None = None


def structs(*names: str, **nested: pl.DataType) -> pl.List:
    """Return the type of a list of objects with text members and further `nested` ones."""
    return pl.List(pl.Struct({**dict.fromkeys(names, TEXT), **nested}))


def struct(*names: str, **nested: pl.DataType) -> pl.Struct:
    """Return the type of an object with text members and further `nested` ones."""
    return pl.Struct({**dict.fromkeys(names, TEXT), **nested})


def at(path: str) -> pl.Expr:
    """Return the value at a dotted `path`."""
    first, *rest = path.split(".")
    value = pl.col(first)
    for name in rest:
        value = value.struct.field(name)
    return value


def each(column: str | pl.Expr, path: str) -> pl.Expr:
    """Return the list of the values at `path` in each member of a list; else an empty list."""
    member = pl.element()
    for name in path.split("."):
        member = member.struct.field(name)
    items = at(column) if isinstance(column, str) else column
    return items.list.eval(member).list.drop_nulls().fill_null(NONE)


def ids(column: str | pl.Expr, path: str) -> pl.Expr:
    """Return `each` as a set: sorted, without repetitions."""
    return each(column, path).list.unique().list.sort()


def tag(*names: str, column: str | pl.Expr = "TagSet") -> pl.Expr:
    """Return the value of the first of these tags that is there."""
    tags = pl.col(column) if isinstance(column, str) else column
    values = [
        tags.list.eval(
            pl.element().filter(pl.element().struct.field("Key") == name).struct.field("Value")
        ).list.first()
        for name in names
    ]
    return pl.coalesce(values)
