"""The packing parser's inner loops, in the part of Python that Numba compiles.

Nothing imports this module but `machine`, which keeps what becomes of it. Addresses of arrays
come in as typed pointers, all numbers are 64 bits wide, and a buffer of text has eight readable
bytes behind its last newline.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import intrinsic

__all__ = ["KERNELS"]

U, I = np.uint64, np.int64

#: A call costs as much as what most of these functions do.
inlined = njit(forceinline=True)

NULL = U(0xFFFFFFFF)  # the code of '-'
NONE = U(0xFFFFFFFFFFFFFFFF)  # a number that is '-' where 0 means something
TOP = U(0x8080808080808080)
GRAPHIC = U(0x2121212121212121)  # below it are blanks and control characters
ZEROS = U(0x3030303030303030)  # eight times "0"
SIX = U(0x0606060606060606)
ONES = U(0x0101010101010101)
DOT = U(0x1E)  # a dot, less "0"
HIGH = U(0xF0F0F0F0F0F0F0F0)
MIX, STIR = U(0x9E3779B97F4A7C15), U(0xC2B2AE3D27D4EB4F)  # odd constants of xxHash

# What `packing` says of a field; see there.
NUMBER, WORD, ADDRESS, FLAGS, STATUS, NUMERAL = range(1, 7)

# Where `packing.SLOTS` has each value.
SRC, DST, PKT_SRC, PKT_DST, SPORT, DPORT, PROTOCOL, PACKETS, BYTES, START, END = range(11)
ACTION, INTERFACE, RESOURCE, TGW, TCP, DIRECTION, PATH, INSTANCE, KIND = range(11, 20)
SERVICE_SRC, SERVICE_DST, VERSION = range(20, 23)

# The counters that tell how far `scan` is.
AT, ROWS, ODDS, TOKENS, LINES = range(5)

WIDTH = 9  # integers of a packed row
ENTRY = 6  # integers of a token: 40 bytes of text, then its length and kind
MEMO = 3  # integers of a field's last token: where it is, its length and its code
LONGEST = 40  # bytes of a token; longer ones are left to the tolerant parser
MARGIN = 32  # tokens that one line may add


@intrinsic
def eight(typing, pointer, offset):
    """Return the eight bytes at an offset that need not be aligned."""

    def generate(context, builder, signature, given):
        place = builder.bitcast(builder.gep(given[0], [given[1]]), ir.IntType(64).as_pointer())
        value = builder.load(place)
        value.align = 1
        return value

    return types.uint64(pointer, types.int64), generate


@inlined
def length(text, at):
    """Return the length of the token at `at`: bytes from 0x21 to 0x7F."""
    end = at
    while True:
        word = eight(text, end)
        # The lowest byte marked is exact; borrows only reach those above it.
        marks = (((word - GRAPHIC) & ~word) | word) & TOP
        if marks:
            return end - at + (I(trailing_zeros(marks)) >> 3)
        end += 8


@inlined
def digits(word):
    """Return the number that eight digits less their '0' make (known as the SWAR parse)."""
    word = word * U(10) + (word >> U(8))
    low = (word & U(0x000000FF000000FF)) * U(0x000F424000000064)
    high = ((word >> U(16)) & U(0x000000FF000000FF)) * U(0x0000271000000001)
    return ((low + high) >> U(32)) & NULL


@inlined
def number(text, at, size):
    """Return the number of `size` digits, `NONE` if it is none or has more than 16."""
    if size < 1 or size > 16:
        return NONE
    high = U(0)
    if size > 8:
        word = eight(text, at) ^ ZEROS
        if (word | (word + SIX)) & HIGH:
            return NONE
        high = digits(word)
        at += 8
        size -= 8
    word = (eight(text, at) ^ ZEROS) << U(64 - 8 * size)
    if (word | (word + SIX)) & HIGH:
        return NONE
    for _ in range(size if high else 0):
        high *= U(10)
    return high + digits(word)


@njit
def matches(entry, label, full, tail, text, at, entries):
    """Say whether a token is that of an entry."""
    if entries[entry + 5] != label:
        return False
    for word in range(full):
        if entries[entry + word] != eight(text, at + 8 * word):
            return False
    return tail == U(0) or entries[entry + full] == tail


@njit
def add(entry, label, full, tail, text, at, entries):
    """Write a token down."""
    for word in range(5):
        entries[entry + word] = eight(text, at + 8 * word) if word < full else U(0)
    if tail:
        entries[entry + full] = tail
    entries[entry + 5] = label


@njit
def code(text, at, size, kind, table, mask, entries, state):
    """Return the code of a token, a new one for a token not seen before."""
    label = U(size) | (U(kind) << U(8))
    full, rest = size >> 3, size & 7
    hash, factor = label * STIR, MIX
    for word in range(full):
        hash += eight(text, at + 8 * word) * factor
        factor *= STIR
    tail = U(0)  # no text holds a zero byte, so it is none where there is a rest
    if rest:
        tail = eight(text, at + 8 * full) & ((U(1) << U(8 * rest)) - U(1))
        hash += tail * factor
    place = (((hash ^ (hash >> U(32))) * STIR) >> U(32)) & mask
    while table[place]:
        if matches(I(table[place] - 1) * ENTRY, label, full, tail, text, at, entries):
            return U(table[place] - 1)
        place = (place + U(1)) & mask
    new = state[TOKENS]
    add(new * ENTRY, label, full, tail, text, at, entries)
    table[place] = np.uint32(new + 1)
    state[TOKENS] = new + 1
    return U(new)


@inlined
def shortened(word):
    """Return eight digits or dots, less "0" each, as 32 bits, and whether they are that."""
    dots = (word >> U(4)) & ONES
    rest = word ^ (dots * DOT)
    good = not ((rest & (dots * U(255))) | ((rest | (rest + SIX)) & HIGH))
    word &= ~HIGH
    word = (word | (word >> U(4))) & U(0x00FF00FF00FF00FF)
    word = (word | (word >> U(8))) & U(0x0000FFFF0000FFFF)
    return (word | (word >> U(16))) & NULL, good


@inlined
def brief(low, high, size):
    """Return 16 bytes of text that are `size` digits and dots as one integer, 0 if they are not.

    Four bits a character and the length: different texts give different integers.
    """
    low, high = low ^ ZEROS, high ^ ZEROS
    if size < 8:
        low &= (U(1) << U(8 * size)) - U(1)
        high = U(0)
    elif size < 16:
        high &= (U(1) << U(8 * (size - 8))) - U(1)
    else:
        return U(0)
    low, good = shortened(low)
    high, well = shortened(high)
    return (low | (high << U(32)) | (U(size) << U(60))) if good and well else U(0)


@inlined
def slot(key, briefs, mask):
    """Return the place of a brief token, or that where it belongs."""
    place = ((key * MIX) >> U(32)) & mask
    while briefs[2 * place] and briefs[2 * place] != key:
        place = (place + U(1)) & mask
    return 2 * I(place)


@inlined
def host(text, at, size, table, briefs, mask, entries, state):
    """Return the code of an address; one of IPv4 is looked up by its brief form."""
    key = brief(eight(text, at), eight(text, at + 8), size) if size > 0 else U(0)
    if not key:
        return code(text, at, size, ADDRESS, table, mask, entries, state)
    place = slot(key, briefs, mask)
    if not briefs[place]:
        briefs[place] = key
        briefs[place + 1] = code(text, at, size, ADDRESS, table, mask, entries, state)
    return briefs[place + 1]


@inlined
def again(text, at, size, memo, field):
    """Say whether a token is the one that the field had last."""
    if memo[field + 1] != size:
        return False
    last = memo[field]
    full = size >> 3
    for word in range(full):
        if eight(text, at + 8 * word) != eight(text, last + 8 * word):
            return False
    differing = eight(text, at + 8 * full) ^ eight(text, last + 8 * full)
    return not differing & ((U(1) << U(8 * (size & 7))) - U(1))


@inlined
def word(text, at, size, kind, memo, field, table, mask, entries, state):
    """Return the code of a token that often is the one of the line before."""
    if again(text, at, size, memo, field):
        return U(memo[field + 2])
    known = code(text, at, size, kind, table, mask, entries, state)
    memo[field], memo[field + 1], memo[field + 2] = at, size, I(known)
    return known


def learn(text, size, kind, table, mask, entries, state):
    """Give a token its code before any text is read."""
    return I(code(text, 0, size, kind, table, mask, entries, state))


def refill(table, mask, entries, state):
    """Put all tokens into a new table."""
    for token in range(state[TOKENS]):
        entry = token * ENTRY
        label = entries[entry + 5]
        hash, factor = label * STIR, MIX
        for word in range((I(label & U(255)) + 7) >> 3):
            hash += entries[entry + word] * factor
            factor *= STIR
        place = (((hash ^ (hash >> U(32))) * STIR) >> U(32)) & mask
        while table[place]:
            place = (place + U(1)) & mask
        table[place] = np.uint32(token + 1)
    return I(0)


@inlined
def skip(text, at):
    """Return the place behind blanks, tabs and carriage returns."""
    while text[at] == 32 or text[at] == 9 or text[at] == 13:
        at += 1
    return at


@inlined
def field(text, at, size, kind, most, place, memo, briefs, table, mask, entries, state):
    """Return a value as `kind` wants it, and whether it is one."""
    dash = size == 1 and text[at] == 45
    if kind == NUMBER or kind == FLAGS:
        if dash:
            return (NONE if kind == FLAGS else U(0)), True
        value = number(text, at, size)
        return value, value <= most
    if kind == WORD or kind == ADDRESS or kind == NUMERAL:
        if dash:
            return NULL, True
        if size < 1 or size > LONGEST:
            return NULL, False
        if kind == ADDRESS:
            return host(text, at, size, table, briefs, mask, entries, state), True
        return word(text, at, size, kind, memo, place * MEMO, table, mask, entries, state), True
    if kind == STATUS:
        return U(0), dash or (size == 2 and text[at] == 79 and text[at + 1] == 75)
    return U(0), size > 0


@inlined
def facts(slots):
    """Return what is yes or no about a record, a bit each."""
    bits = U(0)
    flags = slots[TCP]
    if flags != NONE:
        bits |= U(4)
        if flags & U(18) == U(2):
            bits |= U(1)
        # A transit gateway may record a bare ACK as 16, so there the bit proves nothing.
        if flags & U(16) and slots[TGW] == NULL:
            bits |= U(2)
    if slots[DIRECTION] < U(2):  # codes 0 and 1: egress and ingress
        bits |= U(8) << slots[DIRECTION]
    if slots[INSTANCE] != NULL:
        bits |= U(32)
    if U(2) <= slots[KIND] and slots[KIND] < U(6):  # codes 2 to 5 pass traffic on
        bits |= U(64)
    return bits


@inlined
def pack(slots, rows, row, begin):
    """Write one record as `WIDTH` integers."""
    src, dst = slots[SRC], slots[DST]
    raw_src, raw_dst = NULL, NULL
    if slots[PKT_SRC] != NULL:
        if src != slots[PKT_SRC]:
            raw_src = src
        src = slots[PKT_SRC]
    if slots[PKT_DST] != NULL:
        if dst != slots[PKT_DST]:
            raw_dst = dst
        dst = slots[PKT_DST]
    observer = slots[INTERFACE]
    if observer == NULL:
        observer = slots[RESOURCE]
    if observer == NULL:
        observer = slots[TGW]
    at = row * WIDTH
    rows[at] = src | (dst << U(32))
    rows[at + 1] = slots[SPORT] | (slots[DPORT] << U(16)) | (slots[PROTOCOL] << U(32))
    rows[at + 1] |= (facts(slots) << U(40)) | ((slots[PATH] & U(255)) << U(56))
    rows[at + 2] = observer | (slots[VERSION] << U(32))
    rows[at + 3] = slots[START] | (slots[END] << U(32))
    rows[at + 4] = slots[BYTES]
    rows[at + 5] = slots[PACKETS]
    rows[at + 6] = slots[ACTION] | (U(begin) << U(32))
    rows[at + 7] = raw_src | (raw_dst << U(32))
    rows[at + 8] = slots[SERVICE_SRC] | (slots[SERVICE_DST] << U(32))


def scan(
    text, size, kinds, places, most, memo, fields, table, mask, entries, briefs, room, slots, rows,
    odd, space, state,
):  # fmt: skip
    """Pack whole lines until they end, or the room for tokens, rows or odd lines does.

    A line that is not what it should be is odd: its offset and number are kept, and the tolerant
    parser judges it. An empty line only counts.
    """
    at = state[AT]
    full = state[TOKENS] + MARGIN > room
    for place in range(fields):
        memo[place * MEMO + 1] = 0
    while at < size and state[ROWS] < space and state[ODDS] < space and not full:
        begin = at
        at = skip(text, at)
        good = text[at] != 10
        empty = not good
        count = 0
        while good and count < fields:
            at = skip(text, at)
            width = length(text, at)
            value, good = field(
                text, at, width, kinds[count], most[count], count, memo, briefs, table, mask,
                entries, state,
            )  # fmt: skip
            slots[places[count]] = value
            at += width
            count += good
        at = skip(text, at)
        if good and text[at] == 10:
            pack(slots, rows, state[ROWS], begin)
            state[ROWS] += 1
        elif not empty:
            odd[2 * state[ODDS]] = np.uint32(begin)
            odd[2 * state[ODDS] + 1] = np.uint32(state[LINES])
            state[ODDS] += 1
        while text[at] != 10:
            at += 1
        at += 1
        state[LINES] += 1
        full = state[TOKENS] + MARGIN > room
    state[AT] = at
    return I(0)


i64, u64 = types.int64, types.uint64
p8, p32, p64, counters = (types.CPointer(of) for of in (types.uint8, types.uint32, u64, i64))

KERNELS = {
    "scan": (
        scan,
        i64(
            *(p8, i64, p8, p8, p64, counters, i64, p32, u64, p64, p64, i64, p64, p64, p32, i64),
            counters,
        ),
    ),
    "learn": (learn, i64(p8, i64, i64, p32, u64, p64, counters)),
    "refill": (refill, i64(p32, u64, p64, counters)),
}
