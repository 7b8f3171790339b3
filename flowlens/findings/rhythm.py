"""Rhythms: how regular a series of starts is, as a plain beat or one of four other shapes."""

from collections.abc import Sequence

import polars as pl

from flowlens.findings.limits import Limits

__all__ = ["ECHO", "SHAPES", "rhythms"]

#: Shapes of a rhythm with what the sentence says of it, the plainest first.
SHAPES = {
    "beat": "",
    "rests": " between long rests",
    "missed": " of which some are missed",
    "turns": ", two intervals in turn",
}

SLACK, ON_CLOCK = 2, 0.9  # seconds about a full minute, and the share of starts near one
REST = 10  # times the median gap: nobody beats then
RESTS, WHOLE = 0.05, 0.8  # gaps that are rests at most; starts in runs that are beats alone
LOWER, MOST = 0.25, 12  # the quantile of gaps that is about a period of missed beats; how many
CHANCE = 0.25  # of the period: how far gaps without a rhythm are off where it puts them, about
SURE = 0.9  # of the score: more shapes fit more by chance
ECHO, ECHOES = 10, (0.1, 0.52)  # seconds within which a start follows another; their share


def rhythms(starts: pl.DataFrame, keys: Sequence[str], limits: Limits) -> pl.DataFrame:
    """Score the starts of each key by the plainest shape that fits.

    The *score* is regularity × sameness × cover, each 0..1; sameness is 0.6 + 0.4 (1 - MAD/median)
    of the bytes sent. The shapes:

    - *beat*: regularity 1 - MAD/median of the gaps, cover starts × median gap over the span;
    - *rests*: the same without gaps of more than ten times the median, if they are few and the runs
      between them are long: working hours, hosts that sleep;
    - *missed*: gaps are multiples of the period, about their first quartile; regularity 1 - 4 ×
      their median distance from the nearest one over the period (0 by chance), and half of the
      beats that are missed is taken from the cover;
    - *turns*: two intervals in turn, whose sum is the period; regularity 1 - 4 × the median
      difference of a gap from the last but one over the period (0 by chance).

    Each is tried on all starts, and again without those that follow another within ten seconds, if
    that is one of two at most: a call and the connection that fetches its task are one. Whatever is
    not the plain beat of all starts had more chances to fit, and keeps 0.9 of its score.

    Args:
        starts: `keys`, ``at`` (seconds) and ``bytes_out``, one row a start.
        keys: whose starts they are.
        limits: how many starts are enough, and how fast a beat may be.

    Returns:
        `keys`, ``tries`` (starts in different seconds), ``period``, ``jitter`` (MAD, seconds),
        ``score``, ``shape``, ``echoes`` (whether starts were left out as such), and ``clock``:
        whether nearly all starts are at full minutes; one row for each key with `beats` starts
        of which a shape scores `beacon_score`.
    """
    every = starts.group_by(*keys, "at").agg(pl.sum("bytes_out")).sort(*keys, "at")
    gap = pl.col("at").diff().over(keys)
    follows = (gap <= ECHO).fill_null(value=False)
    many = follows.mean().over(keys).is_between(*ECHOES)
    calls = every.with_columns(head=(~follows).cum_sum()).filter(many)
    merged = calls.group_by(*keys, "head").agg(pl.min("at"), pl.sum("bytes_out")).sort(*keys, "at")
    whole = every.group_by(keys).agg(tries=pl.len().cast(pl.UInt64))
    told = pl.concat(
        [_scored(every, keys, limits, 1.0), _scored(merged.drop("head"), keys, limits, SURE)]
    )
    order = [False] * len(keys) + [False, True]
    best = told.sort(*keys, "rank", "beats", descending=order).unique(
        keys, keep="first", maintain_order=True
    )
    return best.join(whole, on=list(keys), nulls_equal=True).select(
        *keys, "tries", "period", "jitter", "score", "shape", "clock",
        echoes=pl.col("tries") > pl.col("beats"),
    )  # fmt: skip


def _scored(one: pl.DataFrame, keys: Sequence[str], limits: Limits, share: float) -> pl.DataFrame:
    """Return a row for each key and shape that fits; a plain beat keeps a share of its score."""
    fast = pl.col("beat") >= limits.beacon_fastest
    told = _measured(_marked(one, keys, limits), keys).filter(pl.col("beats") >= limits.beats, fast)
    count, span = pl.col("beats"), pl.col("span")
    awake = 1 - pl.col("rests_off") / pl.col("rests")
    missed, turns = (1 - pl.col(f"{n}_off") / (CHANCE * pl.col(n)) for n in ("missed", "turns"))
    shapes = {
        "beat": (1 - pl.col("beat_off") / pl.col("beat"), count * pl.col("beat") / span),
        "rests": (
            pl.when("allowed").then(awake), count * pl.col("rests") / (span - pl.col("rested")),
        ),
        "missed": (missed, (1 + count / pl.col("due").clip(1)) / 2),
        "turns": (turns, count * pl.col("turns") / 2 / span),
    }  # fmt: skip
    same = 0.6 + 0.4 * pl.col("same")
    rows = []
    for rank, (name, (regular, cover)) in enumerate(shapes.items()):
        score = regular.clip(0, 1) * same * cover.clip(0, 1) * (SURE if rank else share)
        rows.append(
            told.select(
                *keys, "beats", "clock", period=name, jitter=f"{name}_off", shape=pl.lit(name),
                rank=pl.lit(rank), score=score.fill_nan(0).round(3),
            )
        )  # fmt: skip
    return pl.concat(rows).filter(
        pl.col("period") >= limits.beacon_fastest, pl.col("score") >= limits.beacon_score
    )


def _marked(one: pl.DataFrame, keys: Sequence[str], limits: Limits) -> pl.DataFrame:
    """Add to each start its gap, and what the shapes make of it."""
    gap = pl.col("gap")
    before = [gap.shift(n).over(keys) for n in range(3)]
    times = pl.col("times")
    about = gap.filter(times.is_between(1, MOST)).sum()
    count = times.filter(times.is_between(1, MOST)).sum()
    return (
        one.with_columns(gap=pl.col("at").diff().over(keys).cast(pl.Float64))
        .with_columns(
            rest=(gap > REST * gap.median().over(keys)).fill_null(value=False),
            two=before[0] + before[1],
            turn=(before[0] - before[2]).abs(),
            times=(gap / gap.quantile(LOWER, "lower").over(keys)).round(),
        )
        .with_columns(run=pl.col("rest").cum_sum().over(keys), short=(about / count).over(keys))
        .with_columns(
            long=pl.len().over(*keys, "run") >= limits.beats,
            off=pl.when(times <= MOST).then((gap - times * pl.col("short")).abs()),
        )
    )


def _measured(marked: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return for each key the period of each shape and what gaps are off it."""
    gaps, sent = pl.col("gap"), pl.col("bytes_out").cast(pl.Float64)
    beats, rests = gaps.filter(~pl.col("rest")), pl.col("rest").sum()
    return marked.group_by(keys, maintain_order=True).agg(
        beats=pl.len().cast(pl.UInt64),
        span=(pl.col("at").max() - pl.col("at").min()).cast(pl.Float64),
        same=(1 - _mad(sent) / sent.median()).fill_nan(0).clip(0, 1),
        clock=((pl.col("at") + SLACK) % 60 <= 2 * SLACK).mean() >= ON_CLOCK,
        beat=gaps.median(),
        beat_off=_mad(gaps),
        rests=beats.median(),
        rests_off=_mad(beats),
        rested=gaps.filter("rest").sum(),
        allowed=(rests > 0) & (rests <= RESTS * pl.len()) & (pl.col("long").mean() >= WHOLE),
        missed=pl.col("short").first(),
        missed_off=pl.col("off").median(),
        due=pl.col("times").sum(),
        turns=pl.col("two").median(),
        turns_off=pl.col("turn").median(),
    )


def _mad(values: pl.Expr) -> pl.Expr:
    """Return the median absolute deviation."""
    return (values - values.median()).abs().median()
