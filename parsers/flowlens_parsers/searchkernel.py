"""The inner loops of searching text, in the part of Python that Numba compiles.

Nothing imports this module but `machine`. Sixty-four bytes are compared at a time: LLVM makes of
such vectors what the processor has.
"""

from llvmlite import ir
from numba import njit, types
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import intrinsic

from flowlens_parsers.bytekernel import BITS, BYTES, STEP, equal, load, ones

__all__ = ["KERNELS"]


@intrinsic
def odd(typing, pointer, offset):
    """Return a bit for each of the bytes at an offset: is it none of the signs from ! to 9."""

    def generate(context, builder, signature, given):
        low = ir.Constant(BYTES, [33] * STEP)
        less = builder.sub(load(builder, given, BYTES), low)
        bits = builder.icmp_unsigned(">", less, ir.Constant(BYTES, [57 - 33] * STEP))
        return builder.bitcast(bits, BITS)

    return types.uint64(pointer, types.int64), generate


@njit
def same(text, at, needle, length, whole):
    """Say whether the needle is at a place, as a whole value if asked."""
    for offset in range(length):
        if text[at + offset] != needle[offset]:
            return False
    return not whole or ((at == 0 or text[at - 1] <= 32) and text[at + length] <= 32)


@njit
def likely(text, at, needle, length):
    """Return a bit for each of the bytes at a place: does a needle seem to begin there."""
    # The last bytes tell most: addresses of a network begin alike.
    last = length - 1
    second, third, fourth = max(last - 1, 0), max(last - 2, 0), max(last - 3, 0)
    bits = equal(text, at + last, needle[last]) & equal(text, at + second, needle[second])
    if bits:
        bits &= equal(text, at + third, needle[third])
        bits &= equal(text, at + fourth, needle[fourth])
    return bits


def seek(text, end, needle, length, whole, places, room):
    """Write down where the needle is, `room` places at most, and return in how many it is.

    No needle ends with the text, whose last byte is a newline.
    """
    found, at = 0, 0
    while at + STEP + length <= end:
        bits = likely(text, at, needle, length)
        while bits:
            place = at + types.int64(trailing_zeros(bits))
            bits &= bits - types.uint64(1)
            if same(text, place, needle, length, whole):
                if found < room:
                    places[found] = place
                found += 1
        at += STEP
    while at + length < end:
        if same(text, at, needle, length, whole):
            if found < room:
                places[found] = at
            found += 1
        at += 1
    return found


def lines(text, end, places, count, before):
    """Count lines: all, and those that end before each of some places, which are in order.

    Behind the numbers comes whether a line begins with an odd sign; `end` is behind a newline.
    """
    total, strange = 0, types.uint64(odd_sign(text[0]))
    at = 0
    for number in range(count + 1):
        stop = places[number] if number < count else end
        while at + STEP < stop:
            bits = equal(text, at, 10)
            strange |= bits & odd(text, at + 1)
            total += ones(bits)
            at += STEP
        while at < stop:
            if text[at] == 10:
                total += 1
                if at + 1 < end:
                    strange |= types.uint64(odd_sign(text[at + 1]))
            at += 1
        before[number] = total
    before[count] = 1 if strange else 0
    return total


@njit
def odd_sign(sign):
    """Say whether a byte is none of the signs from ! to 9."""
    return sign < 33 or sign > 57


i64, p8, p64 = types.int64, types.CPointer(types.uint8), types.CPointer(types.int64)

#: Name -> function and signature.
KERNELS = {
    "seek": (seek, i64(p8, i64, p8, i64, i64, p64, i64)),
    "lines": (lines, i64(p8, i64, p64, i64, p64)),
}
