"""The pure limit: what no reader of these files can do without.

``inflate`` takes the compression off, the way `flowlens_parsers.streams` does, block by block in
the same memory. ``scan`` looks besides at every byte once, in a compiled loop that finds where
each field begins and ends. One thread a core, a file at a time; neither keeps anything. ``write``
writes a result that lies in memory as flowlens writes it. The start of the process and the
compilation of the loop are no part of the figures.

    python -m benchmarks.limits RUNS RESULT LOGS
"""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import polars as pl

from flowlens.output import FORMATS
from flowlens_parsers.bundle import BLOCK
from flowlens_parsers.streams import Fault, Reader, lent

__all__ = ["boundaries"]

Loop = Callable[[Any], int]


def boundaries(block: Any) -> int:
    r"""Return how many fields a block has; their widths are mixed in, so that each is computed.

    >>> boundaries(b"2 eni-1 - OK\n") & 0xFFFF
    4
    """
    count, begin, widths = 0, 0, 0
    for at in range(len(block)):
        byte = block[at]
        if byte == 32 or byte == 10:  # noqa: PLR1714  # compiled: a tuple would cost
            count += 1
            widths ^= at - begin
            begin = at + 1
    return count + (widths << 16)


def compiled() -> Loop:
    """Return `boundaries` as machine code that releases the lock of the interpreter."""
    import numba

    loop: Loop = numba.njit(nogil=True)(boundaries)
    loop(memoryview(bytearray(b"0 0\n")))
    return loop


def one(path: Path, loop: Loop | None) -> None:
    """Read one file."""
    with path.open("rb") as stream:
        for block in lent(Reader(stream), BLOCK):
            assert not isinstance(block, Fault)
            if loop is not None:
                loop(memoryview(block))


def read(paths: list[Path], loop: Loop | None) -> None:
    """Read all files."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(partial(one, loop=loop), paths))


def write(result: pl.LazyFrame) -> None:
    """Write a result."""
    with TemporaryFile() as stream:
        FORMATS["parquet"](result, stream, "")


def measure(name: str, work: Callable[[], None]) -> None:
    """Do the work; print its name, processor seconds and wall seconds."""
    used, begin = time.process_time(), time.perf_counter()
    work()
    print(name, time.process_time() - used, time.perf_counter() - begin)


def main() -> None:
    """Measure everything in turn, so many times."""
    runs, result, logs = sys.argv[1:]
    works: dict[str, Callable[[], None]] = {}
    if paths := sorted(Path(logs).glob("*.log.gz")):
        works["inflate"] = partial(read, paths, None)
        works["scan"] = partial(read, paths, compiled())
    works["write"] = partial(write, pl.read_parquet(result).lazy())
    for _ in range(int(runs)):
        for name, work in works.items():
            measure(name, work)


if __name__ == "__main__":
    main()
