from random import Random
from typing import Any

import polars as pl
import pytest

from flowlens.errors import UsageError
from flowlens.inventory import Capture, Inventory
from flowlens.reach import FLOWS, REACH, evaluate
from tests.reach import worlds
from tests.reach.accounts import AT, World, flow, judge, route, rule

#: Each call, a flow that needs it, the layers that are unknown without it, and those that are not.
NEEDS = [
    ("describe_network_interfaces", {}, {"sg", "nacl_out", "nacl_in"}, set()),
    ("describe_security_group_rules", {}, {"sg"}, {"nacl_out"}),
    ("describe_network_acls", {}, {"nacl_out", "nacl_in"}, {"sg"}),
    ("describe_route_tables", {}, set(), {"sg", "nacl_out"}),
    ("describe_nat_gateways", {}, set(), {"sg", "nacl_out"}),
    ("describe_internet_gateways", {"face": "eni-p"}, set(), {"sg", "nacl_out"}),
    ("describe_egress_only_internet_gateways", {"to": "2600::1"}, set(), {"sg"}),
    ("describe_vpc_endpoints", {"to": "52.216.1.1"}, set(), {"sg"}),
    ("describe_vpc_peering_connections", {"to": "172.16.1.10"}, set(), {"sg"}),
    ("get_managed_prefix_list_entries", {"to": "52.216.1.1"}, set(), {"sg"}),
]


@pytest.mark.parametrize(("call", "parts", "lost", "kept"), NEEDS, ids=[each[0] for each in NEEDS])
def test_without_an_answer_the_flow_is_unknown_and_the_notes_say_so(
    world: World, call: str, parts: dict[str, Any], lost: set[str], kept: set[str]
) -> None:
    """Neither allow nor deny; the layers that do not need the answer still speak."""
    assert world.one(**parts)["verdict"] == "allow"
    world.calls.pop(call)
    world.errors[call] = "UnauthorizedOperation: not you"
    row = world.one(**parts)
    assert (row["verdict"], row["end_to_end"], row["blocked_by"]) == ("unknown", "unknown", [])
    assert {name for name in ("sg", "nacl_out", "nacl_in") if row[name] == "unknown"} == lost
    assert all(row[name] == "allow" for name in kept)
    assert any(f"ec2.{call} is missing: UnauthorizedOperation" in note for note in row["notes"])


def test_a_sure_refusal_needs_no_other_answer(world: World) -> None:
    """What one layer refuses is refused, whatever is missing elsewhere."""
    world.rules(group="sg-a")
    for call in ("describe_network_acls", "describe_route_tables", "describe_nat_gateways"):
        world.calls.pop(call)
    row = world.one()
    assert (row["verdict"], row["forward"], row["blocked_by"]) == ("deny", "REJECT", ["sg"])


def test_half_an_inventory_never_says_the_opposite() -> None:
    """Whatever is missing, a verdict is the one of the whole inventory or unknown."""
    dice = Random(7)
    for _ in range(20):
        calls = worlds.world(dice)
        whole = {f"ec2.{name}" for name in worlds.OPTIONAL} <= set(calls)
        if not whole:
            continue
        asked = [{**worlds.flow(dice, calls), "at": AT} for _ in range(150)]
        full = judge(Inventory.of([Capture(AT, "1", "r", calls)]), *asked)
        left = {name: calls[name] for name in sorted(calls) if dice.random() < 0.6}
        half = judge(Inventory.of([Capture(AT, "1", "r", left)]), *asked)
        for one, other, row in zip(full, half, asked, strict=True):
            for name in ("verdict", "end_to_end", "sg", "nacl_out", "nacl_in"):
                assert other[name] in (one[name], "unknown"), (name, row, other["notes"])
            assert other["forward"] in (one["forward"], "UNKNOWN"), row


def test_a_group_that_no_longer_exists_is_unknown(world: World) -> None:
    """Its rules cannot be known; another group that lets the flow through decides."""
    world.face("eni-a")["Groups"] = [{"GroupId": "sg-gone"}]
    row = world.one()
    assert (row["sg"], row["verdict"], row["forward"]) == ("unknown", "unknown", "UNKNOWN")
    assert row["notes"] == [
        "sg-gone: it is gone, or someone else's; "
        "it is not in the answer of ec2.describe_security_groups"
    ]
    world.face("eni-a")["Groups"].append({"GroupId": "sg-a"})
    assert world.one()["sg"] == "allow"


def test_an_interface_that_is_not_there_is_unknown(world: World) -> None:
    """Every layer is, and the note names it."""
    row = world.one(face="eni-gone")
    assert {row[name] for name in ("verdict", "sg", "nacl_out", "nacl_in")} == {"unknown"}
    assert row["notes"][0].startswith("eni-gone is not in the inventory")


@pytest.mark.parametrize(
    "parts", [{"dst": None}, {"dst": "db.example"}, {"protocol": None}, {"direction": None}]
)
def test_a_flow_that_does_not_say_enough_is_unknown(world: World, parts: Any) -> None:
    """Without address, protocol or direction nothing is said."""
    row = world.ask({**flow(), **parts})[0]
    assert (row["verdict"], row["forward"]) == ("unknown", "UNKNOWN")
    assert row["notes"]


def test_an_interface_that_is_unknown_at_the_other_end(world: World) -> None:
    """The own end is judged; what the other does is unknown."""
    row = world.one(to="10.0.2.99")
    assert (row["verdict"], row["end_to_end"]) == ("allow", "unknown")
    assert row["notes"] == ["the interface at the other end is not in the inventory"]


def test_a_peer_that_was_not_captured_is_unknown(world: World) -> None:
    """The peering takes the packet; the other VPC is not in the inventory."""
    world.items("describe_vpcs").pop()
    world.items("describe_network_interfaces").pop()
    row = world.one(to="172.16.1.10")
    assert (row["verdict"], row["end_to_end"]) == ("allow", "unknown")


def test_without_vpcs_the_local_routes_tell_their_blocks(world: World) -> None:
    """The only IPv4 block is the primary one: its DNS server stays exempt."""
    world.calls.pop("describe_vpcs")
    assert world.one(to="10.0.0.2", dst_port=53)["forward"] == "UNLOGGED"
    assert world.one(to="10.0.2.10")["verdict"] == "allow"
    world.calls.pop("describe_route_tables")
    assert world.one(to="10.0.0.2", dst_port=53)["forward"] == "UNKNOWN"


def test_rules_that_cannot_be_read_are_unknown(world: World) -> None:
    """A protocol or block that is no such thing decides nothing and is named."""
    for odd in (
        rule("sgr-odd", "sg-a", "carrier pigeon"),
        rule("sgr-odd", "sg-a", CidrIpv4="somewhere"),
        rule("sgr-odd", "sg-a", Whom="everybody"),
    ):
        world.rules(odd, group="sg-a")
        row = world.one()
        assert row["sg"] == "unknown"
        assert row["notes"][0].startswith("sgr-odd: ")


def test_routes_that_cannot_be_read_are_unknown(world: World) -> None:
    """A route to a target that nobody knows takes the flow, and what it does is unknown."""
    world.routes("rtb-main", route("203.0.113.0/24", "odd-1"))
    row = world.one()
    assert (row["route_target"], row["route_usable"], row["verdict"]) == ("odd-1", None, "unknown")


def later(world: World, *changes: Any) -> Inventory:
    """Two captures, at noon and at two, between which `changes` were made."""
    first = world.capture()
    for change in changes:
        change()
    return Inventory.of([first, world.capture(AT.replace(hour=14))])


@pytest.mark.parametrize(
    ("hour", "verdict"), [(11, "allow"), (12, "allow"), (13, "unknown"), (14, "deny"), (15, "deny")]
)
def test_between_captures_that_differ_it_is_unknown(world: World, hour: int, verdict: str) -> None:
    """At a capture it alone speaks, between two what both say, outside the nearest one."""
    inventory = later(world, lambda: world.rules(group="sg-a"))
    row = judge(inventory, flow(at=AT.replace(hour=hour)))[0]
    assert (row["verdict"], row["sg"]) == (verdict, verdict)
    note = "it changed between the captures of 2026-03-01T12:00:00Z and 2026-03-01T14:00:00Z"
    assert (note in row["notes"]) == (hour == 13)


def test_what_captures_agree_on_stands_between_them(world: World) -> None:
    """Another rule's id changed: still allowed, with the rules of both."""
    inventory = later(world, lambda: world.rules(rule("sgr-new", "sg-a"), group="sg-a"))
    row = judge(inventory, flow(at=AT.replace(hour=13)))[0]
    assert (row["verdict"], row["sg_rules"]) == ("allow", ["sgr-a", "sgr-new"])


def test_a_time_that_is_not_known_asks_every_capture(world: World) -> None:
    """What one of them refuses is unknown then."""
    inventory = later(world, lambda: world.rules(group="sg-a"))
    assert judge(inventory, flow(at=None))[0]["verdict"] == "unknown"
    assert judge(Inventory.of([world.capture()]), flow(at=None))[0]["verdict"] == "deny"


def test_layers_that_change_at_once_are_each_unknown(world: World) -> None:
    """Refused before by the group and after by the ACL: in between perhaps by neither."""
    world.rules(group="sg-a")

    def swap() -> None:
        world.rules(rule("sgr-a", "sg-a"))
        world.acl()

    row = judge(later(world, swap), flow(at=AT.replace(hour=13)))[0]
    assert (row["sg"], row["nacl_out"], row["verdict"]) == ("unknown", "unknown", "unknown")


def test_captures_of_one_time_that_contradict_each_other(world: World) -> None:
    """Neither counts more than the other: unknown, and said to be a contradiction."""
    first = world.capture()
    world.rules(group="sg-a")
    row = judge(Inventory.of([first, world.capture()]), flow())[0]
    assert (row["verdict"], row["sg"]) == ("unknown", "unknown")
    assert "the captures of 2026-03-01T12:00:00Z contradict each other" in row["notes"]


def test_a_capture_that_lacks_an_answer_contradicts_nobody(world: World) -> None:
    """The last one that has it speaks on."""
    inventory = later(world, lambda: world.calls.pop("describe_security_group_rules"))
    assert judge(inventory, flow(at=AT.replace(hour=15)))[0]["verdict"] == "allow"


def test_references_go_by_who_carried_the_group_then(world: World) -> None:
    """The address matched while its interface carried the group, not after."""
    world.rules(rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-b"}), group="sg-a")
    inventory = later(world, lambda: world.face("eni-b").update(Groups=[{"GroupId": "sg-p"}]))
    hours = [
        judge(inventory, flow(to="10.0.2.10", at=AT.replace(hour=n)))[0]["sg"] for n in (12, 14)
    ]
    assert hours == ["allow", "deny"]


def test_accounts_are_put_together(world: World) -> None:
    """A shared subnet's ACL and routes may be in another account's capture."""
    shared = {
        name: world.calls.pop(name)
        for name in ("describe_network_acls", "describe_route_tables", "describe_vpcs")
    }
    mine = world.capture()
    assert judge(Inventory.of([mine]), flow())[0]["verdict"] == "unknown"
    theirs = Capture(AT, "2", "us-east-1", {f"ec2.{k}": v for k, v in shared.items()})
    assert judge(Inventory.of([mine, theirs]), flow())[0]["verdict"] == "allow"


def test_an_empty_inventory_knows_nothing() -> None:
    """No capture at all: unknown, not an error."""
    assert judge(Inventory.of([]), flow())[0]["verdict"] == "unknown"


def test_rows_keep_their_number_and_order(world: World) -> None:
    """Repeated flows, shuffled ones, and none at all."""
    flows = [flow(), flow(to="10.0.2.10", dst_port=80), flow(), flow(face="eni-gone")] * 3
    rows = world.ask(*flows)
    assert [row["verdict"] for row in rows] == ["allow", "allow", "allow", "unknown"] * 3
    assert rows[::-1] == world.ask(*flows[::-1])
    nothing = evaluate(pl.DataFrame(schema=FLOWS), Inventory.of([world.capture()]))
    assert (nothing.height, dict(nothing.schema)) == (0, REACH)


def test_columns_may_be_missing_and_wider(world: World) -> None:
    """Integers of any width do; what is not there is unknown."""
    frame = pl.DataFrame(
        {
            "interface_id": ["eni-a"],
            "direction": ["egress"],
            "src": ["10.0.1.10"],
            "dst": ["203.0.113.5"],
            "protocol": [6],
            "dst_port": [443],
        }
    )
    row = evaluate(frame, Inventory.of([world.capture()])).to_dicts()[0]
    assert (row["verdict"], row["nacl_in"]) == ("allow", "allow")


def test_protocols_by_name_and_negative_numbers(world: World) -> None:
    """A protocol may have its name, and -1 stands for a number that is not known."""
    inventory = Inventory.of([world.capture()])
    named = pl.DataFrame([{**flow(), "protocol": "TCP"}])
    assert evaluate(named, inventory)["verdict"].to_list() == ["allow"]
    blank = pl.DataFrame([{**flow(protocol=1), "icmp_type": -1, "icmp_code": -1}])
    assert evaluate(blank, inventory)["sg"].to_list() == ["allow"]


@pytest.mark.parametrize(
    ("name", "value"), [("direction", "up"), ("role", "boss"), ("protocol", 999)]
)
def test_flows_that_are_none_are_refused(world: World, name: str, value: Any) -> None:
    """The message says the column and the value."""
    frame = pl.DataFrame([{**flow(), name: value}])
    with pytest.raises(UsageError, match=name if name != "protocol" else "999"):
        evaluate(frame, Inventory.of([world.capture()]))
