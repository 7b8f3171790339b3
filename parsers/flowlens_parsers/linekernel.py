"""One line by itself, in the part of Python that Numba compiles.

It may have several blanks between its values, tabs and carriage returns, more values than it
should, or less: what the passes over many lines leave alone.
"""

import numpy as np

from flowlens_parsers.bytekernel import NONE, brief, inlined, length, number
from flowlens_parsers.tokenkernel import ADDRESS, LONGEST, NULL, code, host

__all__ = [
    "EMPTY",
    "FLAGS",
    "GOOD",
    "HEIGHT",
    "NUMBER",
    "NUMERAL",
    "ODD",
    "SPAN",
    "STATUS",
    "STRANGE",
    "WORD",
    "behind",
    "dashed",
    "fine",
    "judge",
]

U, I = np.uint64, np.int64

# What `packing` says of a field; see there.
NUMBER, WORD, _, FLAGS, STATUS, NUMERAL = range(1, 7)

SPAN = 256  # lines taken at once
# Integers of a column: with a power of two all columns would lie on the same lines of the cache.
HEIGHT = SPAN + 8
# What is known of a line: nothing wrong, to be judged by itself, left to others, empty.
GOOD, STRANGE, ODD, EMPTY = range(4)


@inlined
def dashed(text, at, size):
    """Say whether a token is '-'."""
    return size == 1 and text[at] == 45


@inlined
def fine(text, at, size):
    """Say whether a token is 'OK'."""
    return size == 2 and text[at] == 79 and text[at + 1] == 75


@inlined
def skip(text, at):
    """Return the place behind blanks, tabs and carriage returns."""
    while text[at] == 32 or text[at] == 9 or text[at] == 13:
        at += 1
    return at


@inlined
def behind(text, at):
    """Return the place behind a line."""
    while text[at] != 10:
        at += 1
    return at + 1


@inlined
def value(text, at, size, kind, most, briefs, table, mask, entries, state):
    """Return a value as `kind` wants it, and whether it is one."""
    dash = dashed(text, at, size)
    if kind == NUMBER or kind == FLAGS:
        if dash:
            return (NONE if kind == FLAGS else U(0)), True
        found = number(text, at, size)
        return found, found <= most
    if kind == WORD or kind == ADDRESS or kind == NUMERAL:
        if dash:
            return NULL, True
        if size < 1 or size > LONGEST:
            return NULL, False
        if kind == ADDRESS:
            key = brief(text, at, size) if size <= 16 else U(0)
            return host(key, text, at, size, briefs, table, mask, entries, state), True
        return code(text, at, size, kind, table, mask, entries, state), True
    if kind == STATUS:
        return U(0), dash or fine(text, at, size)
    return U(0), size > 0


@inlined
def judge(
    text, at, kinds, places, most, fields, columns, line, briefs, table, mask, entries, state
):  # fmt: skip
    """Write the values of a line to its place in the columns; return what is known of it."""
    at = skip(text, at)
    if text[at] == 10:
        return EMPTY
    count, good = I(0), True
    while good and count < fields:
        at = skip(text, at)
        size = length(text, at)
        found, good = value(
            text, at, size, kinds[count], most[count], briefs, table, mask, entries, state
        )
        columns[I(places[count]) * HEIGHT + line] = found
        at += size
        count += 1
    return GOOD if good and text[skip(text, at)] == 10 else ODD
