"""The values of a field in many lines, in the part of Python that Numba compiles.

What is no value of its kind marks its line, which then is judged by itself.
"""

import numpy as np

from flowlens_parsers.bytekernel import NONE, brief, fetch, inlined, number
from flowlens_parsers.linekernel import (
    FLAGS,
    NUMBER,
    NUMERAL,
    STATUS,
    STRANGE,
    WORD,
    dashed,
    fine,
)
from flowlens_parsers.tokenkernel import ADDRESS, LONGEST, NULL, home, host, word

__all__ = ["column"]

U, I = np.uint64, np.int64


@inlined
def token(stops, firsts, line, field):
    """Return where a value begins, and its length."""
    first = I(firsts[line]) + field
    at = I(stops[first])
    return at, I(stops[first + 1]) - 1 - at


@inlined
def numbers(text, stops, firsts, marks, lines, field, most, missing, columns, to):
    """Make a column of numbers; '-' is `missing`."""
    for line in range(lines):
        if marks[line]:
            continue
        at, size = token(stops, firsts, line, field)
        found = number(text, at, size)
        if found > most:
            if dashed(text, at, size):
                found = missing
            else:
                marks[line] = STRANGE
        columns[to + line] = found


@inlined
def words(
    text, stops, firsts, marks, lines, field, kind, columns, to, memo, table, mask, entries, state
):  # fmt: skip
    """Make a column of codes of tokens of which there are few."""
    for line in range(lines):
        if marks[line]:
            continue
        at, size = token(stops, firsts, line, field)
        if size > LONGEST:
            marks[line] = STRANGE
            continue
        columns[to + line] = word(text, at, size, kind, memo, table, mask, entries, state)


@inlined
def hosts(
    text, stops, firsts, marks, lines, field, columns, to, briefs, table, mask, entries, state
):
    """Make a column of codes of addresses: first of brief forms, then of what these stand for."""
    for line in range(lines):
        if marks[line]:
            continue
        at, size = token(stops, firsts, line, field)
        key = brief(text, at, size) if size <= 16 else U(0)
        fetch(briefs, 2 * I(home(key, mask)))
        columns[to + line] = key
    for line in range(lines):
        if marks[line]:
            continue
        at, size = token(stops, firsts, line, field)
        if size > LONGEST:
            marks[line] = STRANGE
        elif dashed(text, at, size):
            columns[to + line] = NULL
        else:
            columns[to + line] = host(
                columns[to + line], text, at, size, briefs, table, mask, entries, state
            )


@inlined
def statuses(text, stops, firsts, marks, lines, field):
    """Mark the lines that may be no records."""
    for line in range(lines):
        if marks[line]:
            continue
        at, size = token(stops, firsts, line, field)
        if not fine(text, at, size) and not dashed(text, at, size):
            marks[line] = STRANGE


@inlined
def column(
    text, stops, firsts, marks, lines, field, kind, most, columns, to, table, mask, entries,
    briefs, memo, state,
):  # fmt: skip
    """Make a column of what `kind` wants of a field; what nobody wants is passed over."""
    if kind == NUMBER or kind == FLAGS:
        missing = NONE if kind == FLAGS else U(0)
        numbers(text, stops, firsts, marks, lines, field, most, missing, columns, to)
    elif kind == WORD or kind == NUMERAL:
        words(
            text, stops, firsts, marks, lines, field, kind, columns, to, memo, table, mask,
            entries, state,
        )  # fmt: skip
    elif kind == ADDRESS:
        hosts(
            text, stops, firsts, marks, lines, field, columns, to, briefs, table, mask, entries,
            state,
        )  # fmt: skip
    elif kind == STATUS:
        statuses(text, stops, firsts, marks, lines, field)
