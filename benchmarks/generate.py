"""Write flow logs for benchmarks: deterministic, any number of records, version 2, .log.gz.

The traffic is that of a mid-sized account: connections that last some capture windows (5.5 on
average, as in the traffic that facts about peers were measured on), clients with ephemeral
ports, popular and rare servers, both directions, some rejects, some NODATA lines.

    python benchmarks/generate.py 1000000 FOLDER [FILES]
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from isal import igzip

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
    "start end action log-status\n"
)
START = 1_700_000_000
PER_FILE = 1_000_000


def lines(rng: np.random.Generator, count: int, begin: int) -> pl.DataFrame:
    """Return `count` records as the text columns of version 2, sorted by their end."""
    connections = max(count // 11, 1)
    windows = np.minimum(rng.geometric(1 / 5.5, connections), 60)
    which = np.repeat(np.arange(connections), windows)[: count // 2]
    step = np.arange(len(which)) - np.repeat(np.cumsum(windows) - windows, windows)[: len(which)]
    client = rng.integers(0, 2_000, connections)[which]
    server = (rng.zipf(1.3, connections) % 20_000)[which]
    service = rng.choice([443, 443, 443, 443, 80, 5432, 6379, 53, 8080, 9092], connections)[which]
    port = rng.integers(1_024, 65_535, connections)[which]
    start = begin + (rng.integers(0, 3_600, connections)[which] + step * 60)
    end = start + rng.integers(1, 59, len(which))
    action = np.where(rng.random(connections) < 0.04, "REJECT", "ACCEPT")[which]
    packets = rng.integers(1, 400, len(which))
    sides = pl.DataFrame(
        {
            "eni": client,
            "inside": client,
            "outside": server,
            "port": port,
            "service": service,
            "protocol": np.where(service == 53, 17, 6),
            "packets": packets,
            "bytes": packets * rng.integers(40, 1_400, len(which)),
            "start": start,
            "end": end,
            "action": action,
        }
    ).lazy()
    inside = pl.format(
        "10.{}.{}.{}",
        pl.col("inside") // 250 // 250,
        pl.col("inside") // 250 % 250,
        pl.col("inside") % 250 + 4,
    )
    outside = pl.format(
        "{}.{}.{}.{}",
        pl.col("outside") % 90 + 20,
        pl.col("outside") // 90 % 250,
        pl.col("outside") * 7 % 250,
        pl.col("outside") * 13 % 250,
    )
    names = (
        "version",
        "account",
        "interface",
        "src",
        "dst",
        "sport",
        "dport",
        "protocol",
        "packets",
        "bytes",
        "start",
        "end",
        "action",
        "status",
    )
    ways = []
    for out in (True, False):
        ends = (inside, outside, pl.col("port"), pl.col("service"))
        src, dst, sport, dport = ends if out else (ends[1], ends[0], ends[3], ends[2])
        columns = (
            pl.lit("2"),
            pl.lit("123456789010"),
            pl.format("eni-{}", pl.col("eni").cast(pl.String).str.zfill(17)),
            src,
            dst,
            sport,
            dport,
            pl.col("protocol"),
            pl.col("packets"),
            pl.col("bytes") * (1 if out else 3),
            pl.col("start"),
            pl.col("end"),
            pl.col("action"),
            pl.lit("OK"),
        )
        ways.append(
            sides.select(column.alias(name) for name, column in zip(names, columns, strict=True))
        )
    return pl.concat(ways).sort("end", "interface", "src", "dst", "sport").collect()


def write(records: int, folder: Path) -> list[Path]:
    """Write `records` records into .log.gz files of at most `PER_FILE` each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, first in enumerate(range(0, records, PER_FILE)):
        rng = np.random.default_rng([7, number])
        text = lines(rng, min(PER_FILE, records - first), START + number * 3_600).write_csv(
            include_header=False, separator=" "
        )
        nothing = f"2 123456789010 eni-{0:017d} - - - - - - - {START} {START + 59} - NODATA\n"
        path = folder / f"123456789010_vpcflowlogs_us-east-1_fl-0a1b2c3d_{number:05d}.log.gz"
        path.write_bytes(igzip.compress((HEADER + text + nothing).encode(), 3))
        paths.append(path)
    return paths


if __name__ == "__main__":
    for path in write(int(sys.argv[1]), Path(sys.argv[2])):
        print(path)
