from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens.inventory import Capture, Inventory, own
from flowlens.tables import TIME
from tests.examples import examples

START = datetime(2026, 3, 1, tzinfo=UTC)
ADDRESSES = ("10.0.0.1", "10.0.0.2")

#: account, hour, {address: interface or nobody}
Shot = tuple[str, int, tuple[str | None, str | None]]

HOLDER = st.sampled_from([None, "eni-1", "eni-2"])
SHOTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.tuples(HOLDER, HOLDER)),
    min_size=3,
    max_size=7,
)
HALVES = st.integers(-1, 10)
SPANS = st.lists(st.tuples(st.sampled_from(ADDRESSES), HALVES, HALVES), min_size=8, max_size=24)


def capture(shot: Shot) -> Capture:
    account, hour, holders = shot
    items: dict[str, dict[str, Any]] = {}
    for address, holder in zip(ADDRESSES, holders, strict=True):
        if holder:
            name = f"{holder}-{account}"
            item = items.setdefault(
                name, {"NetworkInterfaceId": name, "VpcId": "vpc-a", "PrivateIpAddresses": []}
            )
            item["PrivateIpAddresses"].append({"PrivateIpAddress": address})
    answer = {"NetworkInterfaces": list(items.values())}
    return Capture(
        START + timedelta(hours=hour), account, "r", {"ec2.describe_network_interfaces": answer}
    )


def expected(shots: list[Shot], address: str, start: float, end: float) -> str | None:
    """The rule, written as slowly as it is said."""
    place = ADDRESSES.index(address)
    possible: set[str] = set()
    sure: set[str] = set()
    for account in {shot[0] for shot in shots}:
        mine = [shot for shot in shots if shot[0] == account]
        hours = sorted({shot[1] for shot in mine})
        low = max((hour for hour in hours if hour <= start), default=hours[0])
        high = min((hour for hour in hours if hour >= end), default=hours[-1])
        around = [hour for hour in hours if min(low, high) <= hour <= max(low, high)]
        held = [
            {f"{shot[2][place]}-{account}" for shot in mine if shot[1] == hour and shot[2][place]}
            for hour in around
        ]
        possible |= set().union(*held)
        sure |= set.intersection(*held)
    if not possible:
        return None
    return next(iter(sure)) if len(possible) == 1 and sure else "unknown"


@settings(max_examples=examples(18), deadline=None)
@given(shots=SHOTS, spans=SPANS, order=st.randoms(use_true_random=False))
def test_own_agrees_with_the_rule_said_slowly(shots: list[Shot], spans: Any, order: Any) -> None:
    """Any history, accounts and spans: the joins answer what a plain loop does, in any order."""
    spans = [(address, min(a, b) / 2, max(a, b) / 2) for address, a, b in spans]
    frame = pl.LazyFrame(
        [(a, START + timedelta(hours=b), START + timedelta(hours=c)) for a, b, c in spans],
        schema={"client": pl.String, "first": TIME, "last": TIME},
        orient="row",
    )
    captures = [capture(shot) for shot in shots]
    order.shuffle(captures)
    found = own(frame, Inventory.of(captures), time="first", until="last").collect()
    answers = [
        face or ("unknown" if certainty else None)
        for face, certainty in found.select("client_interface", "client_certainty").rows()
    ]
    assert answers == [expected(shots, *span) for span in spans]
