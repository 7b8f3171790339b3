"""One address in a store: how long `flowlens conversations STORE --where 'addr = …'` takes.

The store is made once, a week of conversations through the functions that `flowlens ingest`
writes them with, besides the objects they came from and the windows without data. Asked are an
inside address that is a client, one of a server, and the same without a time. Each question is
asked in a process of its own and, several times, of the library in one process. What the start
of the interpreter and the import of Polars take is measured beside them.

    python benchmarks/store.py FOLDER [CONVERSATIONS] [RUNS]
"""

import argparse
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.engines import ROOT, Cost, figures, machine
from benchmarks.network import Network
from flowlens import filters
from flowlens.ledger import Ledger
from flowlens.sources import Aws
from flowlens.store import Store
from flowlens.store.commit import append, complete, stage
from flowlens.store.days import mark, write
from flowlens.store.mixed import counted
from flowlens.store.schema import COUNTS, OBJECTS, TABLES, stored
from flowlens.tables import CONVERSATIONS, COVERAGE
from flowlens_parsers.batch import REJECTS

FIRST, DAYS = date(2026, 1, 5), 7
LOGS, SLOTS = 10, 288  # flow logs, and objects of each in a day
QUIET = 10  # windows without data that an object tells of
SERVICES = (443, 443, 443, 80, 53, 5432, 6379, 9092, 8443, 3306)


def build(folder: Path, conversations: int) -> None:
    """Make a store with about so many conversations."""
    store = Store(str(folder))
    store.create()
    network = Network(max(conversations // (DAYS * 24), 1000))
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        _ingested(store, day)
        write(store, day, number + 1, [talk(network, number).with_columns(day=pl.lit(day))])


def talk(network: Network, number: int) -> pl.DataFrame:
    """Return the conversations of a day: each pair talks once in an hour, of which some vary."""
    rng = np.random.default_rng([13, number])
    addresses = network.addresses()["address"]
    holders = network.holders()["interface"]
    frames = []
    for hour in range(24):
        start = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(
            days=number, hours=hour
        )
        pairs = network.pair(rng.permutation(network.pairs))
        count = pairs.height
        eni = pl.Series(holders.gather(pairs["near"] % len(holders)))
        seen = start.timestamp() * 1000 + rng.integers(0, 1_800_000, count)
        numbers = {
            name: rng.integers(1, 1 << 20, count)
            for name in ("bytes_out", "packets_out", "bytes_in", "packets_in")
        }
        frames.append(
            pl.DataFrame(
                {
                    "hour": pl.Series([start]).new_from_index(0, count),
                    "observer": eni,
                    "client": addresses.gather(pairs["near"]),
                    "server": addresses.gather(pairs["far"]),
                    "server_port": rng.choice(SERVICES, count),
                    "protocol": rng.choice([6, 6, 6, 17], count),
                    "action": rng.choice(["ACCEPT", "ACCEPT", "ACCEPT", "REJECT"], count),
                    **numbers,
                    "records": rng.integers(1, 60, count),
                    "connections": rng.integers(1, 9, count),
                    "first_seen": seen,
                    "last_seen": seen + rng.integers(0, 1_800_000, count),
                    "orientation": rng.choice(["certain", "likely"], count),
                    "observers": eni.reshape((count, 1)).arr.to_list(),
                    "leg": pl.Series([None], dtype=pl.String).new_from_index(0, count),
                    "vantage": pl.Series(["client"]).new_from_index(0, count),
                    "aws_service": pl.Series([None], dtype=pl.String).new_from_index(0, count),
                    "traffic_path": rng.integers(1, 9, count),
                },
                strict=False,
            ).select(pl.col(name).cast(dtype) for name, dtype in CONVERSATIONS.items())
        )
    return pl.concat(frames)


def _ingested(store: Store, day: date) -> None:
    """Commit a batch as `ingest` does: its objects and their silent windows; one record."""
    base = store.open("records")
    start = datetime.combine(day, datetime.min.time(), UTC)
    uris = [
        f"s3://logs/{day}/{log}/{slot:03}.log.gz" for log in range(LOGS) for slot in range(SLOTS)
    ]
    counts = {**dict.fromkeys(COUNTS, 0), "lines": 9_000, "records": 9_000 - QUIET, "nodata": QUIET}
    objects = pl.DataFrame({"uri": uris}).with_columns(
        size=pl.lit(5_000_000),
        version=pl.col("uri").hash().cast(pl.String),
        kind=pl.lit("records"),
        batch=pl.lit((day - FIRST).days + 1),
        kept=pl.lit(9_000 - QUIET),
        **{name: pl.lit(count) for name, count in counts.items()},
    )
    windows = pl.DataFrame(
        {
            "observer": [f"eni-{number:017}" for number in range(QUIET)] * len(uris),
            "source": [uri for uri in uris for _ in range(QUIET)],
        }
    ).with_columns(status=pl.lit("NODATA"), start=pl.lit(start), end=pl.lit(start))
    unread = pl.DataFrame(
        {"source": uris[::100], "line": 7, "reason": "not a number", "text": "x"}, schema=REJECTS
    )
    sides = {
        "objects": objects.select(pl.col(name).cast(dtype) for name, dtype in OBJECTS.items()),
        "coverage": windows.select(pl.col(name).cast(dtype) for name, dtype in COVERAGE.items()),
        "rejects": unread,
    }
    with tempfile.TemporaryDirectory() as scratch:
        part = Path(scratch) / "rows.parquet"
        columns = TABLES["records"][0]
        row = {"day": day, "flow_log": "fl-1", "source": uris[0], "line": 1}
        frame = pl.DataFrame([row], schema=columns)
        stored(frame.lazy(), columns).collect().write_parquet(part)
        append(store, base, "records", [part], stage(store, sides), [mark(day)])
    complete(store, store.open("records"), "records")


def questions(store: Store) -> dict[str, tuple[str, datetime | None]]:
    """Return filters and the first moment asked for."""
    last = datetime.combine(FIRST + timedelta(days=DAYS - 1), datetime.min.time(), UTC)
    day = store.scan("conversations").filter(pl.col("day") == last.date())
    found = {}
    for end in ("client", "server"):
        counts = day.group_by(end).len().filter(pl.col(end).str.starts_with("10."))
        ranked = counts.sort("len", end).collect()
        found[end] = str(ranked[end][ranked.height // 2])
    return {
        f"addr = {found['client']} (a client), --last 24h": (f"addr = {found['client']}", last),
        f"addr = {found['server']} (a server), --last 24h": (f"addr = {found['server']}", last),
        f"addr = {found['client']}, all days": (f"addr = {found['client']}", None),
    }


def asked(store: Store, where: str, since: datetime | None) -> int:
    """Ask the library as the command line does; return the number of rows."""
    rows = counted(store, Ledger(), since, None, where)
    assert rows is not None
    return filters.where(rows, where).collect().height


def timed(action: Callable[[], int], runs: int) -> tuple[int, float]:
    """Return what an action returns, and the median of its seconds."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        found = action()
        seconds.append(time.perf_counter() - begin)
    return found, statistics.median(seconds)


def process(command: str, runs: int) -> Cost:
    """Run a command several times; return the medians of what it cost."""
    whole = [sys.executable, "-S", "benchmarks/cost.py", "/bin/sh", "-c", command]
    costs = [figures(whole) for _ in range(runs)]
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))


def rows(store: Store, runs: int) -> Iterator[str]:
    """Yield the rows of a table of medians."""
    python = f"exec {shlex.quote(sys.executable)}"
    for name, code in (
        ("the interpreter", "pass"),
        ("the interpreter and Polars", "import polars"),
    ):
        yield f"| {name} | | | {process(f'{python} -c {code!r}', runs).wall * 1000:,.0f} |"
    for name, (where, since) in questions(store).items():
        found, seconds = timed(lambda w=where, s=since: asked(store, w, s), runs)  # type: ignore[misc]
        command = f"{python} -m flowlens conversations {shlex.quote(store.root)} --where '{where}'"
        command += f" --since {since:%Y-%m-%d}" if since else ""
        whole = process(f"{command} 2>/dev/null", runs).wall
        yield f"| {name} | {found:,} | {seconds * 1000:,.0f} | {whole * 1000:,.0f} |"


def main() -> None:
    """Read the arguments, make the store if it is not there, ask."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the store is kept for the next time")
    parser.add_argument("conversations", type=int, nargs="?", default=2_000_000)
    parser.add_argument("runs", type=int, nargs="?", default=5)
    given = parser.parse_args()
    folder = given.folder.resolve() / str(given.conversations)
    if not folder.is_dir():
        part = folder.with_suffix(".part")  # what was cut off is not taken for whole
        build(part, given.conversations)
        part.rename(folder)
    store = Store(str(folder), Aws())
    os.chdir(ROOT)
    height = store.scan("conversations").select(pl.len()).collect().item()
    print(f"{machine()}\n{height:,} conversations of {DAYS} days; medians of {given.runs}\n")
    print("| | rows | library, ms | process, ms |\n|---|--:|--:|--:|")
    for row in rows(store, given.runs):
        print(row)


if __name__ == "__main__":
    main()
