"""The account of everything read: what became of each line of each object."""

from collections import Counter
from collections.abc import Callable
from threading import Lock

import polars as pl

from flowlens import words
from flowlens.entries import COUNTED, KEPT, Books, Entry
from flowlens.sources import Window
from flowlens.tables import COVERAGE, empty
from flowlens_parsers.batch import REJECTS

__all__ = ["Ledger"]


class Ledger:
    """What was read, and what was not, over all objects of a scan.

    Each reading of an object fills an entry of its own; when it is over the entry replaces the one
    before. So the counts are those of one reading, however often a lazy frame is used, also where
    an engine reads it twice at the same time.

    Args:
        progress: Told the bytes read so far and the bytes in all (None if unknown), as stored.
        speak: Told at once what cannot wait until the end of a run, such as costs.
    """

    def __init__(
        self,
        progress: Callable[[int, int | None], None] | None = None,
        speak: Callable[[str], None] | None = None,
    ) -> None:
        self._entries: dict[str, Entry] = {}
        self._books: dict[str, Books] = {}
        self._notes: dict[str, None] = {}
        self._progress = progress
        self._speak = speak
        self._read: dict[str, int] = {}
        self._done = 0
        self._kept = 0
        self._lock = Lock()
        self.window = Window()
        self.total: int | None = None  # bytes of all objects, where each says its size
        self.asked = ""  # the filter by which lines are passed over

    def apart(self) -> "Ledger":
        """Return a ledger of the same time and progress that another reading may fill."""
        other = Ledger(self._progress, self._speak)
        other.window, other.total = self.window, self.total
        return other

    def settle(self, uri: str, entry: Entry) -> None:
        """Take the entry of a reading that is over, unless a more complete one is there."""
        with self._lock:
            before = self._entries.get(uri, Entry())
            if before.whole and not entry.whole:
                return
            kept, free = KEPT - entry.room, KEPT - self._kept + KEPT - before.room
            if kept > free:
                entry.shorten(free)
            if sum(entry.reasons.values()) > min(kept, free):
                self.note(f"only the first {KEPT:,} unreadable lines are kept; all are counted")
            entry.room = KEPT - min(kept, free)
            self._kept += before.room - entry.room
            self._entries[uri] = entry

    def merge(self, other: "Ledger") -> None:
        """Take what another one has, as that of a worker."""
        for uri, entry in other._entries.items():
            self.settle(uri, entry)
        self._notes |= other._notes

    def __getstate__(self) -> tuple[dict[str, Entry], dict[str, None]]:
        """Return what is worth sending to another process."""
        return self._entries, self._notes

    def __setstate__(self, state: tuple[dict[str, Entry], dict[str, None]]) -> None:
        self.__init__()  # type: ignore[misc]  # listeners and the lock stay where they are
        self._entries, self._notes = state

    def bring(self, origin: str, books: Books) -> None:
        """Take an account over; objects that are read here as well count as they are here.

        Args:
            origin: Whose account it is; it counts once, however often it is brought.
            books: The account.
        """
        self._books[origin] = books

    def _brought(self, name: str) -> list[pl.DataFrame]:
        """Return one of the tables of each account that was taken over."""
        here = pl.col("source").is_in(list(self._entries))
        return [getattr(books, name)().filter(~here).collect() for books in self._books.values()]

    def tell(self, uri: str, size: int) -> None:
        """Tell that `size` bytes of an object were read so far."""
        with self._lock:
            self._done += max(0, size - self._read.get(uri, 0))
            self._read[uri] = max(size, self._read.get(uri, 0))
            if self._progress is not None:
                self._progress(self._done, self.total)

    def note(self, text: str) -> None:
        """Keep something to tell, once."""
        self._notes[text] = None

    def say(self, text: str) -> None:
        """Tell something at once; where nobody listens it is kept as a note."""
        if self._speak is None:
            self.note(text)
        else:
            self._speak(text)

    def coverage(self) -> pl.DataFrame:
        """Return the NODATA and SKIPDATA lines that overlap the asked time, in order."""
        frames = [frame for entry in self._entries.values() for frame in entry.coverage]
        frame = pl.concat([empty(COVERAGE), *frames, *self._brought("coverage")])
        since, until = self.window.since, self.window.until
        if since is not None:
            frame = frame.filter((pl.col("end") >= since).fill_null(value=True))
        if until is not None:
            frame = frame.filter((pl.col("start") < until).fill_null(value=True))
        return frame.sort("start", "end", "observer", "status", "source")

    def rejects(self) -> pl.DataFrame:
        """Return the lines, and with line 0 the objects, that could not be read, in order."""
        frames = [frame for entry in self._entries.values() for frame in entry.kept]
        whole = pl.concat([empty(REJECTS), *frames, *self._brought("rejects")])
        return whole.sort("source", "line", maintain_order=True)

    def counts(self) -> dict[str, int]:
        """Return the totals; lines = records + outside + nodata + skipdata + rejects.

        What is `unread` comes on top.
        """
        objects, entries = self.objects(), self._entries.values()
        totals = {name: int(objects[name].sum()) for name in COUNTED}
        lost = objects["lost"].count()
        partial = sum(not entry.whole and entry.lost is None for entry in entries)
        return {"objects": objects.height, "lost": lost, "partial": partial, **totals}

    def reasons(self) -> dict[str, int]:
        """Return how many lines and objects were rejected for each reason, most frequent first."""
        total: Counter[str] = Counter()
        for entry in self._entries.values():
            total.update(entry.reasons)
        for frame in self._brought("rejects"):
            total.update(dict(frame["reason"].value_counts().iter_rows()))
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))

    def objects(self) -> pl.DataFrame:
        """Return the account of each object, by name."""
        rows = [
            {"source": uri, **{name: getattr(entry, name) for name in COUNTED}, "lost": entry.lost}
            for uri, entry in sorted(self._entries.items())
        ]
        schema = {"source": pl.String(), **dict.fromkeys(COUNTED, pl.UInt64()), "lost": pl.String()}
        frames = [pl.DataFrame(rows, schema=schema, orient="row"), *self._brought("objects")]
        return pl.concat(frames).sort("source")

    def notes(self) -> list[str]:
        """Return what a reader of the results should know, each thing once."""
        notes = list(self._notes)
        unread = sum(entry.unread for entry in self._entries.values())
        if unread:
            why = f"for {self.asked!r}" if self.asked else "for this time"
            told = "unreadable ones among them are unknown (--rejects FILE reads all)"
            lines = words.noun(unread, "line")
            notes.append(f"{lines} that cannot count {why} were not read; {told}")
        unknown: dict[str, str] = {}
        for uri, entry in sorted(self._entries.items()):
            for name in sorted(entry.unknown):
                unknown.setdefault(name, uri)
        if unknown:
            names = ", ".join(f"{name} (first in {uri})" for name, uri in sorted(unknown.items()))
            notes.append(f"fields that AWS does not document, kept as text: {names}")
        return notes
