"""The account of one reading, and of readings before: what `flowlens.ledger` adds up."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from flowlens.sources import Lost
from flowlens_parsers.batch import REJECTS, Batch

__all__ = ["COUNTED", "KEPT", "Books", "Entry"]

#: Rejected lines whose text is kept. Beyond it they are only counted, by reason, so that a wrong
#: format for a hundred million lines does not fill the memory.
KEPT = 1_000_000

COUNTED = (
    *("bytes", "lines", "headers", "records", "outside", "nodata", "skipdata", "rejects"),
    "unread",
)


@dataclass(slots=True)
class Entry:
    """The account of one reading of one object; lines = records + outside + coverage + rejects."""

    lines: int = 0
    headers: int = 0
    records: int = 0  # rows handed on
    outside: int = 0  # readable records of another time than the one asked
    nodata: int = 0  # coverage lines by what they say; any other status counts with skipdata
    skipdata: int = 0
    rejects: int = 0
    unread: int = 0  # lines or rows passed over, whatever they are
    bytes: int = 0  # as stored
    whole: bool = False  # read to its end
    reasons: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    lost: str | None = None  # why the object could not be read to its end
    coverage: list[pl.DataFrame] = field(default_factory=list)
    kept: list[pl.DataFrame] = field(default_factory=list)
    room: int = field(default_factory=lambda: KEPT)  # rejected lines that may still be kept

    def add(self, batch: Batch, *, outside: int = 0) -> None:
        """Book a batch, `outside` of whose records are not of the asked time."""
        self.lines += batch.lines
        self.headers += batch.headers
        self.records += batch.height - outside
        self.outside += outside
        self.unread += batch.unread
        self.unknown.update(batch.unknown)
        if batch.coverage.height:
            nodata = batch.coverage["status"].to_list().count("NODATA")
            self.nodata += nodata
            self.skipdata += batch.coverage.height - nodata
            self.coverage.append(batch.coverage)
        if batch.rejects.height:
            self.rejects += batch.rejects.height
            self.reject(batch.rejects)

    def lose(self, uri: str, lost: Lost) -> None:
        """Book that the object could not be read to its end, as a reject of line 0."""
        self.lost = lost.reason
        row = {"source": [uri], "line": [0], "reason": [lost.reason], "text": [lost.text[:200]]}
        self.reject(pl.DataFrame(row, schema=REJECTS))

    def reject(self, rows: pl.DataFrame) -> None:
        """Keep rejected lines while there is room, and count them."""
        self.reasons.update(rows["reason"].to_list())
        self.kept.append(rows.head(self.room))
        self.room -= self.kept[-1].height

    def shorten(self, room: int) -> None:
        """Keep no more than the first `room` rejected lines."""
        rows = pl.concat(self.kept)
        self.kept = [rows.head(room)]


@dataclass(frozen=True, slots=True)
class Books:
    """An account that was kept when objects were read before; looked into when it is asked for.

    Args:
        objects: Returns `source`, `COUNTED` and `lost` of each object.
        coverage: Returns the lines that are no flows.
        rejects: Returns the lines that could not be read.
    """

    objects: Callable[[], pl.LazyFrame]
    coverage: Callable[[], pl.LazyFrame]
    rejects: Callable[[], pl.LazyFrame]
