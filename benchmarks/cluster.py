"""No cluster, one worker, two workers: the same `flowlens conversations`, measured in turn.

Scheduler and workers are processes of this machine, one thread each, that have done the work once
before; how long they take to start is measured beside it. Every result must be equal. Then each
stage is measured by itself, in this process, for the figures that docs/scale.md computes with.

    python benchmarks/cluster.py [RECORDS] [RUNS] [--pairs N] [--data FOLDER]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.capture import write
from benchmarks.engines import machine, run
from flowlens.cluster.blobs import load, save
from flowlens.cluster.orient import merge, near, settle
from flowlens.cluster.portable import groups, portable
from flowlens.cluster.scratch import scratch
from flowlens.cluster.spread import Piece, Plan, spread
from flowlens.cluster.views import INNER, PART
from flowlens.conversations.flows import fields
from flowlens.records import scan_records, scanned
from flowlens.scan import Scan
from flowlens.sources import Aws

TICK = os.sysconf("SC_CLK_TCK")
PORT = 18_787
HEADINGS = (
    *("workers", "wall s", "client CPU s", "workers CPU s", "client MB", "worker MB", "start s"),
    "wall ÷ none",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One run.

    Args:
        wall: seconds.
        client: processor seconds of the command.
        workers: processor seconds of all workers.
        peak: megabytes of resident memory of the command.
        most: megabytes of the largest worker so far.
    """

    wall: float
    client: float
    workers: float = 0.0
    peak: float = 0.0
    most: float = 0.0


@dataclass(slots=True)
class Workers:
    """A scheduler and its workers, and how long they took to start."""

    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    start: float = 0.0

    def used(self) -> float:
        """Return the processor seconds of all so far."""
        return sum(_stat(one.pid) for one in self.processes)

    def most(self) -> float:
        """Return the largest peak of resident memory, in megabytes."""
        return max((_peak(one.pid) for one in self.processes), default=0.0)


def _stat(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(one.split()[1]) / 1024 for one in lines if one.startswith("VmHWM"))


@contextmanager
def workers(count: int) -> Iterator[Workers]:
    """Start a scheduler and workers; none for 0."""
    from distributed import Client

    made, begin = Workers(), time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    place = f"tcp://127.0.0.1:{PORT}"
    plain = ["--no-dashboard"]
    own = [place, "--nthreads", "1", "--no-nanny", "--memory-limit", "0"]
    options = [("scheduler", ["--host", "127.0.0.1", "--port", str(PORT)])]
    options += [("worker", own)] * count
    with ExitStack() as stack:
        for what, more in options if count else ():
            command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *plain, *more]
            process = stack.enter_context(subprocess.Popen(command, **quiet))  # type: ignore[call-overload]
            stack.callback(process.kill)
            made.processes.append(process)
        if count:
            with Client(place, timeout=30, set_as_default=False) as client:  # type: ignore[no-untyped-call]
                client.wait_for_workers(count)
        made.start = time.perf_counter() - begin
        yield made


def measure(logs: Path, count: int, out: Path, made: Workers) -> Figures:
    """Run the command once."""
    command = ["flowlens", "conversations", str(logs), "-o", str(out)]
    if count:
        command += ["--engine", f"dask://127.0.0.1:{PORT}"]
    before = made.used()
    cost = run(command)
    return Figures(cost.wall, cost.cpu, made.used() - before, cost.peak or 0.0, made.most())


def stages(logs: Path) -> Iterator[str]:
    """Measure what a worker does for each stage, and how much it leaves behind."""
    records = scan_records(logs)
    scan = scanned(records)
    assert scan is not None
    size = scan.size or 0
    bits = max(2, (size // PART).bit_length())
    with scratch(tempfile.gettempdir(), Aws()) as place:
        inner = min(8, (size // 2**bits // INNER).bit_length())
        plan = Plan(
            place, scan.fields, fields(records), scan.ledger.window, None, Aws(), bits, inner
        )
        yield from _stages(scan, plan)


def _stages(scan: Scan, plan: Plan) -> Iterator[str]:
    parts: dict[int, list[Piece]] = defaultdict(list)
    count = 0
    begin = time.process_time()
    for group in groups(portable(scan.objects), 8):
        ledger, pieces = spread(plan, group)
        count += ledger.counts()["records"]
        for piece in pieces:
            parts[piece[0]].append(piece)
    middle = time.process_time()
    left = sum(piece[3] for some in parts.values() for piece in some)
    found = [settle(plan, some) for some in parts.values()]
    flows = sum(sum(part.sizes) for part in found)
    with plan.scratch.create("open") as (open, stream):
        texts = [load(plan.scratch.read(part.name, sum(part.sizes[:-1])))[0] for part in found]
        save(stream, pl.concat(texts).unique(), np.empty((0, 1), np.uint64))
    near_files = [near(plan, part, open) for part in found]
    names = [merge(plan, part, None) for part in found]
    end = time.process_time()
    around, views = (
        sum((Path(plan.scratch.root) / name).stat().st_size for name in some)
        for some in (near_files, names)
    )
    yield f"| stored | {(scan.size or 0) / count:.1f} bytes a record |"
    yield f"| spread | {(middle - begin) / count * 1e6:.2f} CPU s a million records |"
    yield f"| left in parts | {left / count:.1f} bytes a record, {len(parts)} parts |"
    yield f"| three tasks a part | {(end - middle) / count * 1e6:.2f} CPU s a million records |"
    yield f"| flows | {flows / count:.1f} bytes a record |"
    yield f"| 5-tuples near open ones | {around / count:.1f} bytes a record |"
    yield f"| views | {views / count:.1f} bytes a record |"


def row(count: int, some: list[Figures], alone: float, start: float) -> str:
    """Return a row of medians."""

    def middle(name: str) -> float:
        return float(statistics.median(getattr(one, name) for one in some))

    wall = middle("wall")
    cpu = f"{middle('client'):.2f} | {middle('workers'):.2f}"
    memory = f"{middle('peak'):.0f} | {middle('most'):.0f}"
    return (
        f"| {count or 'none'} | {wall:.2f} | {cpu} | {memory} | {start:.1f} | {wall / alone:.2f} |"
    )


def compare(logs: Path, runs: int, folder: Path) -> None:
    """Measure all, compare the results, print."""
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    first, alone = None, 0.0
    for count in (0, 1, 2):
        out = folder / f"{count}.parquet"
        with workers(count) as made:
            measure(logs, count, out, made)
            some = [measure(logs, count, out, made) for _ in range(runs)]
        table = pl.read_parquet(out)
        first = table if first is None else first
        if not table.equals(first):
            sys.exit(f"{count} workers give another table")
        alone = alone or statistics.median(one.wall for one in some)
        print(row(count, some, alone, made.start), flush=True)


def main() -> None:
    """Generate, run in turn, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("records", type=int, nargs="?", default=1_000_000)
    parser.add_argument("runs", type=int, nargs="?", default=3)
    parser.add_argument("--pairs", type=int, help="pairs of client and service in each hour")
    parser.add_argument("--data", type=Path, help="a folder with logs, instead of making some")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        logs = given.data
        if logs is None:
            write(given.records, Path(folder), pairs=given.pairs)
            logs = Path(folder) / "v2"
        print(machine())
        compare(logs, given.runs, Path(folder))
        for line in stages(logs):
            print(line)


if __name__ == "__main__":
    main()
