"""Join the small files that many small batches leave in a day."""

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

from flowlens.store.commit import writing
from flowlens.store.place import Store

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["compact", "crowded"]

#: Files in one day of a table from which on they are joined.
MANY = 24


def crowded(table: "DeltaTable") -> list[date]:
    """Return the days of a table that have many files."""
    files = table.get_add_actions(flatten=True)
    days = Counter(files["partition.day"].to_pylist())
    return sorted(day for day, count in days.items() if count >= MANY)


def compact(store: Store) -> None:
    """Join the files of crowded days; the files before stay until somebody vacuums.

    Another process that does the same, or that deletes, wins; nothing is lost by that.
    """
    from deltalake.exceptions import CommitFailedError

    for name in ("records", "names"):
        table = store.open(name)
        for day in crowded(table):
            try:
                table.optimize.compact(
                    partition_filters=[("day", "=", f"{day:%Y-%m-%d}")],
                    writer_properties=writing(),
                )
            except CommitFailedError:
                continue
