"""Recall and false rate of beacons on simulated calls home and what looks like them.

Each profile is drawn many times, as connections of a client of its own to a server of its own, and
written down as records of 60 and of 600 seconds. What calls home is judged as an undeclared
address. What is benign is judged three ways: as an undeclared address too (what has no rhythm must
not be found), where nothing is known, and where names are known.

    python benchmarks/beacons.py [DRAWS [SEED]]
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

import flowlens
from flowlens.findings import Context
from flowlens.findings.beacon import beacons

START = datetime(2026, 11, 16, tzinfo=UTC)
HOUR, DAY = 3_600, 86_400
Rng = np.random.Generator
Starts = np.ndarray


def steps(gaps: np.ndarray, begin: float = 17.0) -> Starts:
    """Return the starts between which there are these gaps, within two days."""
    at = begin + np.concatenate([[0.0], np.cumsum(gaps)])
    return at[at < 2 * DAY]


def beat(low: float, high: float, count: int = 4_000) -> Callable[[Rng], Starts]:
    """Make a beat whose gaps are uniform between two bounds."""
    return lambda rng: steps(rng.uniform(low, high, count), rng.uniform(0, high))


def missed(period: float, share: float) -> Callable[[Rng], Starts]:
    """Make a beat of which a share is missed: the host sleeps, a packet is lost."""

    def made(rng: Rng) -> Starts:
        at = steps(rng.uniform(0.95, 1.05, 4_000) * period, rng.uniform(0, period))
        return at[rng.random(len(at)) >= share]

    return made


def echoed(low: float, high: float, share: float) -> Callable[[Rng], Starts]:
    """Make a beat after some of whose calls a second connection fetches a task."""

    def made(rng: Rng) -> Starts:
        at = beat(low, high)(rng)
        more = at[rng.random(len(at)) < share]
        return np.sort(np.concatenate([at, more + rng.uniform(1, 6, len(more))]))

    return made


def hours(inner: Callable[[Rng], Starts], begin: int = 8, end: int = 18) -> Callable[[Rng], Starts]:
    """Keep what falls into some hours of the day."""

    def made(rng: Rng) -> Starts:
        at = inner(rng)
        return at[(at % DAY >= begin * HOUR) & (at % DAY < end * HOUR)]

    return made


def alternating(one: float, other: float) -> Callable[[Rng], Starts]:
    """Make two intervals in turn, each with 10 % of jitter."""
    return lambda rng: steps(np.tile([one, other], 500) * rng.uniform(0.9, 1.1, 1_000))


def poisson(mean: float) -> Callable[[Rng], Starts]:
    """Make starts that are independent of each other."""
    return lambda rng: steps(rng.exponential(mean, 20_000))


def bursts(mean: float, size: int, inside: float) -> Callable[[Rng], Starts]:
    """Make bursts of connections, as pages and batches do."""

    def made(rng: Rng) -> Starts:
        heads = poisson(mean)(rng)
        parts = [head + np.cumsum(rng.exponential(inside, rng.poisson(size) + 1)) for head in heads]
        at = np.sort(np.concatenate(parts))
        return at[at < 2 * DAY]

    return made


def nightly(count: int, gap: float) -> Callable[[Rng], Starts]:
    """Make a batch in each of two nights, with independent gaps."""

    def made(rng: Rng) -> Starts:
        parts = [2 * HOUR + n * DAY + np.cumsum(rng.exponential(gap, count)) for n in range(2)]
        return np.concatenate(parts)

    return made


def gamma(mean: float, shape: float) -> Callable[[Rng], Starts]:
    """Make gaps that vary less than by chance: what is sent when a buffer is full."""
    return lambda rng: steps(rng.gamma(shape, mean / shape, 20_000))


CALLS: dict[str, Callable[[Rng], Starts]] = {
    "Cobalt Strike, 60 s": beat(60, 60.5),
    "Cobalt Strike, 60 s, jitter 20 %": beat(48, 60),
    "Cobalt Strike, 60 s, jitter 37 %": beat(37.8, 60),
    "Sliver, 60 s + up to 30 s": beat(60, 90),
    "300 s, jitter ± 40 %": beat(180, 420),
    "an hour, jitter ± 20 %": beat(2_880, 4_320),
    "300 s, 30 % missed": missed(300, 0.3),
    "300 s, 45 % missed": missed(300, 0.45),
    "300 s, 60 % missed": missed(300, 0.6),
    "300 s ± 10 %, working hours": hours(beat(270, 330)),
    "60 s, jitter 37 %, working hours": hours(beat(37.8, 60)),
    "60 s, each with a task": echoed(54, 66, 1.0),
    "300 s ± 20 %, half with a task": echoed(240, 360, 0.5),
    "120 s and 900 s in turn": alternating(120, 900),
}
LOOSE: dict[str, Callable[[Rng], Starts]] = {
    "calls of users, one in 2 minutes": poisson(120),
    "calls of users, working hours": hours(poisson(90)),
    "calls of users, 40 a day": poisson(2_160),
    "pages of 8 connections": bursts(900, 8, 1.0),
    "pages of 8, working hours": hours(bursts(600, 8, 2.0)),
    "sessions of 30 clicks": bursts(4 * HOUR, 30, 25.0),
    "nightly batch": nightly(300, 5.0),
    "connections recycled after 1 to 10 minutes": beat(60, 600),
    "buffers that fill, shape 2": gamma(300, 2),
    "two queries a click": echoed(20, 1_200, 0.7),
}
REGULAR: dict[str, Callable[[Rng], Starts]] = {
    "agent, 60 s": beat(59.5, 60.5),
    "poller, 300 s": beat(290, 310),
    "cron, an hour": beat(3_599, 3_601),
    "cron, 15 minutes, working hours": hours(beat(899, 901)),
    "health check, 30 s": beat(29.9, 30.1),
    "editor that saves, working hours": hours(missed(60, 0.4)),
    "job with a query after half": echoed(595, 605, 0.5),
}


def records(
    profiles: dict[str, Callable[[Rng], Starts]], draws: int, window: int, seed: int
) -> pl.DataFrame:
    """Return the records of every draw; the third octet is the profile, the fourth the draw."""
    parts = []
    for place, make in enumerate(profiles.values()):
        for draw in range(draws):
            rng = np.random.default_rng([place, draw + seed])
            at = np.unique(make(rng).astype(np.int64))
            size = rng.integers(500, 900) + rng.integers(0, 200, len(at))
            parts.append(
                pl.DataFrame({"at": at, "bytes": size}).with_columns(
                    place=place, draw=draw, near=1_024 + pl.int_range(pl.len()) * 7 % 60_000
                )
            )
    every = pl.concat(parts)
    first = pl.lit(START).dt.cast_time_unit("ms") + pl.duration(seconds="at")
    # A record is cut by its window: what lasts longer goes on in another.
    common = every.with_columns(
        interface_id=pl.format("eni-{}-{}", "place", "draw"), protocol=pl.lit(6, pl.UInt8),
        client=pl.format("10.1.{}.{}", "place", "draw"), start=first,
        server=pl.format("203.0.{}.{}", "place", "draw"), action=pl.lit("ACCEPT"),
        end=first + pl.duration(seconds=pl.min_horizontal(2, window - 1 - pl.col("at") % window)),
        packets=pl.lit(6, pl.UInt64), port=pl.lit(8443, pl.UInt16),
        near=pl.col("near").cast(pl.UInt16),
    )  # fmt: skip
    kept = ["interface_id", "protocol", "start", "end", "action", "packets"]
    out = common.select(
        *kept, pl.col("bytes").cast(pl.UInt64), srcaddr="client", dstaddr="server", srcport="near",
        dstport="port", tcp_flags=pl.lit(3, pl.UInt16),
    )  # fmt: skip
    back = common.select(
        *kept, pl.col("bytes").cast(pl.UInt64) + 900, srcaddr="server", dstaddr="client",
        srcport="port", dstport="near", tcp_flags=pl.lit(19, pl.UInt16),
    )  # fmt: skip
    return pl.concat([out, back])


def judged(seen: pl.DataFrame, known: str) -> set[tuple[int, int]]:
    """Return profile and draw of what is found."""
    edges = flowlens.edges(flowlens.conversations(seen.lazy())).collect()
    nothing = pl.lit([], edges.schema["domains"])
    change = {
        "undeclared": {"expected": pl.lit("no"), "domains": nothing},
        "nothing": {},
        "names": {"destination_kind": pl.lit("domain"), "domains": nothing},
    }[known]
    told = beacons(edges.with_columns(**change).lazy(), Context(records=seen.lazy()))
    parts = (text.split(".") for text in told["client"])
    return {(int(part[2]), int(part[3])) for part in parts}


def main(draws: int, seed: int) -> None:
    """Print the table."""
    groups = (
        ("calls home, undeclared", CALLS, "undeclared"),
        ("without a rhythm, undeclared", LOOSE, "undeclared"),
        ("on a beat, nothing known", REGULAR, "nothing"),
        ("on a beat, names known", REGULAR, "names"),
    )
    print(f"found of {draws} draws each, in records of 60 s and of 600 s")
    for title, profiles, known in groups:
        found = [judged(records(profiles, draws, window, seed), known) for window in (60, 600)]
        print(f"\n{title}")
        for place, name in enumerate(profiles):
            counts = [sum(one == place for one, _ in told) for told in found]
            print(f"  {name:44} {counts[0]:4} {counts[1]:4}")
        total = [len(told) / draws / len(profiles) for told in found]
        print(f"  {'share':44} {total[0]:4.2f} {total[1]:4.2f}")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*(given + [20, 0][len(given) :]))
