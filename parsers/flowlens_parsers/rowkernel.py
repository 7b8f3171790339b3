"""Rows, in the part of Python that Numba compiles: the columns of lines to packed records."""

import numpy as np

from flowlens_parsers.bytekernel import NONE, inlined
from flowlens_parsers.tokenkernel import NULL

__all__ = ["WIDTH", "pack"]

U = np.uint64

# Where `packing.SLOTS` has each value.
SRC, DST, PKT_SRC, PKT_DST, SPORT, DPORT, PROTOCOL, PACKETS, BYTES, START, END = range(11)
ACTION, INTERFACE, RESOURCE, TGW, TCP, DIRECTION, PATH, INSTANCE, KIND = range(11, 20)
SERVICE_SRC, SERVICE_DST, VERSION = range(20, 23)

WIDTH = 9  # integers of a packed row
HALF = U(32)


@inlined
def facts(flags, ours, direction, instance, kind):
    """Return what is yes or no about a record, a bit each."""
    told = U(flags != NONE)
    bits = told & U(flags & U(18) == U(2))
    # A transit gateway may record a bare ACK as 16, so there the bit proves nothing.
    bits |= (told & (flags >> U(4)) & U(ours)) << U(1)
    bits |= told << U(2)
    # Codes 0 and 1: egress and ingress; 2 to 5 pass traffic on.
    bits |= (U(direction == U(0)) << U(3)) | (U(direction == U(1)) << U(4))
    bits |= (U(instance != NULL) << U(5)) | (U(kind - U(2) < U(4)) << U(6))
    return bits


@inlined
def pack(columns, lines, line, rows, row, begin):
    """Write one record as `WIDTH` integers.

    Args:
        columns: for each slot the values of `lines` lines.
        lines: the length of a column.
        line: the place of the record in each.
        rows: what is written.
        row: its number.
        begin: where its line begins.
    """
    src, dst = columns[SRC * lines + line], columns[DST * lines + line]
    other, further = columns[PKT_SRC * lines + line], columns[PKT_DST * lines + line]
    raw_src = NULL if other == NULL or other == src else src
    raw_dst = NULL if further == NULL or further == dst else dst
    src = src if other == NULL else other
    dst = dst if further == NULL else further
    tgw, second = columns[TGW * lines + line], columns[RESOURCE * lines + line]
    observer = columns[INTERFACE * lines + line]
    observer = second if observer == NULL else observer
    observer = tgw if observer == NULL else observer
    bits = facts(
        columns[TCP * lines + line],
        tgw == NULL,
        columns[DIRECTION * lines + line],
        columns[INSTANCE * lines + line],
        columns[KIND * lines + line],
    )
    ports = columns[SPORT * lines + line] | (columns[DPORT * lines + line] << U(16))
    path = columns[PATH * lines + line] & U(255)
    at = row * WIDTH
    rows[at] = src | (dst << HALF)
    rows[at + 1] = (
        ports | (columns[PROTOCOL * lines + line] << HALF) | (bits << U(40)) | (path << U(56))
    )
    rows[at + 2] = observer | (columns[VERSION * lines + line] << HALF)
    rows[at + 3] = columns[START * lines + line] | (columns[END * lines + line] << HALF)
    rows[at + 4] = columns[BYTES * lines + line]
    rows[at + 5] = columns[PACKETS * lines + line]
    rows[at + 6] = columns[ACTION * lines + line] | (U(begin) << HALF)
    rows[at + 7] = raw_src | (raw_dst << HALF)
    rows[at + 8] = columns[SERVICE_SRC * lines + line] | (
        columns[SERVICE_DST * lines + line] << HALF
    )
