"""Packed records to rows, in the part of Python that Numba compiles.

Most of what a record says is said of many: who saw it and through which flow log, what became of
it, its facts. That is its *stamp*, which is written down once; a row has the number of it, which
keeps what lies in memory, or in a file, small. When rows are merged they are whole again.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it, and
the kernel that merges rows. `flowlens.conversations.shelf` says how rows are laid out.
"""

import numpy as np
from numba import types

from flowlens.conversations.wordkernel import HALF, MIX, NULL, STIR, I, U, inlined, stir, swapped

__all__ = ["KERNELS"]

PACKED = 9  # integers of a packed record: flowlens_parsers.packing
STAMP = 5  # integers of a stamp

# Where a whole row has what, the last two only where it is wide.
LO, HI, WHERE, MARK, BYTES, PACKETS, TIMES, RAW, SERVICE = range(9)
BACK = U(56)  # bit of a row's mark that says whether `hi` sent it

# Where a folded row has what: ends, the sender beside the lower one, half of the duration beside
# the higher one; low bits of bytes and packets; start and stamp; raw addresses.
LOWER, HIGHER, SIZES, START, RAWS = range(5)
# Where a stamp has what; `FURTHER` has high bits of bytes and packets, `LONG` of the duration.
PLACE, SIGN, SERVED, FURTHER, LONG = range(5)
OWN, MOST = U(0xFFFFFFFFFFFFFF), U(0xFFFFFFFFFFFF)  # the 56 and 48 bits of an end
FEW, SMALL = U(0xFFFFFFFFFF), U(0xFFFFFF)  # 40 bits of bytes, 24 of packets
LITTLE, SHORT = U(40), U(16)

READ, DONE, STAMPS = range(3)  # the counters of `fold`: records, rows, stamps


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
def stamped(place, sign, served, further, long, stamps, table, mask, state):
    """Return the number of a stamp, a new one for one not seen before."""
    hash = (place * MIX) ^ ((sign ^ (served * STIR)) * STIR) ^ ((further + long) * MIX)
    slot = ((hash ^ (hash >> HALF)) * MIX >> HALF) & mask
    while table[slot]:
        at = I(table[slot] - 1) * STAMP
        if (
            stamps[at + PLACE] == place
            and stamps[at + SIGN] == sign
            and stamps[at + SERVED] == served
            and stamps[at + FURTHER] == further
            and stamps[at + LONG] == long
        ):
            return U(table[slot] - 1)
        slot = (slot + U(1)) & mask
    new = state[STAMPS]
    at = new * STAMP
    stamps[at + PLACE], stamps[at + SIGN], stamps[at + SERVED] = place, sign, served
    stamps[at + FURTHER], stamps[at + LONG] = further, long
    state[STAMPS] = new + 1
    table[slot] = np.uint32(new + 1)
    return U(new)


@inlined
def put(record, at, codes, coded, log, versions, rows, to, width, stamps, table, mask, state):
    """Write a packed record as a folded row, the lower end first; return a hash of its ends."""
    ends, ports = both(record[at], codes, coded), record[at + 1]
    src = ((ends & NULL) << U(16)) | (ports & U(0xFFFF))
    dst = ((ends >> HALF) << U(16)) | ((ports >> U(16)) & U(0xFFFF))
    back = src > dst
    lower, higher = (dst, src) if back else (src, dst)
    places = both(record[at + 2], codes, coded)
    version = places >> HALF if versions else NULL
    place = (places << HALF) | (version if log == NULL else log)
    sign = known(record[at + 6] & NULL, codes, coded) | (ports >> U(40) << HALF)
    served = U(0)
    if width > RAWS:
        raw = other(both(record[at + 7], codes, coded), ends)
        served = both(record[at + 8], codes, coded)
        rows[to + RAWS] = swapped(raw) if back else raw
        served = swapped(served) if back else served
    bytes, packets, start = record[at + 4], record[at + 5], record[at + 3] & NULL
    long = ((record[at + 3] >> HALF) - start) & NULL
    further = (bytes >> LITTLE) | (packets >> U(24) << U(24))
    stamp = stamped(place, sign, served, further, long >> SHORT, stamps, table, mask, state)
    rows[to + LOWER] = (lower << U(8)) | ((ports >> HALF) & U(255)) | (U(back) << BACK)
    rows[to + HIGHER] = higher | (long << U(48))
    rows[to + SIZES] = (bytes & FEW) | (packets << LITTLE)
    rows[to + START] = start | (stamp << HALF)
    return stir(stir(MIX, lower >> U(16)), higher >> U(16)) * MIX


def fold(
    records, count, codes, coded, log, versions, since, until, bits, width, rows, parts, stamps,
    table, mask, room, state,
):  # fmt: skip
    """Turn packed records of the asked time into rows with their parts, while there is room.

    The flow log of a row is `log`; without one its version stands for it if `versions` says so.
    All that an address pair says is in one part.
    """
    while state[READ] < count and state[STAMPS] < room:
        at = state[READ] * PACKED
        state[READ] += 1
        when = records[at + 3] & NULL
        if when == U(0):
            when = records[at + 3] >> HALF
        if when and (when < since or when >= until):
            continue
        hash = put(
            records, at, codes, coded, log, versions, rows, state[DONE] * width, width, stamps,
            table, mask, state,
        )  # fmt: skip
        parts[state[DONE]] = np.uint16(hash >> U(64 - bits)) if bits else np.uint16(0)
        state[DONE] += 1
    return I(0)


def refold(stamps, table, mask, state):
    """Put all stamps into a new table."""
    count = state[STAMPS]
    for stamp in range(count):
        at = stamp * STAMP
        state[STAMPS] = stamp
        stamped(
            stamps[at + PLACE], stamps[at + SIGN], stamps[at + SERVED], stamps[at + FURTHER],
            stamps[at + LONG], stamps, table, mask, state,
        )  # fmt: skip
    return count


@inlined
def whole(rows, at, width, base, stamps, out, to):
    """Write a folded row as a whole one; the stamps of its thread begin at `base`."""
    stamp = (I(rows[at + START] >> HALF) + base) * STAMP
    start, sizes, further = rows[at + START] & NULL, rows[at + SIZES], stamps[stamp + FURTHER]
    long = (rows[at + HIGHER] >> U(48)) | (stamps[stamp + LONG] << SHORT)
    out[to + LO] = rows[at + LOWER] & OWN
    out[to + HI] = ((rows[at + HIGHER] & MOST) << U(8)) | (rows[at + LOWER] & U(255))
    out[to + WHERE] = stamps[stamp + PLACE]
    out[to + MARK] = stamps[stamp + SIGN] | (rows[at + LOWER] >> BACK << BACK)
    out[to + BYTES] = (sizes & FEW) | (further << LITTLE)
    out[to + PACKETS] = (sizes >> LITTLE) | (further >> U(24) << U(24))
    out[to + TIMES] = start | ((start + long) << HALF)
    if width > RAWS:
        out[to + RAW] = rows[at + RAWS]
        out[to + SERVICE] = stamps[stamp + SERVED]


def unfold(rows, spans, count, bases, width, stamps, out, size):
    """Write folded rows as whole ones of `size` integers; return how many.

    Args are arrays: `spans` has where each of `count` stretches of `rows` begins and ends, `bases`
    where the stamps of each begin.
    """
    done = I(0)
    for span in range(count):
        for row in range(spans[2 * span], spans[2 * span + 1]):
            whole(rows, row * width, width, bases[span], stamps, out, done * size)
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
            *(p64, p32, u64, i64, counters),
        ),
    ),
    "refold": (refold, i64(p64, p32, u64, counters)),
    "unfold": (unfold, i64(p64, counters, i64, counters, i64, p64, p64, i64)),
    "scatter": (scatter, i64(p64, i64, i64, p16, counters, p64)),
}
