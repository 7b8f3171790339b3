"""Columns of Arrow to packed records, in the part of Python that Numba compiles.

Nothing imports this module but `machine`, which keeps what becomes of it. `arrays` says what the
plan of a batch is; some hundred rows at a time go through all columns, while they are in the
nearest cache.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flowlens_parsers.bytekernel import brief, fetch, inlined
from flowlens_parsers.linekernel import HEIGHT, SPAN, dashed
from flowlens_parsers.rowkernel import pack
from flowlens_parsers.tokenkernel import ADDRESS, LONGEST, NULL, code, home, host

__all__ = ["KERNELS"]

U, I = np.uint64, np.int64

AHEAD = 16  # texts that are asked for before they are looked up
BAD = U(0xFFFFFFFE)  # the code of what is left to the tolerant parser

#: What the plan has of a column.
KIND, DATA, VALID, OFFSET, CODES, PLACE, MISSING, MOST, PLAN = range(9)
SHORT, LONG, CODED = range(3)  # kinds: numbers of 32 and of 64 bits, places in a dictionary


def _peek(bits, kind):
    """Return a function that reads the number at an index of an address."""

    @intrinsic
    def peek(typing, place, index):
        def generate(context, builder, signature, given):
            start = builder.inttoptr(given[0], ir.IntType(bits).as_pointer())
            return builder.load(builder.gep(start, [given[1]]))

        return kind(types.uint64, types.int64), generate

    return peek


byte, short = _peek(8, types.uint8), _peek(32, types.int32)
long, number = _peek(64, types.int64), _peek(32, types.uint32)


@inlined
def visible(text, at, size):
    """Say whether all bytes are from 0x21 to 0x7E."""
    for place in range(at, at + size):
        if text[place] < 0x21 or text[place] > 0x7E:
            return False
    return size > 0


@inlined
def nameless(text, at, size):
    """Say whether a text may be a word for nothing, but for '-': None, null, NaN, <NA>."""
    return size <= 4 and (text[at] | 32 == 110 or text[at] == 60)


@inlined
def judged(text, at, size, kind, table, mask, entries, state):
    """Return the code of a text that is no address in brief, `BAD` if that is left to others."""
    if size > LONGEST or not visible(text, at, size) or nameless(text, at, size):
        return BAD
    if dashed(text, at, size):
        return NULL
    return code(text, at, size, kind, table, mask, entries, state)


def texts(text, offsets, count, kind, codes, table, mask, entries, state):
    """Write the code of each text of a dictionary; return how many are left to others.

    These have the code `BAD`. Behind the last text there are `packing.MARGIN` bytes more.
    """
    odd = I(0)
    for one in range(count):
        at = I(offsets[one])
        size = I(offsets[one + 1]) - at
        found = judged(text, at, size, kind, table, mask, entries, state)
        codes[one] = np.uint32(found)
        odd += found == BAD
    return odd


def hosts(text, offsets, count, keys, codes, table, mask, entries, briefs, state):
    """Do the same with addresses; `keys` is room for their brief forms."""
    odd = I(0)
    for one in range(count):
        at = I(offsets[one])
        size = I(offsets[one + 1]) - at
        keys[one] = brief(text, at, size) if size <= 16 else U(0)
    for one in range(count):
        fetch(briefs, 2 * I(home(keys[min(one + AHEAD, count - 1)], mask)))
        at = I(offsets[one])
        size = I(offsets[one + 1]) - at
        if keys[one]:
            found = host(keys[one], text, at, size, briefs, table, mask, entries, state)
        else:
            found = judged(text, at, size, ADDRESS, table, mask, entries, state)
        codes[one] = np.uint32(found)
        odd += found == BAD
    return odd


@inlined
def shorts(data, begin, count, most, good, columns, to):
    """Write numbers of 32 bits that are all there."""
    for row in range(count):
        found = U(I(short(data, begin + row)))
        good[begin + row] &= found <= most
        columns[to + row] = found


@inlined
def longs(data, begin, count, most, good, columns, to):
    """Write numbers of 64 bits that are all there."""
    for row in range(count):
        found = U(long(data, begin + row))
        good[begin + row] &= found <= most
        columns[to + row] = found


@inlined
def coded(data, codes, begin, count, good, columns, to):
    """Write codes of texts that are all there."""
    for row in range(count):
        found = U(number(codes, I(short(data, begin + row))))
        good[begin + row] &= found != BAD
        columns[to + row] = found


@inlined
def sparse(plan, at, begin, count, good, columns, to):
    """Write values of any kind that are not all there."""
    kind, data, codes = plan[at + KIND], plan[at + DATA], plan[at + CODES]
    valid, bit, most = plan[at + VALID], I(plan[at + OFFSET]), plan[at + MOST]
    for row in range(begin, begin + count):
        found, wrong = plan[at + MISSING], False
        if (byte(valid, (bit + row) >> 3) >> ((bit + row) & 7)) & 1:
            if kind == SHORT:
                found = U(I(short(data, row)))
            elif kind == LONG:
                found = U(long(data, row))
            else:
                found = U(number(codes, I(short(data, row))))
            wrong = found == BAD if kind == CODED else found > most
        good[row] &= not wrong
        columns[to + row - begin] = found


@inlined
def fill(plan, at, begin, count, columns, good):
    """Write a column of some rows, and mark those whose value does not fit."""
    kind, data, codes, most = plan[at + KIND], plan[at + DATA], plan[at + CODES], plan[at + MOST]
    to = I(plan[at + PLACE]) * HEIGHT
    if plan[at + VALID]:
        sparse(plan, at, begin, count, good, columns, to)
    elif kind == SHORT:
        shorts(data, begin, count, most, good, columns, to)
    elif kind == LONG:
        longs(data, begin, count, most, good, columns, to)
    else:
        coded(data, codes, begin, count, good, columns, to)


def rows(plan, wide, count, columns, good, out):
    """Write the good rows of a batch as packed records; return how many.

    Args:
        plan: of each column `PLAN` integers.
        wide: columns.
        count: rows.
        columns: room for `HEIGHT` values of each of `packing.SLOTS`, with what stands for nothing.
        good: which rows to write; becomes which are written.
        out: room for as many records.
    """
    done, begin = I(0), I(0)
    while begin < count:
        some = min(I(SPAN), count - begin)
        for column in range(wide):
            fill(plan, column * PLAN, begin, some, columns, good)
        for row in range(some):
            if good[begin + row]:
                pack(columns, HEIGHT, row, out, done, 0)
                done += 1
        begin += some
    return done


i64, u64 = types.int64, types.uint64
p8, p32, p64, counters = (types.CPointer(of) for of in (types.uint8, types.uint32, u64, i64))

KERNELS = {
    "texts": (texts, i64(p8, counters, i64, i64, p32, p32, u64, p64, counters)),
    "hosts": (hosts, i64(p8, counters, i64, p64, p32, p32, u64, p64, p64, counters)),
    "rows": (rows, i64(p64, i64, i64, p64, p8, p64)),
}
