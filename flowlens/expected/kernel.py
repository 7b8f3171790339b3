"""The tree knapsack on numbers of many bits, in the part of Python that Numba compiles.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it.
`flowlens.expected.knapsack` says what is worked out. A cost is a row of words of 63 bits, the
highest first, so that the sum of two words never overflows; the highest has 62, and the cost that
stands for "never" is its next bit alone.

Words are only ever copied, zeros too: of a loop that fills LLVM makes a call of the C library's
`memset`, which its loader does not find.
"""

import numpy as np
from numba import njit, types

__all__ = ["KERNELS"]

U, I = np.uint64, np.int64

#: A call costs as much as what most of these functions do.
inlined = njit(forceinline=True)

BITS = U(63)
MASK = U(0x7FFFFFFFFFFFFFFF)
ZERO, NEVER = range(2)  # rows of `ends`
WHOLE = -1  # in place of a share: the node is one prefix


@inlined
def copy(source, at, target, to, words):
    """Copy words from one place to another."""
    for word in range(words):
        target[to + word] = source[at + word]


@inlined
def leaf(skips, number, most, ends, words, stack, top):
    """Push a leaf's curve; return the new top of the stack."""
    copy(skips, number * words, stack, top, words)
    if most:
        copy(ends, ZERO * words, stack, top + words, words)
    return top + (most + 1) * words


@inlined
def add(stack, one, other, word, carry):
    """Return a word of the sum of two costs, and what it carries to the next; the first has all."""
    total = stack[one + word] + stack[other + word] + carry
    return (total & MASK, total >> BITS) if word else (total, U(0))


@inlined
def less(stack, one, other, best, at, words):
    """Say whether the sum of two costs is less than a third."""
    if stack[one] + stack[other] > best[at]:
        return False
    carry, found = U(0), False
    for back in range(words):
        word = words - 1 - back
        total, carry = add(stack, one, other, word, carry)
        if total != best[at + word]:
            found = total < best[at + word]
    return found


@inlined
def put(stack, one, other, best, at, words):
    """Write the sum of two costs down."""
    carry = U(0)
    for back in range(words):
        word = words - 1 - back
        total, carry = add(stack, one, other, word, carry)
        best[at + word] = total


@inlined
def split(stack, left, right, low, high, number, best, words):
    """Find the left share with which an entry is less than what stands there, and that cost."""
    at, share = number * words, I(WHOLE)
    if words == 1:
        cost = best[at]
        for part in range(low, high + 1):
            total = stack[left + part] + stack[right + number - part]
            if total < cost:
                cost, share = total, part
        best[at] = cost
        return share
    for part in range(low, high + 1):
        one, other = left + part * words, right + (number - part) * words
        if less(stack, one, other, best, at, words):
            put(stack, one, other, best, at, words)
            share = part
    return share


@inlined
def smallest(best, most, words):
    """Return the first entry of a curve that is as low as its last."""
    for number in range(most):
        same = True
        for word in range(words):
            same = same and best[number * words + word] == best[most * words + word]
        if same:
            return I(number)
    return I(most)


def share(count, left, right, most, limits, ones, skips, ends, words, stack, best, shares):
    """Work a forest of `count` inner nodes off; return how many prefixes the root takes.

    Args are arrays: children by reference, the last entry of each inner node's curve and of each
    leaf's, costs of inner nodes and prices of leaves, the costs nothing and never, room for all
    curves that wait and for one, and the shares of all entries of all inner nodes.
    """
    top, place, size = I(0), I(0), I(0)
    for node in range(count):
        one, two = left[node], right[node]
        last = limits[~two] if two < 0 else most[two]
        begin = top if two < 0 else top - (last + 1) * words
        if two < 0:
            top = leaf(skips, ~two, last, ends, words, stack, top)
        start = begin
        if one < 0:
            many, from_ = limits[~one], top
            top = leaf(skips, ~one, many, ends, words, stack, top)
        else:
            many = most[one]
            start = from_ = begin - (many + 1) * words
        size = most[node]
        for number in range(size + 1):
            at = number * words
            if number:
                copy(ones, node * words, best, at, words)
            else:
                copy(ends, NEVER * words, best, at, words)
            low, high = max(0, number - last), min(number, many)
            shares[place] = split(stack, from_, begin, low, high, number, best, words)
            place += 1
        copy(best, 0, stack, start, (size + 1) * words)
        top = start + (size + 1) * words
    return smallest(best, size, words)


i64, u64 = types.int64, types.uint64
words, numbers, short = (types.CPointer(of) for of in (u64, i64, types.int32))

KERNELS = {
    "share": (
        share,
        i64(i64, numbers, numbers, numbers, numbers, words, words, words, i64, words, words, short),
    ),
}
