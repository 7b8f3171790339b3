"""What every row that a filter keeps must hold, so that a reader may pass over the others.

A filter in the form of ``a and (b or c)`` is a row of clauses that all hold. What cannot be told
from a glance (``not``, ``<``, parts of words, …) gives no clause, and everything is read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import product

import polars as pl

from flowlens.filters.fields import Field
from flowlens.filters.values import Value
from flowlens_parsers.batch import Clause

__all__ = ["Test", "clause", "either"]

#: Digits that a group of an IPv6 address should have, and spellings of it that are few.
RARE, FEW = 3, 5

#: Values that may have a sign or zeros before them.
NUMBERS = frozenset({"port", "number", "protocol"})

#: Columns that no line holds: readers add them.
ADDED = frozenset({"flow_log", "line", "merged", "source"})


@dataclass(frozen=True, slots=True)
class Test:
    """A test of rows, and the clauses that hold for every row that passes it."""

    rows: pl.Expr
    clauses: tuple[Clause, ...] = field(default=())

    def __and__(self, other: "Test") -> "Test":
        """Both must pass."""
        return Test(self.rows & other.rows, self.clauses + other.clauses)

    def __invert__(self) -> "Test":
        """The opposite, of whose rows nothing is known."""
        return Test(~self.rows)


def either(tests: Sequence[Test]) -> Test:
    """Return the test that passes what any of several passes."""
    rows = pl.any_horizontal(test.rows for test in tests)
    if not all(test.clauses for test in tests):
        return Test(rows)
    best = [max(test.clauses, key=Clause.worth) for test in tests]
    return Test(rows, (reduce(_joined, best),))


def clause(found: Sequence[Field], known: Iterable[Sequence[Value]]) -> tuple[Clause, ...]:
    """Return what holds where one of the fields has one of its values.

    Args:
        found: the fields.
        known: the values of each.
    """
    whole = Clause((), (), whole=True)
    for field_, values in zip(found, known, strict=True):
        columns = [column.meta.root_names() for column in field_.columns]
        if field_.lists or any(len(names) != 1 or names[0] in ADDED for names in columns):
            return ()
        for value in values:
            needles = _needles(field_, value)
            exact = value.part or value.plain
            points = tuple((names[0], exact) for names in columns)
            odd = field_.kind == "address" and ":" in str(exact)  # spelled in many ways
            one = field_.kind not in NUMBERS and not value.part and not odd
            whole = _joined(whole, Clause(needles, None if odd else points, whole=one))
            if not needles:
                return ()
    return (whole,)


def _joined(one: Clause, other: Clause) -> Clause:
    """Return the clause that holds where either does."""
    points = None if one.points is None or other.points is None else one.points + other.points
    needles = tuple(dict.fromkeys(one.needles + other.needles))
    return Clause(needles, points, whole=one.whole and other.whole)


def _needles(field_: Field, value: Value) -> tuple[bytes, ...]:
    """Return texts of which a line with that value holds one, however the value is spelled."""
    if field_.kind == "address":
        return _spelled(value.part or value.plain or "")
    if field_.kind in {"text", "choice"}:
        said = value.part or value.plain or ""
        return (said.encode(),) if said else ()
    # A time has two units.
    if field_.kind in NUMBERS and isinstance(value.plain, int):
        return (str(value.plain).encode(),)
    return ()


def _spelled(said: str) -> tuple[bytes, ...]:
    """Return what is in every spelling of an address, or of one that begins like that.

    An IPv4 address has one spelling. Of an IPv6 address the longest of the eight groups serves,
    in capitals and small letters; the last two may stand there as an IPv4 address.

    >>> _spelled("10.0.1.5"), _spelled("2001:db8::1")
    ((b'10.0.1.5',), (b'2001',))
    """
    if ":" not in said:
        return (said.encode(),) if "." in said else ()
    try:
        address = ip_address(said)
    except ValueError:
        return ()
    if not isinstance(address, IPv6Address):
        return ()
    groups = [group.lstrip("0") for group in address.exploded.split(":")]
    spelled = [tuple(_cases(group)) for group in groups]
    dotted = str(IPv4Address(int(address) & 0xFFFF_FFFF)).encode()
    spelled[6:] = [(*cases, dotted) for cases in spelled[6:]]
    # All addresses of a network begin alike, so the second half tells more, but not at any price.
    long = [at for at in range(8) if len(groups[at]) >= RARE] or [0]
    best = max(long, key=lambda at: (at > 3 and len(spelled[at]) <= FEW, -len(spelled[at]), at))
    return spelled[best]


def _cases(group: str) -> Iterable[bytes]:
    signs = [sorted({sign.lower(), sign.upper()}) for sign in group]
    return ("".join(one).encode() for one in product(*signs))
