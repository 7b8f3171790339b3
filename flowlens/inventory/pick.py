"""The words in which a table of the inventory says which parts of an answer it takes.

``columns`` are the table's columns after ``capture``: the dotted path of AWS's own names, or an
expression over them. ``fields`` are the types of what is read (what an answer leaves out is null);
a column that is there as it is, and has no type there, is text. ``explode`` makes a row per member
of a list inside an item.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

__all__ = [
    "FLAG",
    "TAGS",
    "TEXT",
    "WHOLE",
    "Shape",
    "at",
    "each",
    "held",
    "ids",
    "pairs",
    "struct",
    "structs",
    "tag",
]

TEXT, FLAG, WHOLE = pl.String(), pl.Boolean(), pl.Int64()
TAGS = pl.List(pl.Struct({"Key": TEXT, "Value": TEXT}))
NONE = pl.lit([], dtype=pl.List(pl.String))


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How the answer of one call becomes a table."""

    call: str
    columns: dict[str, str | pl.Expr]
    fields: dict[str, pl.DataType] = field(default_factory=dict)
    explode: str | None = None

    @property
    def read(self) -> pl.Struct:
        """The type of the part of an item that is read."""
        plain = [value for value in self.columns.values() if isinstance(value, str)]
        texts = dict.fromkeys((path for path in plain if "." not in path), TEXT)
        return pl.Struct({**texts, **self.fields})

    @property
    def table(self) -> dict[str, pl.Expr]:
        """The columns as expressions."""
        return {
            name: at(value) if isinstance(value, str) else value
            for name, value in self.columns.items()
        }


def structs(*names: str, **nested: pl.DataType) -> pl.List:
    """Return the type of a list of objects with text members and further `nested` ones."""
    return pl.List(pl.Struct({**dict.fromkeys(names, TEXT), **nested}))


def struct(*names: str, **nested: pl.DataType) -> pl.Struct:
    """Return the type of an object with text members and further `nested` ones."""
    return pl.Struct({**dict.fromkeys(names, TEXT), **nested})


def at(path: str) -> pl.Expr:
    """Return the value at a dotted `path`."""
    first, *rest = path.split(".")
    return _inside(pl.col(first), rest)


def _inside(value: pl.Expr, names: Iterable[str]) -> pl.Expr:
    """Return the value under some names, one inside the other."""
    for name in names:
        value = value.struct.field(name)
    return value


def each(column: str | pl.Expr, path: str) -> pl.Expr:
    """Return the list of the values at `path` in each member of a list; else an empty list."""
    member = _inside(pl.element(), path.split("."))
    items = at(column) if isinstance(column, str) else column
    return items.list.eval(member).list.drop_nulls().fill_null(NONE)


def ids(column: str | pl.Expr, path: str) -> pl.Expr:
    """Return `each` as a set: sorted, without repetitions."""
    return each(column, path).list.unique().list.sort()


def pairs(column: str, private: str, public: str) -> pl.Expr:
    """Return which private address has which public one, of the members that have both."""
    one, other = (_inside(pl.element(), path.split(".")) for path in (private, public))
    both = pl.struct(one.alias("private"), other.alias("public"))
    known = one.is_not_null() & other.is_not_null()
    empty = pl.lit([], dtype=pl.List(pl.Struct({"private": TEXT, "public": TEXT})))
    return pl.col(column).list.eval(both.filter(known)).fill_null(empty)


def held(column: str, path: str, state: str, kept: tuple[str, ...]) -> pl.Expr:
    """Return `each` without the members whose state is another one; no state says no."""
    said = _inside(pl.element(), state.split("."))
    members = pl.col(column).list.eval(pl.element().filter(said.is_in(kept).fill_null(value=True)))
    return each(members, path)


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
