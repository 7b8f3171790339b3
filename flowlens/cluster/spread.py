"""What workers do first for conversations: objects to packed records, in parts.

A task reads its objects as one machine does, through the same kernels, and leaves the records in
parts by their two addresses. A 5-tuple, a conversation and every copy of a record lie in one part,
so parts are merged one by one, whoever read the records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import polars as pl

from flowlens.cluster.blobs import Codes, known, parts, recoded, save, split
from flowlens.cluster.portable import opened
from flowlens.cluster.scratch import Scratch
from flowlens.conversations.codes import NOTHING, WORD
from flowlens.conversations.flows import coded, versioned
from flowlens.conversations.packed import integers, second
from flowlens.conversations.shelf import EVER
from flowlens.errors import AccessError
from flowlens.ledger import Ledger
from flowlens.scan import Scan
from flowlens.sources import Aws, Object, Window
from flowlens_parsers import Batch
from flowlens_parsers.packing import Packer
from flowlens_parsers.slots import PLACES
from flowlens_parsers.tokens import Words

__all__ = ["Piece", "Plan", "spread"]

ROWS = 4_000_000  # packed records, 72 bytes each, that a task holds before it writes
TIMES, ACTION = 3, 6  # where a packed record has what
LOW, HALF = np.uint64(WORD - 1), np.uint64(32)

#: Which part, in which file, from which byte on, how many of them.
Piece = tuple[int, str, int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What all tasks of a run share.

    Args:
        scratch: Where they leave what others take up.
        fields: Columns of all objects together.
        columns: Those of them that conversations are made of.
        window: The asked time.
        format: Log format of lines without a header.
        aws: How to reach AWS.
        bits: There are 2 ** bits parts.
        inner: A part is merged in 2 ** inner pieces.
    """

    scratch: Scratch
    fields: dict[str, pl.DataType]
    columns: frozenset[str]
    window: Window
    format: str | None
    aws: Aws
    bits: int
    inner: int


def spread(plan: Plan, objects: Sequence[Object]) -> tuple[Ledger, list[Piece]]:
    """Read objects; leave their records in parts.

    Returns:
        The account of the reading, and where the parts are.

    Raises:
        TooFar: A time is after 2105.
        AccessError: Credentials ran out.
    """
    ledger = Ledger()
    ledger.window = plan.window
    scan = Scan(opened(objects, plan.aws), plan.fields, {}, ledger, plan.format, strict=False)
    with plan.scratch.create("records") as (name, stream):
        sorter = _Sorter(plan, name, stream)
        try:
            scan.pack(sorter.take, lambda: Packer(sorter.code), 1)
        except AccessError:
            # Whether every object of the run was refused is for the client to say.
            if set(ledger.objects()["lost"]) != {"denied"}:
                raise
        sorter.write()
    return ledger, sorter.pieces


class _Sorter:
    """Takes packed records of objects, and writes them in parts.

    Args:
        plan: What all tasks share.
        name: Of the file.
        stream: The file.
    """

    def __init__(self, plan: Plan, name: str, stream: BinaryIO) -> None:
        self.plan, self.name, self.stream = plan, name, stream
        self.words = pl.Categorical(pl.Categories.random("flowlens"))
        self.kept = pl.Series(dtype=self.words)
        self.since = second(plan.window.since, 0)
        self.until = second(plan.window.until, EVER)
        self.pieces: list[Piece] = []
        self.blocks: list[Words] = []
        self.held = self.end = 0

    def code(self, texts: pl.Series) -> Codes:
        """Code texts, for a packer."""
        return known(self.words, texts)

    def take(self, found: Object, batch: Batch) -> int:
        """Take what was read, as a scan hands it on; return how many records are kept."""
        plan, log = self.plan, np.uint64(NOTHING)
        if found.flow_log is not None:
            log = np.uint64(self.code(pl.Series([found.flow_log]))[0])
        kept = 0
        for some in batch.packed:
            kept += self._hold(self._coded(some.rows, some.codes, log))
        if batch.records.height:
            frame = coded(batch.records.lazy(), self.words, plan.columns)
            self._hold(integers(frame))
            kept += batch.records.height
        if self.held >= ROWS:
            self.write()
        return kept

    def write(self) -> None:
        """Write what is held behind what was written before."""
        if not self.held:
            return
        rows, texts = np.concatenate(self.blocks), self.words.categories.to_series()
        self.blocks, self.held = [], 0
        count = 2**self.plan.bits
        part = parts(rows, texts, self.plan.bits)
        for number, (used, mine) in enumerate(split(rows, part, count, len(texts))):
            if len(mine):
                size = save(self.stream, texts.gather(used), mine)
                self.pieces.append((number, self.name, self.end, size))
                self.end += size

    def _coded(self, rows: Words, codes: Codes | None, log: np.uint64) -> Words:
        """Return a copy of the rows of the asked time, with the dictionary's codes."""
        start, end = rows[:, TIMES] & LOW, rows[:, TIMES] >> HALF
        when = np.where(start == 0, end, start)
        asked = (when == 0) | ((when >= self.since) & (when < self.until))
        rows = rows[asked]
        if codes is not None:
            for at in (0, PLACES, 7, 8):
                low, high = recoded(rows[:, at] & LOW, codes), recoded(rows[:, at] >> HALF, codes)
                rows[:, at] = low | (high << HALF)
            rows[:, ACTION] = recoded(rows[:, ACTION] & LOW, codes)
        if log != NOTHING or not versioned(self.plan.columns):
            rows[:, PLACES] = (rows[:, PLACES] & LOW) | (log << HALF)
        return rows

    def _hold(self, rows: Words) -> int:
        self.blocks.append(rows)
        self.held += len(rows)
        return len(rows)
