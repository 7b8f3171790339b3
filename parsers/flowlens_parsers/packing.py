"""The packing parser: a block of text to integers, for whoever merges records by the million.

Texts become codes of a dictionary that belongs to the packer; numbers stay numbers. Each record
is `WIDTH` integers of 64 bits, laid out as `kernel.pack` writes them. What the kernel cannot
prove about a line is left to the tolerant parser, so both give the same account of every line.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens_parsers.fields import ADDRESSES, SCHEMA, TIME
from flowlens_parsers.machine import Kernel, load
from flowlens_parsers.values import SECONDS, addresses

if TYPE_CHECKING:
    from flowlens_parsers.columnar import Columnar

__all__ = ["NULL", "PLACES", "SLOTS", "Packer", "Rows", "Words", "address", "packable"]

Words = NDArray[np.uint64]
Odd = tuple[int, int]  # offset in the block, number of the line in the block

WIDTH = 9  # integers of a row
ENTRY = 6  # integers of a token
MEMO = 3  # integers of what is kept of a field's last token
NULL = 2**32 - 1  # the code of '-'
BAD = 2**32 - 2  # the code of an address that is none

#: What the kernel makes of a field.
TEXT, NUMBER, WORD, ADDRESS, FLAGS, STATUS, NUMERAL = range(7)

#: Columns that a row has room for, in the kernel's order; the last place is for all others.
SLOTS = (
    *("srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr", "srcport", "dstport", "protocol"),
    *("packets", "bytes", "start", "end", "action", "interface_id", "resource_id"),
    *("tgw_attachment_id", "tcp_flags", "flow_direction", "traffic_path", "instance_id"),
    *("interface_type", "pkt_src_aws_service", "pkt_dst_aws_service", "version"),
)
OTHER = 31
#: Texts whose codes the kernel knows: the directions, then the kinds that pass traffic on.
KNOWN = (
    *("egress", "ingress"),
    *("nat_gateway", "regional_nat_gateway", "transit_gateway", "network_load_balancer"),
)

ROOM = 1 << 17  # rows that there is room for at first

PLACES = 2  # where a row has its observer and version
CODED = [0, PLACES, 7]  # where a row has codes that may be `BAD`
LINE = 6  # where a row has its action and its offset in the block

# The counters that tell how far the kernel is.
AT, ROWS, ODDS, TOKENS, LINES = range(5)
MOST = {pl.UInt8(): 2**8 - 1, pl.UInt16(): 2**16 - 1, pl.UInt32(): 2**32 - 1, TIME: SECONDS}

#: Turns canonical texts into the codes of the caller's dictionary.
Code = Callable[[pl.Series], NDArray[np.uint32]]


def address(array: NDArray[np.generic]) -> int:
    """Return where an array lies in memory, for a kernel."""
    place: int = array.__array_interface__["data"][0]
    return place


def packable(names: Sequence[str]) -> bool:
    """Say whether a header line could not pass for data: some value is no free text."""
    return any(_kind(name) not in (TEXT, WORD, STATUS) for name in names)


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed records of one block, and the lines that are left to the tolerant parser.

    The records are the packer's memory, which the next block takes.
    """

    records: Words  # WIDTH integers each; codes are the packer's
    odd: list[Odd]
    lines: int  # all of them, also empty ones


class Packer:
    """Packs blocks of text; its dictionary grows as new texts come.

    Args:
        code: codes texts for `codes`; called with each text once.
    """

    def __init__(self, code: Code) -> None:
        self.code = code
        self._room = 1 << 12
        self._entries: Words = np.zeros(self._room * ENTRY, np.uint64)
        self._table = np.zeros(self._room * 2, np.uint32)
        self._briefs: Words = np.zeros(self._room * 4, np.uint64)
        self._state = np.zeros(8, np.int64)
        self._rows: Words = np.empty(ROOM * WIDTH, np.uint64)
        self._odd = np.empty(ROOM * 2, np.uint32)
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._known = 0
        self._spotless = True  # no code is `BAD`
        #: The caller's code of each of the packer's.
        self.codes = np.empty(self._room, np.uint32)
        for text in KNOWN:
            word = np.frombuffer(text.encode().ljust(64, b"\0"), np.uint8)
            self._kernel["learn"](address(word), len(text), WORD, *self._dictionary())

    @cached_property
    def columnar(self) -> "Columnar":
        """What packs columns: as the packer, it knows the texts of the objects before."""
        from flowlens_parsers.columnar import Columnar

        return Columnar(self.code)

    @cached_property
    def _kernel(self) -> dict[str, Kernel]:
        return dict(load("flowlens_parsers.kernel"))

    def pack(self, block: bytes, names: Sequence[str]) -> Rows:
        """Pack a block of whole lines, each ending in a newline.

        Args:
            block: text.
            names: columns in the order of the values.
        """
        plan = self._plans.get(tuple(names)) or self._plans.setdefault(tuple(names), _Plan(names))
        self._state[[AT, ROWS, ODDS, LINES]] = 0
        # The kernel reads eight bytes at a time, so behind the last line there must be some.
        cut = block.rfind(b"\n", 0, max(0, len(block) - 8)) + 1
        self._scan(block, cut, plan)
        first = self._odds()
        rest = block[cut:] + bytes(8)
        self._state[[AT, ODDS]] = 0
        records = int(self._state[ROWS])
        self._scan(rest, len(rest) - 8, plan)
        odd = first + [(cut + at, line) for at, line in self._odds()]
        rows = self._rows[: self._state[ROWS] * WIDTH].reshape(-1, WIDTH)
        rows[records:, LINE] += np.uint64(cut << 32)
        return self._proven(Rows(rows, odd, int(self._state[LINES])), block)

    def _scan(self, text: bytes, size: int, plan: "_Plan") -> None:
        """Add the rows of whole lines."""
        state, start = self._state, address(np.frombuffer(text, np.uint8))
        while state[AT] < size:
            room = len(self._odd) // 2
            if max(state[ROWS], state[ODDS]) >= room:
                self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
                self._odd = np.concatenate([self._odd, np.empty_like(self._odd)])
                room *= 2
            self._kernel["scan"](
                *(start, size, *plan.arguments),
                *self._dictionary()[:3],
                *(
                    address(self._briefs),
                    self._room,
                    address(plan.slots),
                    address(self._rows),
                    address(self._odd),
                ),
                *(room, address(state)),
            )
            self._learn()

    def _odds(self) -> list[Odd]:
        return [
            (at, line) for at, line in self._odd[: self._state[ODDS] * 2].reshape(-1, 2).tolist()
        ]

    def _dictionary(self) -> tuple[int, int, int, int]:
        mask = len(self._table) - 1
        return address(self._table), mask, address(self._entries), address(self._state)

    def _learn(self) -> None:
        """Code the new tokens, and make room for more."""
        count = int(self._state[TOKENS])
        if count > self._known:
            entries = self._entries.reshape(-1, ENTRY)[self._known : count]
            self.codes[self._known : count] = self._coded(entries)
            self._known = count
        if count + 64 > self._room:
            self._entries = np.concatenate([self._entries, np.zeros_like(self._entries)])
            self.codes = np.concatenate([self.codes, np.zeros_like(self.codes)])
            self._room *= 2
            self._table = np.zeros(self._room * 2, np.uint32)
            self._briefs = np.zeros(self._room * 4, np.uint64)  # they come back as texts do
            self._kernel["refill"](*self._dictionary())

    def _coded(self, entries: Words) -> NDArray[np.uint32]:
        """Return the caller's codes of tokens, `BAD` for what is not what its field wants."""
        raw = np.ascontiguousarray(entries[:, :5]).view("S40").ravel().tolist()
        texts: list[str | None] = [text.decode() for text in raw]
        kinds = entries[:, 5] >> 8
        for kind, proof in _PROOFS.items():
            of = np.flatnonzero(kinds == kind).tolist()
            proven = proof(pl.Series([texts[at] for at in of], dtype=pl.String))
            for at, text in zip(of, proven.to_list(), strict=True):
                texts[at] = text
        bad = [at for at, text in enumerate(texts) if text is None]
        codes = self.code(pl.Series([text or "" for text in texts]))
        if bad:
            codes[bad] = BAD
            self._spotless = False
        return codes

    def _proven(self, found: Rows, block: bytes) -> Rows:
        """Return the rows whose codes are good; the others become odd lines."""
        if self._spotless:
            return found
        codes = np.append(self.codes[: self._known], np.uint32(0))
        halves = np.minimum(found.records[:, CODED].copy().view(np.uint32), self._known)
        bad = (codes[halves] == BAD).any(axis=1)
        places = (found.records[bad, LINE] >> 32).tolist()
        more = [(at, block.count(b"\n", 0, at)) for at in places]
        return Rows(found.records[~bad], sorted(found.odd + more), found.lines)


def _numerals(texts: pl.Series) -> pl.Series:
    return texts.cast(pl.UInt8, strict=False).cast(pl.String)


#: Make texts of a field what its column would hold; null where it cannot be.
_PROOFS: dict[int, Callable[[pl.Series], pl.Series]] = {ADDRESS: addresses, NUMERAL: _numerals}


class _Plan:
    """What the kernel does with each value of a layout."""

    def __init__(self, names: Sequence[str]) -> None:
        kinds = [_kind(name) for name in names]
        places = [SLOTS.index(name) if name in SLOTS else OTHER for name in names]
        most = [MOST.get(SCHEMA.get(name, pl.String()), 2**63) for name in names]
        self.kinds = np.array(kinds, np.uint8)
        self.places = np.array(places, np.uint8)
        self.most = np.array(most, np.uint64)
        self.slots = np.zeros(32, np.uint64)
        for place, name in enumerate(SLOTS):
            kind = _kind(name)
            self.slots[place] = {WORD: NULL, ADDRESS: NULL, NUMERAL: NULL, FLAGS: 2**64 - 1}.get(
                kind, 0
            )
        self.memo = np.zeros(len(kinds) * MEMO, np.int64)
        arrays: tuple[NDArray[Any], ...] = (self.kinds, self.places, self.most, self.memo)
        self.arguments = (*(address(array) for array in arrays), len(kinds))


def _kind(name: str) -> int:
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
