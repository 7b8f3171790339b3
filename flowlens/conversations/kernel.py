"""The merging of packed records, in the part of Python that Numba compiles.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it.
`flowlens.conversations.packed` says how rows and flows are laid out.
"""

import numpy as np
from numba import njit, types

__all__ = ["KERNELS"]

U, I = np.uint64, np.int64

#: A call costs as much as what most of these functions do.
inlined = njit(forceinline=True)

NULL = U(0xFFFFFFFF)
NONE = U(0xFFFFFFFFFFFFFFFF)
MIX, STIR = U(0x9E3779B97F4A7C15), U(0xC2B2AE3D27D4EB4F)  # odd constants of xxHash
HALF = U(32)
HOUR = U(3600)

PACKED = 9  # integers of a packed record: flowlens_parsers.packing
FLOW = 14  # integers of a flow

# Where a row has what.
LO, HI, WHERE, MARK, BYTES, PACKETS, TIMES, RAW, SERVICE = range(9)
WHAT = 3  # where a flow has its hour and action, where a row has its action and bits
BACK = U(56)  # bit of a row's mark that says whether `hi` sent it
# Where a flow has what, after the first four; the second of a pair is that of `hi`.
COUNT, BYTES_LO, PACKETS_LO, FIRST, LAST, FACTS, RAWS, SERVICES = 4, 5, 7, 9, 10, 11, 12, 13


@inlined
def stir(hash, word):
    """Return the hash after one word more."""
    hash = (hash ^ word) * STIR
    return hash ^ (hash >> U(29))


@inlined
def known(code, codes, coded):
    """Return the dictionary's code of a reader's code; null stays null."""
    return code if code == NULL or coded else U(codes[code])


@inlined
def both(word, codes, coded):
    """Return two codes in one word as the dictionary's."""
    return known(word & NULL, codes, coded) | (known(word >> HALF, codes, coded) << HALF)


@inlined
def swapped(word):
    """Return the halves of a word the other way round."""
    return (word >> HALF) | (word << HALF)


@inlined
def other(raw, ends):
    """Return the raw addresses, null where they are the packet's, spelled in another way."""
    if raw & NULL == ends & NULL:
        raw |= NULL
    if raw >> HALF == ends >> HALF:
        raw |= NULL << HALF
    return raw


@inlined
def put(record, at, codes, coded, log, versions, rows, to, width):
    """Write a packed record as a row: keys packed, the lower end first."""
    ends, ports = both(record[at], codes, coded), record[at + 1]
    protocol = (ports >> HALF) & U(255)
    src = ((ends & NULL) << U(24)) | ((ports & U(0xFFFF)) << U(8)) | protocol
    dst = ((ends >> HALF) << U(24)) | (((ports >> U(16)) & U(0xFFFF)) << U(8)) | protocol
    back = src > dst
    places = both(record[at + 2], codes, coded)
    version = places >> HALF if versions else NULL
    rows[to + LO] = dst if back else src
    rows[to + HI] = src if back else dst
    rows[to + WHERE] = (places << HALF) | (version if log == NULL else log)
    rows[to + MARK] = known(record[at + 6] & NULL, codes, coded) | (ports >> U(40) << HALF)
    rows[to + MARK] |= U(back) << BACK
    rows[to + BYTES] = record[at + 4]
    rows[to + PACKETS] = record[at + 5]
    rows[to + TIMES] = record[at + 3]
    if width > RAW:
        raw = other(both(record[at + 7], codes, coded), ends)
        service = both(record[at + 8], codes, coded)
        rows[to + RAW] = swapped(raw) if back else raw
        rows[to + SERVICE] = swapped(service) if back else service


@inlined
def pair(rows, at):
    """Return a hash of the two addresses: all of a conversation shares it."""
    return stir(stir(MIX, rows[at + LO] >> U(24)), rows[at + HI] >> U(24)) * MIX


def place(
    records, count, codes, coded, log, versions, since, until, bits, width, rows, parts
):  # fmt: skip
    """Turn packed records of the asked time into rows with their parts; return how many.

    The flow log of a row is `log`; without one its version stands for it if `versions` says so.
    """
    done = I(0)
    for record in range(count):
        at = record * PACKED
        when = records[at + 3] & NULL
        if when == U(0):
            when = records[at + 3] >> HALF
        if when and (when < since or when >= until):
            continue
        put(records, at, codes, coded, log, versions, rows, done * width, width)
        part = I(pair(rows, done * width) >> U(64 - bits)) if bits else I(0)
        parts[done] = np.uint16(part)
        done += 1
    return done


def scatter(rows, count, width, parts, starts, out):
    """Put rows of one part together; `starts` is where the next of each goes."""
    for row in range(count):
        part = parts[row]
        to = starts[part] * width
        starts[part] += 1
        for word in range(width):
            out[to + word] = rows[row * width + word]
    return I(0)


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
p16, p32, p64, counters = (types.CPointer(of) for of in (types.uint16, types.uint32, u64, i64))

KERNELS = {
    "place": (place, i64(p64, i64, p32, i64, u64, i64, u64, u64, i64, i64, p64, p16)),
    "scatter": (scatter, i64(p64, i64, i64, p16, counters, p64)),
    "merge": (merge, i64(p64, i64, i64, i64, p32, p32, u64, p32, p64)),
}
