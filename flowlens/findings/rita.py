"""RITA's beacon score, formula for formula, so that its numbers can be compared with ours.

Source: RITA 5 (activecm/rita, ``analysis/beacons.go``, commit 0b6db7a) with its default settings.
The score is the mean of four, each between 0 and 1 and rounded to three digits:

- *timestamps*: how symmetric and how narrow the gaps between connections are
- *sizes*: the same of the bytes that the client sent
- *histogram*: how level 24 equal bins of the window are, or how well two heights describe them
- *duration*: how much of the window is covered, or how many bins in a row
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median, pstdev

import polars as pl

from flowlens.findings.limits import Limits

__all__ = ["best", "durations", "histogram", "score", "spread"]

DAY = 86_400
BINS = 24
MODE = 0.05  # share of the highest bar within which heights are one
BIMODAL_BARS = 11
OUTLIERS = 1  # bars that the bimodal fit may leave out
DURATION_BARS = 6
RUN = 12  # bins in a row that are ideal


def score(times: Sequence[int], sizes: Sequence[float], window: tuple[int, int]) -> float | None:
    """Return RITA's score of one pair, or None where it gives none.

    Args:
        times: seconds at which connections began, one for each connection.
        sizes: bytes that the client sent in each.
        window: the first and the last second of the data.

    >>> beat = [60 * n for n in range(1441)]
    >>> score(beat, [500.0] * 1441, (0, 86_400))
    1.0
    """
    begin, end = window
    gaps = [late - early for early, late in pairwise(sorted(times)) if late > early]
    if len(gaps) < 3 or len(sizes) < 3 or end <= begin:
        return None
    level, bars, run = histogram(times, window)
    parts = (
        spread(gaps, default=1.0),
        spread(sizes, default=0.0),
        durations(times, window, bars, run),
        level,
    )
    return _digits(sum(0.25 * part for part in parts))


def best(seen: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Return the score of each pair of addresses on its best day, where it is high enough.

    Args:
        seen: `client`, `server`, ``at`` (seconds) and ``bytes_out``, one row a connection.
        limits: the least score, and the connections from which a day is a strobe.

    Returns:
        `client`, `server`, ``tries`` (different seconds), ``period`` (the median gap), ``jitter``
        (its MAD) and ``score``.
    """
    first, last = seen["at"].min(), seen["at"].max()
    grouped = (
        seen.with_columns(day=pl.col("at") // DAY)
        .sort("client", "server", "at", "bytes_out")
        .group_by("client", "server", "day", maintain_order=True)
        .agg("at", "bytes_out", unique=pl.col("at").n_unique())
        .filter(pl.col("unique") >= 4, pl.col("at").list.len() < limits.strobe)
    )
    rows = []
    for row in grouped.iter_rows(named=True):
        start = row["day"] * DAY
        window = (max(start, first), min(start + DAY, last))
        value = score(row["at"], row["bytes_out"], window)
        gaps = pl.Series(row["at"]).diff().drop_nulls()
        gaps = gaps.filter(gaps > 0)
        middle = gaps.median()
        off = (gaps - middle).abs().median()
        rows.append((row["client"], row["server"], row["unique"], middle, off, value))
    names = ["client", "server", "tries", "period", "jitter", "score"]
    told = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
    high = told.filter(pl.col("score") >= limits.rita_score).sort("client", "server", "score")
    kept = high.unique(["client", "server"], keep="last", maintain_order=True)
    return kept.with_columns(pl.col("tries").cast(pl.UInt64))


def spread(values: Sequence[float], *, default: float) -> float:
    """Return how symmetric (Bowley) and how narrow (MAD about the median) values lie.

    >>> spread([98, 99, 99, 100, 100, 100, 101, 101, 102], default=1.0)
    0.995
    """
    ordered = sorted(values)
    half = len(ordered) // 2
    middle = median(ordered)
    low, high = median(ordered[:half]), median(ordered[len(ordered) - half :])
    skew = 0.0
    if high - low >= 10 and middle not in (low, high):
        skew = (low + high - 2 * middle) / (high - low)
    off = median(abs(value - middle) for value in ordered)
    narrow = max(0.0, (middle - off) / middle) if middle >= 1 else default
    return _digits((1 - abs(skew) + narrow) / 2)


def histogram(times: Sequence[int], window: tuple[int, int]) -> tuple[float, int, int]:
    """Return how level 24 bins are, how many hold anything, and the longest run of those.

    The run goes round from the last bin to the first.
    """
    begin, end = window
    step = (end - begin) / BINS
    edges = [begin + step * number for number in range(1, BINS)]
    bars = [0] * BINS
    for time in times:
        bars[sum(time >= edge for edge in edges)] += 1
    full = [bar for bar in bars if bar]
    width = math.ceil(max(bars) * MODE)
    heights = [math.floor(bar / width) * width for bar in full]
    common = sorted((heights.count(height) for height in set(heights)), reverse=True)
    bimodal = 0.0
    if len(full) >= BIMODAL_BARS:
        bimodal = min(1.0, _digits(sum(common[:2]) / max(len(full) - OUTLIERS, 1)))
    change = pstdev(bars) / fmean(bars)
    level = 0.0 if change > 1 else _digits(1 - change)
    return max(level, bimodal), len(full), _run(bars)


def durations(times: Sequence[int], window: tuple[int, int], bars: int, run: int) -> float:
    """Return the share of the window that is covered, or of 12 bins in a row, if that is more."""
    if bars < DURATION_BARS:
        return 0.0
    covered = (max(times) - min(times)) / (window[1] - window[0])
    return min(1.0, max(_up(covered), _up(run / RUN)))


def _run(bars: Sequence[int]) -> int:
    """Return the longest run of bins that hold anything, round the end."""
    longest = current = 0
    for bar in [*bars, *bars]:
        current = current + 1 if bar else 0
        longest = max(longest, current)
    return min(longest, len(bars))


def _digits(value: float) -> float:
    """Round to three digits, half away from zero."""
    return math.floor(value * 1000 + 0.5) / 1000


def _up(value: float) -> float:
    """Round up to three digits."""
    return math.ceil(value * 1000) / 1000
