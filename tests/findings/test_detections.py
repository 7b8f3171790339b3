import random
import re
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from flowlens.findings import DETECTIONS, Context, findings
from flowlens.findings.incidents import KINDS
from flowlens.findings.severity import LEVELS
from flowlens.tables import FINDINGS
from tests.findings.cases import CASES, Case
from tests.findings.conftest import START, frame

#: Kinds of finding by the detection that makes them.
MADE_BY = {
    "scans": ("port-scan", "host-sweep", "slow-scan"),
    "unexpected": ("unexpected",),
    "new_ports": ("new-port",),
    "doors": ("new-door",),
    "regions": ("region",),
    "exfiltration": ("exfiltration",),
    "volume": ("volume",),
    "hoarding": ("hoarding",),
    "beacons": ("beacon",),
    "long_connections": ("long-connection",),
    "mining": ("mining",),
    "brute_force": ("brute-force",),
    "lateral": ("lateral",),
    "let_in": ("let-in",),
    "breakage": ("breakage",),
    "exposed": ("exposed",),
    "probed": ("probed",),
    "threats": ("threat",),
    "foreign_dns": ("foreign-dns", "dns-tunnel"),
    "bypass": ("bypass",),
    "cleartext": ("cleartext",),
    "spam": ("spam",),
    "odd_protocols": ("protocol",),
    "floods": ("flood",),
    "off_schedule": ("off-schedule",),
    "silence": ("gap", "skipped", "switched-off"),
}
BY_KIND = {kind: detection for detection in DETECTIONS for kind in MADE_BY[detection.__name__]}
ALIKE = [(case, name) for case in CASES for name in case.alike]


def context(case: Case) -> Context:
    learn = None if case.learn is None else START + timedelta(hours=case.learn)
    return Context(learn_until=learn)


def run(case: Case, rows: list[dict[str, Any]]) -> pl.DataFrame:
    found = BY_KIND[case.kind](frame(rows).lazy(), context(case))
    assert dict(found.schema) == FINDINGS
    return found.filter(pl.col("kind") == case.kind)


@pytest.fixture(scope="module")
def found() -> dict[int, pl.DataFrame]:
    """What is found in each case, by its place."""
    return {n: run(case, case.rows) for n, case in enumerate(CASES)}


PLACES = [pytest.param(n, id=f"{case.kind} {case.technique}") for n, case in enumerate(CASES)]


@pytest.mark.parametrize("place", PLACES)
def test_an_incident_is_one_finding(place: int, found: dict[int, pl.DataFrame]) -> None:
    """What a detection is for is one finding of its kind, above info, with its technique."""
    case = CASES[place]
    (row,) = found[place].to_dicts()
    assert row["technique"] == case.technique
    assert row["severity"] in case.levels
    assert f"; {row['severity']} because " in row["text"]


@pytest.mark.parametrize(
    ("case", "name"), ALIKE, ids=lambda one: one if isinstance(one, str) else one.kind
)
def test_what_looks_alike_is_none(case: Case, name: str) -> None:
    """A benign look-alike is no finding of the kind."""
    assert run(case, case.alike[name]).is_empty()


def test_every_detection_is_tried() -> None:
    """Each detection has a docstring, an incident, and at least three look-alikes."""
    tried = {case.kind for case in CASES} | {"beacon", "threat", "gap", "skipped"}
    for detection in DETECTIONS:
        name = detection.__name__
        assert tried >= set(MADE_BY[name])
        assert "Technique: " in (detection.__doc__ or "")
        assert re.search(r"It (cannot|believes)|It can", detection.__doc__ or "")
    assert all(len(case.alike) >= 3 for case in CASES)
    assert set(BY_KIND) - set(KINDS) == {"gap", "skipped", "switched-off"}


SIX = {f"10.0.{a}.": f"fd00::{a}:" for a in range(3)} | {
    "203.0.113.": "2001:db8:113::", "198.51.100.": "2001:db8:100::", "52.216.0.": "2001:db8:52::",
}  # fmt: skip


def six(row: dict[str, Any]) -> dict[str, Any]:
    """Return the same edge in IPv6."""

    def one(text: Any) -> Any:
        for four, other in SIX.items():
            if isinstance(text, str) and text.startswith(four):
                return other + text.removeprefix(four)
        return text

    return {name: one(value) for name, value in row.items()}


@pytest.mark.parametrize("place", PLACES)
def test_both_families_are_alike(place: int, found: dict[int, pl.DataFrame]) -> None:
    """What is found in IPv4 is found in IPv6, as grave and with the same numbers."""
    shown = ["kind", "severity", "numbers", "technique"]
    told = run(CASES[place], [six(row) for row in CASES[place].rows])
    assert told.select(shown).equals(found[place].select(shown))


def test_any_order_gives_the_same_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """All incidents at once, in any order and cut anywhere, give the same findings.

    So they do by the engine of large frames.
    """
    rows = [
        row | {"client_owner": [f"{case.kind}{n}"] if row["client_owner"] else None}
        for n, case in enumerate(CASES[:13])
        for row in case.rows
    ]
    mixed = random.Random(3).sample(rows, len(rows))
    whole = findings(frame(rows), Context(learn_until=START + timedelta(hours=24)))
    parts = pl.concat([frame(mixed[:7]), frame(mixed[7:])], rechunk=False)
    monkeypatch.setattr("flowlens.small.ROWS", 0)
    assert findings(parts, Context(learn_until=START + timedelta(hours=24))).equals(whole)
    ranks = [LEVELS.index(level) for level in whole["severity"]]
    assert ranks == sorted(ranks, reverse=True)
    assert whole["id"].is_unique().all()


def test_numbers_of_texts_are_numbers_of_findings(found: dict[int, pl.DataFrame]) -> None:
    """Each count and size in a sentence is one of the finding's numbers."""
    for table in found.values():
        for row in table.iter_rows(named=True):
            text = row["text"].rpartition("; ")[0]
            values = set(row["numbers"].values())
            counts = re.findall(
                r"([\d,]+) (?:records?|connections?|packets?|times?|mail servers?|hours?|seconds?"
                r"|ports?|hosts?|addresses|starts?)\b",
                text,
            )
            told = {int(count.replace(",", "")) for count in counts}
            assert told <= values, (text, told, values)
