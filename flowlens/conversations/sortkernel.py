"""The order of conversations and their columns, in the part of Python that Numba compiles.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it. It does
what `counting.ordered` and `named` do with frames: both are held together by a property test.
"""

import numpy as np
from numba import types

from flowlens.conversations.seatkernel import LEG, PLACE
from flowlens.conversations.viewkernel import (
    CLIENT,
    END,
    HOUR,
    MARKS,
    OBSERVER,
    OUT,
    SEEN_RAWS,
    SERVER,
    SERVICE,
    TIMES,
    VIEW,
)
from flowlens.conversations.wordkernel import HALF, MIX, NULL, I, U, inlined

__all__ = ["KERNELS"]


@inlined
def turned(code, ranks):
    """Return the place of a text in the order of all texts; null comes first."""
    return U(0) if code == NULL else U(ranks[code])


def keys(views, count, ranks, left, right, actions, last, upper, lower):
    """Write the two words that order conversations: by hour, client, server, port and so on.

    In the upper word the client's rank stands `left` places from the right, and the server's as
    many places left of the right end as `right` says, right of it if that is negative; `actions`
    is the order of actions by code, the `last` that of null.
    """
    for view in range(count):
        at = view * VIEW
        hour, action = views[at + HOUR] >> HALF, views[at + HOUR] & NULL
        client, end = turned(views[at + CLIENT], ranks), views[at + SERVER]
        server = turned(end >> END, ranks)
        short = server << U(right) if right >= 0 else server >> U(-right)
        upper[view] = (hour << U(43)) | (client << U(left)) | short
        lower[view] = (server << HALF) | ((end & U(0xFFFFFF)) << U(8))
        lower[view] |= U(actions[min(action, last)])
    return I(0)


def ties(order, count, upper, lower, most):
    """Put numbers that are in order by the upper word also in order by the lower one.

    Return 0, or 1 if that takes more than `most` exchanges and is not done.
    """
    for at in range(1, count):
        to = at
        while to > 0 and upper[order[to]] == upper[order[to - 1]]:
            if lower[order[to]] >= lower[order[to - 1]]:
                break
            order[to], order[to - 1] = order[to - 1], order[to]
            to -= 1
            most -= 1
        if most < 0:
            return I(1)
    return I(0)


@inlined
def told(code, missing):
    """Return a code, `missing` for null."""
    return np.uint32(missing if code == NULL else code)


@inlined
def codes(views, at, missing, narrow, row, count):
    """Write the codes of a view into their columns."""
    narrow[row] = told(views[at + OBSERVER] >> HALF, missing)
    narrow[count + row] = told(views[at + CLIENT], missing)
    narrow[2 * count + row] = told(views[at + SERVER] >> END, missing)
    narrow[3 * count + row] = told(views[at + HOUR] & NULL, missing)
    narrow[4 * count + row] = told(views[at + SERVICE], missing)


@inlined
def smalls(views, at, narrow, row, count):
    """Write port, protocol, sureness, place, leg and path of a view into their columns."""
    end, marks = views[at + SERVER], views[at + MARKS]
    low, high = marks & U(3), (marks >> U(2)) & U(3)
    narrow[5 * count + row] = np.uint32((end >> U(8)) & U(0xFFFF))
    narrow[6 * count + row] = np.uint32(end & U(255))
    # One 5-tuple with flags shows who opens these; likely ones beside it agree.
    narrow[7 * count + row] = np.uint32(1 if low == U(0) and high == U(2) else high)
    narrow[8 * count + row] = np.uint32((marks >> PLACE) & U(3))
    narrow[9 * count + row] = np.uint32((marks >> LEG) & U(3))
    narrow[10 * count + row] = np.uint32((marks >> U(8)) & U(255))


def columns(views, order, count, missing, wide, narrow):
    """Put chosen views into columns, in an order; the code of null becomes `missing`.

    `naming` says what the columns are.
    """
    for row in range(count):
        at = I(order[row]) * VIEW
        wide[row] = (views[at + HOUR] >> HALF) * U(3_600_000)
        for word in range(6):
            wide[(1 + word) * count + row] = views[at + OUT + word]
        wide[7 * count + row] = (views[at + TIMES] & NULL) * U(1000)
        wide[8 * count + row] = (views[at + TIMES] >> HALF) * U(1000)
        wide[9 * count + row] = views[at + SEEN_RAWS]
        codes(views, at, missing, narrow, row, count)
        smalls(views, at, narrow, row, count)
    return I(0)


def distinct(words, count, mask, table, firsts, numbers):
    """Give each word the number of the first one like it; return how many there are.

    `firsts` becomes where each is first; `table` is an empty hash table of `mask` + 1 places.
    """
    total = I(0)
    for at in range(count):
        place = ((words[at] * MIX) >> HALF) & mask
        while table[place] and words[firsts[table[place] - 1]] != words[at]:
            place = (place + U(1)) & mask
        if not table[place]:
            firsts[total] = np.uint32(at)
            total += 1
            table[place] = np.uint32(total)
        numbers[at] = table[place] - np.uint32(1)
    return total


i64, u64 = types.int64, types.uint64
p8, p32, p64 = (types.CPointer(of) for of in (types.uint8, types.uint32, u64))

KERNELS = {
    "keys": (keys, i64(p64, i64, p32, i64, i64, p8, u64, p64, p64)),
    "ties": (ties, i64(p64, i64, p64, p64, i64)),
    "distinct": (distinct, i64(p64, i64, u64, p32, p32, p32)),
    "columns": (columns, i64(p64, p64, i64, u64, p64, p32)),
}
