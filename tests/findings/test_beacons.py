import random
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import polars as pl
import pytest

from flowlens.findings import Context, Limits, rita
from flowlens.findings.beacon import beacons
from flowlens.findings.rhythm import rhythms
from flowlens.findings.starts import PAIR, events
from tests.findings.conftest import edge, frame

Records = Callable[..., pl.LazyFrame]
DAY = 86_400
C2: dict[str, Any] = {"server_port": 8443, "expected": "no"}
BEAT = [n * 300 for n in range(280)]


def jittered(period: int, jitter: int, count: int = 200, seed: int = 1) -> list[int]:
    dice = random.Random(seed)
    at, out = 17, []
    for _ in range(count):
        at += period + dice.randint(-jitter, jitter)
        out.append(at)
    return out


def found(records: pl.LazyFrame, mode: Any = "own", others: int = 0, **change: Any) -> pl.DataFrame:
    """Return the beacons of one pair that has an edge in each hour, beside other workloads."""
    rows = [edge(n, 3_500, **{"records": 24, "connections": 12, **change}) for n in range(24)]
    rows += [edge(n, client=f"10.0.1.{n + 50}", client_owner=[f"f{n}"], server="192.0.2.7",
                  expected="yes") for n in range(others)]  # fmt: skip
    return beacons(frame(rows).lazy(), Context(records=records, beacon=mode))


@pytest.mark.parametrize("jitter", [0, 30, 90])
def test_a_beat_is_found(records: Records, jitter: int) -> None:
    """A call home every five minutes is a beacon, with up to a third of jitter."""
    seconds = jittered(300, jitter)
    row = found(records(seconds, server_port=8443), **C2).row(0, named=True)
    assert row["numbers"]["tries"] == len(set(seconds))
    assert row["numbers"]["period"] == pytest.approx(300, abs=30)
    assert row["numbers"]["score"] >= 0.6
    assert (row["severity"], row["technique"]) == (
        "high" if jitter < 90 else row["severity"],
        "T1571",
    )
    assert f"{len(set(seconds))} starts, one every" in row["text"]


def test_a_beat_by_hand(records: Records) -> None:
    """Gaps 300, 300, 310 …: median 300, MAD 0; sizes all alike; 13 starts over 3,640 s."""
    seconds = [0, 300, 600, 910, 1210, 1510, 1820, 2120, 2420, 2730, 3030, 3330, 3640]
    numbers = found(records(seconds, server_port=8443), **C2)["numbers"][0]
    assert (numbers["period"], numbers["jitter"], numbers["tries"]) == (300, 0, 13)
    assert numbers["score"] == 1  # 13 x 300 > 3,640: covered whole


def series(gaps: list[int], sizes: int = 600) -> pl.DataFrame:
    at = list(accumulate(gaps, initial=7))
    return pl.DataFrame({"who": "a", "at": at, "bytes_out": [sizes] * len(at)})


@pytest.mark.parametrize(
    ("gaps", "told"),
    [
        # Median 300, MAD 0, covered whole.
        ([300] * 20, ("beat", 300, 0, 1.0)),
        # Two runs of 20 and a night: 41 starts, 1 rest of 40 gaps; 0.9 of 1.
        ([300] * 20 + [40_000] + [300] * 20, ("rests", 300, 0, 0.9)),
        # Multiples of 100: 10 + 20 + 30 = 60 beats due, 31 starts: 0.9 (1 + 31/60) / 2.
        ([100, 200, 300] * 10, ("missed", 100, 0, 0.682)),
        # 60 and 900 in turn: 21 starts, of which 960 s see two: 0.9.
        ([60, 900] * 10, ("turns", 960, 0, 0.9)),
        # Calls every minute, each with another 2 s later: 15 of 30 are calls; 0.9.
        ([2, 58] * 14 + [2], ("beat", 60, 0, 0.9)),
    ],
)
def test_rhythms_by_hand(gaps: list[int], told: tuple[str, float, float, float]) -> None:
    """Shape, period, how far gaps are off it, and score, of series without any jitter."""
    (row,) = rhythms(series(gaps), ["who"], Limits()).to_dicts()
    assert (row["shape"], row["period"], row["jitter"], row["score"]) == told
    assert row["tries"] == len(gaps) + 1
    assert row["echoes"] == (gaps[0] == 2)


@pytest.mark.parametrize(
    "gaps",
    [
        [9] * 14 + [40_000],  # one run, and one more: a rest is few of many
        [300] * 3 + [40_000] + [300] * 3 + [40_000] + [300] * 3 + [40_000] + [300] * 4,  # often
        [1, 1, 1, 1, 500] * 30,  # pages of five
        [100, 130, 270, 320, 55, 610, 240, 90, 20, 170] * 6,  # anywhen
        [3] * 40,  # faster than seconds tell
    ],
)
def test_what_has_no_rhythm(gaps: list[int]) -> None:
    """Short runs, many rests, pages and independent starts have no shape."""
    assert rhythms(series(gaps), ["who"], Limits()).is_empty()


def test_working_hours_are_said_and_weigh_less(records: Records) -> None:
    """A beat that sleeps at night is found where nothing declares it, and not where nobody said."""
    days = [n * 300 + day * DAY for day in range(2) for n in range(100)]
    row = found(records(days, server_port=8443), **C2).row(0, named=True)
    assert "200 starts, one every 300 s between long rests (MAD 0 s, score 0.9" in row["text"]
    assert found(records(days), domains=None, others=6).is_empty()
    assert found(records(BEAT), domains=None, others=6).height == 1


def test_a_scheduler_weighs_less(records: Records) -> None:
    """A beat that starts at full minutes is what schedulers do, and it is said."""
    row = found(records(BEAT, server_port=8443), **C2).row(0, named=True)
    assert row["severity"] == "medium"
    assert "it starts at full minutes as schedulers do" in row["text"]


def test_a_short_capture_is_enough(records: Records) -> None:
    """Forty calls in seven minutes are normalised by what was seen, not by a day."""
    assert found(records([n * 10 for n in range(40)], server_port=8443), **C2).height == 1


@pytest.mark.parametrize(
    ("seconds", "change"),
    [
        (BEAT, {"server_port": 8443, "expected": "yes"}),  # a health check that was declared
        (BEAT, {"server_port": 123, "protocol": 17}),  # the time
        (BEAT, {"destination_kind": "aws", "destination": "SSM"}),  # an agent of AWS
        (BEAT, {"destination_kind": "domain", "destination": "intake.example"}),  # telemetry
        (BEAT, {"domains": None}),  # the web, and no resolver log to name it
        (sorted(random.Random(4).sample(range(DAY), 280)), C2),  # people
        ([60 * (n // 8) * 9 + n % 8 for n in range(280)], C2),  # bursts of page loads
        ([n * 300 for n in range(8)], C2),  # too few to tell
    ],
)
def test_what_looks_alike_is_none(records: Records, seconds: list[int], change: Any) -> None:
    """Health checks, time, agents, telemetry, people and bursts are no beacons."""
    service = {"server_port": change.get("server_port", 443), "protocol": change.get("protocol", 6)}
    assert found(records(seconds, **service), **change).is_empty()


def test_rarity_speaks(records: Records) -> None:
    """Of an unjudged call to the port of the web, that nobody else of many makes it is enough."""
    assert found(records(BEAT), domains=None).is_empty()
    assert found(records(BEAT), domains=None, others=6)["severity"].to_list() == ["medium"]


def test_the_cadence_of_records_is_no_beat(records: Records) -> None:
    """A connection that never rests gives a record a minute; it is one event, and no beacon."""
    minutes = [n * 60 for n in range(600)]
    busy = records(minutes, server_port=8443, client_port=40_000, lasts=58, flags=0, reply=0)
    pair = (
        pl.DataFrame([{**edge(server_port=8443)}])
        .select(*PAIR, "observer")
        .cast({"server_port": pl.UInt16, "protocol": pl.UInt8})
    )
    assert events(busy, pair).height == 1  # type: ignore[union-attr]
    assert found(busy, **C2).is_empty()


def test_one_connection_that_wakes_is_a_beat(records: Records) -> None:
    """A connection that rests for whole windows and wakes every ten minutes keeps a beat."""
    waking = [n * 600 for n in range(100)]
    kept = records(waking, server_port=8443, client_port=40_000, flags=0, reply=0)
    assert found(kept, **C2)["numbers"][0]["period"] == 600


def test_windows_of_ten_minutes(records: Records) -> None:
    """New connections keep their second in records of ten minutes, so the beat stays."""
    seconds = jittered(300, 20)
    slow = records(seconds, server_port=8443, lasts=280)
    assert found(slow, **C2)["numbers"][0]["period"] == pytest.approx(300, abs=5)


def test_without_records_nothing_is_said() -> None:
    """Hours are too coarse for a beat: without records, or their times, there is none."""
    rows = frame([edge(n, **C2) for n in range(24)]).lazy()
    assert beacons(rows, Context()).is_empty()
    assert beacons(rows, Context(records=pl.LazyFrame({"srcaddr": ["10.0.1.5"]}))).is_empty()


def test_records_that_were_added_up_have_no_starts(records: Records) -> None:
    """A table that adds up records by the hour would beat by the hour: it is not judged."""
    summed = records(BEAT, server_port=8443).with_columns(merged=pl.lit(60, pl.UInt64))
    assert found(summed, **C2).is_empty()


def test_rita_scores_every_pair(records: Records) -> None:
    """In the mode of RITA what was declared is scored as well, and named so."""
    row = found(records(BEAT), mode="rita", expected="yes").row(0, named=True)
    assert row["numbers"]["score"] >= Limits().rita_score
    assert "RITA's score" in row["text"]
    assert "it was declared" in row["text"]


@pytest.mark.parametrize(
    ("values", "default", "score"),
    [
        # Gaps; the quartiles are medians of the halves. Bowley 0, MAD 0.
        ([60] * 9, 1, 1.0),
        # 98 199 300: Bowley 0, MAD 101 of 199: (1 + 98/199) / 2.
        ([98, 300] * 5, 1, 0.746),
        # 13.5 90 1000: Bowley 833.5/986.5, MAD 89 of 90: (1 - 0.8449 + 1/90) / 2.
        ([1, 299, 25, 4975, 90, 2, 42, 500, 1500], 1, 0.083),
        # 3 5.5 8: too narrow for a skew; MAD 2.5 of 5.5: (1 + 3/5.5) / 2.
        (list(range(1, 11)), 0, 0.773),
        # A median below one takes the default: 0 for sizes, 1 for gaps.
        ([0, 0, 0, 0], 0, 0.5),
        ([0, 0, 0, 0], 1, 1.0),
    ],
)
def test_rita_spread(values: list[float], default: float, score: float) -> None:
    """RITA's score of gaps and sizes is what its formula gives by hand."""
    assert rita.spread(values, default=default) == pytest.approx(score, abs=0.001)


def test_rita_histogram() -> None:
    """Level bins score 1; eight of 24 bins score by their change; two heights fit as one."""
    every = [n * 600 for n in range(144)]
    assert rita.histogram(every, (0, DAY)) == (1.0, 24, 24)
    # 48 in 8 of 24 bins: mean 2, deviation sqrt((8 x 16 + 16 x 4) / 24) = 2.828: CV > 1.
    third = [n * 600 for n in range(48)]
    assert rita.histogram(third, (0, DAY)) == (0.0, 8, 8)
    # Twelve bins of 2 and twelve of 6: two heights are all 24, of 23 without the outlier.
    two = [h * 3600 + k for h in range(24) for k in range(2 if h % 2 else 6)]
    assert rita.histogram(two, (0, DAY)) == (1.0, 24, 24)


def test_rita_durations() -> None:
    """The share of the window, or of twelve bins in a row; nothing below six bins."""
    assert rita.durations([0, DAY // 2], (0, DAY), bars=6, run=3) == 0.5
    assert rita.durations([0, DAY // 2], (0, DAY), bars=9, run=9) == 0.75
    assert rita.durations([0, DAY], (0, DAY), bars=5, run=5) == 0.0


def test_rita_score() -> None:
    """A day's beat of a minute scores 1; one of four minutes' 376 starts scores a half."""
    assert rita.score([n * 60 for n in range(1441)], [500.0] * 1441, (0, DAY)) == 1.0
    burst = sorted({n * 2 // 3 for n in range(376)})
    assert rita.score(burst, [700.0] * len(burst), (0, DAY)) == 0.5
    assert rita.score([1, 1, 1, 1], [5.0] * 4, (0, DAY)) is None
