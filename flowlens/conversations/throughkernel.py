"""What passes traffic on, in the part of Python that Numba compiles.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it.
"""

import numpy as np
from numba import types

from flowlens.conversations.seatkernel import spot
from flowlens.conversations.threadkernel import moved
from flowlens.conversations.viewkernel import CLIENT, END, OBSERVER, SEEN_RAWS, SERVER, VIEW, role
from flowlens.conversations.wordkernel import HALF, I, U, inlined

__all__ = ["KERNELS"]


def picked(views, count, seats, mask, table, asked, marks, last, out):
    """Copy out views of which seat and client are asked for; return how many.

    Args are arrays; `asked` has a byte for each seat, `marks` for each address, the `last` one for
    null.
    """
    done = I(0)
    for view in range(count):
        at = view * VIEW
        if not marks[min(views[at + CLIENT], last)]:
            continue
        place = spot(views[at + OBSERVER], seats, mask, table)
        if asked[table[place] - 1]:
            moved(views, at, out, done * VIEW)
            done += 1
    return done


@inlined
def halved(views, at, boxes, most, known):
    """Say whether one end of a gateway's view is the gateway itself, and not both."""
    observer = views[at + OBSERVER] >> HALF
    outer = role(observer, views[at + CLIENT], boxes, most, known)
    return outer != role(observer, views[at + SERVER] >> END, boxes, most, known)


def ended(views, count, boxes, most, known, out):
    """Say of gateways' views which ends are the gateway itself: 1 the client, 2 the server."""
    for view in range(count):
        at = view * VIEW
        observer = views[at + OBSERVER] >> HALF
        outer = role(observer, views[at + CLIENT], boxes, most, known)
        inner = role(observer, views[at + SERVER] >> END, boxes, most, known)
        out[view] = np.uint8(outer) | np.uint8(inner << U(1))
    return I(0)


def split(views, count, passing, boxes, most, known, ends, mask, table, out):
    """Take away the legs among placed views, and put those aside that share ends with linked ones.

    What stays moves to the front. `known` is the hash table of `boxes`, observers and their
    addresses, and `table` that of `ends`, as `viewkernel.learn` makes them. Return how many stay,
    and above these 32 bits how many are put aside.
    """
    kept, aside = I(0), I(0)
    for view in range(count):
        at = view * VIEW
        if passing[views[at + SEEN_RAWS]] and halved(views, at, boxes, most, known):
            continue
        if role(views[at + CLIENT], views[at + SERVER], ends, mask, table):
            moved(views, at, out, aside * VIEW)
            aside += 1
        else:
            moved(views, at, views, kept * VIEW)
            kept += 1
    return I(U(kept) | (U(aside) << HALF))


i64, u64 = types.int64, types.uint64
p8, p32, p64 = (types.CPointer(of) for of in (types.uint8, types.uint32, u64))

KERNELS = {
    "ended": (ended, i64(p64, i64, p64, u64, p32, p8)),
    "picked": (picked, i64(p64, i64, p64, u64, p32, p8, p8, u64, p64)),
    "split": (split, i64(p64, i64, p8, p64, u64, p32, p64, u64, p32, p64)),
}
