"""A process that ingests, forked from a server that has imported all it takes."""

import multiprocessing
import os
from multiprocessing.process import BaseProcess
from pathlib import Path

from flowlens.store import batch, ingest

#: What an ingest imports on its way. The threads that it starts by that are allocators' and one
#: of Polars that tidies up, and nobody waits for them; pools start when they are used.
PRELOAD = [
    "tests.store.worker",
    "deltalake.fs",
    "isal.igzip_threaded",
    "llvmlite.binding",
    "pyarrow.compute",
    "pyarrow.fs",
    "flowlens.conversations.packed",
]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(PRELOAD)


def work(src: str, store: str, folder: str) -> None:
    """Ingest in batches of six objects."""
    os.environ |= {"TMPDIR": folder, "POLARS_MAX_THREADS": "1"}
    batch.OBJECTS_AT_ONCE = 6
    ingest(src, store)


def child(src: Path, store: Path, folder: Path) -> BaseProcess:
    """Start an ingest as a process of its own."""
    made = FORKS.Process(target=work, args=(str(src), str(store), str(folder)))
    made.start()
    return made
