from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens_graphs.frame import CLASSES
from flowlens_graphs.rows import DESTINATIONS, SOURCES, Rows, rows
from tests.examples import examples

SUMS = ("bytes_out", "records", "conversations")
KINDS = ("inside", "endpoint", "aws", "named", "domain", "network", "address", None)


def adds_up(shown: Rows, frame: pl.DataFrame) -> None:
    """Every part of a picture holds the whole of the traffic, within its budget."""
    assert shown.total["bytes_out"] == frame["bytes_out"].sum()
    for part in (shown.sources, shown.destinations, shown.links):
        for name in SUMS:
            assert part[name].sum() == shown.total[name]
    assert shown.destinations["row"].is_unique().all()
    assert shown.sources["source"].is_unique().all()
    order = [CLASSES.index(kind) for kind in shown.destinations["class"]]
    assert order == sorted(order)


def names(shown: Rows) -> list[tuple[str, str, str]]:
    return shown.destinations.select("class", "label", "detail").rows()


def table(*found: dict[str, Any]) -> pl.DataFrame:
    base = {"client": "10.0.0.5", "client_owner": ["f"], "bytes_out": 10, "expected": "yes"}
    return pl.DataFrame([base | row for row in found], infer_schema_length=None)


@pytest.mark.parametrize("count", [1, 10, 100, 1000])
def test_budget(made: Callable[[int], pl.DataFrame], count: int) -> None:
    """Any number of destinations fits the page, and the numbers add up."""
    shown = rows(made(count))
    adds_up(shown, made(count))
    assert shown.destinations.height <= DESTINATIONS
    assert shown.sources.height <= SOURCES


edge = st.fixed_dictionaries(
    {
        "client": st.sampled_from(["10.0.0.5", "10.0.1.6", "203.0.113.9", None]),
        "client_owner": st.sampled_from([["a-1"], ["a-2"], ["b", "c"], [], None, ["d"], ["1"]]),
        "server": st.integers(0, 40).map(lambda n: f"198.51.{n % 7}.{n}"),
        "destination": st.sampled_from(["S3 eu-central-1", "S3", "a.b.example", "x.b.example"])
        | st.integers(0, 30).map(lambda n: f"host.d{n}.example")
        | st.none(),
        "destination_kind": st.sampled_from(KINDS),
        "region": st.sampled_from(["eu-central-1", None]),
        "server_port": st.sampled_from([22, 443, None]),
        "action": st.sampled_from(["ACCEPT", "REJECT", None]),
        "expected": st.sampled_from(["yes", "no", "unknown", None]),
        "bytes_out": st.integers(0, 10**12),
        "records": st.integers(1, 9),
    }
)


@settings(deadline=None, max_examples=examples(25))
@given(st.lists(edge, max_size=60), st.integers(10, 30), st.integers(1, 24))
def test_totals(found: list[dict[str, Any]], budget: int, left: int) -> None:
    """Whatever is grouped, opened or merged, no byte, record or conversation is lost or doubled."""
    schema = {
        "client": pl.String(),
        "client_owner": pl.List(pl.String),
        "server": pl.String(),
        "destination": pl.String(),
        "destination_kind": pl.String(),
        "region": pl.String(),
        "server_port": pl.UInt16(),
        "action": pl.String(),
        "expected": pl.String(),
        "bytes_out": pl.UInt64(),
        "records": pl.UInt64(),
    }
    frame = pl.DataFrame(found, schema=schema)
    shown = rows(frame, budget=budget, left=left)
    adds_up(shown, frame)
    assert shown.destinations.height <= budget
    assert shown.sources.height <= left


def test_opened_while_rows_last() -> None:
    """Few destinations are all named: unexpected ones by address, others by their own name."""
    shown = rows(
        table(
            {"server": "192.0.2.1", "destination": "AS64500 X", "destination_kind": "network"},
            {
                "server": "192.0.2.2",
                "destination": "AS64500 X",
                "destination_kind": "network",
                "expected": "no",
            },
            {"server": "192.0.2.3", "destination": "a.b.example", "destination_kind": "domain"},
            {"server": "192.0.2.4", "destination": "c.b.example", "destination_kind": "domain"},
        )
    )
    assert names(shown) == [
        ("unexpected", "192.0.2.2", "AS64500 X"),
        ("known", "a.b.example", ""),
        ("known", "c.b.example", ""),
        ("rest", "AS64500 X", ""),
    ]


def test_service_has_its_region() -> None:
    """A service reached in one region says which; one reached in two does not pick one."""
    aws = {"destination_kind": "aws", "server": "192.0.2.1"}
    shown = rows(
        table(
            aws | {"destination": "S3", "region": "eu-central-1", "bytes_out": 9},
            aws | {"destination": "SQS", "region": "eu-central-1"},
            aws | {"destination": "SQS", "region": "us-east-1"},
        )
    )
    assert names(shown) == [("aws", "SQS", ""), ("aws", "S3", "eu-central-1")]


def test_inside_is_its_owner() -> None:
    """Inside, candidates on the answering side are one row, written as on the asking side."""
    found = {"destination_kind": "inside", "server": "10.0.0.9", "destination": "y, x"}
    shown = rows(table(found | {"server_owner": ["y", "x"]}))
    assert names(shown) == [("inside", "x | y", "")]


def test_grouped_by_registered_domain() -> None:
    """Where rows are short, host names stand together under who owns them."""
    found = [
        {"server": f"192.0.2.{n}", "destination": f"h{n}.a.co.uk", "destination_kind": "domain"}
        for n in range(20)
    ]
    assert names(rows(table(*found), budget=10)) == [("known", "a.co.uk", "×20")]


def test_smaller_groups_are_counted() -> None:
    """Where even groups are too many, the lightest become one row that says how many they are."""
    found = [
        {
            "server": f"192.0.2.{n}",
            "destination": f"www.d{n:02}.example",
            "destination_kind": "domain",
            "bytes_out": 100 - n,
        }
        for n in range(12)
    ]
    shown = rows(table(*found), budget=10)
    assert names(shown)[-1] == ("known", "3 smaller groups", "")
    assert shown.destinations["bytes_out"].to_list()[-1] == 91 + 90 + 89
    assert shown.destinations["addresses"].sum() == 12


def test_unexpected_part_of_a_destination() -> None:
    """Only what was judged unexpected is shown as such, not all that the destination received."""
    shown = rows(
        table(
            {"server": "192.0.2.1", "bytes_out": 5, "expected": "no"},
            {"server": "192.0.2.1", "bytes_out": 900},
        )
    )
    assert shown.destinations.select("class", "bytes_out").rows() == [
        ("unexpected", 5),
        ("rest", 900),
    ]


def test_sources_by_stem() -> None:
    """Numbered workloads beyond the budget are one row; a shared interface stays a row."""
    found = [{"server": "192.0.2.1", "client_owner": [f"job-{n}"]} for n in range(30)]
    found.append({"server": "192.0.2.1", "client_owner": ["x", "y"]})
    shown = rows(table(*found))
    assert shown.sources.select("label", "members", "candidates").rows() == [
        ("job", 30, None),
        ("x | y", 1, ["x", "y"]),
    ]


def test_sources_with_findings_first() -> None:
    """Among too many workloads, the one with something unexpected keeps its row."""
    found: list[dict[str, Any]] = [
        {"server": "192.0.2.1", "client_owner": [f"job{chr(97 + n)}"], "bytes_out": 1000}
        for n in range(26)
    ]
    found.append(
        {"server": "192.0.2.1", "client_owner": ["quiet"], "bytes_out": 1, "expected": "no"}
    )
    shown = rows(table(*found))
    assert shown.sources.height == SOURCES
    assert "quiet" in shown.sources["label"]
    assert "4 other workloads" in shown.sources["label"]


def test_strangers_are_one_row() -> None:
    """Clients out on the internet, where they are many, are one row and not a crowd."""
    found = [{"server": "10.0.0.1", "client": f"198.51.100.{n}"} for n in range(40)]
    shown = rows(table(*found).with_columns(client_owner=None))
    assert shown.sources.select("label", "members").rows() == [("internet addresses", 40)]
