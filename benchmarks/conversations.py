"""Processor time of `flowlens conversations` against DuckDB on the same file.

DuckDB does a plain ``GROUP BY`` of the records with explicit column types; flowlens finds the
clients and counts each conversation once. Both read the same .log.gz and write Parquet. The two
run in turn, each in a process of its own, and their totals must agree.

    python benchmarks/conversations.py [RECORDS] [RUNS]
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.generate import write

TYPES = {
    **dict.fromkeys(("version", "srcport", "dstport", "protocol"), "INTEGER"),
    **dict.fromkeys(("packets", "bytes", "start", "end"), "BIGINT"),
}
FIELDS = [
    *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
    *("protocol", "packets", "bytes", "start", "end", "action", "log-status"),
]
COLUMNS = ", ".join(f"'{name}': '{TYPES.get(name, 'VARCHAR')}'" for name in FIELDS)
QUERY = """
    import duckdb
    duckdb.sql('''copy (
        select "interface-id", srcaddr, dstaddr, dstport, protocol, action, start // 3600 as hour,
            sum(bytes) as bytes, sum(packets) as packets, count(*) as records,
            min(start) as first, max("end") as last
        from read_csv('{logs}', delim=' ', header=true, quote='', nullstr='-',
            columns={{{columns}}})
        where "log-status" = 'OK' group by all) to '{out}' (format parquet)''')
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: processor and wall seconds."""

    cpu: float
    wall: float


def run(command: list[str]) -> Cost:
    """Run a command and return what it cost."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(used, time.perf_counter() - begin)


def totals(path: Path) -> tuple[int, int, int]:
    """Return bytes, packets and records of a result, whichever of the two wrote it."""
    frame = pl.scan_parquet(path)
    names = frame.collect_schema().names()
    sums = [
        pl.sum_horizontal(pl.col(name for name in names if name.startswith(kind)).sum())
        for kind in ("bytes", "packets", "records")
    ]
    row = frame.select(expr.alias(str(n)) for n, expr in enumerate(sums)).collect().row(0)
    return (int(row[0]), int(row[1]), int(row[2]))


def main(records: int, runs: int) -> None:
    """Generate, run in turn, compare."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        logs = write(records, folder / "logs")[0].parent
        ours, theirs = folder / "ours.parquet", folder / "theirs.parquet"
        tool = str(Path(sys.executable).parent / "flowlens")
        query = QUERY.format(logs=f"{logs}/*.log.gz", columns=COLUMNS, out=theirs)
        commands = {
            "flowlens": [tool, "conversations", str(logs), "-o", str(ours)],
            "duckdb": [sys.executable, "-c", "\n".join(map(str.strip, query.splitlines()))],
        }
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                costs[name].append(run(command))
        if totals(ours) != totals(theirs):
            sys.exit(f"the results differ: {totals(ours)} and {totals(theirs)}")
    medians = {name: statistics.median(c.cpu for c in some) for name, some in costs.items()}
    for name, some in costs.items():
        wall = statistics.median(cost.wall for cost in some)
        print(f"{name:10} {medians[name]:6.2f} CPU s {wall:6.2f} s wall   (medians of {runs})")
    print(f"ratio      {medians['flowlens'] / medians['duckdb']:6.2f}   on {os.cpu_count()} cores")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*(given + [1_000_000, 5][len(given) :]))
