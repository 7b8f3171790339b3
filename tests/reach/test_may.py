from typing import Any

import polars as pl
import pytest

from flowlens.errors import UsageError
from flowlens.inventory import Inventory
from flowlens.reach import MAY, changed, changes, may, outlook
from flowlens.reach.evaluate import speaking
from flowlens.reach.outlook import service
from flowlens.reach.spans import blocks
from flowlens.reach.subjects import People
from tests.reach.accounts import AT, World, entry, face, rule

Item = dict[str, Any]
SSH = {"CidrIpv4": "10.0.0.0/8"}


def inventory(*worlds: World) -> Inventory:
    return Inventory.of([world.capture() for world in worlds])


def told(
    world: World | Inventory, source: str | None = "eni-a", target: str | None = None
) -> list[Item]:
    """Rows of what one may reach, without what the hypervisor serves."""
    asked = inventory(world) if isinstance(world, World) else world
    rows = may(asked, source, target).to_dicts()
    return [row for row in rows if row["way"] != "hypervisor"]


@pytest.fixture(scope="module")
def plain() -> Inventory:
    """The plain account, as it is."""
    return inventory(World())


def texts(rows: list[Item]) -> list[str]:
    return [f"{row['target']} {service(row)} {row['way']} {row['verdict']}" for row in rows]


def test_every_way_out(plain: Inventory) -> None:
    """A rule for everywhere is told by ways, IPv6 as IPv4, each with its rules and route."""
    rows = told(plain)
    assert texts(rows) == [
        "10.0.0.0/16 all local allow",
        "2001:db8:a::/56 all local allow",
        "com.amazonaws.us-east-1.s3 icmp/8 gateway endpoint allow",
        "com.amazonaws.us-east-1.s3 tcp gateway endpoint allow",
        "172.16.0.0/16 all peering allow",
        "0.0.0.0/0 except 10.0.0.0/16, 52.216.0.0/15, 169.254.168.0/22, 172.16.0.0/16 "
        "all nat allow",
        "::/0 except 2001:db8:a::/56, fd00:ec2::/32 all internet gateway allow",
    ]
    nat = next(row for row in rows if row["way"] == "nat")
    assert (nat["rules"], nat["route"], nat["route_target"]) == (["sgr-a"], "0.0.0.0/0", "nat-1")
    assert nat["nacl_out_rules"] == [100]
    assert nat["addresses"] == ["10.0.1.10"]


def test_layers_meet(world: World) -> None:
    """A row is where rule, ACL both ways and route meet: ranges of ports, not addresses."""
    world.rules(rule("sgr-web", "sg-a", "tcp", (80, 500), CidrIpv4="203.0.113.0/24"), group="sg-a")
    world.acl(
        entry(10, "deny", "6", out=True, ports=(100, 200), CidrBlock="203.0.113.128/25"),
        *[entry(20, "allow", out=out) for out in (True, False)],
    )
    rows = told(world)
    assert texts(rows) == [
        "203.0.113.0/25 tcp/80-500 nat allow",
        "203.0.113.128/25 tcp/80-99 nat allow",
        "203.0.113.128/25 tcp/201-500 nat allow",
    ]
    assert [row["end_to_end"] for row in rows] == ["allow"] * 3
    assert rows[0]["blocks"] == ["203.0.113.0/25"]


def test_answers(world: World) -> None:
    """Where an ACL lets only some answers back, what may be reached is partial."""
    world.rules(rule("sgr-web", "sg-a", "tcp", (443, 443), CidrIpv4="203.0.113.0/24"), group="sg-a")
    world.acl(entry(10, "allow", out=True), entry(20, "allow", "6", ports=(32768, 60999)))
    assert texts(told(world)) == ["203.0.113.0/24 tcp/443 nat partial"]


def test_nothing(world: World) -> None:
    """Who may open nothing has one row that says so, and which layer refuses."""
    world.rules(group="sg-a")
    asked = inventory(world)
    (row,) = told(asked)
    assert (row["way"], row["verdict"], row["rules"]) == ("none", "deny", [])
    assert "sg" in row["blocked_by"]
    assert outlook(may(asked, "eni-a"))["reach"].to_list() == ["none"]


def test_unknown_is_not_none(world: World) -> None:
    """Where routes were not captured everything that rules let out is unknown, with the call."""
    del world.calls["describe_route_tables"]
    asked = inventory(world)
    rows = told(asked)
    assert {row["verdict"] for row in rows} == {"unknown"}
    assert all(row["way"] is None for row in rows)
    assert any("ec2.describe_route_tables is missing" in note for note in rows[0]["notes"])
    assert outlook(may(asked, "eni-a"))["reach"].to_list() == ["unknown"]


def test_no_interfaces(world: World) -> None:
    """Without interfaces nobody is known, and the row says why; a name is no mistake then."""
    del world.calls["describe_network_interfaces"]
    world.errors["describe_network_interfaces"] = "AccessDenied: no"
    (row,) = may(inventory(world), "payments").to_dicts()
    assert (row["source"], row["verdict"]) == (["payments"], "unknown")
    assert row["notes"] == [
        "no interface is known: ec2.describe_network_interfaces is missing: AccessDenied: no"
    ]


def test_captures_contradict(world: World) -> None:
    """What two captures of one time do not agree on is unknown."""
    other = World()
    other.rules(rule("sgr-b", "sg-b", inward=True), group="sg-a")
    rows = may(inventory(world, other), "eni-a", "203.0.113.5").to_dicts()
    assert {row["verdict"] for row in rows} == {"unknown"}
    assert any("contradict each other" in note for note in rows[0]["notes"])


def test_target(plain: Inventory) -> None:
    """Towards a workload both ends count: the rules of the one and of the other."""
    rows = told(plain, "eni-a", "10.0.2.10")
    assert texts(rows) == ["10.0.2.10 tcp/443 local allow"]
    assert rows[0]["end_to_end"] == "allow"
    (none,) = told(plain, "eni-b", "eni-a")
    assert (none["way"], none["end_to_end"]) == ("none", "deny")


def people(plain: Inventory) -> People:
    return People(plain, [end.account.view for end in speaking(plain, AT)])


@pytest.mark.parametrize("name", ["pl-s3", "com.amazonaws.us-east-1.s3", "S3", "vpce-s3"])
def test_services(plain: Inventory, name: str) -> None:
    """A service is meant by its prefix list's id or name, or its own name; not by a gateway."""
    if name == "vpce-s3":
        with pytest.raises(UsageError, match="'vpce-s3' has no addresses in the inventory"):
            people(plain).targets(name)
        return
    assert blocks(people(plain).targets(name)) == ["52.216.0.0/15"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sg-a", {"eni-a"}),
        ("10.0.1.10", {"eni-a"}),
        ("10.0.0.0/22", {"eni-a", "eni-b", "eni-p", "eni-nat"}),
        ("sub-2", {"eni-b"}),
        ("security_group:sg-p", {"eni-p"}),
        ("eni-*", {"eni-a", "eni-b", "eni-p", "eni-nat", "eni-f"}),
        ("i-eni-b", {"eni-b"}),
        (None, {"eni-a", "eni-b", "eni-p", "eni-f"}),
    ],
)
def test_names(plain: Inventory, name: str | None, found: set[str]) -> None:
    """Workloads are meant by group, address, prefix, subnet, instance or pattern."""
    assert {face.id for face in people(plain).sources(name)} == found


def test_nobody(plain: Inventory) -> None:
    """An unknown name says which ones come near, an address that nobody holds what to try."""
    with pytest.raises(UsageError, match=r"'eni-aa' is not a workload.*did you mean eni-a"):
        may(plain, "eni-aa")
    with pytest.raises(
        UsageError, match=r"no interface of the inventory holds an address of 10\.9"
    ):
        may(plain, "10.9.9.9")


def test_outlook(world: World) -> None:
    """How far a workload may go is the farthest of its ways."""
    world.items("describe_network_interfaces").append(face("eni-c", "10.0.1.20", "sub-1", "sg-c"))
    world.items("describe_security_groups").append({"GroupId": "sg-c", "VpcId": "vpc-a"})
    world.rules(rule("sgr-c", "sg-c", "tcp", (22, 22), **SSH))
    rows = outlook(may(inventory(world))).to_dicts()
    assert {row["source"][0]: row["reach"] for row in rows} == {
        "i-eni-a": "unbounded",  # by IPv6, through the egress-only gateway
        "i-eni-b": "none",
        "i-eni-c": "nat",
        "i-eni-f": "none",
        "i-eni-p": "unbounded",
    }
    (lone,) = [row for row in rows if row["source"] == ["i-eni-c"]]
    # What a NAT gateway takes of 10.0.0.0/8 is private: nothing of the internet.
    assert (lone["ports"], lone["addresses4"]) == ("tcp/22", 0)


def test_without_a_rule(plain: Inventory) -> None:
    """Without a rule what it alone let through is lost, and nothing else changes."""
    rows = changes(plain, changed(plain, ["sgr-a"]), "eni-a", "0.0.0.0/0").to_dicts()
    assert {row["change"] for row in rows} == {"lost"}
    assert {(*row["rules_before"], *row["rules_after"]) for row in rows} == {("sgr-a",)}
    assert {row["way"] for row in rows} == {"local", "peering", "gateway endpoint", "nat"}


def test_with_a_rule(plain: Inventory) -> None:
    """A further rule gains what no other let through; the inventory stays as it is."""
    new = rule("new-1", "sg-b", "tcp", (443, 444), CidrIpv4="203.0.113.0/25")
    after = changed(plain, [], [new])
    (row,) = changes(plain, after, "eni-b", "203.0.113.0/24").to_dicts()
    assert (row["change"], row["target"], service(row)) == (
        "gained",
        "203.0.113.0/25",
        "tcp/443-444",
    )
    assert row["rules_after"] == ["new-1"]
    assert changes(plain, plain, "eni-b", "203.0.113.0/24").is_empty()


def test_without_entries_and_routes(plain: Inventory) -> None:
    """An entry of a network ACL and a route can be left out as well."""
    for name, target in (
        ("rtb-main/0.0.0.0/0", "203.0.113.5"),
        ("acl-vpc-a/egress/101", "2600::1"),
    ):
        (row,) = changes(plain, changed(plain, [name]), "eni-a", target).to_dicts()
        assert (row["change"], row["target"], row["protocol"]) == ("lost", target, "all")


def test_nothing_to_leave_out(plain: Inventory) -> None:
    """A rule that is not there is refused, with those that come near."""
    with pytest.raises(UsageError, match="'sgr-aa' is not in the inventory; did you mean sgr-a"):
        changed(plain, ["sgr-aa"])
    with pytest.raises(UsageError, match="'sg-zz' is not in the inventory"):
        changed(plain, [], [rule("new-1", "sg-zz")])


def test_order_does_not_matter(plain: Inventory, world: World) -> None:
    """The same account in another order is the same table, with the schema's columns."""
    for call in ("describe_network_interfaces", "describe_security_group_rules"):
        world.items(call).reverse()
    whole = may(plain, "eni-p")
    assert whole.schema == pl.Schema(MAY)
    assert may(inventory(world), "eni-p", at=AT).equals(whole)
