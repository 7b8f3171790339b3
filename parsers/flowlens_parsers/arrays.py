"""One batch of columns as arrays: which rows are records, and these as packed ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens_parsers.fields import OBSERVERS, SCHEMA
from flowlens_parsers.packing import MOST, WIDTH
from flowlens_parsers.quiet import table
from flowlens_parsers.tokens import BAD, KNOWN, NULL, Words

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Bits", "Columns", "Numbers", "Texts"]

Numbers = NDArray[np.int64]
Bits = NDArray[np.bool_]

HALF = np.uint64(32)
EGRESS, INGRESS, *MIDDLE = KNOWN
SYN, ACK = 2, 16

_SILENT = table([], "")


@dataclass(frozen=True, slots=True)
class Texts:
    """The distinct texts of a column, and their codes; one code more stands for null."""

    texts: pl.Series
    codes: Words

    def among(self, *words: str) -> Bits:
        """Say which texts are one of these, without the blanks around them."""
        told = [text is not None and text.strip() in words for text in self.texts]
        return np.array([*told, False], np.bool_)


class Columns:
    """One batch as arrays."""

    def __init__(self, batch: "pa.RecordBatch", texts: Mapping[str, Texts]) -> None:
        self.height = batch.num_rows
        self.numbers: dict[str, Numbers] = {}
        self.places: dict[str, Numbers] = {}
        self.texts = texts
        self.known: dict[str, Bits] = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in texts:
                self.numbers[name], known = _array(column)
                self.known |= {} if known is None else {name: known}
                continue
            places, known = _array(column.indices)
            last = len(texts[name].texts)
            self.places[name] = places if known is None else np.where(known, places, last)

    def quiet(self) -> Bits:
        """Say which rows are no flows: NODATA, SKIPDATA, and statuses nobody knows yet."""
        if "log_status" not in self.texts:
            return np.zeros(self.height, np.bool_)
        status = self.texts["log_status"]
        told: Bits = ~status.among("OK") & (status.codes != NULL)
        return told[self.places["log_status"]]

    def coverage(self, rows: Bits, source: str) -> pl.DataFrame:
        """Return what rows that are no flows say."""
        if not rows.any():
            return _SILENT
        seen = [self._told(name, rows) for name in OBSERVERS]
        observers = [next(filter(None, told), None) for told in zip(*seen, strict=True)]
        times = [self._number(name, -1).view(np.int64)[rows].tolist() for name in ("start", "end")]
        starts, ends = ([None if at < 0 else at for at in time] for time in times)
        status = map(str, self._told("log_status", rows))
        return table([*zip(observers, status, starts, ends, strict=True)], source)

    def _told(self, name: str, rows: Bits) -> list[str | None]:
        """Return a column of texts."""
        if name not in self.texts:
            return [None] * int(rows.sum())
        some = self.texts[name]
        given = zip([*some.texts, None], some.codes.tolist(), strict=True)
        words = [text.strip() if text and code != NULL else None for text, code in given]
        return [words[place] for place in self.places[name][rows].tolist()]

    def timed(self) -> Bits:
        """Say which rows have times in seconds, or none."""
        return self._fit("start") & self._fit("end")

    def good(self) -> Bits:
        """Say which rows have nothing that could be wrong."""
        good = np.ones(self.height, np.bool_)
        for name in self.numbers:
            good &= self._fit(name)
        for name, some in self.texts.items():
            if (some.codes == BAD).any():
                good &= self._codes(name) != BAD
        return good

    def _fit(self, name: str) -> Bits:
        """Say which values fit in their field, or are none."""
        if name not in self.numbers:
            return np.ones(self.height, np.bool_)
        column = self.numbers[name]
        inside = (column >= 0) & (column <= MOST.get(SCHEMA[name], 2**63 - 1))
        return inside | ~self.known[name] if name in self.known else inside

    def packed(self, versions: Callable[[Numbers], Words]) -> Words:
        """Return the rows as `rowkernel.pack` writes them; those that are not good mean nothing."""
        rows = np.zeros((self.height, WIDTH), np.uint64)
        raw_src, src = self._end("src")
        raw_dst, dst = self._end("dst")
        ports = self._number("srcport") | self._number("dstport") << np.uint64(16)
        path = self._number("traffic_path", 255) & np.uint64(255)
        version = versions(self._number("version", -1).view(np.int64))
        columns = (
            src | dst << HALF,
            ports | self._number("protocol") << HALF | self._facts() | path << np.uint64(56),
            self._observer() | version << HALF,
            self._number("start") | self._number("end") << HALF,
            self._number("bytes"),
            self._number("packets"),
            self._codes("action"),
            raw_src | raw_dst << HALF,
            self._codes("pkt_src_aws_service") | self._codes("pkt_dst_aws_service") << HALF,
        )
        for at, column in enumerate(columns):
            rows[:, at] = column
        return rows

    def _number(self, name: str, missing: int = 0) -> Words:
        """Return a column, `missing` where it has nothing."""
        if name not in self.numbers:
            return np.full(self.height, missing).view(np.uint64)
        column = self.numbers[name]
        if name in self.known:
            column = np.where(self.known[name], column, missing)
        return column.view(np.uint64)

    def _codes(self, name: str) -> Words:
        if name not in self.texts:
            return np.full(self.height, NULL, np.uint64)
        return self.texts[name].codes[self.places[name]]

    def _end(self, end: str) -> tuple[Words, Words]:
        """Return the address of an end where the packet's is another one, and the packet's."""
        own, packet = self._codes(f"{end}addr"), self._codes(f"pkt_{end}addr")
        told = packet != NULL
        raw = np.where(told & (own != packet), own, np.uint64(NULL))
        return raw, np.where(told, packet, own)

    def _observer(self) -> Words:
        first, second = self._codes("interface_id"), self._codes("resource_id")
        second = np.where(second == NULL, self._codes("tgw_attachment_id"), second)
        return np.where(first == NULL, second, first)

    def _facts(self) -> Words:
        """Return what is yes or no about each record, a bit each, as `rowkernel.facts` has them."""
        flags = self._number("tcp_flags", -1).view(np.int64)
        flagged = flags >= 0
        ours = self._codes("tgw_attachment_id") == NULL
        facts = (
            flagged & (flags & (SYN | ACK) == SYN),
            # A transit gateway may record a bare ACK as 16, so there the bit proves nothing.
            flagged & (flags & ACK != 0) & ours,
            flagged,
            self._among("flow_direction", EGRESS),
            self._among("flow_direction", INGRESS),
            self._codes("instance_id") != NULL,
            self._among("interface_type", *MIDDLE),
        )
        bits = np.zeros(self.height, np.uint64)
        for bit, fact in enumerate(facts):
            bits |= fact.astype(np.uint64) << np.uint64(40 + bit)
        return bits

    def _among(self, name: str, *words: str) -> Bits:
        if name not in self.texts:
            return np.zeros(self.height, np.bool_)
        return self.texts[name].among(*words)[self.places[name]]


def _array(array: "pa.Array") -> tuple[Numbers, Bits | None]:
    """Return whole numbers, and which are known if some are null; the others are any."""
    bits, data = array.buffers()
    begin, end = array.offset, array.offset + len(array)
    width = np.dtype(array.type.to_pandas_dtype())
    numbers = np.frombuffer(data or b"", width)[begin:end].astype(np.int64)
    if not array.null_count:
        return numbers, None
    known = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")[begin:end]
    return numbers, known.astype(np.bool_)
