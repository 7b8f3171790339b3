"""What a packed row has room for, and what the kernels make of each field."""

from functools import cache

import numpy as np
import polars as pl

from flowlens_parsers.fields import ADDRESSES, SCHEMA, TIME
from flowlens_parsers.tokens import ADDRESS, NULL, NUMERAL, WORD, Words
from flowlens_parsers.values import SECONDS

__all__ = [
    "MARGIN",
    "MISSING",
    "MOST",
    "OTHER",
    "PLACES",
    "SLOTS",
    "SPAN",
    "WIDTH",
    "blank",
    "kind",
    "packable",
]

WIDTH = 9  # integers of a row
PLACES = 2  # where a row has its observer and version
SPAN = 256  # lines that the kernel takes at once
HEIGHT = SPAN + 8  # integers of a column
MARGIN = 64  # bytes behind a text that the kernel may read

#: What the kernel makes of a field.
TEXT, NUMBER, _, _, FLAGS, STATUS, _ = range(7)

#: Columns that a row has room for, in the kernel's order; the last place is for all others.
SLOTS = (
    *("srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr", "srcport", "dstport", "protocol"),
    *("packets", "bytes", "start", "end", "action", "interface_id", "resource_id"),
    *("tgw_attachment_id", "tcp_flags", "flow_direction", "traffic_path", "instance_id"),
    *("interface_type", "pkt_src_aws_service", "pkt_dst_aws_service", "version"),
)
OTHER = 31
#: What stands for nothing; 0 for all other kinds.
MISSING = {WORD: NULL, ADDRESS: NULL, NUMERAL: NULL, FLAGS: 2**64 - 1}
#: The largest number that a field holds.
MOST = {pl.UInt8(): 2**8 - 1, pl.UInt16(): 2**16 - 1, pl.UInt32(): 2**32 - 1, TIME: SECONDS}


@cache
def packable(names: tuple[str, ...]) -> bool:
    """Say whether a header line could not pass for data: some value is no free text."""
    return any(kind(name) not in (TEXT, WORD, STATUS) for name in names)


def blank() -> Words:
    """Return columns of what stands for nothing, one for each of `SLOTS` and one for others."""
    columns = np.zeros((OTHER + 1, HEIGHT), np.uint64)
    for place, name in enumerate(SLOTS):
        columns[place] = MISSING.get(kind(name), 0)
    return columns


def kind(name: str) -> int:
    """Return what the kernel makes of a column."""
    if name == "log_status":
        return STATUS
    if name in ADDRESSES:
        return ADDRESS
    if name in ("tcp_flags", "traffic_path"):
        return FLAGS
    if name == "version":  # its text tells two flow logs of one interface apart
        return NUMERAL
    if SCHEMA.get(name, pl.String()) != pl.String():
        return NUMBER
    return WORD if name in SLOTS else TEXT
