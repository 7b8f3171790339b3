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
from tests.store.worker import child

KILLS = 50


def kill(process: BaseProcess) -> bool:
    """Kill a process unless it is done; say whether it was running."""
    running = process.exitcode is None
    if running and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return running


def test_killed_at_any_moment_it_ends_as_one_clean_run(
    tmp_path: Path, logs: Path, content: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After fifty kills at random moments, the next run ends with the tables of a clean run."""
    monkeypatch.setattr(batch, "OBJECTS_AT_ONCE", 6)
    child(logs, tmp_path / "warm", tmp_path).join()
    begun = time.monotonic()
    child(logs, tmp_path / "clean", tmp_path).join()
    length = time.monotonic() - begun
    wanted = content(Store(str(tmp_path / "clean")))
    assert len(wanted["objects"]) == 12
    dice = random.Random(3)
    kills, stores = 0, 0
    while kills < KILLS:
        pair = [tmp_path / f"store-{stores + side}" for side in (0, 1)]
        stores += 2
        for _ in range(8):
            processes = [child(logs, store, tmp_path) for store in pair]
            time.sleep(dice.uniform(0.02, length))
            kills += sum([kill(process) for process in processes])
        for store in pair:
            ingest(logs, store)
            assert content(Store(str(store))) == wanted


@pytest.mark.parametrize(
    "behind", [("coverage", "rejects", "objects"), ("objects",), ("by_server",), ("conversations",)]
)
def test_what_a_batch_lacks_is_made_up_for(
    tmp_path: Path, logs: Path, content: Callable[..., Any], behind: tuple[str, ...]
) -> None:
    """A table whose last commit was never made gets it, also if the objects are gone by then."""
    store = Store(str(tmp_path / "store"))
    ingest(logs, store)
    wanted = content(store)
    for name in behind:
        *_, last = sorted((tmp_path / "store" / name / "_delta_log").glob("*.json"))
        last.unlink()
    assert content(store) != wanted
    for path in list(logs.iterdir())[1:]:
        path.unlink()
    assert ingest(logs, store).kept == 0
    assert content(store) == wanted


def test_two_at_once_are_one(tmp_path: Path, logs: Path, content: Callable[..., Any]) -> None:
    """Processes that ingest overlapping sources at the same time keep every record once."""
    clean, both = Store(str(tmp_path / "clean")), Store(str(tmp_path / "both"))
    ingest(logs, clean)
    processes = [child(logs, Path(both.root), tmp_path) for _ in range(3)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    # Of two copies the first that was committed is kept, so its place may differ; batches too.
    but = ("batch", "kept", "line", "source")
    assert content(both, but=but) == content(clean, but=but)
    kept = both.scan("objects").select("kept").collect()["kept"].sum()
    assert kept == len(content(clean)["records"])
