"""Arrow's arrays as compiled functions want them: where in memory their values lie."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowlens_parsers.slots import MARGIN
from flowlens_parsers.tokens import NULL, address

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Bits", "Plan", "Text", "present", "spelled", "text", "whole"]

#: Kinds of column: numbers of 32 and of 64 bits, places in a dictionary.
SHORT, LONG, CODED = range(3)
Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Text:
    """Texts one behind the other.

    Args:
        data: all of them, and some bytes more.
        offsets: where each begins, and where the last one ends.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def arguments(self) -> tuple[int, int, int]:
        """Texts, offsets and how many, for a kernel."""
        return address(self.data), address(self.offsets), len(self)

    def word(self, place: int) -> str:
        """Return one of them."""
        begin, end = self.offsets[place : place + 2].tolist()
        return self.data[begin:end].tobytes().decode("utf-8", "replace")

    def same(self, other: "Text") -> bool:
        """Say whether these are the same texts in the same order."""
        sizes = len(self) == len(other) and len(self.data) == len(other.data)
        return sizes and all(
            np.array_equal(mine, its)
            for mine, its in ((self.data, other.data), (self.offsets, other.offsets))
        )


def text(array: "pa.Array") -> Text:
    """Return the texts of an array, empty where there is none."""
    import pyarrow as pa

    _, places, data = array.buffers()
    width = np.dtype(np.int64 if array.type == pa.large_string() else np.int32)
    begins = np.frombuffer(places or bytes(8), width)[array.offset :][: len(array) + 1]
    raw = np.frombuffer(data or b"", np.uint8)[int(begins[0]) : int(begins[-1])]
    return _text(raw, begins.astype(np.int64) - begins[0])


def _text(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Text:
    return Text(np.concatenate([data, np.zeros(MARGIN, np.uint8)]), offsets)


def whole(array: "pa.Array") -> NDArray[np.integer[Any]]:
    """Return whole numbers, anything where there is none."""
    _, data = array.buffers()
    width = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(data or b"", width)[array.offset :][: len(array)]


def present(array: "pa.Array") -> Bits:
    """Say where an array has a value."""
    bits = array.buffers()[0]
    if not array.null_count or bits is None:
        return np.ones(len(array), np.bool_)
    told = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
    return told[array.offset :][: len(array)].astype(np.bool_)


def spelled(array: "pa.Array") -> tuple[Text, NDArray[np.int32]]:
    """Return the texts of whole numbers, and the place of each among them."""
    distinct, places = np.unique(whole(array), return_inverse=True)
    texts = [str(number).encode() for number in distinct.tolist()]
    offsets = np.array([0, *map(len, texts)], np.int64).cumsum()
    return _text(np.frombuffer(b"".join(texts), np.uint8), offsets), places.astype(np.int32)


class Plan:
    """Columns of a batch, for `arrowkernel`."""

    def __init__(self) -> None:
        self._told: list[tuple[int, ...]] = []
        self._held: list[object] = []  # what must not go before it was read

    def numbers(self, array: "pa.Array", place: int, missing: int, most: int) -> None:
        """Add a column of whole numbers.

        Args:
            array: of any width.
            place: which of `packing.SLOTS` it is.
            missing: what stands for none.
            most: what it can be at most.
        """
        values = whole(array)
        if values.dtype not in (np.int32, np.int64, np.uint64):
            values = values.astype(np.int64)
        kind = SHORT if values.dtype == np.int32 else LONG
        self._add(kind, array, values, (0, place, missing, most))

    def coded(
        self,
        array: "pa.Array",
        places: NDArray[np.integer[Any]],
        codes: NDArray[np.uint32],
        place: int,
    ) -> None:
        """Add a column of texts.

        Args:
            array: tells where there is one.
            places: of each in a dictionary.
            codes: of the texts of that dictionary.
            place: which of `packing.SLOTS` it is.
        """
        self._held.append(codes)
        self._add(
            CODED, array, places.astype(np.int32, copy=False), (address(codes), place, NULL, 0)
        )

    def array(self) -> NDArray[np.uint64]:
        """Return what the kernel reads of it, while this lives."""
        return np.array(self._told, np.uint64)

    def _add(
        self, kind: int, array: "pa.Array", values: NDArray[Any], rest: tuple[int, int, int, int]
    ) -> None:
        bits = array.buffers()[0]
        valid = bits.address if array.null_count else 0
        self._told.append((kind, address(values), valid, array.offset, *rest))
        self._held += [array, values]
