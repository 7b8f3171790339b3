"""Arrays that lie in memory as far as there is room, and in a temporary file beyond."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile
from threading import Lock
from typing import IO

import numpy as np

from flowlens.conversations.room import room
from flowlens_parsers.tokens import Words

__all__ = ["Kept", "Spool"]

PIECE = 1 << 21  # integers of a piece of memory


@dataclass(frozen=True, slots=True)
class Kept:
    """An array of a spool: itself, or where in the file it is."""

    size: int  # integers
    array: Words | None
    offset: int = 0


class Spool:
    """Keeps arrays of 64-bit integers, from several threads.

    Args:
        memory: bytes of arrays that may lie in memory.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self._held = self._end = self._turn = self._used = 0
        self._pieces: list[Words] = []
        self._file: IO[bytes] | None = None
        self._lock = Lock()
        self._stack = ExitStack()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Give memory and file back; nothing that lay there can be had any more."""
        self.clear()
        self._pieces.clear()
        self._stack.close()

    def clear(self) -> None:
        """Forget what is kept; what comes next lies in its place.

        Memory that was used before costs much less than fresh memory, also that of a file.
        """
        self._held = self._end = self._turn = self._used = 0

    def keep(self, array: Words) -> Kept:
        """Keep a copy of an array of one dimension."""
        with self._lock:
            if self._held + array.nbytes <= self.memory:
                place = self._room(array.size)
            else:
                place, offset = None, self._end
                self._end += array.nbytes
                if self._file is None:
                    file = TemporaryFile(prefix="flowlens-")  # noqa: SIM115 - the stack closes it
                    self._file = self._stack.enter_context(file)
        if place is not None:
            place[:] = array
            return Kept(array.size, place)
        assert self._file is not None
        _all(os.pwrite, self._file.fileno(), array, offset)
        return Kept(array.size, None, offset)

    def _room(self, size: int) -> Words:
        """Return memory for so many integers, out of large pieces, whose pages are large too."""
        self._held += size * 8
        while self._turn < len(self._pieces):
            if self._used + size <= len(self._pieces[self._turn]):
                break
            self._turn, self._used = self._turn + 1, 0
        else:
            self._pieces.append(np.empty(max(size, PIECE), np.uint64))
        self._used += size
        return self._pieces[self._turn][self._used - size : self._used]

    def give(self, kept: Kept, begin: int = 0, end: int | None = None) -> Words:
        """Return an array, or some of it; nobody may change it."""
        end = kept.size if end is None else end
        if kept.array is not None:
            return kept.array[begin:end]
        return self.fill(np.empty(end - begin, np.uint64), kept, begin)

    def lend(self, name: str, kept: Kept) -> Words:
        """Return an array until the next one of that name; nobody may change it."""
        if kept.array is not None:
            return kept.array
        return self.fill(room(name, kept.size, np.uint64), kept)

    def fill(self, out: Words, kept: Kept, begin: int = 0) -> Words:
        """Fill an array with some of a kept one; return it."""
        if kept.array is not None:
            out[:] = kept.array[begin : begin + len(out)]
        elif len(out):
            assert self._file is not None
            _all(_read, self._file.fileno(), out, kept.offset + begin * 8)
        return out


def _read(file: int, into: memoryview, offset: int) -> int:
    return os.preadv(file, [into], offset)


def _all(call: Callable[[int, memoryview, int], int], file: int, array: Words, at: int) -> None:
    """Read or write a whole array; the system may do less at a time."""
    left = array.data.cast("B")
    while left:
        done = call(file, left, at)
        if not done:
            msg = "a temporary file ends early"
            raise OSError(msg)
        left, at = left[done:], at + done
