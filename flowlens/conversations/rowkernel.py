"""Packed records to rows, in the part of Python that Numba compiles.

Most of what a record says is said of many: who saw it through which flow log, which is its
*place*, and what became of it, its facts and services, which is its *sign*. Both are written down
once; a row has their numbers, which keeps what lies in memory, or in a file, small. When rows are
merged they are whole again.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it, and
the kernel that merges rows. `flowlens.conversations.shelf` says how rows are laid out.
"""

import numpy as np
from numba import types

from flowlens.conversations.wordkernel import HALF, MIX, NULL, STIR, I, U, inlined, stir, swapped

__all__ = ["KERNELS"]

PACKED = 9  # integers of a packed record: flowlens_parsers.packing
SIGN = 4  # integers of a sign

# Where a whole row has what, the last two only where it is wide.
LO, HI, WHERE, MARK, BYTES, PACKETS, TIMES, RAW, SERVICE = range(9)
BACK = U(56)  # bit of a row's mark that says whether `hi` sent it

# Where a folded row has what: the lower end, sender and half of the sign's number; the higher end
# and half of the duration; low bits of bytes and packets; start, place and the rest of the sign's
# number; raw addresses.
LOWER, HIGHER, SIZES, START, RAWS = range(5)
OWN, ENDS = U(0xFFFFFFFFFFFFFF), U(0xFFFFFFFFFFFF)  # the 56 and 48 bits of an end
FEW, PLACED = U(0xFFFFFFFFFF), U(0xFFFFFF)  # 40 bits of bytes, 24 of a place's number
LITTLE, SHORT = U(40), U(16)
# Where a sign has what; `FURTHER` has high bits of bytes and packets, `LONG` of the duration.
MARKED, SERVED, FURTHER, LONG = range(4)

READ, DONE, PLACES, SIGNS = range(4)  # the counters of `fold`: records, rows, places, signs


@inlined
def known(code, codes, coded):
    """Return the dictionary's code of a reader's code; null stays null."""
    return code if code == NULL or coded else U(codes[code])


@inlined
def both(word, codes, coded):
    """Return two codes in one word as the dictionary's."""
    return known(word & NULL, codes, coded) | (known(word >> HALF, codes, coded) << HALF)


@inlined
def other(raw, ends):
    """Return the raw addresses, null where they are the packet's, spelled in another way."""
    if raw & NULL == ends & NULL:
        raw |= NULL
    if raw >> HALF == ends >> HALF:
        raw |= NULL << HALF
    return raw


@inlined
def slot(hash, mask):
    """Return the place in a table from which on a hash is looked for."""
    return ((hash ^ (hash >> HALF)) * MIX >> HALF) & mask


@inlined
def hashed(mark, served, further, long):
    """Return a hash of a sign."""
    return ((mark ^ (served * STIR)) * STIR) ^ ((further + long) * MIX)


@inlined
def seen(place, places, table, mask, state):
    """Return the number of a place, a new one for one not seen before."""
    at = slot(place * STIR, mask)
    while table[at]:
        if places[table[at] - 1] == place:
            return U(table[at] - 1)
        at = (at + U(1)) & mask
    new = state[PLACES]
    places[new] = place
    table[at] = np.uint32(new + 1)
    state[PLACES] = new + 1
    return U(new)


@inlined
def signed(mark, served, further, long, signs, table, mask, state):
    """Return the number of a sign, a new one for one not seen before."""
    at = slot(hashed(mark, served, further, long), mask)
    while table[at]:
        old = I(table[at] - 1) * SIGN
        if (
            signs[old + MARKED] == mark
            and signs[old + SERVED] == served
            and signs[old + FURTHER] == further
            and signs[old + LONG] == long
        ):
            return U(table[at] - 1)
        at = (at + U(1)) & mask
    new = state[SIGNS]
    signs[new * SIGN + MARKED], signs[new * SIGN + SERVED] = mark, served
    signs[new * SIGN + FURTHER], signs[new * SIGN + LONG] = further, long
    table[at] = np.uint32(new + 1)
    state[SIGNS] = new + 1
    return U(new)


@inlined
def put(
    record, at, codes, coded, log, versions, rows, to, width, places, where, most, signs, which,
    mask, state,
):  # fmt: skip
    """Write a packed record as a folded row, the lower end first; return a hash of its ends."""
    ends, ports = both(record[at], codes, coded), record[at + 1]
    src = ((ends & NULL) << U(16)) | (ports & U(0xFFFF))
    dst = ((ends >> HALF) << U(16)) | ((ports >> U(16)) & U(0xFFFF))
    back = src > dst
    lower, higher = (dst, src) if back else (src, dst)
    observer = both(record[at + 2], codes, coded)
    version = observer >> HALF if versions else NULL
    place = (observer << HALF) | (version if log == NULL else log)
    mark = known(record[at + 6] & NULL, codes, coded) | (ports >> U(40) << HALF)
    served = U(0)
    if width > RAWS:
        raw = other(both(record[at + 7], codes, coded), ends)
        served = both(record[at + 8], codes, coded)
        rows[to + RAWS] = swapped(raw) if back else raw
        served = swapped(served) if back else served
    bytes, packets, start = record[at + 4], record[at + 5], record[at + 3] & NULL
    long = ((record[at + 3] >> HALF) - start) & NULL
    further = (bytes >> LITTLE) | (packets >> U(24) << U(24))
    seat = seen(place, places, where, most, state)
    sign = signed(mark, served, further, long >> SHORT, signs, which, mask, state)
    rows[to + LOWER] = (lower << U(8)) | ((ports >> HALF) & U(255)) | (U(back) << BACK)
    rows[to + LOWER] |= sign >> U(8) << U(57)
    rows[to + HIGHER] = higher | (long << U(48))
    rows[to + SIZES] = (bytes & FEW) | (packets << LITTLE)
    rows[to + START] = start | (seat << HALF) | (sign << U(56))
    return stir(stir(MIX, lower >> U(16)), higher >> U(16)) * MIX


def fold(
    records, count, codes, coded, log, versions, since, until, bits, width, rows, parts, places,
    where, most, free, signs, which, mask, room, state,
):  # fmt: skip
    """Turn packed records of the asked time into rows with their parts, while there is room.

    The flow log of a row is `log`; without one its version stands for it if `versions` says so.
    All that an address pair says is in one part. `where` and `which` are the hash tables of
    places and signs, `most` and `mask` their masks, `free` and `room` how many there may be.
    """
    while state[READ] < count and state[PLACES] < free and state[SIGNS] < room:
        at = state[READ] * PACKED
        state[READ] += 1
        when = records[at + 3] & NULL
        if when == U(0):
            when = records[at + 3] >> HALF
        if when and (when < since or when >= until):
            continue
        hash = put(
            records, at, codes, coded, log, versions, rows, state[DONE] * width, width, places,
            where, most, signs, which, mask, state,
        )  # fmt: skip
        parts[state[DONE]] = np.uint16(hash >> U(64 - bits)) if bits else np.uint16(0)
        state[DONE] += 1
    return I(0)


def rehash(entries, count, width, table, mask):
    """Put places, or signs, into a new table; `width` tells which."""
    for entry in range(count):
        at = entry * width
        hash = entries[at] * STIR
        if width == SIGN:
            hash = hashed(
                entries[at + MARKED], entries[at + SERVED], entries[at + FURTHER],
                entries[at + LONG],
            )  # fmt: skip
        to = slot(hash, mask)
        while table[to]:
            to = (to + U(1)) & mask
        table[to] = np.uint32(entry + 1)
    return I(0)


@inlined
def whole(rows, at, width, place, base, places, signs, out, to):
    """Write a folded row as a whole one; places and signs of its desk begin at `place`, `base`."""
    lower, start, sizes = rows[at + LOWER], rows[at + START], rows[at + SIZES]
    sign = (I((start >> U(56)) | (lower >> U(57) << U(8))) + base) * SIGN
    long = (rows[at + HIGHER] >> U(48)) | (signs[sign + LONG] << SHORT)
    further = signs[sign + FURTHER]
    out[to + LO] = lower & OWN
    out[to + HI] = ((rows[at + HIGHER] & ENDS) << U(8)) | (lower & U(255))
    out[to + WHERE] = places[place + I((start >> HALF) & PLACED)]
    out[to + MARK] = signs[sign + MARKED] | (((lower >> BACK) & U(1)) << BACK)
    out[to + BYTES] = (sizes & FEW) | (further << LITTLE)
    out[to + PACKETS] = (sizes >> LITTLE) | (further >> U(24) << U(24))
    out[to + TIMES] = (start & NULL) | (((start & NULL) + long) << HALF)
    if width > RAWS:
        out[to + RAW] = rows[at + RAWS]
        out[to + SERVICE] = signs[sign + SERVED]


def unfold(rows, spans, count, bases, width, places, signs, out, size):
    """Write folded rows as whole ones of `size` integers; return how many.

    Args are arrays: `spans` has where each of `count` stretches of `rows` begins and ends, `bases`
    where places and signs of each begin.
    """
    done = I(0)
    for span in range(count):
        place, base = bases[2 * span], bases[2 * span + 1]
        for row in range(spans[2 * span], spans[2 * span + 1]):
            whole(rows, row * width, width, place, base, places, signs, out, done * size)
            done += 1
    return done


def scatter(rows, count, width, parts, starts, out):
    """Put rows of one part together; `starts` is where the next of each goes."""
    for row in range(count):
        part = parts[row]
        to = starts[part] * width
        starts[part] += 1
        for word in range(width):
            out[to + word] = rows[row * width + word]
    return I(0)


i64, u64 = types.int64, types.uint64
p16, p32, p64, counters = (types.CPointer(of) for of in (types.uint16, types.uint32, u64, i64))

KERNELS = {
    "fold": (
        fold,
        i64(
            *(p64, i64, p32, i64, u64, i64, u64, u64, i64, i64, p64, p16),
            *(p64, p32, u64, i64, p64, p32, u64, i64, counters),
        ),
    ),
    "rehash": (rehash, i64(p64, i64, i64, p32, u64)),
    "unfold": (unfold, i64(p64, counters, i64, counters, i64, p64, p64, p64, i64)),
    "scatter": (scatter, i64(p64, i64, i64, p16, counters, p64)),
}
