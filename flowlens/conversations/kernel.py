"""Rows to flows, in the part of Python that Numba compiles.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it.
"""

import numpy as np
from numba import types

from flowlens.conversations.rowkernel import (
    BACK,
    BYTES,
    HI,
    LO,
    MARK,
    PACKETS,
    RAW,
    SERVICE,
    TIMES,
    WHERE,
)
from flowlens.conversations.wordkernel import HALF, MIX, NONE, NULL, I, U, inlined, stir

__all__ = ["KERNELS"]

HOUR = U(3600)
FLOW = 14  # integers of a flow

WHAT = 3  # where a flow has its hour and action, where a row has its action and bits
# Where a flow has what, after the first four; the second of a pair is that of `hi`.
COUNT, BYTES_LO, PACKETS_LO, FIRST, LAST, FACTS, RAWS, SERVICES = 4, 5, 7, 9, 10, 11, 12, 13


@inlined
def fresh(rows, at, row, width, hash, table, mask):
    """Return 1, or 0 if the same record came before."""
    mark = rows[at + MARK]
    hash = stir(stir(stir(hash, rows[at + BYTES]), rows[at + TIMES]), rows[at + PACKETS])
    place = (hash ^ (hash >> HALF)) & mask
    while table[place]:
        other = I(table[place] - 1) * width
        differing = rows[other + MARK] ^ mark
        same = differing & NULL == U(0) and differing >> BACK == U(0)
        for word in (LO, HI, WHERE, BYTES, PACKETS, TIMES):
            same = same and rows[other + word] == rows[at + word]
        if same:
            return U(0)
        place = (place + U(1)) & mask
    table[place] = np.uint32(row + 1)
    return U(1)


@inlined
def found(rows, at, what, hash, table, mask, flows, count):
    """Return the number of a row's flow; `count`, with the flow begun, if it is a new one."""
    place = (hash ^ (hash >> HALF)) & mask
    while table[place]:
        flow = I(table[place] - 1) * FLOW
        same = flows[flow + WHAT] == what
        for word in (LO, HI, WHERE):
            same = same and flows[flow + word] == rows[at + word]
        if same:
            return I(table[place] - 1)
        place = (place + U(1)) & mask
    table[place] = np.uint32(count + 1)
    for word in range(FLOW):
        flows[count * FLOW + word] = rows[at + word] if word < WHAT else U(0)
    flows[count * FLOW + WHAT] = what
    for word in (FIRST, RAWS, SERVICES):
        flows[count * FLOW + word] = NONE
    return count


@inlined
def least(one, other, ranks):
    """Return of two codes the one whose text sorts first; null sorts last."""
    if one == NULL or (other != NULL and ranks[other] < ranks[one]):
        return other
    return one


@inlined
def leasts(flows, flow, word, ranks):
    """Keep the least of each of two codes."""
    now = flows[flow]
    if word != NONE and word != now:
        lo = least(now & NULL, word & NULL, ranks)
        flows[flow] = lo | (least(now >> HALF, word >> HALF, ranks) << HALF)


@inlined
def spoken(facts, bits, back):
    """Return the facts of a flow after a record with these bits.

    0-2 syn, syn-ack, flagged of lo, 3-5 of hi; 6, 7 lo or hi is local; 8 instance, 9 middle;
    10, 11 sent by lo, by hi; 16-23 path of lo plus 1, 24-31 of hi.
    """
    facts |= ((bits & U(7)) << (U(3) * back)) | (U(1) << (U(10) + back))
    facts |= ((bits >> U(3)) & U(1)) << (U(6) + back)
    facts |= ((bits >> U(4)) & U(1)) << (U(7) - back)
    facts |= ((bits >> U(5)) & U(3)) << U(8)
    path = ((bits >> U(16)) + U(1)) & U(255)
    shift = U(16) + U(8) * back
    if path > (facts >> shift) & U(255):
        facts = (facts & ~(U(255) << shift)) | (path << shift)
    return facts


@inlined
def seen(flows, flow, times, back):
    """Widen a flow's time on one side by a record's."""
    shift = HALF * back
    keep = NULL << (HALF - shift)
    start, end = times & NULL, times >> HALF
    if start < (flows[flow + FIRST] >> shift) & NULL:
        flows[flow + FIRST] = (flows[flow + FIRST] & keep) | (start << shift)
    if end > (flows[flow + LAST] >> shift) & NULL:
        flows[flow + LAST] = (flows[flow + LAST] & keep) | (end << shift)


def merge(rows, count, width, once, ranks, copies, mask, table, flows):
    """Merge rows into flows, exact duplicates once if asked; return how many flows.

    Args are arrays; `copies` and `table` are hash tables, empty, of `mask` + 1 places.
    """
    total = I(0)
    for row in range(count):
        at = row * width
        mark = rows[at + MARK]
        what = ((rows[at + TIMES] & NULL) // HOUR << HALF) | (mark & NULL)
        hash = stir(stir(stir(stir(MIX, rows[at + LO]), rows[at + HI]), rows[at + WHERE]), what)
        one = fresh(rows, at, row, width, hash, copies, mask) if once else U(1)
        flow = found(rows, at, what, hash, table, mask, flows, total)
        total += flow == total
        flow *= FLOW
        bits, back = (mark >> HALF) & U(0xFFFFFF), mark >> BACK
        flows[flow + COUNT] += one
        flows[flow + BYTES_LO + I(back)] += rows[at + BYTES] * one
        flows[flow + PACKETS_LO + I(back)] += rows[at + PACKETS] * one
        seen(flows, flow, rows[at + TIMES], back)
        flows[flow + FACTS] = spoken(flows[flow + FACTS], bits, back)
        if width > RAW:
            leasts(flows, flow + RAWS, rows[at + RAW], ranks)
            leasts(flows, flow + SERVICES, rows[at + SERVICE], ranks)
    return total


i64, u64 = types.int64, types.uint64
p32, p64 = types.CPointer(types.uint32), types.CPointer(u64)

KERNELS = {
    "merge": (merge, i64(p64, i64, i64, i64, p32, p32, u64, p32, p64)),
}
