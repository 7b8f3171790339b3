"""The objects of a source, read into frames as Polars asks for them, or packed."""

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import polars as pl

from flowlens.ahead import abreast, ahead
from flowlens.ledger import Ledger
from flowlens.reading import hand_on, readings, refuse, shared, within
from flowlens.sources import Object
from flowlens_parsers import Batch, read
from flowlens_parsers.batch import EVERY, Wanted
from flowlens_parsers.search import prepare

if TYPE_CHECKING:
    from flowlens_parsers.packing import Packer

__all__ = ["Scan"]

Take = Callable[[Object, Batch], int]


@dataclass(frozen=True, slots=True)
class Scan:
    """One source, ready to be read any number of times."""

    objects: Sequence[Object]
    fields: dict[str, pl.DataType]
    extra: dict[str, pl.DataType]
    ledger: Ledger
    format: str | None
    strict: bool
    wanted: Wanted = EVERY

    def batches(
        self,
        columns: list[str] | None,
        predicate: pl.Expr | None,
        limit: int | None,
        size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield frames as Polars asks for them; the limit counts before the predicate."""
        every = dict.fromkeys([*self.fields, *self.extra, "flow_log"])
        wanted = columns if columns is not None else list(every)
        roots = [] if predicate is None else predicate.meta.root_names()
        needed = list(dict.fromkeys([*wanted, *roots]))
        # Reading ahead of a limit would read, and book, what nobody asked for.
        flow = self._frames(needed) if limit is not None else self._ahead(needed)
        yield from hand_on(flow, wanted, predicate, limit, size)

    def pack(self, take: Take, packer: Callable[[], "Packer"], workers: int) -> None:
        """Read all objects, several at a time, packed where they are plain text.

        Args:
            take: given each batch with its object, from several threads; returns how many of its
                records are of the asked time.
            packer: makes one for each thread.
            workers: threads.
        """
        from flowlens_parsers.slots import SLOTS

        turn, lost = shared(self.objects), Counter[str]()
        columns = [name for name in self.fields if name in SLOTS]

        def work(_: int) -> None:
            mine = packer()

            def parse(found: Object, stream: BinaryIO) -> Iterator[Batch]:
                form = self.format or found.format
                return read(
                    stream, found.uri, format=form, packer=mine, columns=columns, wanted=self.wanted
                )

            def book(found: Object, batch: Batch) -> tuple[None, int]:
                if batch.records.height:
                    kept = within(batch.records, self.ledger.window)
                    shaped = self._shaped(found, kept, [*columns, "flow_log"])
                    return None, batch.height - take(found, replace(batch, records=shaped))
                return None, batch.height - take(found, batch)

            deque(readings(turn(), parse, book, self.ledger, lost=lost), maxlen=0)

        with ThreadPoolExecutor(workers, thread_name_prefix="pack") as pool:
            try:
                list(pool.map(work, range(workers)))
            finally:
                deque(turn(), maxlen=0)  # nobody begins another one
        refuse(self.objects, lost)

    @property
    def size(self) -> int | None:
        """Bytes of all objects as stored; None where one does not say."""
        return self.ledger.total

    def _ahead(self, needed: list[str]) -> Iterator[pl.DataFrame]:
        """Yield what `_frames` does, read ahead; several objects at a time where that is easy."""
        if self.wanted.best is None or len(self.objects) < 2:
            return ahead(self._frames(needed))
        return self._abreast(needed)

    def _abreast(self, needed: list[str]) -> Generator[pl.DataFrame]:
        lost = Counter[str]()
        prepare(self.size)
        parts = (self._some([found], needed, lost) for found in self.objects)
        yield from abreast(parts, min(len(self.objects), os.cpu_count() or 1))
        refuse(self.objects, lost)

    def _frames(self, needed: list[str]) -> Generator[pl.DataFrame]:
        """Yield the needed columns of every object, in order."""
        lost = Counter[str]()
        yield from self._some(self.objects, needed, lost)
        refuse(self.objects, lost)

    def _some(
        self, objects: Sequence[Object], needed: list[str], lost: Counter[str]
    ) -> Generator[pl.DataFrame]:
        """Yield the needed columns of some objects, in order."""
        window = self.ledger.window
        time = ("start", "end") if window.bounded else ()
        columns = [name for name in self.fields if name in needed or name in time]

        def parse(found: Object, stream: BinaryIO) -> Iterator[Batch]:
            form = self.format or found.format
            return read(stream, found.uri, format=form, columns=columns, wanted=self.wanted)

        def take(found: Object, batch: Batch) -> tuple[pl.DataFrame, int]:
            kept = within(batch.records, window)
            shaped = self._shaped(found, kept, needed) if kept.height else kept
            return shaped, batch.height - kept.height

        strict, books = self.strict, self.ledger
        for frame in readings(objects, parse, take, books, strict=strict, lost=lost):
            if frame.height:
                yield frame

    def _shaped(self, found: Object, frame: pl.DataFrame, needed: list[str]) -> pl.DataFrame:
        # with_columns first: a select of nothing but literals would have one row
        return frame.with_columns(self._column(name, frame, found) for name in needed).select(
            needed
        )

    def _column(self, name: str, frame: pl.DataFrame, found: Object) -> pl.Expr:
        """Return column `name` of the union, null where this object does not have it."""
        if name == "flow_log" and name not in frame.columns:
            return pl.lit(found.flow_log, pl.String()).alias(name)
        if name == "source" and name not in self.fields:
            return pl.lit(found.uri, pl.String()).alias(name)
        dtype = self.fields.get(name) or self.extra[name]
        if name not in frame.columns:
            return pl.lit(None, dtype).alias(name)
        return pl.col(name) if frame.schema[name] == dtype else pl.col(name).cast(dtype)
