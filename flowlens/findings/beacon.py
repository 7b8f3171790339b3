"""D5, beacons: what calls home on a beat, and has no business to."""

from collections.abc import Mapping
from math import floor
from typing import Any

import polars as pl

from flowlens.findings import rita
from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.ports import PLAIN
from flowlens.findings.retries import again, excuse, retries
from flowlens.findings.rhythm import SHAPES, rhythms
from flowlens.findings.rows import SERVICE, finding, merge, table, whole
from flowlens.findings.severity import Grade, grade
from flowlens.findings.sides import ABOUT, OURS, OUTSIDE, REFUSED, UDP, about
from flowlens.findings.starts import PAIR, events, watchers
from flowlens.small import collect
from flowlens.words import noun, size

__all__ = ["KIND", "beacons"]

KIND = "beacon"

#: One beat: the client of one destination; the addresses behind a name are one.
BEAT = ["client", "destination", "server_port", "protocol"]
#: What a finding tells of a beat, and what else is measured.
NUMBERS = ("tries", "period", "jitter", "score", "retries")
MEASURED = [*NUMBERS, "suspicion", "clock", "shape", "echoes"]

#: How suspicious a beat is by the kind of its destination (0..1), and by what is expected.
KINDS = {"address": 1.0, "network": 0.8, "domain": 0.6, "named": 0.3, "aws": 0.3}
PLAINEST = next(iter(SHAPES))
FOUR = (False,) * 4
EXPECTED = {"no": 1.0, "unknown": 0.5}
UNNAMED = 0.8  # an address without a resolver log to look it up in
ALONE, SOME, MANY = 1.0, 0.7, 0.4  # nobody else of many, of few; others go there too
CROWD = 5  # workloads that make many
COMMON = 0.8  # the port of the web
NTP, CLOCK = 123, 0.1  # the time is asked for on a beat
SHAPED = 0.7  # a rhythm that is no plain beat: pollers with breaks and pairs of calls have one, too


def beacons(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find connections that begin on a beat to a rare destination that nobody declared.

    The *score* is regularity × sameness × cover, each 0..1, over the starts of connections
    (`starts.events`): 1 - MAD/median of the gaps; 0.6 + 0.4 (1 - MAD/median) of the bytes sent;
    starts × median gap over the observed span. It is normalised by what was observed, never by a
    day. Beats with long rests, beats of which some are missed, two intervals in turn and calls that
    another follows at once have a score of their own (`rhythm.rhythms`), and weigh less.
    *Suspicion* is the score × what is expected × who the destination is × who else goes
    there × the port (`KINDS` and the constants below it), because NTP, health checks, agents and
    schedulers are periodic, too. At least `beats` starts, `beacon_score` and
    `beacon_suspicion` are needed (own thresholds).

    Starts at intervals that double, without an answer, are those of a client whose server is gone
    (`retries`); they weigh less, and it is said.

    In the mode "rita" it is RITA's score over each pair of addresses and day, and nothing else.

    Technique: T1071 (application layer protocol); T1571 on ports other than the web's.

    It cannot see a beat inside one connection that never rests for an aggregation interval
    (`long_connections` finds those), beats that are slower than the logs are long, jitter beyond
    about half the period, beats of which more than half are missed, and, without records,
    anything: an hour is too coarse.

    Args:
        edges: a table of schema EDGES.
        context: the records, the mode and the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    if context.records is None:
        return table([])
    limits = context.limits
    everything = context.beacon == "rita"
    wanted = _candidates(edges, limits, everything=everything)
    if wanted.is_empty():
        return table([])
    seen = events(context.records, wanted)
    if seen is None or seen.is_empty():
        return table([])
    named = wanted.select(*BEAT, "server").unique()
    if everything:
        found = rita.best(seen, limits).with_columns(
            suspicion=pl.col("score"),
            clock=pl.lit(value=False),
            shape=pl.lit(PLAINEST),
            echoes=pl.lit(value=False),
            retries=pl.lit(None, pl.UInt64),
        )
        keys = ["client", "server"]
    else:
        called = seen.join(named, on=PAIR, nulls_equal=True)
        found = rhythms(called, BEAT, limits)
        found = found.join(_reach(edges, wanted), on=BEAT, how="left", nulls_equal=True)
        found = _suspicious(found, limits)
        more = retries(called.join(found, on=BEAT, how="semi", nulls_equal=True), limits, BEAT)
        found = found.join(more.drop("starts"), on=BEAT, how="left", nulls_equal=True)
        keys = BEAT
    if found.is_empty():
        return table([])
    return _rows(edges, found, context, keys)


def _candidates(edges: pl.LazyFrame, limits: Limits, *, everything: bool) -> pl.DataFrame:
    """Return the pairs that may be beacons: ours, outside, often enough, not declared."""
    left = edges.filter(OURS, OUTSIDE, ~REFUSED)
    if not everything:
        left = left.filter((pl.col("expected") != "yes").fill_null(value=True))
    days = pl.col("hour").dt.date().n_unique().clip(1)
    often = pl.col("records").sum() >= (4 if everything else limits.beats)
    beat = ["client", "server"] if everything else BEAT
    kept = (
        left.group_by(beat)
        .agg(often=often, rate=pl.sum("connections") / days)
        .filter("often", pl.col("rate") < limits.strobe)
        .select(beat)
    )
    return watchers(left.join(kept, on=beat, how="semi", nulls_equal=True), [*BEAT, "server"])


def _reach(edges: pl.LazyFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Return, by `BEAT`, what suspicion needs: expectation, kind, names, and who else goes."""
    some = wanted.lazy().select("destination").unique()
    ours = about(edges.filter(OURS))
    crowd = ours.select(pl.col("about").n_unique().alias("crowd"))
    near = ours.join(some, on="destination", how="semi", nulls_equal=True)
    common = near.group_by("destination").agg(workloads=pl.col("about").n_unique())
    told = near.group_by(BEAT).agg(
        pl.col("about").first(),
        expected=pl.when((pl.col("expected") == "no").any()).then(pl.lit("no")),
        kind=pl.col("destination_kind").drop_nulls().sort().first(),
        looked=pl.col("domains").is_not_null().any(),
    )
    return (
        told.join(common, on="destination", how="left", nulls_equal=True)
        .join(crowd, how="cross")
        .pipe(collect)
    )


def _suspicious(found: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Add ``suspicion`` and keep what has enough."""
    kind = pl.col("kind").replace_strict(KINDS, default=1.0, return_dtype=pl.Float64)
    blind = (pl.col("kind").fill_null("address") == "address") & ~pl.col("looked")
    alone = pl.when(pl.col("workloads") > limits.few).then(MANY)
    rare = alone.when(pl.col("crowd") >= CROWD).then(ALONE).otherwise(SOME)
    web = pl.when(pl.col("server_port").is_in(PLAIN)).then(COMMON)
    time = (pl.col("server_port") == NTP) & (pl.col("protocol") == UDP)
    factors = (
        pl.col("expected").fill_null("unknown").replace_strict(EXPECTED, return_dtype=pl.Float64),
        pl.when(blind).then(UNNAMED).otherwise(kind),
        rare,
        pl.when(time).then(CLOCK).otherwise(web.otherwise(1.0)).fill_null(1.0),
        pl.when((pl.col("shape") != PLAINEST) | pl.col("echoes")).then(SHAPED).otherwise(1.0),
    )
    suspicion = pl.col("score")
    for factor in factors:
        suspicion = suspicion * factor
    return found.with_columns(suspicion=suspicion).filter(
        pl.col("suspicion") >= limits.beacon_suspicion
    )


def _rows(
    edges: pl.LazyFrame, found: pl.DataFrame, context: Context, keys: list[str]
) -> pl.DataFrame:
    """Return a finding for each beat; clients of one owner are one."""
    told = found.select(*keys, *MEASURED)
    these = edges.filter(OURS, OUTSIDE, ~REFUSED).join(
        told.lazy(), on=keys, how="inner", nulls_equal=True
    )
    best = (
        these.with_columns(about=ABOUT)
        .select(*SERVICE, "client", *MEASURED)
        .sort(*SERVICE, "suspicion", "score", "client", descending=[*FOUR, True, True, False])
        .unique(SERVICE, keep="first", maintain_order=True)
        .drop("client")
        .pipe(collect)
    )
    merged = merge(these.drop(MEASURED)).pipe(collect)
    joined = merged.join(best, on=SERVICE, how="left", nulls_equal=True, maintain_order="left")
    return table([_finding(whole(row), context) for row in joined.iter_rows(named=True)])


def _finding(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return one finding."""
    numbers = {name: row[name] for name in NUMBERS}
    row = {**row, "starts": row["tries"]}
    mode = "RITA's score" if context.beacon == "rita" else "score"
    text = (
        f"{whom(row)} called {where(row)} on a beat: {noun(row['tries'], 'start')}, "
        f"{_rhythm(row)} {seconds(row['jitter'])}, {mode} {row['score']:.3f})"
        f"{again(row)}, {size(row['bytes_out'])} {when(row)}, {outcome(row)}"
    )
    port = row["server_port"]
    technique = "T1071" if port in PLAIN or port is None else "T1571"
    return finding(KIND, row, text, _grade(row, context), technique, numbers=numbers)


def _rhythm(row: Mapping[str, Any]) -> str:
    """Return the period in words, up to how far the gaps are off it."""
    echo = ", some followed by another at once" if row["echoes"] else ""
    number = "two" if row["shape"] == "turns" else "one"
    off = "MAD" if row["shape"] in {PLAINEST, "rests"} else "mostly off by"
    return f"{number} every {seconds(row['period'])}{SHAPES[row['shape']]}{echo} ({off}"


def _grade(row: Mapping[str, Any], context: Context) -> Grade:
    """Grade a beat: few bytes are enough for it, and what was not declared is worse."""
    if row["undeclared"]:
        told = (1.0, "nothing declares it")
    elif row["declared"]:
        told = (0.15, "it was declared")
    else:
        told = (0.5, "nobody said what to expect")
    beat = (row["score"], "it keeps a beat")
    clock = [(0.5, "it starts at full minutes as schedulers do")] if row["clock"] else []
    tried = excuse(row, context)
    return grade(row, context, base=0.9, amount=False, factors=[beat, told, *clock, *tried])


def seconds(value: float) -> str:
    """Return seconds with at most one digit.

    >>> seconds(300.0), seconds(0.46)
    ('300 s', '0.5 s')
    """
    rounded = floor(value * 10 + 0.5) / 10
    return f"{rounded:,.1f}".removesuffix(".0") + " s"
