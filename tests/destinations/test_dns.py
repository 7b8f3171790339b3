from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from flowlens.destinations.dns import NAMES, attribute, names

TIME = pl.Datetime("ms", "UTC")
ANSWERS: dict[str, Any] = {
    "time": TIME,
    "srcaddr": pl.String,
    "vpc_id": pl.String,
    "name": pl.String,
    "type": pl.String,
    "rcode": pl.String,
    "answers": pl.List(pl.Struct({"type": pl.String, "rdata": pl.String})),
}


def clock(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, 3, hour, minute, second, tzinfo=UTC)


def answer(
    time: datetime, name: str, address: str, client: str = "10.0.1.5", vpc: str = "vpc-a"
) -> dict[str, Any]:
    kind = "AAAA" if ":" in address else "A"
    return {
        "time": time,
        "srcaddr": client,
        "vpc_id": vpc,
        "name": name,
        "type": kind,
        "rcode": "NOERROR",
        "answers": [{"type": kind, "rdata": address}],
    }


def log(*answers: dict[str, Any]) -> pl.LazyFrame:
    return pl.LazyFrame(answers, schema=ANSWERS)


def ask(
    known: pl.LazyFrame,
    first: datetime,
    last: datetime | None = None,
    *,
    client: str = "10.0.1.5",
    vpc: str | None = "vpc-a",
    server: str = "192.0.2.1",
) -> dict[str, float]:
    wanted = pl.DataFrame(
        {
            "client": [client],
            "client_vpc": [vpc],
            "server": [server],
            "first_seen": [first],
            "last_seen": [last or first],
        },
        schema={
            "client": pl.String,
            "client_vpc": pl.String,
            "server": pl.String,
            "first_seen": TIME,
            "last_seen": TIME,
        },
    )
    found = attribute(wanted, names(known).collect())
    return {each["name"]: each["probability"] for each in found["domains"].item()}


def test_names_credit_the_name_that_was_asked() -> None:
    """The addresses at the end of a chain of CNAMEs belong to its first name, hour by hour."""
    chain = [
        {"type": "CNAME", "rdata": "edge.cdn.example."},
        {"type": "A", "rdata": "192.0.2.1"},
        {"type": "AAAA", "rdata": "2001:DB8::0:1"},
    ]
    first = answer(clock(10, 1), "shop.example", "192.0.2.1") | {"answers": chain}
    rows = log(first, answer(clock(10, 9), "shop.example", "192.0.2.1"))
    found = names(rows).sort("address", "hour").collect()
    assert dict(found.schema) == NAMES
    assert found.rows() == [
        (
            "vpc-a",
            "10.0.1.5",
            "192.0.2.1",
            "shop.example",
            clock(10),
            clock(10, 1),
            clock(10, 9),
            2,
        ),
        (
            "vpc-a",
            "10.0.1.5",
            "2001:db8::1",
            "shop.example",
            clock(10),
            clock(10, 1),
            clock(10, 1),
            1,
        ),
    ]


def test_probability_follows_its_formula() -> None:
    """One answer a minute before: weight (1 + 0.1 + 0.02) / 2, probability 0.994 w / (w + 1e-5)."""
    known = log(answer(clock(10, 1), "shop.example", "192.0.2.1"))
    weight = 1.12 / 2
    expected = 0.994 * weight / (weight + 1e-5)
    assert ask(known, clock(10, 2)) == {"shop.example": pytest.approx(expected, abs=1e-6)}


def test_answers_are_not_cut_at_their_ttl() -> None:
    """A name asked for twenty hours before is still the candidate, for every conversation."""
    known = log(answer(clock(1), "shop.example", "192.0.2.1"))
    assert ask(known, clock(21))["shop.example"] > 0.9


def test_answers_after_the_conversation_do_not_count() -> None:
    """A name that was answered after the last packet was not what the client connected to."""
    known = log(answer(clock(10, 30), "shop.example", "192.0.2.1"))
    assert ask(known, clock(10, 5), clock(10, 6)) == {}
    assert list(ask(known, clock(10, 5), clock(10, 29, 30))) == ["shop.example"]


def test_later_answers_of_the_hour_do_not_hide_earlier_ones() -> None:
    """An hour with answers before and after the conversation counts from its first answer."""
    known = log(
        answer(clock(9, 59), "a.example", "192.0.2.1"),
        answer(clock(10, 50), "a.example", "192.0.2.1"),
    )
    assert list(ask(known, clock(10, 5))) == ["a.example"]


def test_recent_names_come_first() -> None:
    """Of two names asked once, the one asked last is the more probable, in proportion of age."""
    known = log(
        answer(clock(10, 0), "old.example", "192.0.2.1"),
        answer(clock(10, 9), "new.example", "192.0.2.1"),
    )
    found = ask(known, clock(10, 10))
    # Ages of 600 s and 60 s: weights 1/11 and 1/2.
    assert list(found) == ["new.example", "old.example"]
    assert found["new.example"] / found["old.example"] == pytest.approx(5.5, rel=1e-3)


def test_frequent_names_come_first_at_the_same_age() -> None:
    """Of two names asked at the same time, the one asked four times weighs twice as much."""
    often = [answer(clock(10, m), "often.example", "192.0.2.1") for m in (1, 2, 3, 9)]
    known = log(*often, answer(clock(10, 9), "once.example", "192.0.2.1"))
    found = ask(known, clock(10, 10))
    assert found["often.example"] / found["once.example"] == pytest.approx(2, rel=1e-3)


def test_own_questions_come_before_those_of_others() -> None:
    """What the client asked outweighs what others of its VPC and of other VPCs asked."""
    known = log(
        answer(clock(10, 9), "own.example", "192.0.2.1"),
        answer(clock(10, 9), "vpc.example", "192.0.2.1", client="10.0.1.6"),
        answer(clock(10, 9), "far.example", "192.0.2.1", client="10.9.1.6", vpc="vpc-b"),
    )
    assert list(ask(known, clock(10, 10))) == ["own.example", "vpc.example", "far.example"]
    # The resolver's cache answers without a line, so the questions of others are all there is.
    alone = ask(known, clock(10, 10), client="10.0.1.7", vpc=None)
    assert set(alone) == {"own.example", "vpc.example", "far.example"}


def test_equal_candidates_keep_their_order() -> None:
    """Names that weigh the same are ordered by name, so the output is always the same."""
    pair = [answer(clock(10), f"{n}.example", "192.0.2.1") for n in "ba"]
    assert list(ask(log(*pair), clock(10, 1))) == ["a.example", "b.example"]
    assert list(ask(log(*pair[::-1]), clock(10, 1))) == ["a.example", "b.example"]


def test_probabilities_sum_to_less_than_one() -> None:
    """All candidates together are never surer than the measured share of known names."""
    many = [answer(clock(10, i), f"n{i}.example", "192.0.2.1") for i in range(40)]
    found = ask(log(*many), clock(11))
    assert len(found) == 16
    assert 0 < sum(found.values()) <= 0.994


def test_every_conversation_with_an_earlier_answer_has_candidates() -> None:
    """Coverage is complete over days, clients and addresses, and each true name is among them."""
    start = clock(0)
    asked = [
        answer(
            start + timedelta(hours=h),
            f"host{h % 5}.example",
            f"192.0.2.{h % 7}",
            f"10.0.1.{h % 3}",
        )
        for h in range(48)
    ]
    wanted = pl.DataFrame(
        {
            "client": [row["srcaddr"] for row in asked],
            "client_vpc": [None] * len(asked),
            "server": [row["answers"][0]["rdata"] for row in asked],
            "first_seen": [row["time"] + timedelta(minutes=40) for row in asked],
            "last_seen": [row["time"] + timedelta(minutes=50) for row in asked],
        },
        schema_overrides={"client_vpc": pl.String, "first_seen": TIME, "last_seen": TIME},
    )
    found = attribute(wanted, names(log(*asked)).collect())
    top = found["domains"].list.first().struct.field("name").to_list()
    assert top == [row["name"] for row in asked]
