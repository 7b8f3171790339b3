"""Where observers stand, in the part of Python that Numba compiles.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it. It does
what `views.placed` does with frames: both are held together by a property test. A *seat* is what
all views of one observer, through one flow log, have in common.
"""

import numpy as np
from numba import types

from flowlens.conversations.viewkernel import (
    CLIENT,
    END,
    MARKS,
    OBSERVER,
    SEEN_RAWS,
    SERVER,
    TIMES,
    VIEW,
)
from flowlens.conversations.wordkernel import HALF, MIX, NONE, NULL, I, U, inlined, stir

__all__ = ["KERNELS"]

SEAT = 4  # integers of a seat
# Where a seat has what; of the pair of addresses the facts say which are in all of its views.
WHERE, PAIR, SPAN, FACTS = range(4)

#: Bits of a seat's facts: common addresses, an instance's interface, a server's stand-in.
LOW, HIGH, INSTANCE, STANDIN = U(1), U(2), U(4), U(8)

#: What is known of a seat from all of them.
HOLDER, BOXED = 1, 2

#: As in `views`.
AT_CLIENT, AT_SERVER, UNKNOWN, MIDDLE = U(0), U(1), U(2), U(3)
PLACE, LEG = U(16), U(18)  # bits of a view's marks from which its place and leg are kept


@inlined
def near(views, at):
    """Return the addresses of client and server that the records themselves name."""
    raws = views[at + SEEN_RAWS]
    client, server = views[at + CLIENT], views[at + SERVER] >> END
    if raws & NULL != NULL:
        client = raws & NULL
    if raws >> HALF != NULL:
        server = raws >> HALF
    return client, server


@inlined
def spot(where, seats, mask, table):
    """Return the place of a seat in the hash table, or that where it belongs."""
    hash = stir(MIX, where)
    place = (hash ^ (hash >> HALF)) & mask
    while table[place] and seats[I(table[place] - 1) * SEAT + WHERE] != where:
        place = (place + U(1)) & mask
    return place


@inlined
def narrowed(pair, facts, client, server):
    """Return the facts of a seat, an address of its pair no longer common if a view lacks it."""
    if pair & NULL != client and pair & NULL != server:
        facts &= ~LOW
    if pair >> HALF != client and pair >> HALF != server:
        facts &= ~HIGH
    return facts


@inlined
def longer(one, other):
    """Return first and last time, in one word, of two of them."""
    first = min(one & NULL, other & NULL)
    return first | (max(one >> HALF, other >> HALF) << HALF)


def see(views, count, seats, total, mask, table):
    """Let views tell of their seats; return how many seats there are."""
    for view in range(count):
        at = view * VIEW
        client, server = near(views, at)
        place = spot(views[at + OBSERVER], seats, mask, table)
        if not table[place]:
            to = total * SEAT
            total += 1
            table[place] = np.uint32(total)
            seats[to + WHERE], seats[to + PAIR] = views[at + OBSERVER], client | (server << HALF)
            seats[to + SPAN] = views[at + TIMES]
            seats[to + FACTS] = LOW if client == server else LOW | HIGH
        to = I(table[place] - 1) * SEAT
        facts = narrowed(seats[to + PAIR], seats[to + FACTS], client, server)
        if views[at + MARKS] & U(64):
            facts |= INSTANCE
        if views[at + SEEN_RAWS] >> HALF != NULL:
            facts |= STANDIN
        seats[to + FACTS] = facts
        seats[to + SPAN] = longer(seats[to + SPAN], views[at + TIMES])
    return total


def rehash(seats, total, mask, table):
    """Put all seats into an empty table."""
    for seat in range(total):
        place = spot(seats[seat * SEAT + WHERE], seats, mask, table)
        table[place] = np.uint32(seat + 1)
    return I(0)


def seat(views, count, seats, mask, table, numbers):
    """Give each view the number of its seat."""
    for view in range(count):
        place = spot(views[view * VIEW + OBSERVER], seats, mask, table)
        numbers[view] = table[place] - np.uint32(1)
    return I(0)


@inlined
def directed(marks, client, server):
    """Return the address that flow-direction calls the interface's, where it names one."""
    local = (marks >> U(4)) & U(3)
    if local == U(1):
        return client
    return server if local == U(2) else NONE


@inlined
def standing(views, at, about, own, holds):
    """Return where the observer of a view stands, as `views._place` has it."""
    marks, raws = views[at + MARKS], views[at + SEEN_RAWS]
    client, server = near(views, at)
    masked = (raws & NULL != NULL and not holds & 1) or (raws >> HALF != NULL and not holds & 2)
    if marks & U(128) or about & BOXED or (masked and not about & HOLDER):
        return MIDDLE
    if holds == 1:
        return AT_CLIENT
    if holds == 2:
        return AT_SERVER
    said = directed(marks, client, server)
    if said != NONE:
        own = said
    if own == client:
        return AT_CLIENT
    return AT_SERVER if own == server else UNKNOWN


def stand(views, count, numbers, about, owns, less, holds):
    """Write into each view where its observer stands, and its seat in place of raw addresses.

    Args are arrays: of seats, what is known of each and its own address; of views, the own
    address where the seat has none, and which ends the interface holds by the inventory.
    """
    for view in range(count):
        at, seat = view * VIEW, numbers[view]
        own = owns[seat] if owns[seat] != NONE else less[view]
        place = standing(views, at, about[seat], own, holds[view])
        views[at + MARKS] |= place << PLACE
        views[at + SEEN_RAWS] = U(seat)
    return I(0)


i64, u64 = types.int64, types.uint64
p8, p32, p64 = (types.CPointer(of) for of in (types.uint8, types.uint32, u64))

KERNELS = {
    "see": (see, i64(p64, i64, p64, i64, u64, p32)),
    "rehash": (rehash, i64(p64, i64, u64, p32)),
    "seat": (seat, i64(p64, i64, p64, u64, p32, p32)),
    "stand": (stand, i64(p64, i64, p32, p8, p64, p64, p8)),
}
