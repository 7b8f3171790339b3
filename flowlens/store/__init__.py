"""The store: what was ingested, exactly once, as Delta tables that other engines read as they are.

::

    objects -> batch -> records      one commit a batch, numbered     batch, distinct, commit
    records -> conversations         one commit a day                 days
    store -> frames                  every command                    scan, point

`which` knows a store, `place` says where a table is and how to reach it, `schema` how its columns
are kept. Nothing here imports Delta before a store is used.
"""

from typing import TYPE_CHECKING

from flowlens.deferred import defer

if TYPE_CHECKING:
    from flowlens.store.ingest import Summary, ingest
    from flowlens.store.place import Store
    from flowlens.store.point import about
    from flowlens.store.scan import answers, conversations, coverage, objects, records, rejects
    from flowlens.store.which import is_store

__all__ = [
    "Store",
    "Summary",
    "about",
    "answers",
    "conversations",
    "coverage",
    "ingest",
    "is_store",
    "objects",
    "records",
    "rejects",
]

defer(
    __name__,
    {
        "ingest": ("Summary", "ingest"),
        "place": ("Store",),
        "point": ("about",),
        "scan": ("answers", "conversations", "coverage", "objects", "records", "rejects"),
        "which": ("is_store",),
    },
)
