"""The pure limit: what no reader of these files can do without.

``inflate`` takes the compression off, the way `flowlens_parsers.streams` does, block by block in
the same memory. ``scan`` looks besides at every byte once, in a compiled loop that finds where
each field begins and ends. One thread a core, a file at a time; neither keeps anything. The start
of the process and the compilation of the loop are no part of the figure.

    python -m benchmarks.limits inflate|scan LOGS
"""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

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


def read(path: Path, loop: Loop | None) -> int:
    """Read one file; return its bytes without compression."""
    size = 0
    with path.open("rb") as stream:
        for block in lent(Reader(stream), BLOCK):
            assert not isinstance(block, Fault)
            size += len(block)
            if loop is not None:
                loop(memoryview(block))
    return size


def main() -> None:
    """Measure; print processor seconds, wall seconds and bytes."""
    what, logs = sys.argv[1:]
    loop = compiled() if what == "scan" else None
    paths = sorted(Path(logs).glob("*.log.gz"))
    used, begin = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        size = sum(pool.map(lambda path: read(path, loop), paths))
    print(time.process_time() - used, time.perf_counter() - begin, size)


if __name__ == "__main__":
    main()
