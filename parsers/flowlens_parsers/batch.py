"""What readers hand on: typed frames with a full account of every line."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from flowlens_parsers.fields import OWN, SCHEMA, TIME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowlens_parsers.packing import Packer

__all__ = [
    "ANSWERS",
    "COVERAGE",
    "EVERY",
    "LINE",
    "REJECTS",
    "SIZE",
    "TEXT",
    "Batch",
    "Clause",
    "Layout",
    "Options",
    "Packed",
    "Wanted",
    "passed",
    "reject",
    "rejects",
]

#: Type of the column `line`: 1-based line, message or row number in the decompressed object.
LINE = pl.UInt64()

#: Characters of a rejected line that are kept.
TEXT = 200

#: Bytes of text that are parsed at once: large enough to hide the cost of a call, small enough to
#: stay near the processor.
SIZE = 8 << 20

COVERAGE: dict[str, pl.DataType] = {
    "observer": pl.String(),  # interface, or nat-…, or tgw-attach-…
    "status": pl.String(),  # NODATA, SKIPDATA, or a status nobody knows yet
    "start": TIME,
    "end": TIME,
    "source": pl.String(),
}

REJECTS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "line": LINE,
    "reason": pl.String(),  # one of errors.REASONS
    "text": pl.String(),  # the first TEXT characters
}

ANSWERS: dict[str, pl.DataType] = {
    "time": TIME,
    "srcaddr": pl.String(),
    "instance": pl.String(),
    "vpc_id": pl.String(),
    "name": pl.String(),  # lower case, no trailing dot
    "type": pl.String(),
    "rcode": pl.String(),
    "answers": pl.List(pl.Struct({"type": pl.String(), "rdata": pl.String()})),
}


@dataclass(frozen=True, slots=True)
class Packed:
    """Records as integers, laid out as `packing` has them; the next batch may take the memory.

    Args:
        rows: one for each record.
        codes: the caller's code of each that the rows have; None where they have the caller's.
    """

    rows: "NDArray[np.uint64]"
    codes: "NDArray[np.uint32] | None" = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one layout with what could not become a record.

    ``height + coverage.height + rejects.height == lines`` always holds.
    """

    records: pl.DataFrame  # typed after fields.SCHEMA; unknown fields String; `line` last
    coverage: pl.DataFrame
    rejects: pl.DataFrame
    lines: int  # data lines, without headers and blank lines
    headers: int = 0
    unknown: tuple[str, ...] = ()  # field names nobody knows
    packed: tuple["Packed", ...] = ()  # further records
    unread: int = 0  # lines or rows that were passed over, because none of them is wanted

    @property
    def height(self) -> int:
        """Records, whichever way they are kept."""
        return self.records.height + sum(len(some.rows) for some in self.packed)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns an object will give, known from its first bytes."""

    kind: str  # a key of formats.FORMATS
    fields: tuple[str, ...]  # column names in the order of the object

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column -> dtype; a field nobody knows is text.

        >>> Layout("text", ("srcport", "colour")).schema
        {'srcport': UInt16, 'colour': String}
        """
        # Only tables have types: what a line of text calls `merged` stays text.
        known = SCHEMA | OWN if self.kind == "parquet" else SCHEMA
        return {name: known.get(name, pl.String()) for name in self.fields}

    @property
    def unknown(self) -> tuple[str, ...]:
        """The fields that AWS does not document."""
        return tuple(name for name in self.fields if name not in SCHEMA)


#: Texts shorter than that are in nearly every line; for more than so many, parsing costs less.
SHORT, MANY = 3, 16


@dataclass(frozen=True, slots=True)
class Clause:
    """What every wanted record satisfies.

    Args:
        needles: texts; its line holds one of them.
        points: columns and values: one of these columns has that value, or a text that begins
            with it; None where values are spelled in many ways.
        whole: whether the texts are whole values, so that there are blanks around them.
    """

    needles: tuple[bytes, ...]
    points: tuple[tuple[str, str | int], ...] | None
    whole: bool = False

    def worth(self) -> tuple[int, int]:
        """Say how much a clause narrows: its shortest text, then how few there are."""
        return min(map(len, self.needles)), -len(self.needles)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are wanted: where a glance shows that there is none, nothing is read.

    Args:
        clauses: All hold for every wanted record.
        since: No wanted record starts before.
        until: All start before.
    """

    clauses: tuple[Clause, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def best(self) -> Clause | None:
        """The clause whose texts the fewest lines hold, as far as their length tells, if any."""
        few = [clause for clause in self.clauses if len(clause.needles) <= MANY]
        best = max(few, key=Clause.worth, default=None)
        return best if best is not None and best.worth()[0] >= SHORT else None


#: Every record is wanted, or nobody told which.
EVERY = Wanted()


@dataclass(frozen=True, slots=True)
class Options:
    """How the caller wants an object read."""

    format: str | None = None  # AWS log format for text and messages without a header
    columns: tuple[str, ...] | None = None  # columns wanted in `records`; counts never depend on it
    size: int = SIZE  # bytes of text that are parsed at once, about
    packer: "Packer | None" = None  # packs the records of text instead of typing them
    wanted: Wanted = EVERY  # what else may be passed over


def passed(count: int) -> Batch:
    """Return the batch of so many lines or rows that were passed over.

    >>> passed(7).lines, passed(7).unread
    (0, 7)
    """
    return replace(_NOTHING, unread=count)


_NOTHING = Batch(
    records=pl.DataFrame(schema={"line": LINE}),
    coverage=pl.DataFrame(schema=COVERAGE),
    rejects=pl.DataFrame(schema=REJECTS),
    lines=0,
)


def rejects(rows: Sequence[tuple[int, str, str]], source: str) -> pl.DataFrame:
    """Return a frame of `REJECTS` from (line, reason, text) rows.

    >>> rejects([(7, "not json", "{")], "a.gz").rows()
    [('a.gz', 7, 'not json', '{')]
    """
    cut = [(source, line, reason, text[:TEXT]) for line, reason, text in rows]
    return pl.DataFrame(cut, schema=REJECTS, orient="row")


def reject(line: int, reason: str, text: str, source: str) -> Batch:
    """Return the batch of one unreadable line.

    >>> reject(1, "unknown format", "PK", "a.zip").lines
    1
    """
    return Batch(
        records=pl.DataFrame(schema={"line": LINE}),
        coverage=pl.DataFrame(schema=COVERAGE),
        rejects=rejects([(line, reason, text)], source),
        lines=1,
    )
