"""How long the best cover takes, and how much memory.

Addresses are made from a fixed seed: IPv4 all over, IPv4 in clumps of a /24 as hosting companies
give them out, and IPv6 in the subnets of some networks. Each case runs in a process of its own
and several times; printed are the medians of the call alone, without the start of Python and the
making of addresses, and the peak of the whole process. What first use costs where no compiled
code is on disk is another case: its cache is an empty folder.

    python -m benchmarks.cover [ADDRESSES] [RUNS]
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from random import Random
from tempfile import TemporaryDirectory

__all__ = ["SHAPES"]

BUDGETS = (60, 1_000)
SEED = 7


def everywhere(rng: Random) -> Iterator[str]:
    """Yield IPv4 addresses, each as likely as any other."""
    while True:
        yield str(IPv4Address(rng.getrandbits(32)))


def clumps(rng: Random) -> Iterator[str]:
    """Yield IPv4 addresses, about 30 in each of many /24."""
    while True:
        net = rng.getrandbits(24) << 8
        for _ in range(rng.randint(1, 60)):
            yield str(IPv4Address(net + rng.getrandbits(8)))


def subnets(rng: Random) -> Iterator[str]:
    """Yield IPv6 addresses: 200 networks of a /32, subnets of a /64, interfaces anywhere."""
    nets = [0x2A << 120 | rng.getrandbits(24) << 96 for _ in range(200)]
    while True:
        subnet = rng.choice(nets) | rng.getrandbits(12) << 84 | rng.getrandbits(4) << 64
        for _ in range(rng.randint(1, 20)):
            yield str(IPv6Address(subnet | rng.getrandbits(64)))


SHAPES = {"IPv4": everywhere, "IPv4 /24 clumps": clumps, "IPv6": subnets}


def distinct(shape: str, count: int) -> list[str]:
    """Return that many different addresses, in no order."""
    found: dict[str, None] = {}
    for address in SHAPES[shape](Random(SEED)):
        found[address] = None
        if len(found) == count:
            break
    return list(found)


def once(shape: str, count: int, budget: int) -> None:
    """Make one cover; print wall seconds, processor seconds and the peak in megabytes."""
    from flowlens.expected import optimal_cover

    addresses = distinct(shape, count)
    used, begin = time.process_time(), time.perf_counter()
    cover = optimal_cover(addresses, budget)
    wall, cpu = time.perf_counter() - begin, time.process_time() - used
    assert len(cover.prefixes) <= budget
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    print(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def apart(*case: object, **places: str) -> list[float]:
    """Run `once` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.cover", "once", *map(str, case)]
    out = subprocess.run(
        command, env=os.environ | places, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return [float(word) for word in out.split()]


def row(shape: str, budget: object, runs: list[list[float]]) -> str:
    """Return a line of the table."""
    wall, cpu, peak = (statistics.median(column) for column in zip(*runs, strict=True))
    return f"{shape:26} {budget:>6}  {wall:6.2f} s  {cpu:6.2f} s  {peak:6.0f} MB"


def main() -> None:
    """Print the table."""
    words = sys.argv[1:]
    if words[:1] == ["once"]:
        once(words[1], int(words[2]), int(words[3]))
        return
    count, times = map(int, [*words, *("100000", "3")[len(words) :]])
    print(f"{count:,} addresses           budget      wall       cpu       peak")
    for shape in SHAPES:
        for budget in BUDGETS:
            print(row(shape, budget, [apart(shape, count, budget) for _ in range(times)]))
    for budget in BUDGETS:
        with TemporaryDirectory() as empty:
            first = apart("IPv4", count, budget, XDG_CACHE_HOME=empty)
        print(row("IPv4, first use", budget, [first]))


if __name__ == "__main__":
    main()
