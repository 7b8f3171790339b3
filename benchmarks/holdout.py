"""How often the bound on the next period's block rate holds, and how far above it is.

Streams of sessions are made from a fixed seed: destinations come by a Pitman-Yor process, in
bursts, by day and night, with and without jobs that run once a day. Of three periods the first two
are seen; the bounds of `flowlens.expected.holdout` are compared with the share of the third one's
flows that go to destinations that neither of the first two had.

    python -m benchmarks.holdout
"""

import math
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from random import Random

import polars as pl

from flowlens.expected.churn import unseen, upper

__all__ = ["CASES", "stream"]

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
#: Hours of a period, sessions an hour, (strength, discount) of the process, flows of a session,
#: whether there are daily jobs.
CASES = tuple(
    product((12, 24, 72), (5, 30), ((5, 0.0), (5, 0.3), (20, 0.5), (2, 0.0)), (1, 4, 15), (0, 1))
)
THREE = ("turing_flows", "turing_hours", "rolling")


def stream(rng: Random, case: tuple[int, int, tuple[int, float], int, int]) -> pl.DataFrame:
    """Return `hour`, `key` and `flows` of three periods."""
    period, rate, (strength, discount), burst, daily = case
    counts: list[int] = []
    rows = []
    for hour in range(3 * period):
        day = rate * (0.4 + 0.6 * math.sin(math.pi * (hour % 24) / 24) ** 2)
        for _ in range(_poisson(rng, day)):
            key = _seated(rng, counts, strength, discount)
            rows.append(
                (hour, key, 1 + int(math.log(rng.random()) / math.log(1 - 1 / (burst + 1))))
            )
        if daily and hour % 24 == 3:
            rows.append((hour, -1 - rng.randrange(3), 20))
    frame = pl.DataFrame(rows, schema=["at", "key", "flows"], orient="row")
    return frame.with_columns(hour=pl.lit(BEGIN) + pl.duration(hours="at"))


def _poisson(rng: Random, mean: float) -> int:
    limit, count, product_ = math.exp(-mean), 0, rng.random()
    while product_ > limit:
        count, product_ = count + 1, product_ * rng.random()
    return count


def _seated(rng: Random, counts: list[int], strength: int, discount: float) -> int:
    """Return a destination: an old one the likelier the more often it came, or a new one."""
    total = sum(counts)
    if rng.random() * (total + strength) < strength + discount * len(counts):
        counts.append(1)
        return len(counts) - 1
    key = rng.choices(range(len(counts)), [count - discount for count in counts])[0]
    counts[key] += 1
    return key


def bounds(seen: pl.DataFrame, period: int) -> tuple[float, float]:
    """Return the largest of the three estimates, and of all four."""
    (row,) = unseen(seen, [], ["key"]).to_dicts()
    late = pl.col("at") >= period
    keys = seen.group_by("key").agg(pl.col("flows").sum(), first=pl.col("at").min())
    new = keys.filter(pl.col("first") >= period)
    fresh = keys.filter(pl.col("first") > period)["flows"].mean()
    each = int(new["flows"].sum()) / new.height if new.height else float(fresh or 1)  # type: ignore[arg-type]
    three = max(float(row[name]) for name in THREE)
    poisson = upper(new.height) * each / int(seen.filter(late)["flows"].sum())
    return three, max(three, poisson)


def trials() -> Iterator[tuple[float, float, float]]:
    """Yield what came, and both bounds."""
    rng = Random(1)
    for case in CASES:
        whole, end = stream(rng, case), 2 * case[0]
        seen, rest = whole.filter(pl.col("at") < end), whole.filter(pl.col("at") >= end)
        strange = rest.join(seen.select("key").unique(), on="key", how="anti")
        yield int(strange["flows"].sum()) / int(rest["flows"].sum()), *bounds(seen, case[0])


if __name__ == "__main__":
    found = list(trials())
    for name, place in (("three estimates", 1), ("and the Poisson bound", 2)):
        held = sum(row[0] <= row[place] for row in found) / len(found)
        times = statistics.median(row[place] / row[0] for row in found if row[0])
        print(f"{name:<24} held {held:.0%} of {len(found)}, median {times:.1f} times what came")
