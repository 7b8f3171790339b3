"""Bytes of text many at a time: what the kernels load, compare and make numbers of.

Vectors are those of LLVM, which makes of them what the processor has. Nothing imports this module
but other kernels.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import intrinsic

__all__ = [
    "BITS",
    "BYTES",
    "NONE",
    "STEP",
    "alike",
    "brief",
    "eight",
    "equal",
    "fetch",
    "inlined",
    "lay",
    "length",
    "limits",
    "load",
    "number",
    "ones",
]

U, I = np.uint64, np.int64

#: A call costs as much as what most of these functions do.
inlined = njit(forceinline=True)

NONE = U(0xFFFFFFFFFFFFFFFF)  # what is no number; also '-' where 0 means something
ZEROS = U(0x3030303030303030)  # eight times "0"
SIX = U(0x0606060606060606)
HIGH = U(0xF0F0F0F0F0F0F0F0)

STEP = 64  # bytes compared at a time
BYTES, BITS = ir.VectorType(ir.IntType(8), STEP), ir.IntType(64)
TOKEN = ir.VectorType(ir.IntType(8), 32)
SHORT, PAIRS = ir.VectorType(ir.IntType(8), 16), ir.VectorType(ir.IntType(16), 8)


def load(builder, given, kind):
    """Load what an offset that need not be aligned has."""
    place = builder.bitcast(builder.gep(given[0], [given[1]]), kind.as_pointer())
    value = builder.load(place)
    value.align = 1
    return value


def _spread(builder, byte, kind):
    """Return a vector of one byte."""
    zero = ir.Constant(ir.IntType(32), 0)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), byte, zero)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), mask)


@intrinsic
def eight(typing, pointer, offset):
    """Return the eight bytes at an offset."""

    def generate(context, builder, signature, given):
        return load(builder, given, ir.IntType(64))

    return types.uint64(pointer, types.int64), generate


@intrinsic
def fetch(typing, pointer, offset):
    """Ask for what an offset has, counted in the pointer's numbers, and do not wait for it."""

    def generate(context, builder, signature, given):
        place = builder.bitcast(builder.gep(given[0], [given[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(function, [place, word(0), word(3), word(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(pointer, types.int64), generate


@intrinsic
def equal(typing, pointer, offset, byte):
    """Return a bit for each of the bytes at an offset: is it this one."""

    def generate(context, builder, signature, given):
        bytes = load(builder, given, BYTES)
        bits = builder.icmp_unsigned("==", bytes, _spread(builder, given[2], BYTES))
        return builder.bitcast(bits, BITS)

    return types.uint64(pointer, types.int64, types.uint8), generate


@intrinsic
def limits(typing, pointer, offset):
    """Return a bit for each of the bytes at an offset: does it limit tokens, 0x21 to 0x7F."""

    def generate(context, builder, signature, given):
        # What is above 0x7F is negative.
        bits = builder.icmp_signed(
            "<", load(builder, given, BYTES), ir.Constant(BYTES, [0x21] * STEP)
        )
        return builder.bitcast(bits, BITS)

    return types.uint64(pointer, types.int64), generate


@intrinsic
def brief(typing, pointer, offset, size):
    """Return up to 16 bytes that are digits, dots and slashes as one integer, 0 if they are not.

    Four bits a character, of which none is 0: different texts give different integers.
    """

    def generate(context, builder, signature, given):
        def every(number, kind=SHORT):
            return ir.Constant(kind, [number] * kind.count)

        size = _spread(builder, builder.trunc(given[2], ir.IntType(8)), SHORT)
        inside = builder.icmp_unsigned("<", ir.Constant(SHORT, [*range(16)]), size)
        less = builder.sub(load(builder, given, SHORT), every(ord(".")))
        wrong = builder.and_(inside, builder.icmp_unsigned(">", less, every(ord("9") - ord("."))))
        less = builder.select(inside, builder.add(less, every(1)), every(0))
        pairs = builder.bitcast(less, PAIRS)
        pairs = builder.or_(pairs, builder.lshr(pairs, every(4, PAIRS)))
        halves = builder.trunc(pairs, ir.VectorType(ir.IntType(8), 8))
        whole = builder.bitcast(halves, ir.IntType(64))
        none = ir.Constant(ir.IntType(64), 0)
        some = builder.icmp_unsigned(
            "!=", builder.bitcast(wrong, ir.IntType(16)), ir.Constant(ir.IntType(16), 0)
        )
        return builder.select(some, none, whole)

    return types.uint64(pointer, types.int64, types.int64), generate


def _short(builder, given):
    """Return the bytes of a token of at most 32, zeros behind it."""
    size = _spread(builder, builder.trunc(given[2], ir.IntType(8)), TOKEN)
    inside = builder.icmp_unsigned("<", ir.Constant(TOKEN, [*range(TOKEN.count)]), size)
    return builder.select(inside, load(builder, given, TOKEN), ir.Constant(TOKEN, [0] * 32))


@intrinsic
def alike(typing, pointer, offset, size, words, place):
    """Say whether four integers are those that `lay` makes of a token."""

    def generate(context, builder, signature, given):
        kept = load(builder, given[3:], TOKEN)
        bits = builder.icmp_unsigned("==", _short(builder, given), kept)
        word = builder.bitcast(bits, ir.IntType(32))
        return builder.icmp_unsigned("==", word, ir.Constant(ir.IntType(32), 2**32 - 1))

    return types.boolean(pointer, types.int64, types.int64, words, types.int64), generate


@intrinsic
def lay(typing, pointer, offset, size, words, place):
    """Make four integers of a token of at most 32 bytes, zeros behind it."""

    def generate(context, builder, signature, given):
        start = builder.gep(given[3], [given[4]])
        store = builder.store(_short(builder, given), builder.bitcast(start, TOKEN.as_pointer()))
        store.align = 1
        return context.get_dummy_value()

    return types.void(pointer, types.int64, types.int64, words, types.int64), generate


@intrinsic
def ones(typing, word):
    """Return how many bits are set."""

    def generate(context, builder, signature, given):
        return builder.ctpop(given[0])

    return types.int64(types.uint64), generate


@inlined
def length(text, at):
    """Return the length of the token at `at`: bytes from 0x21 to 0x7F."""
    end = at
    while not limits(text, end):
        end += STEP
    return end - at + I(trailing_zeros(limits(text, end)))


@inlined
def digits(word):
    """Return the number that eight digits less their '0' make (known as the SWAR parse)."""
    word = word * U(10) + (word >> U(8))
    low = (word & U(0x000000FF000000FF)) * U(0x000F424000000064)
    high = ((word >> U(16)) & U(0x000000FF000000FF)) * U(0x0000271000000001)
    return ((low + high) >> U(32)) & U(0xFFFFFFFF)


@inlined
def number(text, at, size):
    """Return the number of `size` digits, `NONE` if it is none or has more than 16."""
    if size < 1 or size > 16:
        return NONE
    if size <= 8:
        word = (eight(text, at) ^ ZEROS) << U(64 - 8 * size)
        return NONE if (word | (word + SIX)) & HIGH else digits(word)
    high = (eight(text, at) ^ ZEROS) << U(128 - 8 * size)
    low = eight(text, at + size - 8) ^ ZEROS
    if (low | (low + SIX) | high | (high + SIX)) & HIGH:
        return NONE
    return digits(high) * U(100_000_000) + digits(low)
