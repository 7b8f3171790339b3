"""Room for arrays that a thread uses again and again.

Fresh memory costs more processor time than what is done with it: the kernel clears each page when
it is first touched, and takes it back when the array goes.
"""

from threading import local
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["room", "table"]

Number = TypeVar("Number", np.uint8, np.uint16, np.uint32, np.uint64)

_arrays = local()


def room(name: str, size: int, dtype: type[Number]) -> NDArray[Number]:
    """Return an array of this thread with anything in it; the next of that name is the same.

    Args:
        name: of what it is for.
        size: its elements.
        dtype: their type.
    """
    held: NDArray[Number] | None = getattr(_arrays, name, None)
    if held is None or len(held) < size:
        held = np.empty(1 << max(10, (size - 1).bit_length()), dtype)
        setattr(_arrays, name, held)
    return held[:size]


def table(count: int, name: str = "table") -> tuple[NDArray[np.uint32], int]:
    """Return an empty hash table for so many numbers, at most half full, and its mask.

    Args:
        count: numbers that it must take.
        name: of the room it lies in.
    """
    places = 1 << max(4, (2 * count - 1).bit_length())
    empty = room(name, places, np.uint32)
    empty.fill(0)
    return empty, places - 1
