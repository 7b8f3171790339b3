from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from flowlens.expected import baseline
from flowlens.findings import Context, findings
from flowlens.findings.brute import brute_force
from flowlens.findings.lateral import lateral
from flowlens.findings.outsiders import probed
from flowlens.findings.probes import chance
from flowlens.findings.regions import regions
from flowlens.findings.scans import scans
from flowlens.findings.silence import silence
from flowlens.tables import COVERAGE, FINDINGS, empty
from tests.findings.cases import AFAR, DOOR, LOGIN, NO, OUTER, S3, SSH, YES, knock
from tests.findings.conftest import START, edge, frame, inner, refused

TIMES = ("hour", "first_seen", "last_seen")
TRIES = [n * 5 for n in range(60)]
TARGET: dict[str, Any] = {"server": "10.0.2.8", "server_port": 22, "packets": 15}


@pytest.mark.parametrize(
    ("last", "level", "words"),
    [
        (9_000_000, "critical", "a later connection moved 9 MB, which a failed log-in does not"),
        (2_100, "medium", "none of them stands out as a success"),
    ],
)
def test_success_of_guesses(
    records: Callable[..., pl.LazyFrame], last: int, level: str, words: str
) -> None:
    """One connection after sixty failed log-ins that moves much may be a success."""
    seen = records([*TRIES, 400], [2_000] * 60 + [last], **TARGET)
    found = brute_force(frame([inner(0, **LOGIN)]).lazy(), Context(records=seen))
    assert found["severity"].to_list() == [level]
    assert words in found["text"][0]


def test_outsiders_that_guess_are_one_finding() -> None:
    """Forty addresses that guess at one server are one finding about the server."""
    outer = {"client_owner": None, "client_kind": None, "vantage": "server"}
    rows = [inner(0, **LOGIN, **outer, client=f"198.51.100.{n}") for n in range(40)]
    found = brute_force(frame(rows).lazy(), Context())
    assert found["numbers"].struct.field("clients").to_list() == [40]
    assert found["text"][0].startswith(
        "40 addresses outside tried to log in to db tcp/22 2,400 times"
    )


def test_a_step_that_is_new() -> None:
    """Without a document, a log-in that the learning time did not have is a step."""
    learn = Context(learn_until=START + timedelta(hours=24))
    old = [inner(1, **SSH), inner(30, **SSH)]
    assert lateral(frame(old).lazy(), learn).is_empty()
    assert lateral(frame([edge(1), inner(30, **SSH)]).lazy(), learn).height == 1
    assert lateral(frame([inner(30, **SSH)]).lazy(), learn).is_empty()  # nobody knew the workload


@pytest.mark.parametrize(("server", "head"), [("10.0.2.", 40), ("fd00::2:", 60)])
def test_resets_say_nothing(server: str, head: int) -> None:
    """Twelve hosts that answer a SYN by a reset were swept, in IPv4 and IPv6."""
    mute = {"bytes_out": head + 20, "packets_out": 1, "bytes_in": head, "packets_in": 1}
    rows = [inner(n / 100, server=f"{server}{n}", server_port=22, **mute) for n in range(12)]
    assert scans(frame(rows).lazy(), Context())["kind"].to_list() == ["host-sweep"]


def test_chance() -> None:
    """The tail of a Poisson: at least 1 of 0.5 is 1 - e^-0.5; at least 2 of 1 is 1 - 2/e."""
    assert chance(1, 0.5) == pytest.approx(0.393469)
    assert chance(2, 1.0) == pytest.approx(0.264241)
    assert chance(8, 0.5) < 1e-6 < chance(6, 0.5)


def covered(*rows: tuple[str, str, float, float]) -> pl.DataFrame:
    """Return coverage from observer, status and hours."""
    at = [(*who, *(START + timedelta(hours=h) for h in hours), "x") for *who, a, b in rows
          for hours in [(a, b)]]  # fmt: skip
    return pl.DataFrame(at, schema=COVERAGE, orient="row")


def told(hours: list[int], coverage: pl.DataFrame | None) -> list[tuple[str, int]]:
    """Return kind and seconds of what is silent where there are edges in some hours."""
    rows = frame([edge(n) for n in hours]).lazy()
    found = silence(rows, Context(coverage=coverage))
    return [(row["kind"], row["numbers"]["seconds"]) for row in found.iter_rows(named=True)]


def test_gaps() -> None:
    """Hours in which nobody says anything are a gap, if it is known what was said."""
    assert told([0, 1, 5], empty(COVERAGE)) == [("gap", 3 * 3600)]
    assert told([0, 1, 5], None) == []  # edges alone do not tell
    assert told([0, 1, 2], empty(COVERAGE)) == []
    assert told([0, 1, 5], covered(("eni-0a", "NODATA", 2, 5))) == []  # idle, and it said so
    assert told([], empty(COVERAGE)) == []


def test_skipped_windows() -> None:
    """All windows that AWS lost are one finding with their length."""
    lost = covered(("eni-0a", "SKIPDATA", 0, 1), ("eni-0b", "SKIPDATA", 1, 1.5))
    assert told([0, 1], lost) == [("skipped", 5400)]


def test_nothing_gives_nothing() -> None:
    """No edges, no findings; the table keeps its schema with everything that may be given."""
    some = Context(coverage=empty(COVERAGE), learn_until=START, records=pl.LazyFrame())
    assert dict(findings(frame([]), some).schema) == FINDINGS
    assert findings(frame([]), some).is_empty()


def test_what_is_unknown_is_no_incident() -> None:
    """Edges with nothing but their ends known give no finding, and no error."""
    bare = {name: None for name in edge(0) if name not in {"client", "server"}}
    assert findings(frame([{**bare, "client": "10.0.1.5", "server": "203.0.113.9"}])).is_empty()
    assert findings(frame([refused(0, server=None)])).is_empty()


def test_a_guessed_door_that_is_open_is_one_finding() -> None:
    """Guesses at a service that also answers the outside are one finding that says both."""
    outer = {
        "client": "198.51.100.7",
        "client_owner": None,
        "client_kind": None,
        "vantage": "server",
    }
    (row,) = findings(frame([inner(0, **LOGIN, **outer)])).to_dicts()
    assert row["kind"] == "brute-force"
    assert "(also: it answers the outside)" in row["text"]


def test_what_probed_is_named_with_all_that_passed() -> None:
    """A prober that was answered is one finding whose numbers are those of its whole network."""
    rows = [*(knock(n) for n in range(9)), inner(2, **DOOR), inner(3, **SSH, **OUTER)]
    rows += [knock(n, client=f"192.88.{n}.1") for n in range(50)]  # the rest of the Internet
    first, second = findings(frame(rows)).sort("server_port").to_dicts()
    assert (first["kind"], second["kind"]) == ("probed", "probed")
    assert "it answers the outside" in first["text"]  # of SSH
    numbers = second["numbers"]
    assert (numbers["servers"], numbers["ports"], numbers["tries"]) == (3, 9, 9)
    assert (numbers["records"], numbers["rejected"], numbers["peak"]) == (13, 9, 50_000)
    assert second["text"].startswith(
        "198.51.100.7 outside (198.51.100.0/24) tried 9 ports of 3 hosts here without a word said, "
        "9 connections, and later got 50 kB from db (10.0.2.8) tcp/8080: "
    )
    assert second["evidence"]["filter"].startswith("addr = 198.51.100.0/24 and ((start >= ")


@pytest.mark.parametrize(("got", "level"), [(50_000, "medium"), (3_000, "low")])
def test_a_greeting_is_what_scanners_get(got: int, level: str) -> None:
    """Who is answered no more than a banner or a handshake is next to noise."""
    rows = [*(knock(n) for n in range(9)), inner(2, **{**DOOR, "bytes_in": got, "packets_in": 9})]
    assert probed(frame(rows).lazy(), Context())["severity"].to_list() == [level]


def test_neighbours_probe_together() -> None:
    """Nine addresses of one /24 that try one service each are one prober, however slow."""
    rows = [knock(n, client=f"198.51.100.{n + 20}") for n in range(9)]
    rows = [row | {key: row[key] + timedelta(hours=9 * n) for key in TIMES}
            for n, row in enumerate(rows)]  # fmt: skip
    (row,) = probed(frame([*rows, inner(90, **DOOR)]).lazy(), Context()).to_dicts()
    assert (row["numbers"]["clients"], row["numbers"]["tries"]) == (10, 9)


def test_outsiders_after_the_learning_time_are_told_by_the_service() -> None:
    """New outsiders are no finding each; a new door is one, and many doors of one place as well."""
    learn = START + timedelta(hours=24)

    def found(*rows: dict[str, Any]) -> list[str]:
        judged = baseline.compare(frame([inner(0), *rows]), learn)
        return findings(judged, Context(learn_until=learn))["text"].to_list()

    callers = [inner(30, **{**DOOR, "client": f"192.88.{n}.7"}) for n in range(60)]
    assert found(*(knock(300 + n) for n in range(60))) == []
    (text,) = found(*callers)
    assert text.startswith(
        "db answers tcp/8080 to the outside for the first time after the learning time: 60 "
        "addresses sent 120 kB and got 3 MB in 120 records "
    )
    (many,) = found(*(inner(30, **{**DOOR, "server_port": 40_000 + n}) for n in range(9)))
    assert many.startswith("db answers 9 ports of tcp to the outside for the first time")
    assert "low because" in many


def test_a_server_that_broke_for_all_is_one_finding() -> None:
    """Nine workloads that are refused where they were answered before are one finding."""
    rows = [
        {**row, "client": f"10.0.1.{n}", "client_owner": [f"f{n}"], "observer": f"eni-{n}"}
        for n in range(9)
        for row in (inner(0), refused(5, server="10.0.2.8", destination="db", records=9))
    ]
    (row,) = findings(frame(rows)).filter(kind="breakage").to_dicts()
    assert (row["owner"], row["numbers"]["workloads"], row["numbers"]["clients"]) == (None, 9, 9)
    assert row["text"].startswith("9 workloads are refused at db (10.0.2.8) tcp/443")


def test_a_service_of_the_baseline_in_a_new_region() -> None:
    """A baseline that knows S3 does not declare S3 in a Region that it never saw."""
    learn = START + timedelta(hours=24)
    judged = baseline.compare(frame([edge(0, **S3), edge(30, **AFAR)]), learn)
    assert judged["expected"].to_list() == ["yes", "yes"]
    (row,) = regions(judged.lazy(), Context(learn_until=learn)).to_dicts()
    assert (row["server"], row["severity"]) == ("198.51.100.3", "low")
    assert row["text"].startswith(
        "orders reached S3 (198.51.100.3) tcp/443 in ap-southeast-3, a Region that nobody here used"
    )
    assert regions(judged.lazy(), Context()).is_empty()


def test_a_move_and_the_home_of_global_services_weigh_less() -> None:
    """Three workloads that use a Region, or the Region where IAM answers, are next to nothing."""
    learn = Context(learn_until=START + timedelta(hours=24))
    old = edge(0, **{**S3, "region": "eu-west-1"})
    moved = [edge(30, **AFAR, client_owner=[f"f{n}"]) for n in range(3)]
    found = regions(frame([old, *moved]).lazy(), learn)
    assert found["numbers"].struct.field("workloads").to_list() == [3, 3, 3]
    assert all("3 workloads use it, as after a move" in text for text in found["text"])
    home = regions(frame([old, edge(30, **S3)]).lazy(), learn)
    assert home["severity"].to_list() == ["info"]
    assert "global services answer from there" in home["text"][0]


def named(at: float, name: str, who: str = "orders", **change: Any) -> dict[str, Any]:
    """Return a request of a workload to a host with a name."""
    where = {"destination": name, "destination_kind": "domain", "client_owner": [who]}
    return edge(at, **{"bytes_out": 2_000_000, **where, **change})


@pytest.mark.parametrize(
    ("old", "new", "words", "level"),
    [
        (
            named(0, "api.partner.co.uk"), "files.partner.co.uk",
            "it is expected at other hosts of partner.co.uk", "medium",
        ),
        (
            named(0, "api.partner.co.uk", "invoices"), "files.partner.co.uk",
            "another workload is expected at other hosts of partner.co.uk", "medium",
        ),
        (named(0, "api.partner.co.uk"), "partner.example.co.uk", None, "high"),  # another's
        (named(0, "us.github.io"), "them.github.io", None, "high"),  # anybody may register there
        (named(0, "a.s3.amazonaws.com"), "b.s3.amazonaws.com", None, "high"),  # or there
        (named(0, "api.partner.co.uk", action="REJECT"), "files.partner.co.uk", None, "high"),
    ],
)  # fmt: skip
def test_a_new_host_of_a_known_domain_is_less_new(
    old: dict[str, Any], new: str, words: str | None, level: str
) -> None:
    """What is registered by one owner is one place, and what anybody may register below is not."""
    rows = [edge(0, client_owner=["orders"]), old, named(30, new, server="203.0.113.10")]
    judged = baseline.compare(frame(rows), START + timedelta(hours=24))
    (row,) = findings(judged).to_dicts()
    assert row["severity"] == level
    assert words is None or words in row["text"]
    assert ("expected at other hosts" in row["text"]) == bool(words)


def test_domains_of_a_document() -> None:
    """A host beside the declared one is less new than one of a domain that nobody declared."""
    rows = [named(0, "api.partner.example", **YES), named(1, "files.partner.example", **NO)]
    strange = [named(0, "api.partner.example", **YES), named(1, "files.other.example", **NO)]
    levels = [findings(frame(some))["severity"].to_list() for some in (rows, strange)]
    assert levels == [["medium"], ["high"]]
