"""The dictionary of tokens, in the part of Python that Numba compiles.

A token is its text, of at most `LONGEST` bytes, and the kind of its field; its code is its place
among the entries. A table finds it by a hash, and those of IPv4 addresses, which differ from line
to line, by their brief form.
"""

import numpy as np
from numba import njit

from flowlens_parsers.addresskernel import canonical
from flowlens_parsers.bytekernel import NONE, alike, eight, inlined, lay

__all__ = [
    "ADDRESS",
    "ENTRY",
    "LONGEST",
    "NULL",
    "TOKENS",
    "code",
    "home",
    "host",
    "learn",
    "refill",
    "word",
]

U, I = np.uint64, np.int64

MIX, STIR = U(0x9E3779B97F4A7C15), U(0xC2B2AE3D27D4EB4F)  # odd constants of xxHash

NULL = U(0xFFFFFFFF)  # the code of '-'
ADDRESS, NUMERAL = 3, 6  # of the kinds of field, see `kernel`
TOKENS, DOUBTS = 3, 5  # the counters of tokens, and of those that may not be what they should
ENTRY = 6  # integers of a token: 40 bytes of text, then its length and kind
PLACES, LINE = 12, 8  # a memo has 2 ** PLACES places, each with room for so many integers
LONGEST = 40  # bytes of a token; longer ones are left to the tolerant parser


@njit
def matches(entry, label, full, tail, text, at, entries):
    """Say whether a token is that of an entry."""
    if entries[entry + 5] != label:
        return False
    for word in range(full):
        if entries[entry + word] != eight(text, at + 8 * word):
            return False
    return tail == U(0) or entries[entry + full] == tail


@njit
def add(entry, label, full, tail, text, at, entries):
    """Write a token down."""
    for word in range(5):
        entries[entry + word] = eight(text, at + 8 * word) if word < full else U(0)
    if tail:
        entries[entry + full] = tail
    entries[entry + 5] = label


@inlined
def slot(hash, mask):
    """Return the place in the table from which on a hash is looked for."""
    return (((hash ^ (hash >> U(32))) * STIR) >> U(32)) & mask


@njit
def code(text, at, size, kind, table, mask, entries, state):
    """Return the code of a token, a new one for a token not seen before."""
    label = U(size) | (U(kind) << U(8))
    full, rest = size >> 3, size & 7
    hash, factor = label * STIR, MIX
    for word in range(full):
        hash += eight(text, at + 8 * word) * factor
        factor *= STIR
    tail = U(0)  # no text holds a zero byte, so it is none where there is a rest
    if rest:
        tail = eight(text, at + 8 * full) & ((U(1) << U(8 * rest)) - U(1))
        hash += tail * factor
    place = slot(hash, mask)
    while table[place]:
        if matches(I(table[place] - 1) * ENTRY, label, full, tail, text, at, entries):
            return U(table[place] - 1)
        place = (place + U(1)) & mask
    new = state[TOKENS]
    add(new * ENTRY, label, full, tail, text, at, entries)
    table[place] = np.uint32(new + 1)
    state[TOKENS] = new + 1
    if kind == NUMERAL or (kind == ADDRESS and not canonical(text, at, size)):
        state[DOUBTS] += 1
    return U(new)


@inlined
def ends(text, at, size):
    """Return the first and the last eight bytes of a token, or all of them and zeros."""
    if size >= 8:
        return eight(text, at), eight(text, at + size - 8)
    return eight(text, at) & ~(NONE << U(8 * size)), U(0)


@inlined
def word(text, at, size, kind, memo, table, mask, entries, state):
    """Return the code of a token of which there are few; `NULL` for '-'.

    The memo has what was asked last, the whole token in a line of the cache. Each token has two
    places there. It makes no difference to what is returned.
    """
    label = U(size) | (U(kind) << U(8))
    first, last = ends(text, at, size)
    hash = first ^ (last * MIX) ^ (label * STIR)
    place = I((hash * MIX) >> U(64 - PLACES)) * LINE
    other = place ^ LINE
    short = size <= 32
    if short and memo[place + 4] == label and alike(text, at, size, memo, place):
        return memo[place + 5]
    if short and memo[other + 4] == label and alike(text, at, size, memo, other):
        return memo[other + 5]
    dash = size == 1 and text[at] == 45
    found = NULL if dash else code(text, at, size, kind, table, mask, entries, state)
    if short:
        for one in range(6):
            memo[other + one] = memo[place + one]
        lay(text, at, size, memo, place)
        memo[place + 4], memo[place + 5] = label, found
    return found


@inlined
def home(key, mask):
    """Return the place from which on a brief form is looked for."""
    return ((key * MIX) >> U(32)) & mask


@inlined
def host(key, text, at, size, briefs, table, mask, entries, state):
    """Return the code of an address; one that has a brief form is looked up by that."""
    if not key:
        return code(text, at, size, ADDRESS, table, mask, entries, state)
    place = home(key, mask)
    while briefs[2 * place] != key:
        if not briefs[2 * place]:
            briefs[2 * place] = key
            briefs[2 * place + 1] = code(text, at, size, ADDRESS, table, mask, entries, state)
            break
        place = (place + U(1)) & mask
    return briefs[2 * place + 1]


def learn(text, size, kind, table, mask, entries, state):
    """Give a token its code before any text is read."""
    return I(code(text, 0, size, kind, table, mask, entries, state))


def refill(table, mask, entries, state):
    """Put all tokens into a new table."""
    for token in range(state[TOKENS]):
        entry = token * ENTRY
        label = entries[entry + 5]
        hash, factor = label * STIR, MIX
        for word in range((I(label & U(255)) + 7) >> 3):
            hash += entries[entry + word] * factor
            factor *= STIR
        place = slot(hash, mask)
        while table[place]:
            place = (place + U(1)) & mask
        table[place] = np.uint32(token + 1)
    return I(0)
