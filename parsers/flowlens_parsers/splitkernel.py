"""Where tokens and lines begin, in the part of Python that Numba compiles."""

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from flowlens_parsers.bytekernel import NONE, STEP, equal, inlined, limits, ones
from flowlens_parsers.linekernel import SPAN, STRANGE

__all__ = ["STOPS", "split"]

U, I = np.uint64, np.int64

STOPS = 1 << 14  # tokens that there is room for
MOSTLY = 12  # tokens that begin in `STEP` bytes, seldom more


@inlined
def flag(bits, ends, line, marks):
    """Mark lines that have one of these bytes; `ends` are the bytes at which lines end."""
    while bits:
        below = (bits & (~bits + U(1))) - U(1)
        marks[line + ones(ends & below)] = STRANGE
        bits &= bits - U(1)


@inlined
def flatten(bits, at, stops, count):
    """Write down the places behind some bytes; return how many tokens there are then."""
    to, left = count, bits
    for _ in range(MOSTLY):  # rather some too many than a branch that nobody can foresee
        stops[to] = at + I(trailing_zeros(left))
        left &= left - U(1)
        to += 1
    while left:
        stops[to] = at + I(trailing_zeros(left))
        left &= left - U(1)
        to += 1
    return count + ones(bits)


@inlined
def split(text, at, size, fields, stops, firsts, marks):
    """Find tokens and whole lines; return how many lines.

    Args:
        text: the text.
        at: where to begin.
        size: where it ends.
        fields: values that a line has.
        stops: gets where tokens begin.
        firsts: gets for each line, and the one after, the number of its first token.
        marks: gets what is known of each; all are good so far.
    """
    stops[0], firsts[0] = at, 0
    count, line, last = I(1), I(0), U(1)
    while at < size and line < SPAN - STEP and count < STOPS - STEP:
        inside = NONE if size - at >= STEP else (U(1) << U(size - at)) - U(1)
        bits = limits(text, at) & inside
        ends = equal(text, at, 10) & inside
        # A limit behind a limit, and one that is no blank.
        strange = (bits & ((bits << U(1)) | last)) | (bits & ~(equal(text, at, 32) | ends))
        if strange:
            flag(strange, ends, line, marks)
        last = bits >> U(63)
        some = ends
        firsts[line + 1] = count + ones(bits & ((some & (~some + U(1))) - U(1)))
        line += I(some != U(0))
        some &= some - U(1)
        while some:
            line += 1
            firsts[line] = count + ones(bits & ((some & (~some + U(1))) - U(1)))
            some &= some - U(1)
        count = flatten(bits, at + 1, stops, count)
        at += STEP
    for one in range(line):
        if I(firsts[one + 1]) - I(firsts[one]) != fields:
            marks[one] = STRANGE
    return line
