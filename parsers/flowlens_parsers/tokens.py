"""A packer's dictionary: the texts that its rows have codes of.

The kernel adds tokens as it meets them. They get the codes of the caller, each once, when these are
asked for; those that may not be what their field wants are judged at once.
"""

from collections.abc import Callable
from ctypes import addressof, c_char

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens_parsers.machine import load
from flowlens_parsers.values import canonical

__all__ = [
    "ADDRESS",
    "BAD",
    "KNOWN",
    "NULL",
    "NUMERAL",
    "TOKENS",
    "WORD",
    "Code",
    "Tokens",
    "Words",
    "address",
]

Words = NDArray[np.uint64]

#: Turns canonical texts into the codes of the caller's dictionary.
Code = Callable[[pl.Series], NDArray[np.uint32]]

ENTRY = 6  # integers of a token
MEMO = (1 << 15) + 8  # integers of a memo, which begins at a line of the cache
TOKENS, DOUBTS = 3, 5  # the counters of tokens, and of those that must be judged
LONGEST = 40  # bytes of a token
NULL = 2**32 - 1  # the code of '-'
BAD = 2**32 - 2  # the code of an address that is none

WORD, ADDRESS, NUMERAL = 2, 3, 6  # kinds of field that have tokens, see `packing`

#: Texts whose codes the kernel knows: the directions, then the kinds that pass traffic on.
KNOWN = (
    *("egress", "ingress"),
    *("nat_gateway", "regional_nat_gateway", "transit_gateway", "network_load_balancer"),
)


_ANYTHING = c_char * 0


def address(array: NDArray[np.generic]) -> int:
    """Return where an array lies in memory, for a kernel."""
    try:
        return addressof(_ANYTHING.from_buffer(array))  # type: ignore[arg-type]  # PEP 688
    except TypeError:  # it may not be written, or has gaps; the other way costs ten times as much
        place: int = array.__array_interface__["data"][0]
        return place


def _numeral(text: str) -> str | None:
    """Return a number as its column would hold it, None where it cannot."""
    told: str | None = pl.Series([text]).cast(pl.UInt8, strict=False).cast(pl.String).item()
    return told


#: Make of the texts of a field what it would hold; None where that cannot be.
_PROOFS: dict[int, Callable[[list[str]], list[str | None]]] = {
    ADDRESS: lambda texts: [canonical(text) for text in texts],
    NUMERAL: lambda texts: [_numeral(text) for text in texts],
}


class Tokens:
    """The tokens met so far; their codes are the places in the order in which they came.

    Args:
        code: codes texts for `codes`; called with each text once.
        state: the kernel's counters.
    """

    def __init__(self, code: Code, state: NDArray[np.int64]) -> None:
        self._code, self._state = code, state
        self._kernel = load("flowlens_parsers.kernel")
        self.room = 1 << 12
        self.known = 0
        #: No code is `BAD`.
        self.spotless = True
        self._codes = np.empty(self.room, np.uint32)
        self._judged: list[str | None] = []  # what tokens without a code say, None if that is bad
        self._entries: Words = np.zeros(self.room * ENTRY, np.uint64)
        self._memo: Words = np.zeros(MEMO, np.uint64)
        self._hash()
        for text in KNOWN:
            self.number(text, WORD)

    def _hash(self) -> None:
        """Make empty tables, at most half full of as many tokens as there is room for."""
        self._table = np.zeros(self.room * 2, np.uint32)
        self._briefs: Words = np.zeros(self.room * 4, np.uint64)  # they come back as texts do
        #: Table, its mask, entries, brief forms and memo, for the kernel.
        self.arguments = (
            *(address(self._table), len(self._table) - 1, address(self._entries)),
            *(address(self._briefs), -(-address(self._memo) // 64) * 64),
        )

    @property
    def words(self) -> tuple[int, ...]:
        """Table, its mask, entries and counters, for a kernel."""
        return (*self.arguments[:3], address(self._state))

    @property
    def hosts(self) -> tuple[int, ...]:
        """The same with brief forms before the counters."""
        return (*self.arguments[:4], address(self._state))

    def number(self, text: str, kind: int) -> int:
        """Return the code of a text for which there is room, `BAD` where it is no token."""
        size = len(text)
        if not text.isascii() or not text.isprintable() or " " in text or size > LONGEST:
            return BAD
        word = np.frombuffer(text.encode().ljust(64, b"\0"), np.uint8)
        return self._kernel["learn"](address(word), size, kind, *self.words)

    @property
    def codes(self) -> NDArray[np.uint32]:
        """The caller's code of each token, `BAD` for what is not what its field wants."""
        self._judge()
        new, self._judged = self._judged, []
        if new:
            codes = self._code(pl.Series([text or "" for text in new], dtype=pl.String))
            codes[[at for at, text in enumerate(new) if text is None]] = BAD
            self._codes[self.known : self.known + len(new)] = codes
            self.known += len(new)
        return self._codes

    def learn(self, most: int) -> None:
        """Judge the new tokens if that is needed, and make room for as many more as `most`."""
        if self._state[DOUBTS]:
            self._judge()
        count = int(self._state[TOKENS])
        while count + most > self.room:
            self._entries = np.concatenate([self._entries, np.zeros_like(self._entries)])
            self._codes = np.concatenate([self._codes, np.zeros_like(self._codes)])
            self.room *= 2
            self._hash()
            self._kernel["refill"](*self.words)

    def _judge(self) -> None:
        """Make of the new tokens what their fields would hold: mostly what they say."""
        doubts, self._state[DOUBTS] = int(self._state[DOUBTS]), 0
        begin, end = self.known + len(self._judged), int(self._state[TOKENS])
        entries = self._entries.reshape(-1, ENTRY)[begin:end]
        if not len(entries):
            return
        raw = np.ascontiguousarray(entries[:, :5]).view("S40").ravel().tolist()
        texts: list[str | None] = list(b"\n".join(raw).decode().split("\n"))
        kinds = entries[:, 5] >> 8
        for kind, proof in _PROOFS.items() if doubts else ():
            of = np.flatnonzero(kinds == kind).tolist()
            for at, text in zip(of, proof([str(texts[at]) for at in of]), strict=True):
                texts[at] = text
        self.spotless = self.spotless and None not in texts
        self._judged += texts
