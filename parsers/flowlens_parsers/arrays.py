"""Arrow's arrays as compiled functions want them: where in memory their values lie."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowlens_parsers.tokens import address

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Plan", "Text", "numbered", "text"]

#: Kinds of column: numbers of 32 and of 64 bits, places in a dictionary.
SHORT, LONG, CODED = range(3)
MARGIN = 64  # bytes behind a text that a kernel may read


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

    def same(self, other: "Text") -> bool:
        """Say whether these are the same texts in the same order."""
        sizes = len(self) == len(other) and len(self.data) == len(other.data)
        return sizes and all(
            np.array_equal(mine, its)
            for mine, its in ((self.data, other.data), (self.offsets, other.offsets))
        )


def text(array: "pa.Array") -> Text:
    """Return the texts of an array, empty where there is none."""
    import pyarrow.types as of

    if array.null_count:
        array = array.fill_null("")
    _, places, data = array.buffers()
    width = np.dtype(np.int64 if of.is_large_string(array.type) else np.int32)
    begins = np.frombuffer(places or bytes(8), width)[array.offset :][: len(array) + 1]
    begin, end = int(begins[0]), int(begins[-1])
    raw = np.frombuffer(data or b"", np.uint8)[begin:end]
    data = np.concatenate([raw, np.zeros(MARGIN, np.uint8)])
    return Text(data, begins.astype(np.int64) - begin)


def numbered(array: "pa.Array") -> "pa.DictionaryArray":
    """Return whole numbers as places among their texts."""
    import pyarrow as pa

    found = array.dictionary_encode()
    return pa.DictionaryArray.from_arrays(found.indices, found.dictionary.cast(pa.string()))


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
        import pyarrow as pa

        if array.type not in (pa.int32(), pa.int64(), pa.uint64()):
            array = array.cast(pa.int64())
        kind = SHORT if array.type == pa.int32() else LONG
        self._add(kind, array, 0, place, missing, most)

    def coded(
        self, array: "pa.DictionaryArray", codes: NDArray[np.uint32], place: int, missing: int
    ) -> None:
        """Add a column of places in a dictionary whose texts have these codes."""
        import pyarrow as pa

        self._held.append(codes)
        self._add(CODED, array.indices.cast(pa.int32()), address(codes), place, missing, 0)

    def array(self) -> NDArray[np.uint64]:
        """Return what the kernel reads of it, while this lives."""
        return np.array(self._told, np.uint64)

    def _add(
        self, kind: int, array: "pa.Array", codes: int, place: int, missing: int, most: int
    ) -> None:
        bits, data = array.buffers()
        valid = bits.address if array.null_count else 0
        at = data.address if data else 0
        self._told.append((kind, at, valid, array.offset, codes, place, missing, most))
        self._held.append(array)
