"""flowlens, DuckDB, chdb and Polars at the same work, measured in turn.

The work: from raw flow logs to the table of who talked to whom in each hour, written as Parquet.
Exact duplicates count once, the client is told from the server, client ports are counted, and of
several interfaces that wrote one conversation down the client's own is kept, else the server's,
else what lies between. All `layout.RESULT` columns of all rows must be equal, else this fails.

What is made easier for the others, because `capture` makes only such traffic:

* the lower port is always the server's; flowlens weighs flags, ports and the other 5-tuples;
* an interface has one address, or flow-direction; nothing else is asked about where it stands;
* the hours of two interfaces agree; ends that differ are kept as the client has them;
* in version 2 the legs at a NAT gateway stay what they look like, conversations with the
  gateway, as flowlens has them without an inventory. With ``pkt-*`` fields the outer leg is
  left out, the inner one is a copy of the client's own view.

They also leave out what flowlens adds: order, sureness of the roles, all observers, service and
path of the server, unreadable lines by reason. Each engine runs in a process of its own, whose
start counts. What nobody can do without is measured beside them (`limits`), without the start of
its process: to take the compression off, to look at each byte, to write the result.

    python benchmarks/engines.py [RECORDS] [RUNS] [--form v2]... [--only flowlens]... [--pairs N]
        [--data FOLDER]
"""

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.capture import FORMS, write
from benchmarks.layout import RESULT

ROOT = Path(__file__).parents[1]
ENGINES = {
    "flowlens": ["flowlens", "conversations", "{logs}", "-o", "{out}"],
    **{
        name: [f"benchmarks.in_{name}", "{form}", "{logs}", "{out}"]
        for name in ("duckdb", "chdb", "polars")
    },
}
LIMITS = {
    "inflate": "ISA-L alone",
    "scan": "ISA-L + one pass",
    "write": "writing the result",
}
VANTAGE = {"client": 0, "server": 1, "middle": 2, "unknown": 3}
HEADINGS = ("logs", "engine", "CPU s", "wall s", "peak RSS MB", "CPU ÷ flowlens")
TEXTS = ("observer", "client", "server", "action")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took.

    Args:
        cpu: processor seconds of the process and its children.
        wall: seconds.
        peak: megabytes of resident memory; nothing where that was not measured.
    """

    cpu: float
    wall: float
    peak: float | None = None


def run(command: list[str]) -> Cost:
    """Run a module in a process of its own and return what it cost."""
    whole = [sys.executable, "-S", "benchmarks/cost.py", sys.executable, "-m", *command]
    return Cost(*figures(whole))


def limits(logs: Path, result: Path, runs: int) -> dict[str, list[Cost]]:
    """Measure `LIMITS`, those that these logs have."""
    command = [sys.executable, "-m", "benchmarks.limits", str(runs), str(result), str(logs)]
    costs: dict[str, list[Cost]] = {}
    for line in printed(command).splitlines():
        name, cpu, wall = line.split()
        costs.setdefault(LIMITS[name], []).append(Cost(float(cpu), float(wall)))
    return costs


def figures(command: list[str]) -> list[float]:
    """Return the numbers that a command prints."""
    return [float(word) for word in printed(command).split()]


def printed(command: list[str]) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def result(path: Path) -> pl.DataFrame:
    """Return a result in the types and the order in which results are compared."""
    frame = pl.scan_parquet(path)
    if frame.collect_schema()["hour"].is_temporal():
        frame = frame.with_columns(
            pl.col("hour").dt.epoch("s") // 3600,
            pl.col("first_seen", "last_seen").dt.epoch("s"),
            pl.col("vantage").replace_strict(VANTAGE),
        )
    typed = (pl.col(name).cast(pl.String if name in TEXTS else pl.Int64) for name in RESULT)
    return frame.select(typed).sort(pl.all()).collect()


def measure(
    folder: Path, form: str, engines: list[str], runs: int, scratch: Path
) -> dict[str, list[Cost]]:
    """Run everything in turn on one form, check that the results are equal, return the costs."""
    costs: dict[str, list[Cost]] = {name: [] for name in engines}
    outs = {name: scratch / f"{name}.parquet" for name in engines}
    for _ in range(runs):
        for name, out in outs.items():
            places = {"form": form, "logs": folder, "out": out}
            costs[name].append(run([word.format(**places) for word in ENGINES[name]]))
    check(form, outs)
    return limits(folder, outs[engines[0]], runs) | costs


def check(form: str, outs: dict[str, Path]) -> None:
    """Compare the results row by row."""
    first, *others = outs
    ours = result(outs[first])
    for name in others:
        theirs = result(outs[name])
        if not ours.equals(theirs):
            more, less = ours.join(theirs, on=RESULT, how="anti"), ours.height - theirs.height
            print(more.head(), file=sys.stderr)
            sys.exit(f"{form}: {first} and {name} differ in {more.height} rows, {less} more rows")
    same = f", the same from {', '.join(others)}" if others else ""
    print(f"{form}: {ours.height:,} conversations{same}")


def table(form: str, costs: dict[str, list[Cost]]) -> Iterator[str]:
    """Yield the rows of a Markdown table: medians, and processor time against flowlens."""
    medians = {name: statistics.median(cost.cpu for cost in some) for name, some in costs.items()}
    for name, some in costs.items():
        wall = statistics.median(cost.wall for cost in some)
        peaks = [cost.peak for cost in some if cost.peak is not None]
        peak = f"{statistics.median(peaks):,.0f}" if peaks else "–"
        ratio = f"{medians[name] / medians['flowlens']:.2f}" if "flowlens" in medians else "–"
        yield f"| {form} | {name} | {medians[name]:.2f} | {wall:.2f} | {peak} | {ratio} |"


def machine() -> str:
    """Return date, processor, cores and versions."""
    model, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    packages = ("duckdb", "chdb", "polars", "isal", "numba")
    versions = []
    for name in packages:
        with contextlib.suppress(ModuleNotFoundError):
            versions.append(f"{name} {version(name)}")
    today = datetime.now(UTC).date()
    python = platform.python_version()
    return f"{today}, {model}, {os.cpu_count()} cores, Python {python}, {', '.join(versions)}"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("records", type=int, nargs="?", default=1_000_000)
    parser.add_argument("runs", type=int, nargs="?", default=3)
    parser.add_argument("--form", action="append", choices=FORMS)
    parser.add_argument("--only", action="append", choices=ENGINES)
    parser.add_argument("--pairs", type=int, help="pairs of client and service in each hour")
    parser.add_argument("--data", type=Path, help="where logs are kept for the next time")
    return parser.parse_args()


def logs(given: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """Write the logs that are not there yet; return the folder of each form."""
    whole = folder.resolve() / f"{given.records}-{given.pairs or 'usual'}"
    forms = given.form or list(FORMS)
    missing = tuple(form for form in forms if not (whole / form).is_dir())
    if missing:
        part = whole.with_suffix(".part")  # what was cut off is not taken for whole
        write(given.records, part, missing, pairs=given.pairs)
        whole.mkdir(exist_ok=True)
        for form in missing:
            (part / form).rename(whole / form)
        part.rmdir()
    return {form: whole / form for form in forms}


def main() -> None:
    """Generate, run in turn, compare, print."""
    given = arguments()
    engines = given.only or list(ENGINES)
    print(machine())
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for form, folder in logs(given, given.data or Path(scratch)).items():
            rows += table(form, measure(folder, form, engines, given.runs, Path(scratch)))
    print(f"\nAbout {given.records:,} records; medians of {given.runs} runs\n")
    print(f"| {' | '.join(HEADINGS)} |\n|---|---|{'--:|' * 4}")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
