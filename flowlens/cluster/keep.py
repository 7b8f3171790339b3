"""Batches for a store, read by workers; the client commits them, in order, as ever."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flowlens.cluster.engine import Engine
from flowlens.cluster.portable import opened, portable
from flowlens.cluster.scratch import OWN, Scratch
from flowlens.ledger import Ledger
from flowlens.sources import Aws, Object
from flowlens.store import Store
from flowlens.store.batch import KINDS, Batch, gather, gathered
from flowlens.store.distinct import Kind

__all__ = ["gathers"]


@dataclass(frozen=True, slots=True)
class _Task:
    """What all tasks of a run share."""

    scratch: Scratch
    table: str
    aws: Aws
    format: str | None
    strict: bool


def gathers(
    engine: Engine,
    store: Store,
    kind: Kind,
    groups: Sequence[Sequence[Object]],
    target: Path,
    *,
    format: str | None,
    strict: bool,
) -> Iterator[Batch]:
    """Yield each group as a batch whose rows lie in one file, always the same one.

    Args:
        engine: Where the workers are.
        store: Beside whose tables the scratch folder is, unless the engine has one.
        kind: Which table the rows are for.
        groups: The objects of each batch.
        target: The file; what was in it is replaced.
        format: Log format of lines without a header.
        strict: Raise at the first line or object that cannot be read.

    Raises:
        UsageError: No scheduler is there, or workers cannot reach what they need.
        StrictError: Under `strict`: a line was rejected.
    """
    sent = [portable(group) for group in groups]
    everything = [found for group in sent for found in group]
    with engine.cluster(everything, store.uri(OWN)) as cluster:
        task = _Task(cluster.theirs, kind.table, cluster.aws, format, strict)
        answers = cluster.each(_gather, ((task, group) for group in sent))
        for group, (name, ledger) in zip(groups, answers, strict=True):
            cluster.scratch.fetch(name, target)
            yield gathered(kind, group, target, ledger)


def _gather(task: _Task, objects: Sequence[Object]) -> tuple[str, Ledger]:
    """Read objects, on a worker; return the file with their rows, and the account."""
    ledger, kind = Ledger(), KINDS[task.table]
    found = opened(objects, task.aws)
    with TemporaryDirectory(prefix="flowlens-") as folder:
        rows = Path(folder) / "rows.parquet"
        gather(kind, found, rows, ledger, format=task.format, strict=task.strict)
        with task.scratch.create(task.table) as (name, stream), rows.open("rb") as file:
            shutil.copyfileobj(file, stream)
    return name, ledger
