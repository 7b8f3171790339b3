"""The orientation of flows, in the part of Python that Numba compiles: flows to views.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it. What it
decides is what `roles` and `views` decide from frames: both are held together by a property test.
"""

import numpy as np
from numba import types

from flowlens.conversations.kernel import (
    BYTES_LO,
    COUNT,
    FACTS,
    FIRST,
    FLOW,
    HI,
    LAST,
    LO,
    PACKETS_LO,
    RAWS,
    SERVICES,
    WHAT,
    WHERE,
    least,
    leasts,
)
from flowlens.conversations.wordkernel import HALF, MIX, NONE, NULL, I, U, inlined, stir, swapped

__all__ = ["KERNELS"]

TUPLE = 8  # integers of a 5-tuple
VIEW = 14  # integers of a view
ROLE = 3  # integers of a role: lo, hi, decision

# Where a 5-tuple has what, after its ends; the second of a pair is that of `hi`.
FIRSTS, LASTS, MOST_LO, FLAGS, DECISION = 2, 3, 4, 6, 7
# Where a view has what.
CLIENT, SERVER, HOUR, OBSERVER, OUT, IN, RECORDS, LINKS = 0, 1, 2, 3, 4, 6, 8, 9
TIMES, SEEN_RAWS, SERVICE, MARKS = 10, 11, 12, 13

DECIDED = U(32)  # bit of a flow's facts from which its decision is kept
END = U(24)
PORT = U(0xFFFF)


@inlined
def apart(lo, hi):
    """Return a hash of a 5-tuple, its high bits as good as its low ones."""
    hash = stir(stir(MIX, lo), hi)
    return hash ^ (hash >> HALF)


@inlined
def mark(end, last):
    """Return the place of the mark of an end's address; that of null is the last."""
    return min(end >> END, last)


@inlined
def widened(first, last, firsts, lasts):
    """Return the first and last times of both ends, two in a word, after those of a flow."""
    lo, hi = min(first & NULL, firsts & NULL), min(first >> HALF, firsts >> HALF)
    early = lo | (hi << HALF)
    lo, hi = max(last & NULL, lasts & NULL), max(last >> HALF, lasts >> HALF)
    return early, lo | (hi << HALF)


def tuples(flows, count, mask, table, which, out):
    """Merge flows over observers, hours and actions; return how many 5-tuples there are.

    Args are arrays; `table` is an empty hash table of `mask` + 1 places, and `which` becomes the
    number of each flow's 5-tuple.
    """
    total = I(0)
    for flow in range(count):
        at = flow * FLOW
        lo, hi = flows[at + LO], flows[at + HI]
        place = apart(lo, hi) & mask
        while table[place]:
            to = I(table[place] - 1) * TUPLE
            if out[to + LO] == lo and out[to + HI] == hi:
                break
            place = (place + U(1)) & mask
        if not table[place]:
            to = total * TUPLE
            for word in range(TUPLE):
                out[to + word] = U(0)
            out[to + LO], out[to + HI], out[to + FIRSTS] = lo, hi, NONE
            total += 1
            table[place] = np.uint32(total)
        number = I(table[place] - 1)
        which[flow] = np.uint32(number)
        to = number * TUPLE
        out[to + FIRSTS], out[to + LASTS] = widened(
            flows[at + FIRST], flows[at + LAST], out[to + FIRSTS], out[to + LASTS]
        )
        for side in range(2):
            out[to + MOST_LO + side] = max(out[to + MOST_LO + side], flows[at + PACKETS_LO + side])
        out[to + FLAGS] |= flows[at + FACTS]
    return total


def settle(tuples, count, weights, obvious, marks, last, begin):
    """Decide by flags and by clear ports; return how many 5-tuples stay open.

    The addresses of open ones are marked, the `last` mark being that of null, and `begin` becomes
    the first time of all.
    """
    still = I(0)
    for number in range(count):
        at = number * TUPLE
        facts, firsts = tuples[at + FLAGS], tuples[at + FIRSTS]
        begin[0] = min(begin[0], min(firsts & NULL, firsts >> HALF))
        lo = (facts | (facts >> U(4))) & U(1)  # it sent a SYN, or hi a SYN-ACK
        hi = ((facts >> U(3)) | (facts >> U(1))) & U(1)
        port = I(weights[(tuples[at + HI] >> U(8)) & PORT])
        port -= I(weights[(tuples[at + LO] >> U(8)) & PORT])
        if lo != hi:
            tuples[at + DECISION] = U(5) + lo
        elif port >= obvious or port <= -obvious:
            tuples[at + DECISION] = U(3) + U(port > 0)
        else:
            marks[mark(tuples[at + LO], last)] = 1
            marks[mark(tuples[at + HI], last)] = 1
            still += 1
    return still


def decide(flows, count, which, tuples):
    """Give each flow the decision of its 5-tuple: 0 for none, else 1 + 2 * sure + client is lo."""
    for flow in range(count):
        flows[flow * FLOW + FACTS] |= tuples[I(which[flow]) * TUPLE + DECISION] << DECIDED
    return I(0)


def touching(tuples, count, marks, last):
    """Move the 5-tuples with a marked address to the front; return how many they are."""
    kept = I(0)
    for number in range(count):
        at = number * TUPLE
        if marks[mark(tuples[at + LO], last)] or marks[mark(tuples[at + HI], last)]:
            for word in range(TUPLE):
                tuples[kept * TUPLE + word] = tuples[at + word]
            kept += 1
    return kept


def learn(roles, count, mask, table):
    """Put the numbers of roles into an empty hash table of `mask` + 1 places."""
    for role in range(count):
        place = apart(roles[role * ROLE + LO], roles[role * ROLE + HI]) & mask
        while table[place]:
            place = (place + U(1)) & mask
        table[place] = np.uint32(role + 1)
    return I(0)


@inlined
def role(lo, hi, roles, mask, table):
    """Return the decision for a 5-tuple that has one."""
    place = apart(lo, hi) & mask
    while table[place]:
        at = I(table[place] - 1) * ROLE
        if roles[at + LO] == lo and roles[at + HI] == hi:
            return roles[at + 2]
        place = (place + U(1)) & mask
    return U(0)


@inlined
def begun(flows, at, lo, views, count, mask, table):
    """Return where the view of a flow is, beginning it if it is a new one."""
    client = flows[at + (LO if lo else HI)] >> END
    server = flows[at + (HI if lo else LO)]
    what, where = flows[at + WHAT], flows[at + WHERE]
    place = apart(stir(stir(client, server), what), where) & mask
    while table[place]:
        to = I(table[place] - 1) * VIEW
        same = views[to] == client and views[to + SERVER] == server
        if same and views[to + HOUR] == what and views[to + OBSERVER] == where:
            return to
        place = (place + U(1)) & mask
    table[place] = np.uint32(count + 1)
    to = count * VIEW
    for word in range(VIEW):
        views[to + word] = U(0)
    views[to + CLIENT], views[to + SERVER] = client, server
    views[to + HOUR], views[to + OBSERVER] = what, where
    views[to + TIMES], views[to + SEEN_RAWS], views[to + SERVICE] = NULL, NONE, NULL
    views[to + MARKS] = U(3)
    return to


@inlined
def marked(marks, facts, lo, sure):
    """Return what is yes or no about a view after a flow with these facts.

    0-1 least and 2-3 greatest sureness; 4, 5 client or server is local; 6 instance, 7 middle;
    8-15 path of the client plus 1.
    """
    least, most = min(marks & U(3), sure), max((marks >> U(2)) & U(3), sure)
    local = (facts >> U(6)) & U(3)
    if not lo:
        local = (local >> U(1)) | ((local & U(1)) << U(1))
    path = max((facts >> (U(16) if lo else U(24))) & U(255), (marks >> U(8)) & U(255))
    kept = (marks & U(0xF0)) | (local << U(4)) | (((facts >> U(8)) & U(3)) << U(6))
    return kept | least | (most << U(2)) | (path << U(8))


@inlined
def time(flows, at, times):
    """Return first and last time of a view after those of a flow."""
    firsts, lasts = flows[at + FIRST], flows[at + LAST]
    first = min(times & NULL, min(firsts & NULL, firsts >> HALF))
    return first | (max(times >> HALF, max(lasts & NULL, lasts >> HALF)) << HALF)


def views(flows, count, roles, known, learnt, ranks, mask, table, out):
    """Merge flows into views; return how many.

    Args are arrays; `learnt` is the hash table of `roles`, of `known` + 1 places, and `table` an
    empty one of `mask` + 1 places.
    """
    total = I(0)
    for flow in range(count):
        at = flow * FLOW
        facts = flows[at + FACTS]
        decision = (facts >> DECIDED) & U(7)
        if not decision:
            decision = role(flows[at + LO], flows[at + HI], roles, known, learnt)
        lo, sure = (decision - U(1)) & U(1), (decision - U(1)) >> U(1)
        to = begun(flows, at, lo, out, total, mask, table)
        total += to == total * VIEW
        back = I(U(1) - lo)
        out[to + OUT] += flows[at + BYTES_LO + back]
        out[to + OUT + 1] += flows[at + PACKETS_LO + back]
        out[to + IN] += flows[at + BYTES_LO + 1 - back]
        out[to + IN + 1] += flows[at + PACKETS_LO + 1 - back]
        out[to + RECORDS] += flows[at + COUNT]
        out[to + LINKS] += U(1)
        out[to + TIMES] = time(flows, at, out[to + TIMES])
        out[to + MARKS] = marked(out[to + MARKS], facts, lo, sure)
        raws, services = flows[at + RAWS], flows[at + SERVICES]
        leasts(out, to + SEEN_RAWS, raws if lo else swapped(raws), ranks)
        service = services >> HALF if lo else services & NULL
        out[to + SERVICE] = least(out[to + SERVICE], service, ranks)
    return total


i64, u64 = types.int64, types.uint64
p8, p32, p64 = (types.CPointer(of) for of in (types.uint8, types.uint32, u64))
weights = types.CPointer(types.int8)

KERNELS = {
    "tuples": (tuples, i64(p64, i64, u64, p32, p32, p64)),
    "settle": (settle, i64(p64, i64, weights, i64, p8, u64, p64)),
    "decide": (decide, i64(p64, i64, p32, p64)),
    "touching": (touching, i64(p64, i64, p8, u64)),
    "learn": (learn, i64(p64, i64, u64, p32)),
    "views": (views, i64(p64, i64, p64, u64, p32, p32, u64, p32, p64)),
}
