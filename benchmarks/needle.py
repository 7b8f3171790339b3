"""One address in raw flow logs: `flowlens records --where` against `igzip -dc | grep -F`.

Both start as processes of their own and read the same .log.gz; the lines they find must be as
many. `grep -F` knows no values, so it looks for the address between blanks. Where `igzip`, the
command of ISA-L, is not installed, the nearest there is takes its place, and the output says so.
flowlens also parses what it finds and counts what it passes over.

    python benchmarks/needle.py [RECORDS] [RUNS] [--data FOLDER]
"""

import argparse
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

import flowlens
from benchmarks.capture import write
from benchmarks.engines import ROOT, Cost, figures, machine


def unpacker() -> str:
    """Return the fastest command there is that takes gzip off."""
    if shutil.which("igzip"):
        return "igzip -dc"
    return "zcat" if shutil.which("zcat") else f"{sys.executable} -m isal.igzip -dc"


def address(logs: Path) -> str:
    """Return an address with as many records as half of the others have."""
    first = min(logs.glob("*.log.gz"))
    seen = flowlens.scan_records(first).select("srcaddr").collect().to_series().value_counts()
    some = seen.filter(pl.col("srcaddr").str.starts_with("10."))
    ranked = some.sort("count", "srcaddr")
    return str(ranked["srcaddr"][ranked.height // 2])


def found(command: str) -> int:
    """Return how many lines a command prints."""
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, shell=True)
    return done.stdout.count(b"\n")


def cost(command: str) -> Cost:
    """Run a command and return what it cost."""
    whole = [sys.executable, "-S", "benchmarks/cost.py", "/bin/sh", "-c", command]
    return Cost(*figures(whole))


def compare(logs: Path, runs: int) -> None:
    """Run both in turn and print medians and ratios."""
    wanted = address(logs)
    files = " ".join(shlex.quote(str(path)) for path in sorted(logs.glob("*.log.gz")))
    tool = f"{shlex.quote(sys.executable)} -m flowlens records"
    ours = f"{tool} {shlex.quote(str(logs))} --where 'addr = {wanted}' 2>/dev/null"
    theirs = f"{unpacker()} {files} | grep -F ' {wanted} '"
    lines = found(ours) - 1, found(theirs)  # ours has a heading
    if lines[0] != lines[1]:
        sys.exit(f"{wanted}: flowlens finds {lines[0]} lines, {theirs} {lines[1]}")
    size = sum(path.stat().st_size for path in logs.glob("*.log.gz"))
    print(f"{machine()}\n{lines[0]:,} lines with {wanted} in {size / 1e6:,.0f} MB of .log.gz\n")
    names = {"flowlens": ours, f"{unpacker()} | grep -F": theirs}
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(runs):
        for name, command in names.items():
            costs[name].append(cost(command))
    table(costs, runs)


def table(costs: dict[str, list[Cost]], runs: int) -> None:
    """Print medians, and flowlens against the other."""
    print(f"| medians of {runs} | wall s | CPU s |\n|---|--:|--:|")
    medians = []
    for name, some in costs.items():
        wall, cpu = (
            statistics.median(getattr(one, what) for one in some) for what in ("wall", "cpu")
        )
        medians.append((wall, cpu))
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")
    (wall, cpu), (other, more) = medians
    print(f"| flowlens ÷ the other | {wall / other:.2f} | {cpu / more:.2f} |")


def main() -> None:
    """Read the arguments, make the logs if they are not there, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("records", type=int, nargs="?", default=5_000_000)
    parser.add_argument("runs", type=int, nargs="?", default=5)
    parser.add_argument("--data", type=Path, help="where logs are kept for the next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.data or Path(scratch)).resolve() / str(given.records)
        if not (folder / "v2").is_dir():
            part = folder.with_suffix(".part")  # what was cut off is not taken for whole
            write(given.records, part)
            part.rename(folder)
        compare(folder / "v2", given.runs)


if __name__ == "__main__":
    main()
