"""The account of everything read: what became of each line of each object."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from flowlens.sources import Lost, Window
from flowlens.tables import COVERAGE, empty
from flowlens_parsers.batch import REJECTS, Batch

__all__ = ["Entry", "Ledger"]

#: Rejected lines whose text is kept. Beyond it they are only counted, by reason, so that a wrong
#: format for a hundred million lines does not fill the memory.
KEPT = 1_000_000


@dataclass(slots=True)
class Entry:
    """The account of one object; lines = records + outside + coverage + rejects."""

    lines: int = 0
    headers: int = 0
    records: int = 0  # rows handed on
    outside: int = 0  # readable records of another time than the one asked
    nodata: int = 0  # coverage lines by what they say; any other status counts with skipdata
    skipdata: int = 0
    rejects: int = 0
    bytes: int = 0  # as stored
    whole: bool = False  # read to its end
    reasons: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    lost: str | None = None  # why the object could not be read to its end
    coverage: list[pl.DataFrame] = field(default_factory=list)
    kept: list[pl.DataFrame] = field(default_factory=list)


class Ledger:
    """What was read, and what was not, over all objects of a scan.

    A second pass over an object replaces its entry, so the counts are those of one reading however
    often a lazy frame is used.

    Args:
        progress: Told the bytes read so far and the bytes in all (None if unknown), as stored.
    """

    def __init__(self, progress: Callable[[int, int | None], None] | None = None) -> None:
        self._entries: dict[str, Entry] = {}
        self._notes: dict[str, None] = {}
        self._progress = progress
        self.window = Window()
        self.total: int | None = None  # bytes of all objects, where each says its size

    def begin(self, uri: str) -> None:
        """Open the account of an object anew."""
        self._entries[uri] = Entry()

    def add(self, uri: str, batch: Batch, *, outside: int = 0) -> None:
        """Book a batch of an object.

        Args:
            uri: The object.
            batch: What was read.
            outside: How many of its records are not of the asked time.
        """
        entry = self._entries[uri]
        entry.lines += batch.lines
        entry.headers += batch.headers
        entry.records += batch.records.height - outside
        entry.outside += outside
        entry.unknown.update(batch.unknown)
        if batch.coverage.height:
            nodata = int((batch.coverage["status"] == "NODATA").sum())
            entry.nodata += nodata
            entry.skipdata += batch.coverage.height - nodata
            entry.coverage.append(batch.coverage)
        if batch.rejects.height:
            entry.rejects += batch.rejects.height
            self._reject(entry, batch.rejects)

    def lose(self, uri: str, lost: Lost) -> None:
        """Book an object that could not be read to its end, as a reject of line 0."""
        entry = self._entries[uri]
        entry.lost = lost.reason
        row = {"source": [uri], "line": [0], "reason": [lost.reason], "text": [lost.text[:200]]}
        self._reject(entry, pl.DataFrame(row, schema=REJECTS))

    def _reject(self, entry: Entry, rows: pl.DataFrame) -> None:
        entry.reasons.update(rows["reason"].to_list())
        free = KEPT - sum(frame.height for one in self._entries.values() for frame in one.kept)
        entry.kept.append(rows.head(max(0, free)))
        if rows.height > free:
            self.note(f"only the first {KEPT:,} unreadable lines are kept; all are counted")

    def read(self, uri: str, size: int) -> None:
        """Book that `size` bytes of an object were read so far."""
        self._entries[uri].bytes = size
        if self._progress is not None:
            self._progress(sum(entry.bytes for entry in self._entries.values()), self.total)

    def end(self, uri: str) -> None:
        """Close the account of an object that was read to its end."""
        self._entries[uri].whole = self._entries[uri].lost is None

    def note(self, text: str) -> None:
        """Keep something to tell, once."""
        self._notes[text] = None

    def coverage(self) -> pl.DataFrame:
        """Return the NODATA and SKIPDATA lines that overlap the asked time, in order."""
        frames = [frame for entry in self._entries.values() for frame in entry.coverage]
        frame = pl.concat([empty(COVERAGE), *frames])
        since, until = self.window.since, self.window.until
        if since is not None:
            frame = frame.filter((pl.col("end") >= since).fill_null(value=True))
        if until is not None:
            frame = frame.filter((pl.col("start") < until).fill_null(value=True))
        return frame.sort("start", "end", "observer", "status", "source")

    def rejects(self) -> pl.DataFrame:
        """Return the lines, and with line 0 the objects, that could not be read, in order."""
        frames = [frame for entry in self._entries.values() for frame in entry.kept]
        return pl.concat([empty(REJECTS), *frames]).sort("source", "line", maintain_order=True)

    def counts(self) -> dict[str, int]:
        """Return the totals; lines = records + outside + nodata + skipdata + rejects."""
        entries = self._entries.values()
        names = ("bytes", "lines", "headers", "records", "outside", "nodata", "skipdata", "rejects")
        totals = {name: sum(getattr(entry, name) for entry in entries) for name in names}
        lost = sum(entry.lost is not None for entry in entries)
        partial = sum(not entry.whole and entry.lost is None for entry in entries)
        return {"objects": len(entries), "lost": lost, "partial": partial, **totals}

    def reasons(self) -> dict[str, int]:
        """Return how many lines and objects were rejected for each reason, most frequent first."""
        total: Counter[str] = Counter()
        for entry in self._entries.values():
            total.update(entry.reasons)
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))

    def objects(self) -> pl.DataFrame:
        """Return the account of each object, by name."""
        names = ("bytes", "lines", "headers", "records", "outside", "nodata", "skipdata", "rejects")
        rows = [
            {"source": uri, **{name: getattr(entry, name) for name in names}, "lost": entry.lost}
            for uri, entry in sorted(self._entries.items())
        ]
        schema = {"source": pl.String(), **dict.fromkeys(names, pl.UInt64()), "lost": pl.String()}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def notes(self) -> list[str]:
        """Return what a reader of the results should know, each thing once."""
        notes = list(self._notes)
        unknown: dict[str, str] = {}
        for uri, entry in sorted(self._entries.items()):
            for name in sorted(entry.unknown):
                unknown.setdefault(name, uri)
        if unknown:
            names = ", ".join(f"{name} (first in {uri})" for name, uri in sorted(unknown.items()))
            notes.append(f"fields that AWS does not document, kept as text: {names}")
        return notes
