import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from flowlens.store import Store, batch, ingest

KILLS = 50

#: A server that has imported everything and started no thread forks children in a moment.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["flowlens.store", "deltalake", "pyarrow", "isal.igzip_threaded"])


def work(src: str, store: str, folder: str) -> None:
    """Ingest in batches of three objects, as a process of its own."""
    os.environ["TMPDIR"] = folder
    batch.OBJECTS_AT_ONCE = 3
    ingest(src, store)


def child(src: Path, store: Path, folder: Path) -> BaseProcess:
    made = FORKS.Process(target=work, args=(str(src), str(store), str(folder)))
    made.start()
    return made


def test_killed_at_any_moment_it_ends_as_one_clean_run(
    tmp_path: Path, logs: Path, content: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After fifty kills at random moments, the next run ends with the tables of a clean run."""
    monkeypatch.setattr(batch, "OBJECTS_AT_ONCE", 3)
    clean = Store(str(tmp_path / "clean"))
    child(logs, tmp_path / "warm", tmp_path).join()
    begun = time.monotonic()
    child(logs, Path(clean.root), tmp_path).join()
    length = time.monotonic() - begun
    wanted = content(clean)
    assert len(wanted["objects"]) == 12
    dice = random.Random(3)
    kills, stores = 0, 0
    while kills < KILLS:
        store = tmp_path / f"store-{stores}"
        stores += 1
        for _ in range(6):
            process = child(logs, store, tmp_path)
            process.join(dice.uniform(0.02, length))
            if process.exitcode is None and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            process.join()
            if process.exitcode == 0:
                break
        ingest(logs, store)
        assert content(Store(str(store))) == wanted


def test_two_at_once_are_one(tmp_path: Path, logs: Path, content: Callable[..., Any]) -> None:
    """Processes that ingest overlapping sources at the same time keep every record once."""
    clean, both = Store(str(tmp_path / "clean")), Store(str(tmp_path / "both"))
    ingest(logs, clean)
    for _ in range(2):
        processes = [child(logs, Path(both.root), tmp_path) for _ in range(3)]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0]
    # Of two copies the first that was committed is kept, so its place may differ; batches too.
    but = ("batch", "kept", "line", "source")
    assert content(both, but=but) == content(clean, but=but)
    assert sum(row[2] for row in both.scan("objects").select("uri", "batch", "kept").collect().rows()) == len(content(clean)["records"])
