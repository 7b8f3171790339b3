"""Where texts are in other text, and how many lines come before: in machine code, or without."""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from flowlens_parsers import machine
from flowlens_parsers.batch import Clause
from flowlens_parsers.streams import Block

__all__ = ["Lines", "Search", "plain", "prepare", "swift"]

#: Bytes of compressed input from which loading machine code pays, and from which compiling does.
LOADED, COMPILED = 8 << 20, 256 << 20

_KERNELS: dict[str, machine.Kernel] = {}
_ANYTHING = ctypes.c_char * 0


@dataclass(frozen=True, slots=True)
class Lines:
    """How lines lie in a text.

    Args:
        total: How many there are.
        before: How many end before each of some places.
        odd: Whether one may begin with no sign from ! to 9, as headers do.
    """

    total: int
    before: list[int]
    odd: bool


@dataclass(frozen=True, slots=True)
class Search:
    """The two looks at whole lines, of which the last has its newline.

    Args:
        places: (text, clause, most) -> where its needles are, in order; None if in more places.
        lines: (text, places in order) -> how the lines lie.
    """

    places: Callable[[Block, Clause, int], list[int] | None]
    lines: Callable[[Block, list[int]], Lines]


def prepare(size: int | None) -> None:
    """Load the machine code if it pays.

    Args:
        size: Bytes of input as stored; None if unknown.
    """
    known = size or 0
    if known >= COMPILED or (known >= LOADED and machine.ready(machine.SEARCH)):
        with suppress(ImportError):  # no LLVM here
            _KERNELS.update(machine.load(machine.SEARCH))


def swift() -> Search | None:
    """Return the search in machine code, if that is loaded."""
    kernels = _KERNELS
    if not kernels:
        return None

    def places(text: Block, clause: Clause, most: int) -> list[int] | None:
        room = (ctypes.c_int64 * most)()
        found: list[int] = []
        for needle in clause.needles:
            sides = _address(text), len(text), _address(needle), len(needle)
            count = kernels["seek"](*sides, int(clause.whole), ctypes.addressof(room), most)
            if len(found) + count > most:
                return None
            found += room[:count]
        return sorted(found)

    def lines(text: Block, some: list[int]) -> Lines:
        there = (ctypes.c_int64 * len(some))(*some)
        before = (ctypes.c_int64 * (len(some) + 1))()
        arrays = (ctypes.addressof(there), len(some), ctypes.addressof(before))
        total = kernels["lines"](_address(text), len(text), *arrays)
        return Lines(total, before[:-1], odd=bool(before[-1]))

    return Search(places, lines)


def plain() -> Search:
    """Return the search that needs nothing else; slower, and the measure of the other."""
    return Search(_places, _lines)


def _address(data: Block) -> int:
    if isinstance(data, bytearray):
        return ctypes.addressof(_ANYTHING.from_buffer(data))
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def _places(text: Block, clause: Clause, most: int) -> list[int] | None:
    found: list[int] = []
    for needle in clause.needles:
        at = text.find(needle)
        while at >= 0:
            # Blanks and ends of lines sort below all signs; before the first is the last one.
            around = text[at - 1], text[at + len(needle)]
            if not clause.whole or max(around) <= 32:
                found.append(at)
            if len(found) > most:
                return None
            at = text.find(needle, at + 1)
    return sorted(found)


def _lines(text: Block, places: list[int]) -> Lines:
    total, before = 0, []
    for low, high in pairwise([0, *places, len(text)]):
        total += text.count(b"\n", low, high)
        before.append(total)
    return Lines(total, before[:-1], odd=True)
