"""Addresses as RFC 5952 writes them, in the part of Python that Numba compiles.

Nothing imports this module but other kernels.
"""

import numpy as np
from numba import njit

__all__ = ["canonical", "dotted", "grouped"]

I = np.int64

DOT, COLON, ZERO, NINE, A, F = 46, 58, 48, 57, 97, 102  # as ASCII has them


@njit
def dotted(text, at, size):
    """Say whether a token is an IPv4 address without leading zeros."""
    parts, digits, value = I(0), I(0), I(0)
    for place in range(at, at + size):
        byte = I(text[place])
        if byte == DOT:
            if digits == 0:
                return False
            parts, digits, value = parts + 1, I(0), I(0)
            continue
        if byte < ZERO or byte > NINE or (digits and not value):
            return False
        digits, value = digits + 1, value * 10 + byte - ZERO
        if value > 255:
            return False
    return parts == 3 and digits > 0


@njit
def group(text, at, end):
    """Return the place behind up to four hexadecimal digits without leading zeros, 0 without."""
    place = at
    while place < end and (ZERO <= text[place] <= NINE or A <= text[place] <= F):
        place += 1
    size = place - at
    return place if 0 < size < 5 and (size == 1 or text[at] != ZERO) else I(0)


@njit
def grouped(text, at, size):
    """Say whether a token is an IPv6 address in its one short spelling.

    That is: no leading zeros, and '::' for the first of the longest runs of two zeros or more.
    Those that begin with '::' may hold an IPv4 address and are left to others.
    """
    groups, run, before, after, gap = I(0), I(0), I(0), I(0), False
    place, end = I(at), I(at + size)
    while place < end:
        nought, place = text[place] == ZERO, group(text, place, end)
        if not place:
            return False
        groups, run = groups + 1, run + 1 if nought else I(0)
        before, after = (before, max(after, run)) if gap else (max(before, run), after)
        if place == end:
            break
        if text[place] != COLON or place + 1 == end:
            return False
        place += 1
        if text[place] == COLON:
            place += 1
            # Zeros beside it would belong to it.
            if gap or nought or (place < end and text[place] == ZERO):
                return False
            gap, run = True, I(0)
    missing = 8 - groups
    if gap:
        return missing >= 2 and before < missing and after <= missing
    return missing == 0 and before < 2


@njit
def canonical(text, at, size):
    """Say whether a token is an address as it is kept; of some IPv6 addresses it cannot tell."""
    return dotted(text, at, size) or grouped(text, at, size)
