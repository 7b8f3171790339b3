from typing import Any

import pytest

from tests.reach.accounts import ANY4, World, face, rule


def sgs(world: World, *rules: Any, **parts: Any) -> tuple[str, list[str]]:
    """Ask about eni-a when sg-a has these rules and no others."""
    world.rules(*rules, group="sg-a")
    row = world.one(**parts)
    return row["sg"], row["sg_rules"]


def test_s02_a_group_without_rules_lets_nothing_out(world: World) -> None:
    """The group exists and has no rule for the direction: refused, and the log says REJECT."""
    world.rules(group="sg-a")
    row = world.one()
    assert (row["sg"], row["verdict"], row["forward"]) == ("deny", "deny", "REJECT")
    assert (row["blocked_by"], row["reply"], row["tracked"]) == (["sg"], "UNLOGGED", None)


def test_s03_s04_groups_are_a_union(world: World) -> None:
    """Any rule of any group of the interface is enough; all that match are named."""
    world.face("eni-a")["Groups"] = [{"GroupId": "sg-b"}, {"GroupId": "sg-a"}]
    found = sgs(
        world,
        rule("sgr-1", "sg-a", "tcp", (443, 443), **ANY4),
        rule("sgr-2", "sg-b", "-1"),
        rule("sgr-3", "sg-b", "tcp", (80, 80), **ANY4),
    )
    assert found == ("allow", ["sgr-1", "sgr-2"])


def test_rules_come_the_narrowest_first(world: World) -> None:
    """Fewer addresses first, then fewer ports."""
    found = sgs(
        world,
        rule("sgr-1", "sg-a", "-1"),
        rule("sgr-2", "sg-a", "tcp", (0, 65535), CidrIpv4="203.0.113.0/24"),
        rule("sgr-3", "sg-a", "tcp", (443, 443), CidrIpv4="203.0.113.0/24"),
        rule("sgr-4", "sg-a", "tcp", (1, 999), CidrIpv4="203.0.113.5/32"),
    )
    assert found == ("allow", ["sgr-4", "sgr-3", "sgr-2", "sgr-1"])


@pytest.mark.parametrize(
    ("peer", "to", "verdict"),
    [
        ({"CidrIpv4": "0.0.0.0/0"}, "2600::1", "deny"),
        ({"CidrIpv6": "::/0"}, "203.0.113.5", "deny"),
        ({"CidrIpv6": "2600::/16"}, "2600::1", "allow"),
        ({"CidrIpv6": "2600::/16"}, "2601::1", "deny"),
        ({"CidrIpv4": "203.0.113.0/29"}, "203.0.113.7", "allow"),
        ({"CidrIpv4": "203.0.113.0/29"}, "203.0.113.8", "deny"),
        ({"CidrIpv4": "0.0.0.0/0"}, "64:ff9b::cb00:7105", "deny"),
        ({"CidrIpv6": "64:ff9b::/96"}, "64:ff9b::cb00:7105", "allow"),
    ],
    ids=["s05", "s06", "v6-in", "v6-out", "last", "next", "s61-nat64", "s62-nat64"],
)
def test_s05_s06_s61_s62_families_are_separate(
    world: World, peer: dict[str, str], to: str, verdict: str
) -> None:
    """A block says nothing about the other family, nor about what NAT64 translates."""
    assert sgs(world, rule("sgr-1", "sg-a", **peer), to=to)[0] == verdict


@pytest.mark.parametrize(
    ("port", "verdict"), [(79, "deny"), (80, "allow"), (90, "allow"), (91, "deny")]
)
def test_s07_s10_both_ends_of_a_range_are_in_it(world: World, port: int, verdict: str) -> None:
    """A rule for ports 80 to 90 holds both of them, and the destination port counts."""
    ported = rule("sgr-1", "sg-a", "tcp", (80, 90), **ANY4)
    assert sgs(world, ported, dst_port=port, src_port=85)[0] == verdict


@pytest.mark.parametrize("ports", [(-1, -1), (None, None), (0, 0)])
def test_s12_all_protocols_have_no_ports(world: World, ports: Any) -> None:
    """Protocol -1 means every port, whether the answer says -1, nothing, or anything."""
    assert sgs(world, rule("sgr-1", "sg-a", "-1", ports, **ANY4))[0] == "allow"


@pytest.mark.parametrize(
    ("proto", "protocol", "verdict"),
    [
        ("47", 47, "allow"),
        ("47", 50, "deny"),
        ("50", 6, "deny"),
        ("6", 6, "deny"),
        ("tcp", 17, "deny"),
    ],
)
def test_s13_s14_other_protocols_go_by_number(
    world: World, proto: str, protocol: int, verdict: str
) -> None:
    """A protocol that has no name goes by its number and has no ports; TCP by any name has."""
    assert sgs(world, rule("sgr-1", "sg-a", proto, (7, 7), **ANY4), protocol=protocol)[0] == verdict


@pytest.mark.parametrize(
    ("ports", "kind", "code", "verdict"),
    [
        ((8, 0), 8, 0, "allow"),
        ((8, 0), 8, 1, "deny"),
        ((8, -1), 8, 5, "allow"),
        ((-1, -1), 3, 4, "allow"),
        ((3, 4), 4, 3, "deny"),
        ((3, 8), 5, 5, "deny"),
        ((8, -1), None, None, "partial"),
        ((-1, -1), None, None, "allow"),
        ((8, 0), 8, None, "partial"),
    ],
    ids=["s15", "s16", "s17", "s18", "s19", "s20-no-range", "s24", "s24-any", "s24-code"],
)
def test_s15_s20_s24_icmp_numbers_are_type_and_code(
    world: World, ports: Any, kind: int | None, code: int | None, verdict: str
) -> None:
    """From is a type, to is a code, -1 is any; a flow that gives no type may be several."""
    asked = {"protocol": 1, "icmp_type": kind, "icmp_code": code}
    assert sgs(world, rule("sgr-1", "sg-a", "icmp", ports, **ANY4), **asked)[0] == verdict


def test_s21_s23_icmpv6_is_another_protocol(world: World) -> None:
    """A rule for icmp never lets icmpv6 through; one for icmpv6 or 58 does."""
    asked = {"to": "2600::1", "protocol": 58, "icmp_type": 128, "icmp_code": 0}
    assert sgs(world, rule("s", "sg-a", "icmp", (-1, -1), CidrIpv6="::/0"), **asked)[0] == "deny"
    assert sgs(world, rule("s", "sg-a", "icmpv6", (128, 0), CidrIpv6="::/0"), **asked)[0] == "allow"
    assert sgs(world, rule("s", "sg-a", "58", (-1, -1), CidrIpv6="::/0"), **asked)[0] == "allow"


def test_ports_that_several_rules_cover_together_are_covered(world: World) -> None:
    """Without a port, rules for 0-1023 and 1024-65535 let everything through; one alone a part."""
    low = rule("sgr-1", "sg-a", "tcp", (0, 1023), **ANY4)
    high = rule("sgr-2", "sg-a", "tcp", (1024, 65535), **ANY4)
    assert sgs(world, low, high, dst_port=None) == ("allow", ["sgr-1", "sgr-2"])
    assert sgs(world, low, dst_port=None) == ("partial", ["sgr-1"])


def test_s26_s27_prefix_lists_stand_for_their_entries(world: World) -> None:
    """A managed list lets through what its entries hold, and nothing else."""
    listed = rule("sgr-1", "sg-a", PrefixListId="pl-own")
    assert sgs(world, listed, to="203.0.113.5") == ("allow", ["sgr-1"])
    assert sgs(world, listed, to="203.0.114.5") == ("deny", [])


def test_s28_s29_an_unread_prefix_list_is_unknown(world: World) -> None:
    """Entries that were not readable make a rule unknown, unless another one decides."""
    world.calls["get_managed_prefix_list_entries"].pop("pl-own")
    world.errors["get_managed_prefix_list_entries:pl-own"] = "AccessDenied: no"
    listed = rule("sgr-1", "sg-a", PrefixListId="pl-own")
    assert sgs(world, listed) == ("unknown", [])
    row = world.one()
    assert (row["verdict"], row["forward"]) == ("unknown", "UNKNOWN")
    assert row["notes"] == [
        "pl-own: its entries were not read; "
        "ec2.get_managed_prefix_list_entries is missing: AccessDenied: no"
    ]
    assert sgs(world, listed, rule("sgr-2", "sg-a")) == ("allow", ["sgr-2"])
    assert sgs(world, listed, to="2600::1")[0] == "deny"  # the list is of IPv4


def test_an_unread_prefix_list_of_a_strange_family_may_hold_anything(world: World) -> None:
    """A family that is not AWS's word says nothing about what an unread list holds."""
    world.calls["get_managed_prefix_list_entries"].pop("pl-own")
    world.calls["describe_managed_prefix_lists"]["PrefixLists"][1]["AddressFamily"] = "ipv4"
    assert sgs(world, rule("sgr-1", "sg-a", PrefixListId="pl-own")) == ("unknown", [])


def test_s31_s34_s35_references_are_private_addresses(world: World) -> None:
    """A rule that names a group fits primary, secondary, IPv6 and delegated addresses of it."""
    far = world.face("eni-b")
    far["PrivateIpAddresses"].append({"PrivateIpAddress": "10.0.2.77"})
    far["Ipv4Prefixes"] = [{"Ipv4Prefix": "10.0.2.32/28"}]
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-b"})
    for to in ("10.0.2.10", "10.0.2.77", "10.0.2.35", "2001:db8:a:2::10"):
        assert sgs(world, named, to=to) == ("allow", ["sgr-1"]), to


def test_s33_s60_references_are_no_public_addresses(world: World) -> None:
    """The Elastic IP of an interface that carries the group does not fit."""
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-p"})
    assert sgs(world, named, to="198.51.100.10")[0] == "deny"
    assert sgs(world, named, to="10.0.0.10")[0] == "allow"


def test_s36_s37_a_self_reference_is_an_ordinary_rule(world: World) -> None:
    """Members of a group need a rule that names it; a reference does not share its rules."""
    world.items("describe_network_interfaces").append(face("eni-c", "10.0.1.20", "sub-1", "sg-a"))
    assert sgs(world, to="10.0.1.20")[0] == "deny"
    itself = rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-a"})
    assert sgs(world, itself, to="10.0.1.20")[0] == "allow"
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-p"})
    assert sgs(world, named, to="203.0.113.5")[0] == "deny"


PEERED = {"GroupId": "sg-f", "VpcPeeringConnectionId": "pcx-1"}


def test_s38_references_reach_over_a_peering(world: World) -> None:
    """Outbound and inbound, a group of the peered VPC can be named while the peering is active."""
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo=PEERED)
    inward = rule("sgr-2", "sg-a", inward=True, ReferencedGroupInfo=PEERED)
    assert sgs(world, named, inward, to="172.16.1.10") == ("allow", ["sgr-1"])
    assert world.one(origin="172.16.1.10")["sg_rules"] == ["sgr-2"]


@pytest.mark.parametrize(
    ("how", "info"),
    [
        ("deleted", PEERED),
        ("active", {**PEERED, "PeeringStatus": "deleted"}),
        ("active", {**PEERED, "VpcPeeringConnectionId": "pcx-gone"}),
    ],
    ids=["s38-inactive", "s39-stale", "s44-gone"],
)
def test_s39_s44_a_stale_reference_matches_nothing(
    world: World, how: str, info: dict[str, str]
) -> None:
    """A peering that is not active (any more) makes the rule match nothing, not unknown."""
    world.items("describe_vpc_peering_connections")[0]["Status"]["Code"] = how
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo=info)
    assert sgs(world, named, to="172.16.1.10") == ("deny", [])


def test_s40_no_reference_to_another_region(world: World) -> None:
    """A peering between Regions carries traffic, but groups cannot be named across it."""
    peering = world.items("describe_vpc_peering_connections")[0]
    peering["AccepterVpcInfo"]["Region"] = "eu-west-1"
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-f"})
    assert sgs(world, named, to="172.16.1.10")[0] == "deny"
    assert sgs(world, rule("sgr-1", "sg-a"), to="172.16.1.10")[0] == "allow"


def test_s41_s42_no_reference_through_a_middlebox(world: World) -> None:
    """Where a route to a subnet goes through an appliance, only blocks fit, either way."""
    box = face("eni-box", "10.0.0.50", "sub-0", "sg-p", SourceDestCheck=False)
    world.items("describe_network_interfaces").append(box)
    world.routes("rtb-main", {**ROUTE, "DestinationCidrBlock": "10.0.2.0/24"})
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-b"})
    assert sgs(world, named, to="10.0.2.10")[0] == "deny"
    assert sgs(world, rule("s", "sg-a", CidrIpv4="10.0.0.0/8"), to="10.0.2.10")[0] == "allow"
    world.rules(
        rule("sgr-2", "sg-b", inward=True, ReferencedGroupInfo={"GroupId": "sg-a"}), group="sg-b"
    )
    row = world.one(face="eni-b", origin="10.0.1.10")  # its sender's route is the one above
    assert row["sg"] == "deny"


ROUTE = {"NetworkInterfaceId": "eni-box", "State": "active", "Origin": "CreateRoute"}


def test_s43_an_address_nobody_is_seen_at_is_unknown(world: World) -> None:
    """A hidden interface may carry the group; an address outside the VPC can not."""
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-b"})
    assert sgs(world, named, to="10.0.2.99")[0] == "unknown"
    assert sgs(world, named, to="8.8.8.8")[0] == "deny"
    assert sgs(world, named, to="10.0.0.10")[0] == "deny"  # known, and does not carry it


def test_over_a_transit_gateway_a_reference_is_unknown(world: World) -> None:
    """Whether groups can be named there is an option that is not captured."""
    world.routes("rtb-main", {"DestinationCidrBlock": "10.9.0.0/16", "TransitGatewayId": "tgw-1"})
    named = rule("sgr-1", "sg-a", ReferencedGroupInfo={"GroupId": "sg-elsewhere"})
    assert sgs(world, named, to="10.9.0.1")[0] == "unknown"


def test_s46_s47_answers_pass_by_state(world: World) -> None:
    """An answer needs no rule of its own, either way."""
    world.rules(rule("sgr-in", "sg-a", "tcp", (443, 443), inward=True, **ANY4), group="sg-a")
    answer = {"src_port": 443, "dst_port": 40000, "role": "reply"}
    assert world.one(to="10.0.2.10", **answer)["forward"] == "ACCEPT"
    row = world.one(origin="10.0.2.10")
    assert (row["forward"], row["reply"]) == ("ACCEPT", "ACCEPT")
    row = world.one(to="10.0.2.10", **{**answer, "src_port": 80})
    assert (row["sg"], row["forward"]) == ("deny", "REJECT")  # nobody may open port 80


def free(world: World) -> None:
    world.rules(rule("sgr-1", "sg-p"), rule("sgr-2", "sg-p", inward=True), group="sg-p")


def test_s48_untracked_where_everything_may_pass_both_ways(world: World) -> None:
    """Rules for every address both ways, and every port back: TCP and UDP keep no state."""
    free(world)
    assert world.one(face="eni-p")["tracked"] is False
    assert world.one(face="eni-p", protocol=17)["tracked"] is False
    assert world.one(face="eni-p", origin="203.0.113.5")["tracked"] is False


def test_s49_s50_tracked_otherwise(world: World) -> None:
    """ICMP, other protocols, a narrower rule, or a way back with fewer ports keep state."""
    free(world)
    ping = {"protocol": 1, "icmp_type": 8, "icmp_code": 0}
    assert world.one(face="eni-p", **ping)["tracked"] is True
    assert world.one(face="eni-p", protocol=47)["tracked"] is True
    assert world.one(face="eni-p", to="2600::1")["sg"] == "deny"
    back = rule("sgr-2", "sg-p", "tcp", (1024, 65535), inward=True, **ANY4)
    world.rules(rule("sgr-1", "sg-p"), back, group="sg-p")
    assert world.one(face="eni-p")["tracked"] is True
    world.rules(
        rule("sgr-1", "sg-p", CidrIpv4="203.0.113.0/24"),
        rule("sgr-2", "sg-p", inward=True),
        group="sg-p",
    )
    assert world.one(face="eni-p")["tracked"] is True


def test_s51_s53_some_ways_are_always_tracked(world: World) -> None:
    """Functions, NAT, egress-only gateways and transit gateways track whatever the rules."""
    world.rules(
        rule("sgr-1", "sg-a"),
        rule("sgr-2", "sg-a", inward=True),
        rule("sgr-3", "sg-a", CidrIpv6="::/0"),
        rule("sgr-4", "sg-a", inward=True, CidrIpv6="::/0"),
        group="sg-a",
    )
    assert world.one()["tracked"] is True  # NAT
    assert world.one(to="2600::1")["tracked"] is True  # egress-only
    assert world.one(to="10.0.2.10")["tracked"] is False
    world.face("eni-a").update(InterfaceType="lambda")
    assert world.one(to="10.0.2.10")["tracked"] is True
    free(world)
    assert world.one(face="eni-p")["tracked"] is False


def test_s54_no_groups_is_not_refused(world: World) -> None:
    """A NAT gateway has no groups, and no group refuses what it sends."""
    row = world.one(face="eni-nat")
    assert (row["sg"], row["sg_rules"], row["verdict"]) == ("allow", [], "allow")


def test_rules_of_older_answers_are_read_too(world: World) -> None:
    """DescribeSecurityGroups alone is enough; its rules are named by what they say."""
    world.calls.pop("describe_security_group_rules")
    permissions = [
        {
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        },
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-b"}]},
    ]
    world.items("describe_security_groups")[0].update(
        IpPermissions=[], IpPermissionsEgress=permissions
    )
    row = world.one()
    assert (row["sg"], row["sg_rules"]) == ("allow", ["sg-a/egress/tcp/443-443/0.0.0.0/0"])
    assert world.one(dst_port=80)["sg"] == "deny"
    assert world.one(to="10.0.2.10", dst_port=80)["sg_rules"] == ["sg-a/egress/-1/sg-b"]
    assert world.one(face="eni-b", origin="10.0.1.10")["sg"] == "unknown"  # says nothing of sg-b
