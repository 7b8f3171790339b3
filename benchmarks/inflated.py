"""One small object that inflates to gigabytes: what memory does flowlens take for it?

The object is a .log.gz of version 2 at the best ratio of gzip, about 130 to 1: the same few
hundred connections, again and again in later windows, and each line 64 times, of which one
counts. It is read as any other, by `flowlens conversations`, and the peak must not grow with the
text: it is measured at two sizes.

    python benchmarks/inflated.py [GIGABYTES]
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from isal import igzip

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.engines import machine, run

START = 1_767_225_600  # 2026-01-01T00:00:00Z
WINDOW = 60
PAIRS = 256  # lines that gzip still remembers: a match goes back 32 kB at most
TURNS = 64  # how often a window's lines come in a row, so that the window costs little


def windows(size: int) -> Iterator[bytes]:
    """Yield whole windows of lines, together at least `size` bytes."""
    made = 0
    for number in range(size):
        start = START + WINDOW * number
        lines = "".join(
            f"2 123456789010 eni-0a1b2c3d 10.0.0.{pair} 192.0.2.{pair} {40_000 + pair} 443 6 9 900"
            f" {start} {start + WINDOW} ACCEPT OK\n"
            for pair in range(PAIRS)
        )
        yield lines.encode() * TURNS
        made += len(lines) * TURNS
        if made >= size:
            return


def write(path: Path, size: int) -> tuple[int, int]:
    """Write an object of at least `size` bytes of text; return its bytes and lines of text."""
    text = lines = 0
    with path.open("wb") as file:
        for window in windows(size):
            file.write(igzip.compress(window, 3))
            text += len(window)
            lines += PAIRS * TURNS
    return text, lines


def main() -> None:
    """Measure a tenth of the size, then all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gigabytes", nargs="?", type=float, default=10)
    whole = int(parser.parse_args().gigabytes * 1e9)
    print(machine())
    for size in (whole // 10, whole):
        with tempfile.TemporaryDirectory(prefix="flowlens-") as folder:
            path, out = Path(folder, "a.log.gz"), Path(folder, "out.parquet")
            text, lines = write(path, size)
            cost = run(["flowlens", "conversations", str(path), "-o", str(out)])
            told = pl.scan_parquet(out).select(pl.col("records").sum()).collect().item()
            assert told == lines // TURNS, f"{told:,} of {lines:,} records"
            print(
                f"{path.stat().st_size / 1e6:,.1f} MB of gzip, {text / 1e9:.2f} GB of text, "
                f"{lines:,} records: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s, "
                f"peak {cost.peak:,.0f} MB"
            )


if __name__ == "__main__":
    main()
