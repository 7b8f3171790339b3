"""Which records a caller wants, as a filter of rows and as what a reader may pass over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from flowlens import filters
from flowlens.ledger import Ledger
from flowlens_parsers.batch import EVERY, Wanted

__all__ = ["EVERYTHING", "Asked"]

#: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html
SKIPPED = "SKIPDATA"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to the records of a source.

    Args:
        where: A filter; None for all records.
        now: What relative times in it count from.
        every: Read every line, so that all that are unreadable are known.
        gaps: Read lines that tell of lost records, though they are no records.
    """

    where: str | None = None
    now: datetime | None = None
    every: bool = False
    gaps: bool = False

    def rows(self, records: pl.LazyFrame) -> pl.LazyFrame:
        """Return the records that the filter describes.

        Raises:
            UsageError: The filter is wrong.
        """
        return records if self.where is None else filters.where(records, self.where, now=self.now)

    def wanted(self, schema: Mapping[str, pl.DataType], ledger: Ledger) -> Wanted:
        """Return what readers need to know to pass over lines, and tell the ledger why.

        Args:
            schema: Columns of the records.
            ledger: Has the asked time.

        Raises:
            UsageError: The filter is wrong.
        """
        if self.every:
            return EVERY
        ledger.asked = self.where or ""
        read = self.where
        if read and self.gaps and "log_status" in schema:
            read = f"({read}) or log_status = {SKIPPED}"
        found = filters.clauses(read, schema, now=self.now) if read else ()
        return Wanted(found, ledger.window.since, ledger.window.until)


#: Every record; what is of another time may be passed over.
EVERYTHING = Asked()
