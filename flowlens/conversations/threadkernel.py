"""Threads of views, in the part of Python that Numba compiles.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it. A
*thread* is a conversation over all its hours; `choosekernel` looks at those of several observers.
"""

import numpy as np
from numba import types

from flowlens.conversations.viewkernel import CLIENT, HOUR, OBSERVER, SEEN_RAWS, SERVER, VIEW
from flowlens.conversations.wordkernel import HALF, MIX, NULL, I, U, inlined, stir

__all__ = ["KERNELS"]


@inlined
def alike(views, at, to):
    """Say whether two views are of one thread."""
    same = views[at + CLIENT] == views[to + CLIENT] and views[at + SERVER] == views[to + SERVER]
    return same and (views[at + HOUR] ^ views[to + HOUR]) & NULL == U(0)


@inlined
def moved(views, at, out, to):
    """Copy a view."""
    for word in range(VIEW):
        out[to + word] = views[at + word]


@inlined
def copy(views, at, set, out, to):
    """Write a view out, the set of its observers in place of its seat."""
    moved(views, at, out, to)
    out[to + SEEN_RAWS] = set


def alone(views, count, numbers, several, out):
    """Write out the views of threads that have one observer; return how many."""
    done = I(0)
    for view in range(count):
        if not several[numbers[view]]:
            observer = views[view * VIEW + OBSERVER] >> HALF
            copy(views, view * VIEW, observer | (NULL << HALF), out, done * VIEW)
            done += 1
    return done


def write(views, kept, sets, count, out, done):
    """Write out chosen views behind those that are there; return how many there are now."""
    for at in range(count):
        copy(views, I(kept[at]) * VIEW, sets[at], out, (done + at) * VIEW)
    return done + count


def threads(views, count, mask, table, numbers, heads, several):
    """Give each view the number of its thread; return how many there are.

    `heads` becomes the first view of each thread, `several` whether it has several observers;
    `table` is an empty hash table of `mask` + 1 places.
    """
    total = I(0)
    for view in range(count):
        at = view * VIEW
        action = views[at + HOUR] & NULL
        hash = stir(stir(stir(MIX, views[at + CLIENT]), views[at + SERVER]), action)
        place = (hash ^ (hash >> HALF)) & mask
        while table[place] and not alike(views, at, I(heads[table[place] - 1]) * VIEW):
            place = (place + U(1)) & mask
        if not table[place]:
            heads[total], several[total] = np.uint32(view), 0
            total += 1
            table[place] = np.uint32(total)
        number = table[place] - np.uint32(1)
        numbers[view] = number
        if views[I(heads[number]) * VIEW + OBSERVER] != views[at + OBSERVER]:
            several[number] = 1
    return total


i64, u64 = types.int64, types.uint64
p8, p32, p64 = (types.CPointer(of) for of in (types.uint8, types.uint32, u64))

KERNELS = {
    "alone": (alone, i64(p64, i64, p32, p8, p64)),
    "write": (write, i64(p64, p32, p64, i64, p64, i64)),
    "threads": (threads, i64(p64, i64, u64, p32, p32, p32, p8)),
}
