"""Run a command and print what it cost: ``python -S benchmarks/cost.py COMMAND…``.

Prints processor seconds, wall seconds and the peak of resident memory in megabytes. This is a
process of its own because Linux counts the peak of a new program from what the one that started
it held: started from here, that is next to nothing.
"""

import os
import sys
import time

__all__: list[str] = []


def main() -> int:
    """Run the command with its output thrown away, print its cost, return its status."""
    begin = time.perf_counter()
    child = os.posix_spawn(
        sys.argv[1],
        sys.argv[1:],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(child, 0)
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    wall = time.perf_counter() - begin
    print(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / unit)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
