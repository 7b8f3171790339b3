"""The store: what was ingested, exactly once, as Delta tables that other engines read as they are.

::

    objects -> batch -> records      one commit a batch, numbered     batch, distinct, commit
    records -> conversations         one commit a day                 days
    store -> frames                  every command                    scan, point

`which` knows a store, `place` says where a table is and how to reach it, `schema` how its columns
are kept. Nothing here imports Delta before a store is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

#: Module -> the public names that live in it.
_HOMES = {
    "ingest": ("Summary", "ingest"),
    "place": ("Store",),
    "point": ("about",),
    "scan": ("answers", "conversations", "coverage", "objects", "records", "rejects"),
    "which": ("is_store",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a question needs nothing of what writes."""
    for home, names in _HOMES.items():
        if name in names:
            module = import_module(f"{__name__}.{home}")
            # A function may have the name of its module, which importing has just put here.
            globals().update({each: getattr(module, each) for each in names})
            return globals()[name]
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
