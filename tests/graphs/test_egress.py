import random
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from flowlens_graphs import egress_graph, unexpected

NINE, TEN = datetime(2026, 11, 21, 9, tzinfo=UTC), datetime(2026, 11, 21, 10, tzinfo=UTC)


def case() -> pl.DataFrame:
    """Two candidates on one interface reach S3 twice and an address once; a stranger knocks."""
    return pl.DataFrame(
        {
            "hour": [NINE, TEN, TEN, TEN],
            "client": ["10.0.0.5", "10.0.0.6", "10.0.0.5", "198.51.100.9"],
            "client_owner": [["b", "a"], ["a", "b"], ["a", "b"], None],
            "client_kind": ["lambda", "lambda", "lambda", None],
            "server": ["52.1.1.1", "52.1.1.2", "192.0.2.7", "10.0.0.5"],
            "destination": ["S3", "S3", None, "a, b"],
            "destination_kind": ["aws", "aws", "address", "inside"],
            "server_owner": [None, None, None, ["b", "a"]],
            "server_port": pl.Series([443, 443, 8333, 443], dtype=pl.UInt16),
            "protocol": pl.Series([6, 6, 6, 6], dtype=pl.UInt8),
            "action": ["ACCEPT", "ACCEPT", "ACCEPT", "REJECT"],
            "expected": ["yes", "yes", "no", None],
            "bytes_out": pl.Series([100, 50, 7, 1], dtype=pl.UInt64),
            "records": pl.Series([2, 1, 1, 1], dtype=pl.UInt64),
            "first_seen": [NINE, TEN, TEN, TEN],
            "last_seen": [NINE, TEN, TEN, TEN],
            "orientation": ["certain", "guess", "likely", None],
            "path": ["nat", "gateway endpoint", None, None],
            "domains": [[{"name": "s3.example", "probability": 0.9}], [], None, None],
        }
    )


def test_aggregates() -> None:
    """Rows that share ends, service, action and verdict are one edge with exact sums."""
    G = egress_graph(case())
    assert list(G.edges(keys=True)) == [
        ("198.51.100.9", "a | b", "tcp/443 REJECT"),
        ("a | b", "192.0.2.7", "tcp/8333 ACCEPT no"),
        ("a | b", "S3", "tcp/443 ACCEPT yes"),
    ]
    assert G.edges["a | b", "S3", "tcp/443 ACCEPT yes"] == {
        "server_port": 443,
        "protocol": 6,
        "action": "ACCEPT",
        "expected": "yes",
        "bytes_out": 150,
        "records": 3,
        "conversations": 2,
        "hours": 2,
        "clients": 2,
        "servers": 2,
        "first_seen": "2026-11-21T09:00:00Z",
        "last_seen": "2026-11-21T10:00:00Z",
        "orientation": "guess",
        "paths": ["gateway endpoint", "nat"],
        "domains": ["s3.example"],
    }


def test_candidates_are_one_node() -> None:
    """A shared interface is one node that lists its candidates, whatever side it is on."""
    node = egress_graph(case()).nodes["a | b"]
    assert node["candidates"] == ["a", "b"]
    assert (node["kind"], node["role"]) == ("lambda", "both")


def test_unknown_owner_is_the_address() -> None:
    """A client that nobody owns is its address and has no candidates."""
    assert "candidates" not in egress_graph(case()).nodes["198.51.100.9"]


def test_few_columns_are_enough() -> None:
    """Client, server and bytes make a graph; what is unknown is absent and not zero."""
    G = egress_graph(case().select("client", "server", "bytes_out").lazy())
    data = G.edges["10.0.0.5", "52.1.1.1", ""]
    assert data["bytes_out"] == 100
    assert "bytes_in" not in data
    assert "first_seen" not in data


def test_needed_columns() -> None:
    """A frame that is no edge table is refused by the names it lacks."""
    with pytest.raises(ValueError, match=r"lack the columns \['server', 'bytes_out'\]"):
        egress_graph(pl.DataFrame({"client": ["10.0.0.5"]}))


def test_namesakes_stay_apart() -> None:
    """A function called S3 is not the service S3."""
    frame = case().with_columns(client_owner=pl.lit(["S3"]))
    G = egress_graph(frame)
    assert G.nodes["S3 (aws)"]["label"] == "S3"
    assert G.nodes["S3"]["role"] == "source"


def test_empty() -> None:
    """No edges, no nodes."""
    assert not egress_graph(case().clear())


@pytest.mark.parametrize("count", [10, 100])
def test_sums_and_order(made: Callable[[int], pl.DataFrame], count: int) -> None:
    """The graph holds every byte of the table, in an order that rows do not decide."""
    frame = made(count)
    G = egress_graph(frame)
    for name in ("bytes_out", "bytes_in", "packets_out", "records", "connections"):
        assert sum(value for _, _, value in G.edges(data=name)) == frame[name].sum()
    H = egress_graph(frame.sample(fraction=1, shuffle=True, seed=random.Random(3).randrange(99)))
    assert list(G.edges(keys=True, data=True)) == list(H.edges(keys=True, data=True))
    assert list(G.nodes(data=True)) == list(H.nodes(data=True))


def test_unexpected() -> None:
    """The unexpected part is the edges judged so and nothing else."""
    assert list(unexpected(egress_graph(case())).edges(keys=True)) == [
        ("a | b", "192.0.2.7", "tcp/8333 ACCEPT no")
    ]
