"""Time and memory of `flowlens.findings` over conversations of a large network.

Writes edges of a day of 100 million records (five to a conversation), 24 hours of each pair, with
incidents among them, as Parquet; then a process of its own runs every detection over the lazy frame
and says what it took. The incidents must be found.

    python benchmarks/findings.py [ROWS]
"""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from flowlens.findings import findings
from flowlens.tables import EDGES

START = datetime(2026, 11, 16, tzinfo=UTC)
HOURS, SERVICES = 24, 80
CHUNK = 1_000_000
SERVERS = 60_000
PORTS = (443, 443, 443, 443, 5432, 6379, 8080, 53, 80, 9092)
KINDS = ("inside", "inside", "inside", "aws", "aws", "aws", "domain", "domain", "domain", "address")
INCIDENTS = {"host-sweep", "exfiltration", "unexpected", "brute-force"}


def address(number: pl.Expr, net: int) -> pl.Expr:
    """Return an address of a /8 by its number."""
    return pl.format("{}.{}.{}.{}", net, number // 65_536, number // 256 % 256, number % 256)


def mixed(number: pl.Expr, salt: int) -> pl.Expr:
    """Return a number that looks random, the same on every machine."""
    one = (number + salt) * 2_654_435_761 % 2**32
    return (one ^ (one // 65_536)) * 40_503 % 2**31


def chunk(begin: int, rows: int) -> pl.DataFrame:
    """Return rows `begin` and on: hour, pair, and what is derived of them."""
    row = pl.int_range(begin, begin + rows, eager=True).alias("row").to_frame().lazy()
    pair = pl.col("row") // HOURS
    dice = mixed(pl.col("row"), 7)
    place = mixed(pl.col("pair"), 3)
    hour = pl.lit(START).dt.cast_time_unit("ms") + pl.duration(hours=pl.col("row") % HOURS)
    base = row.with_columns(pair=pair).with_columns(
        owner=pl.col("pair") // SERVICES,
        # A tenth of the services go to a few servers that everybody has.
        to=pl.when(place % 10 == 0).then(place % 50).otherwise(place % SERVERS),
        dice=dice,
    )
    kind = pl.lit(pl.Series(KINDS)).gather(pl.col("to") % 10)
    refused, silent = pl.col("dice") % 100 == 0, pl.col("dice") % 100 == 1
    inner = pl.col("to") % 10 < 3
    server = pl.when(inner).then(address(pl.col("to"), 10)).otherwise(address(pl.col("to"), 52))
    mute = refused | silent
    out, got = 400 + pl.col("dice") % 90_000, 600 + pl.col("dice") // 3 % 400_000
    first = hour + pl.duration(seconds=pl.col("dice") % 600)
    columns = {
        "hour": hour,
        "observer": pl.format("eni-{}", pl.col("owner")),
        "client": address(pl.col("owner") + 8_000_000, 10),
        "server": server,
        "server_port": pl.lit(pl.Series(PORTS)).gather(pl.col("to") // 10 % 10),
        "protocol": pl.lit(6),
        "action": pl.when(refused).then(pl.lit("REJECT")).otherwise(pl.lit("ACCEPT")),
        "bytes_out": pl.when(mute).then(60).otherwise(out),
        "packets_out": pl.when(mute).then(1).otherwise(out // 700 + 3),
        "bytes_in": pl.when(mute).then(0).otherwise(got),
        "packets_in": pl.when(mute).then(0).otherwise(got // 900 + 3),
        "records": pl.lit(5),
        "connections": 1 + pl.col("dice") % 9,
        "first_seen": first,
        "last_seen": first + pl.duration(seconds=2_400),
        "orientation": pl.lit("certain"),
        "observers": pl.concat_list(pl.format("eni-{}", pl.col("owner"))),
        "vantage": pl.lit("client"),
        "client_owner": pl.concat_list(pl.format("fn-{}", pl.col("owner"))),
        "client_kind": pl.lit("lambda"),
        "destination": server,
        "destination_kind": kind,
        "expected": pl.when(place % 1000 == 1).then(pl.lit("no")).when(place % 50 == 2)
        .then(pl.lit("unknown")).otherwise(pl.lit("yes")),
    }  # fmt: skip
    made = base.select(**columns).collect()
    gone = [pl.lit(None, dtype).alias(name) for name, dtype in EDGES.items() if name not in columns]
    return made.with_columns(gone).select(pl.col(n).cast(d) for n, d in EDGES.items())


def incidents() -> pl.DataFrame:
    """Return a sweep, an upload and guesses of passwords."""
    first = chunk(0, 300)
    sweep = first.with_columns(
        server=pl.format("10.200.{}.9", pl.int_range(300) % 250), action=pl.lit("REJECT"),
        server_port=pl.lit(22, pl.UInt16), packets_in=pl.lit(0, pl.UInt64), hour=first["hour"][0],
        bytes_in=pl.lit(0, pl.UInt64), client=pl.lit("10.9.9.9"), client_owner=pl.lit(["swept"]),
        destination_kind=pl.lit("inside"), expected=pl.lit("unknown"),
    )  # fmt: skip
    upload = first.head(3).with_columns(
        server=pl.lit("203.0.113.9"), destination=pl.lit("203.0.113.9"), expected=pl.lit("no"),
        bytes_out=pl.lit(400_000_000, pl.UInt64), destination_kind=pl.lit("address"),
        action=pl.lit("ACCEPT"), packets_in=pl.lit(900, pl.UInt64),
    )  # fmt: skip
    guesses = first.head(1).with_columns(
        server=pl.lit("10.200.0.8"), server_port=pl.lit(22, pl.UInt16), action=pl.lit("ACCEPT"),
        connections=pl.lit(900, pl.UInt64), packets_out=pl.lit(14_000, pl.UInt64),
        bytes_out=pl.lit(1_800_000, pl.UInt64), packets_in=pl.lit(14_000, pl.UInt64),
        destination_kind=pl.lit("inside"),
    )  # fmt: skip
    columns = [pl.col(name).cast(dtype) for name, dtype in EDGES.items()]
    return pl.concat(part.select(columns) for part in (sweep, upload, guesses))


def measure(folder: str) -> None:
    """Run every detection in this process and say what it took."""
    begin = time.perf_counter()
    found = findings(pl.scan_parquet(f"{folder}/*.parquet"))
    wall = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    kinds = dict(found.group_by("kind").len().sort("kind").iter_rows())
    print(f"{wall:6.1f} s, {used.ru_utime + used.ru_stime:6.1f} CPU s, "
          f"{used.ru_maxrss / 1e6:5.2f} GB, {found.height:,} findings: {kinds}")  # fmt: skip
    missing = INCIDENTS - set(kinds)
    if missing:
        sys.exit(f"not found: {missing}")


def main(rows: int) -> None:
    """Write, then measure in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, rows, CHUNK):
            some = chunk(begin, min(CHUNK, rows - begin))
            some.write_parquet(f"{folder}/{begin // CHUNK:03}.parquet", compression="lz4")
        incidents().write_parquet(f"{folder}/incidents.parquet")
        print(f"{rows:,} conversations")
        subprocess.run([sys.executable, __file__, "--measure", folder], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 2_000_000)
