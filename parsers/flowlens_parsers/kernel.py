"""The packing parser's inner loops, in the part of Python that Numba compiles.

Some hundred lines at a time, while they are in the nearest cache, go through four passes: where
do tokens begin, and which lines have as many as they should; field by field, the values of all
these lines; one by one, the lines that are not plain; and the rows. Within a pass the steps do
not wait for each other and branch the same way, and that is where the speed comes from.

Nothing imports this module but `machine`, which keeps what becomes of it. Addresses of arrays
come in as typed pointers, all numbers are 64 bits wide, and behind its last newline a text has
`packing.MARGIN` bytes that can be read.
"""

import numpy as np
from numba import types

from flowlens_parsers.bytekernel import inlined
from flowlens_parsers.columnkernel import column
from flowlens_parsers.linekernel import EMPTY, GOOD, HEIGHT, SPAN, STRANGE, behind, judge
from flowlens_parsers.rowkernel import pack
from flowlens_parsers.splitkernel import split
from flowlens_parsers.tokenkernel import TOKENS, learn, refill

__all__ = ["KERNELS"]

I = np.int64

# The counters that tell how far `scan` is; `tokenkernel` has the fourth.
AT, ROWS, ODDS, _, LINES = range(5)


@inlined
def ample(state, space, room):
    """Say whether there is room for what `SPAN` lines may add."""
    return max(state[ROWS], state[ODDS]) + SPAN <= space and state[TOKENS] <= room


@inlined
def write(columns, lines, stops, firsts, marks, rows, odd, state):
    """Write the lines of some columns to rows; of those that are odd where they are."""
    for line in range(lines):
        begin = I(stops[firsts[line]])
        if marks[line] == GOOD:
            pack(columns, HEIGHT, line, rows, state[ROWS], begin)
            state[ROWS] += 1
        elif marks[line] != EMPTY:
            odd[2 * state[ODDS]] = np.uint32(begin)
            odd[2 * state[ODDS] + 1] = np.uint32(state[LINES] + line)
            state[ODDS] += 1
        marks[line] = GOOD
    marks[lines] = GOOD


def scan(
    text, size, kinds, places, most, fields, columns, stops, firsts, marks, table, mask, entries,
    briefs, memo, room, rows, odd, space, state,
):  # fmt: skip
    """Pack whole lines until they end, or the room for tokens, rows or odd lines does.

    A line that is not what it should be is odd: its offset and number are kept, and the tolerant
    parser judges it. An empty line only counts.
    """
    while state[AT] < size and ample(state, space, room):
        lines = split(text, state[AT], size, fields, stops, firsts, marks)
        lone = lines == 0  # a line of more tokens than there is room for
        if lone:
            lines, marks[0] = I(1), STRANGE
        for field in range(fields):
            column(
                text, stops, firsts, marks, lines, field, kinds[field], most[field], columns,
                I(places[field]) * HEIGHT, table, mask, entries, briefs, memo, state,
            )  # fmt: skip
        for line in range(lines):
            if marks[line]:
                marks[line] = judge(
                    text, I(stops[firsts[line]]), kinds, places, most, fields, columns, line,
                    briefs, table, mask, entries, state,
                )  # fmt: skip
        write(columns, lines, stops, firsts, marks, rows, odd, state)
        state[LINES] += lines
        state[AT] = behind(text, state[AT]) if lone else I(stops[firsts[lines]])
    return I(0)


i64, u64 = types.int64, types.uint64
p8, p32, p64, counters = (types.CPointer(of) for of in (types.uint8, types.uint32, u64, i64))

KERNELS = {
    "scan": (
        scan,
        i64(
            *(p8, i64, p8, p8, p64, i64, p64, p32, p32, p8, p32, u64, p64, p64, p64, i64, p64),
            *(p32, i64, counters),
        ),
    ),
    "learn": (learn, i64(p8, i64, i64, p32, u64, p64, counters)),
    "refill": (refill, i64(p32, u64, p64, counters)),
}
