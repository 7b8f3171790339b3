import json
from pathlib import Path
from typing import Any

import pytest

from flowlens.inventory import Inventory, load

NAT = "10.0.0.220"
S, T = "203.0.113.5", "203.0.113.6"


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """An account whose only interface is a NAT gateway's."""
    interface = {
        "NetworkInterfaceId": "eni-nat",
        "InterfaceType": "nat_gateway",
        "Description": "Interface for NAT Gateway nat-0a8b0e0d28266841f",
        "RequesterManaged": True,
        "VpcId": "vpc-1",
        "SubnetId": "subnet-1",
        "Groups": [],
        "PrivateIpAddresses": [{"PrivateIpAddress": NAT, "Primary": True}],
    }
    capture = {
        "captured_at": "2026-11-21T10:00:00Z",
        "account_id": "123456789012",
        "region": "us-east-1",
        "calls": {"ec2.describe_network_interfaces": {"NetworkInterfaces": [interface]}},
        "errors": {},
    }
    path = tmp_path / "capture.json"
    path.write_text(json.dumps(capture))
    return load(path)


def inner(client: str, **extra: Any) -> dict[str, Any]:
    """Version 2 at the gateway: the client speaks to the gateway's own address."""
    return {"interface_id": "eni-nat", "srcaddr": client, "dstaddr": NAT} | extra


def outer(server: str, **extra: Any) -> dict[str, Any]:
    """Version 2 at the gateway: the gateway speaks to the server."""
    return {"interface_id": "eni-nat", "srcaddr": NAT, "dstaddr": server, "srcport": 2000} | extra


def own(client: str, server: str, **extra: Any) -> dict[str, Any]:
    """Version 2 at the client's interface."""
    return {"interface_id": f"eni-{client}", "srcaddr": client, "dstaddr": server} | extra


def shown(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(r["client"], r["server"], r["bytes_out"], r["leg"], r["observers"]) for r in rows]


def test_the_legs_of_the_only_client_are_put_together(talk: Any, inventory: Inventory) -> None:
    """One client, two servers behind one gateway: both conversations are the client's."""
    rows = talk([inner("10.0.1.5", bytes=300), outer(S), outer(T, bytes=200)], inventory=inventory)
    assert shown(rows) == [
        ("10.0.1.5", S, 100, None, ["eni-nat"]),
        ("10.0.1.5", T, 200, None, ["eni-nat"]),
    ]


def test_legs_of_several_clients_stay_two_and_marked(talk: Any, inventory: Inventory) -> None:
    """Two clients, two servers, nothing else logged: nobody can tell who spoke to whom."""
    rows = talk([inner("10.0.1.5"), inner("10.0.1.6"), outer(S), outer(T)], inventory=inventory)
    assert shown(rows) == [
        (NAT, S, 100, "nat outer", ["eni-nat"]),
        (NAT, T, 100, "nat outer", ["eni-nat"]),
        ("10.0.1.5", NAT, 100, "nat inner", ["eni-nat"]),
        ("10.0.1.6", NAT, 100, "nat inner", ["eni-nat"]),
    ]


def test_legs_are_copies_where_every_client_wrote_it_down(talk: Any, inventory: Inventory) -> None:
    """Both clients' own interfaces are logged: the gateway's records add nothing."""
    clients = [
        own("10.0.1.5", S),
        own("10.0.1.6", T),
        own("10.0.1.5", "10.0.9.9"),
        own("10.0.1.6", "10.0.9.9"),
    ]
    rows = talk(
        [*clients, inner("10.0.1.5"), inner("10.0.1.6"), outer(S), outer(T)], inventory=inventory
    )
    assert shown(rows) == [
        ("10.0.1.5", "10.0.9.9", 100, None, ["eni-10.0.1.5"]),
        ("10.0.1.5", S, 100, None, ["eni-10.0.1.5"]),
        ("10.0.1.6", "10.0.9.9", 100, None, ["eni-10.0.1.6"]),
        ("10.0.1.6", T, 100, None, ["eni-10.0.1.6"]),
    ]


def test_without_an_inventory_nothing_is_linked(talk: Any) -> None:
    """Version 2 alone cannot know a gateway: both legs stay, unmarked."""
    rows = talk([inner("10.0.1.5"), outer(S)])
    assert [row["leg"] for row in rows] == [None, None]


def test_a_knock_from_outside_is_no_leg(talk: Any, inventory: Inventory) -> None:
    """The internet tries the gateway's address: refused, and half of nothing."""
    knock = inner("198.51.100.7", action="REJECT")
    rows = talk([knock, inner("10.0.1.5"), outer(S)], inventory=inventory)
    assert shown(rows) == [
        ("10.0.1.5", S, 100, None, ["eni-nat"]),
        ("198.51.100.7", NAT, 100, None, ["eni-nat"]),
    ]


def test_a_clients_record_before_the_full_hour_covers_the_gateways_after_it(
    talk: Any, inventory: Inventory
) -> None:
    """Windows differ: the clients wrote at 11:59 what the gateway wrote at 12:00."""
    before, after = {"start": 3590, "end": 3620}, {"start": 3605, "end": 3620}
    clients = [
        own(client, server, **before)
        for client, server in (("10.0.1.5", S), ("10.0.1.6", T))
        for server in (server, "10.0.9.9")
    ]
    gateway = [inner("10.0.1.5"), inner("10.0.1.6"), outer(S), outer(T)]
    rows = talk([*clients, *(row | after for row in gateway)], inventory=inventory)
    assert {row[0] for row in shown(rows)} == {"10.0.1.5", "10.0.1.6"}
    assert {row[3:] for row in [(*r[:3], r[3], r[4][0]) for r in shown(rows)]} == {
        (None, "eni-10.0.1.5"),
        (None, "eni-10.0.1.6"),
    }


def test_two_formats_of_one_gateway_leave_no_leg(talk: Any, inventory: Inventory) -> None:
    """A version 2 log and one with packet addresses: the first one's legs are copies."""
    packet = {"pkt_srcaddr": "10.0.1.5", "pkt_dstaddr": S, "flow_log": "fl-5"}
    rows = talk(
        [
            inner("10.0.1.5", flow_log="fl-2"),
            outer(S, flow_log="fl-2"),
            inner("10.0.1.5", **packet),
            outer(S, pkt_srcaddr=NAT, pkt_dstaddr=S, flow_log="fl-5"),
        ],
        inventory=inventory,
    )
    assert shown(rows) == [("10.0.1.5", S, 100, None, ["eni-nat"])]
