"""Arrays that lie in memory as far as there is room, and in a temporary file beyond."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile
from threading import Lock
from typing import IO

import numpy as np

from flowlens_parsers.packing import Words

__all__ = ["Kept", "Spool"]


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
        self._held = self._end = 0
        self._file: IO[bytes] | None = None
        self._lock = Lock()
        self._stack = ExitStack()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *problem: object) -> None:
        """Give the file back."""
        self._stack.close()

    def keep(self, array: Words) -> Kept:
        """Keep an array of one dimension, which nobody may change from here on."""
        with self._lock:
            if self._held + array.nbytes <= self.memory:
                self._held += array.nbytes
                return Kept(array.size, array)
            if self._file is None:
                file = TemporaryFile(prefix="flowlens-")  # noqa: SIM115 - the stack closes it
                self._file = self._stack.enter_context(file)
            offset, self._end = self._end, self._end + array.nbytes
            self._file.write(array.data)
            return Kept(array.size, None, offset)

    def give(self, kept: Kept, begin: int = 0, end: int | None = None) -> Words:
        """Return an array, or some of it; nobody may change it."""
        end = kept.size if end is None else end
        if kept.array is not None or end == begin:
            return np.empty(0, np.uint64) if kept.array is None else kept.array[begin:end]
        assert self._file is not None
        with self._lock:
            self._file.flush()
        data = os.pread(self._file.fileno(), (end - begin) * 8, kept.offset + begin * 8)
        return np.frombuffer(data, np.uint64)
