from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from flowlens.inventory import Inventory, addresses, own

Item = dict[str, Any]
Make = Callable[..., Item]
History = Callable[..., Inventory]
Ask = Callable[..., list[Item]]


@pytest.fixture
def moved(history: History, machine: Make) -> Inventory:
    """10.0.0.5 is on i-old at 10 and 11, on i-new at 13 and 14."""
    old, new = machine("eni-old", "10.0.0.5", "i-old"), machine("eni-new", "10.0.0.5", "i-new")
    return history({hour: {"interfaces": [old if hour < 12 else new]} for hour in (10, 11, 13, 14)})


@pytest.mark.parametrize(
    ("hour", "owner", "certainty", "as_of"),
    [
        (9, ["i-old"], "exact", "before first"),
        (10, ["i-old"], "exact", "between"),
        (10.5, ["i-old"], "exact", "between"),
        (11, ["i-old"], "exact", "between"),
        (11.5, None, "unknown", None),
        (12.5, None, "unknown", None),
        (13, ["i-new"], "exact", "between"),
        (13.5, ["i-new"], "exact", "between"),
        (15, ["i-new"], "exact", "after last"),
    ],
)
def test_an_address_that_changes_hands_is_unknown_only_in_between(
    moved: Inventory, ask: Ask, hour: float, owner: list[str] | None, certainty: str, as_of: str
) -> None:
    """The captures around a time decide; where they disagree the owner is unknown."""
    (row,) = ask(moved, {"address": "10.0.0.5", "hour": hour})
    assert (row.get("owner"), row["certainty"], row.get("as_of")) == (owner, certainty, as_of)


def test_a_span_must_lie_on_one_side_of_the_change(moved: Inventory, ask: Ask) -> None:
    """Traffic from 10:30 to 11:00 has an owner, traffic that reaches into the gap has none."""
    rows = ask(
        moved,
        {"address": "10.0.0.5", "first": 10.5, "last": 11},
        {"address": "10.0.0.5", "first": 10.5, "last": 11.25},
        {"address": "10.0.0.5", "first": 10.5, "last": 13.5},
        {"address": "10.0.0.5", "first": 13.5},
        time="first",
        until="last",
    )
    assert [row.get("owner") for row in rows] == [["i-old"], None, None, ["i-new"]]


def test_the_record_itself_settles_who_held_the_address(moved: Inventory, ask: Ask) -> None:
    """An interface id in the record decides where the captures disagree."""
    rows = ask(
        moved,
        {"address": "10.0.0.5", "hour": 12, "face": "eni-old"},
        {"address": "10.0.0.5", "hour": 12, "face": "eni-new"},
        {"address": "10.0.0.5", "hour": 12},
        interface="face",
    )
    assert [(row.get("interface"), row.get("owner")) for row in rows] == [
        ("eni-old", ["i-old"]),
        ("eni-new", ["i-new"]),
        (None, None),
    ]


def test_an_interface_that_no_capture_shows_is_unknown(moved: Inventory, ask: Ask) -> None:
    """The record's interface wins over an address match, even when nothing is known of it."""
    (row,) = ask(
        moved, {"address": "10.0.0.5", "hour": 10, "face": "eni-strange"}, interface="face"
    )
    assert row == {"interface": "eni-strange", "certainty": "unknown"}


def test_an_address_that_is_gone_at_the_next_capture(
    history: History, machine: Make, ask: Ask
) -> None:
    """Between presence and absence the owner is unknown; after the absence there is nobody."""
    inventory = history(
        {10: {"interfaces": [machine("eni-1", "10.0.0.5", "i-1")]}, 12: {"interfaces": []}}
    )
    rows = ask(inventory, *({"address": "10.0.0.5", "hour": hour} for hour in (10, 11, 12, 13)))
    assert [row.get("certainty") for row in rows] == ["exact", "unknown", None, None]


def test_an_address_that_comes_back_is_unknown_meanwhile(
    history: History, machine: Make, ask: Ask
) -> None:
    """Two runs on the same interface are not one: a capture between them shows nobody."""
    face = machine("eni-1", "10.0.0.5", "i-1")
    inventory = history(
        {10: {"interfaces": [face]}, 11: {"interfaces": []}, 12: {"interfaces": [face]}}
    )
    rows = ask(inventory, *({"address": "10.0.0.5", "hour": hour} for hour in (10.5, 11, 11.5, 12)))
    assert [row.get("certainty") for row in rows] == ["unknown", None, "unknown", "exact"]
    assert addresses(inventory).select("since", "until", "after", "before").rows() == [
        (at(10), at(10), None, at(11)),
        (at(12), at(12), at(11), None),
    ]


def at(hour: int) -> Any:
    return pl.datetime_range(
        pl.datetime(2026, 3, 1, hour, time_zone="UTC"),
        pl.datetime(2026, 3, 1, hour, time_zone="UTC"),
        eager=True,
    )[0]


def test_a_capture_without_interfaces_does_not_count(
    history: History, machine: Make, ask: Ask
) -> None:
    """A denied call says nothing: the captures around it decide as if it were not there."""
    face = machine("eni-1", "10.0.0.5", "i-1")
    denied = {"errors": {"ec2.describe_network_interfaces": "UnauthorizedOperation: no"}}
    inventory = history({10: {"interfaces": [face]}, 11: denied, 12: {"interfaces": [face]}})
    rows = ask(inventory, *({"address": "10.0.0.5", "hour": hour} for hour in (10.5, 11, 11.5)))
    assert [row.get("owner") for row in rows] == [["i-1"]] * 3


def test_without_any_interfaces_everything_is_unknown(history: History, ask: Ask) -> None:
    """No capture lists interfaces: an outside address is unknown too, not nobody's."""
    inventory = history({10: {"functions": []}})
    rows = ask(inventory, {"address": "10.0.0.5", "hour": 10}, {"address": "8.8.8.8", "hour": 10})
    assert rows == [{"certainty": "unknown"}] * 2


def test_a_row_without_a_time_is_unknown(moved: Inventory, ask: Ask) -> None:
    """A null time finds no capture; a null address asks nothing."""
    assert ask(moved, {"address": "10.0.0.5", "hour": 10}, {"address": "10.0.0.5"}, {"hour": 10})[
        1:
    ] == [{"certainty": "unknown"}, {}]


def test_equal_addresses_are_told_apart_by_the_observers_vpc(
    history: History, machine: Make, ask: Ask
) -> None:
    """Two VPCs with the same block: the observer's VPC decides, without one it is unknown."""
    inventory = history(
        {
            10: {
                "interfaces": [
                    machine("eni-a", "10.0.0.5", "i-a"),
                    machine("eni-b", "10.0.0.5", "i-b", VpcId="vpc-b"),
                    machine("eni-seen", "10.0.0.9", "i-c", VpcId="vpc-b"),
                    machine("eni-far", "10.9.0.9", "i-d", VpcId="vpc-c"),
                ],
            }
        }
    )
    rows = ask(
        inventory,
        *(
            {"address": "10.0.0.5", "hour": 10, "by": by}
            for by in ("eni-seen", "eni-a", "eni-far", None)
        ),
        observer="by",
    )
    assert [row.get("owner") for row in rows] == [["i-b"], ["i-a"], None, None]
    assert [row["certainty"] for row in rows] == ["exact", "exact", "unknown", "unknown"]


def test_a_block_of_the_observers_vpc_hides_other_vpcs(
    history: History, machine: Make, ask: Ask
) -> None:
    """10.0.0.5 seen in a VPC that owns the block is not the holder of 10.0.0.5 elsewhere."""
    inventory = history(
        {
            10: {
                "interfaces": [
                    machine("eni-a", "10.0.0.5", "i-a"),
                    machine("eni-b", "10.0.0.9", "i-b", VpcId="vpc-b"),
                    machine("eni-c", "10.7.0.9", "i-c", VpcId="vpc-c"),
                ],
                "ec2.describe_vpcs": [
                    {"VpcId": "vpc-b", "CidrBlock": "10.0.0.0/16"},
                    {"VpcId": "vpc-c", "CidrBlock": "10.7.0.0/16"},
                ],
            }
        }
    )
    rows = ask(
        inventory,
        {"address": "10.0.0.5", "hour": 10, "by": "eni-b"},
        {"address": "10.0.0.5", "hour": 10, "by": "eni-c"},
        observer="by",
    )
    assert [row.get("owner") for row in rows] == [None, ["i-a"]]


def test_accounts_have_their_own_history(history: History, machine: Make, ask: Ask) -> None:
    """A capture of another account says nothing about an interface that it cannot show."""
    history({10: {"interfaces": [machine("eni-1", "10.0.0.5", "i-1")]}})
    inventory = history(
        {hour: {"interfaces": [machine("eni-2", "10.1.0.5", "i-2")]} for hour in (9, 11)},
        account="444455556666",
    )
    rows = ask(inventory, {"address": "10.0.0.5", "hour": 12}, {"address": "10.1.0.5", "hour": 10})
    assert [(row["owner"], row["as_of"]) for row in rows] == [
        (["i-1"], "after last"),
        (["i-2"], "between"),
    ]


def test_an_account_whose_interfaces_are_missing_may_hold_anything(
    history: History, machine: Make, ask: Ask
) -> None:
    """With one account unseen, an address that nobody holds is unknown."""
    history({10: {"interfaces": [machine("eni-1", "10.0.0.5", "i-1")]}})
    inventory = history({10: {"functions": []}}, account="444455556666")
    rows = ask(inventory, {"address": "10.0.0.5", "hour": 10}, {"address": "10.2.0.5", "hour": 10})
    assert [row["certainty"] for row in rows] == ["exact", "unknown"]


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.5",
        "10.0.0.6",
        "2001:db8::5",
        "10.0.1.16",
        "10.0.1.31",
        "2001:db8:0:1:2::",
        "2001:db8:0:1:2:ffff:0:1",
        "52.0.0.1",
        "52.0.0.2",
        "52.0.0.3",
    ],
)
def test_every_address_of_an_interface_matches(
    history: History, machine: Make, ask: Ask, address: str
) -> None:
    """Secondary, IPv6, delegated and public addresses lead to the interface like the first one."""
    face = machine(
        "eni-1",
        "10.0.0.5",
        "i-1",
        PrivateIpAddresses=[
            {"PrivateIpAddress": "10.0.0.5", "Association": {"PublicIp": "52.0.0.1"}},
            {"PrivateIpAddress": "10.0.0.6", "Association": {"PublicIp": "52.0.0.2"}},
        ],
        Ipv6Addresses=[{"Ipv6Address": "2001:DB8:0:0:0:0:0:5"}],
        Ipv4Prefixes=[{"Ipv4Prefix": "10.0.1.16/28"}],
        Ipv6Prefixes=[{"Ipv6Prefix": "2001:db8:0:1:2::/80"}],
    )
    elastic = [{"PublicIp": "52.0.0.3", "NetworkInterfaceId": "eni-1"}]
    inventory = history({10: {"interfaces": [face], "ec2.describe_addresses": elastic}})
    (row,) = ask(inventory, {"address": address, "hour": 10})
    assert row["interface"] == "eni-1"


@pytest.mark.parametrize("address", ["10.0.1.15", "10.0.1.32", "2001:db8:0:1:3::", "52.0.0.9"])
def test_a_neighbour_of_a_prefix_does_not_match(
    history: History, machine: Make, ask: Ask, address: str
) -> None:
    """Addresses next to a delegated block belong to nobody."""
    face = machine(
        "eni-1",
        "10.0.0.5",
        "i-1",
        Ipv4Prefixes=[{"Ipv4Prefix": "10.0.1.16/28"}],
        Ipv6Prefixes=[{"Ipv6Prefix": "2001:db8:0:1:2::/80"}],
    )
    assert ask(history({10: {"interfaces": [face]}}), {"address": address, "hour": 10}) == [{}]


def test_a_regional_nat_gateway_is_known_by_its_own_id(history: History, ask: Ask) -> None:
    """It has no interface; its public address and its id lead to it."""
    gateway = {
        "NatGatewayId": "nat-1",
        "VpcId": "vpc-a",
        "State": "available",
        "NatGatewayAddresses": [{"PublicIp": "52.0.0.7"}],
    }
    inventory = history({10: {"interfaces": [], "ec2.describe_nat_gateways": [gateway]}})
    (row,) = ask(inventory, {"address": "52.0.0.7", "hour": 10})
    assert row == {
        "owner": ["nat-1"],
        "kind": "nat_gateway",
        "certainty": "exact",
        "interface": "nat-1",
        "vpc": "vpc-a",
        "as_of": "between",
    }


def test_what_changes_on_an_interface_is_unknown_in_between(
    history: History, hyperplane: Make, function: Make, ask: Ask
) -> None:
    """The functions of an interface differ from 10 to 12: at 11 the kind stays, the owner goes."""
    face = hyperplane("eni-1", "10.0.0.5")
    inventory = history(
        {
            10: {"interfaces": [face], "functions": [function("orders")]},
            12: {"interfaces": [face], "functions": [function("orders"), function("mail")]},
        }
    )
    rows = ask(inventory, *({"address": "10.0.0.5", "hour": hour} for hour in (10, 11, 12)))
    assert [(row.get("owner"), row["certainty"], row["kind"]) for row in rows] == [
        (["orders"], "exact", "lambda"),
        (None, "unknown", "lambda"),
        (["mail", "orders"], "shared", "lambda"),
    ]


def test_a_denied_call_does_not_contradict_an_answer(
    history: History, hyperplane: Make, function: Make, ask: Ask
) -> None:
    """Functions were readable at 10 only: between 10 and 12 that answer speaks, at 12 none does."""
    face = hyperplane("eni-1", "10.0.0.5")
    inventory = history(
        {
            10: {"interfaces": [face], "functions": [function("orders")]},
            12: {"interfaces": [face], "errors": {"lambda.list_functions": "AccessDenied: no"}},
        }
    )
    rows = ask(inventory, *({"address": "10.0.0.5", "hour": hour} for hour in (10, 11, 12)))
    assert [row.get("owner") for row in rows] == [["orders"], ["orders"], None]


def test_a_lambda_interface_id_settles_before_it_was_captured(
    history: History, hyperplane: Make, function: Make, ask: Ask
) -> None:
    """Interface ids are never used again: the record proves that it was there."""
    inventory = history(
        {
            10: {"interfaces": [], "functions": [function("orders")]},
            12: {
                "interfaces": [hyperplane("eni-1", "10.0.0.5")],
                "functions": [function("orders")],
            },
        }
    )
    rows = ask(
        inventory,
        {"address": "10.0.0.5", "hour": 11, "face": "eni-1"},
        {"address": "10.0.0.5", "hour": 11},
        interface="face",
    )
    assert [(row.get("owner"), row.get("as_of")) for row in rows] == [
        (["orders"], "before first"),
        (None, None),
    ]


def test_own_keeps_rows_columns_and_order(moved: Inventory) -> None:
    """It adds columns to a lazy frame and changes nothing else, and its schema is the truth."""
    frame = pl.LazyFrame(
        {
            "client": ["8.8.8.8", "10.0.0.5", "8.8.8.8"],
            "hour": [at(10), at(10), at(12)],
            "n": [1, 2, 3],
        }
    )
    lazy = own(frame, moved)
    found = lazy.collect()
    assert found.select("client", "hour", "n").equals(frame.collect())
    assert found.schema == lazy.collect_schema()
    assert own(frame.limit(0), moved).collect().height == 0
    assert lazy.filter(pl.col("client_owner").is_not_null()).collect()["n"].to_list() == [2]
