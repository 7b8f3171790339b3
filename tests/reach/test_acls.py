from typing import Any

import pytest

from tests.reach.accounts import World, entry, everything

ALL = entry(500, "allow"), entry(500, "allow", out=True)


def acls(world: World, *entries: Any, **parts: Any) -> tuple[Any, ...]:
    """Ask about eni-a when its subnet's ACL has these entries: what it does out and in."""
    world.acl(*entries)
    row = world.one(**parts)
    return row["nacl_out"], row["nacl_out_rule"], row["nacl_in"], row["nacl_in_rule"]


def test_n01_n02_the_lowest_number_decides(world: World) -> None:
    """Entries come in any order; the first that fits by number counts, whatever comes after."""
    found = acls(
        world,
        entry(200, "allow", out=True),
        entry(90, "deny", "6", out=True, CidrBlock="203.0.113.0/24", ports=(443, 443)),
        entry(95, "allow", "6", out=True, CidrBlock="203.0.113.0/24", ports=(0, 65535)),
        *ALL,
    )
    assert found[:2] == ("deny", 90)
    row = world.one(dst_port=80)
    assert (row["nacl_out"], row["nacl_out_rule"]) == ("allow", 95)


def test_n03_n04_what_no_entry_decides_is_refused(world: World) -> None:
    """The default entry refuses: 32767 for IPv4 and 32768 for IPv6, whether listed or not."""
    assert acls(world) == ("deny", 32767, "deny", 32767)
    row = world.one(to="2600::1")
    assert (row["nacl_out"], row["nacl_out_rule"]) == ("deny", 32768)


def test_n05_n06_the_answer_needs_its_own_entry(world: World) -> None:
    """Stateless: out to 443 and back to the client's port; without the latter nothing works."""
    out = entry(100, "allow", "6", out=True, ports=(443, 443))
    back = entry(100, "allow", "6", ports=(32768, 60999))
    assert acls(world, out, back) == ("allow", 100, "allow", 100)
    row = world.one(src_port=61000)
    assert (row["nacl_in"], row["verdict"], row["blocked_by"]) == ("deny", "deny", ["nacl_in"])
    assert (row["forward"], row["reply"]) == ("ACCEPT", "REJECT")


def test_n07_n33_n34_an_unknown_client_port_may_pass_in_part(world: World) -> None:
    """Without the port, clients use any from 1024 on: all pass, a part, or none."""
    out = entry(100, "allow", "6", out=True, ports=(443, 443))
    linux = entry(100, "allow", "6", ports=(32768, 60999))
    assert acls(world, out, linux, src_port=None)[2:] == ("partial", None)
    row = world.one(src_port=None)
    assert (row["verdict"], row["forward"], row["reply"]) == ("partial", "ACCEPT", "UNKNOWN")
    world.items("describe_network_acls")[-1]["Entries"].append(
        entry(110, "allow", "6", ports=(1024, 65535))
    )
    assert world.one(src_port=None)["nacl_in"] == "allow"
    world.items("describe_network_acls")[-1]["Entries"] = [
        out,
        entry(1, "allow", "6", ports=(0, 1023)),
    ]
    assert world.one(src_port=None)["nacl_in"] == "deny"


def test_n08_ports_that_entries_cover_together_are_covered(world: World) -> None:
    """Two entries that meet let every client port through, though no single one does."""
    out = entry(100, "allow", "6", out=True)
    one, other = (
        entry(100, "allow", "6", ports=(1024, 40000)),
        entry(110, "allow", "6", ports=(40001, 65535)),
    )
    assert acls(world, out, one, other, src_port=None)[2:] == ("allow", None)


def test_n09_n20_inbound_judges_source_and_destination_port(world: World) -> None:
    """Inbound entries hold the source address and the packet's destination port."""
    world.rules(
        {
            "SecurityGroupRuleId": "s",
            "GroupId": "sg-a",
            "IsEgress": False,
            "IpProtocol": "-1",
            "CidrIpv4": "0.0.0.0/0",
        }
    )
    inward = entry(100, "allow", "6", CidrBlock="10.0.2.0/24", ports=(443, 443))
    out = entry(100, "allow", "6", out=True, CidrBlock="10.0.2.0/24", ports=(40000, 40000))
    assert acls(world, inward, out, origin="10.0.2.10") == ("allow", 100, "allow", 100)
    assert world.one(origin="10.0.2.10", dst_port=40000, src_port=443)["nacl_in"] == "deny"
    assert world.one(origin="10.0.0.10")["nacl_in"] == "deny"


def test_n10_an_answer_is_judged_in_its_own_direction(world: World) -> None:
    """AWS's ping example: inbound ACCEPT, outbound REJECT is the ACL's outbound side (E02)."""
    world.rules(
        {
            "SecurityGroupRuleId": "s",
            "GroupId": "sg-a",
            "IsEgress": False,
            "IpProtocol": "icmp",
            "FromPort": -1,
            "ToPort": -1,
            "CidrIpv4": "0.0.0.0/0",
        }
    )
    ping = {"protocol": 1, "icmp_type": 8, "icmp_code": 0}
    assert (
        acls(world, entry(100, "allow", "1", typed=(-1, -1)), origin="10.0.2.10", **ping)[0]
        == "deny"
    )
    row = world.one(origin="10.0.2.10", **ping)
    assert (row["forward"], row["reply"], row["blocked_by"]) == ("ACCEPT", "REJECT", ["nacl_out"])
    row = world.one(to="10.0.2.10", **{**ping, "icmp_type": 0}, role="reply")
    assert (row["sg"], row["forward"], row["blocked_by"]) == ("allow", "REJECT", ["nacl_out"])


def test_n11_families_are_separate(world: World) -> None:
    """An entry for 0.0.0.0/0 lets no IPv6 through, nor one for ::/0 IPv4."""
    assert acls(world, *ALL, to="2600::1")[0] == "deny"
    six = [entry(9, "allow", out=out, Ipv6CidrBlock="::/0") for out in (True, False)]
    world.items("describe_network_acls")[-1]["Entries"] = six
    assert world.one(to="2600::1")["nacl_out"] == "allow"
    assert world.one()["nacl_out"] == "deny"


def test_n12_not_inside_a_subnet(world: World) -> None:
    """What stays in a subnet meets no ACL, even one that refuses everything."""
    world.items("describe_network_interfaces").append(
        {
            **world.face("eni-b"),
            "NetworkInterfaceId": "eni-c",
            "SubnetId": "sub-1",
            "PrivateIpAddress": "10.0.1.20",
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.20"}],
            "Ipv6Addresses": [],
        }
    )
    assert acls(world, to="10.0.1.20") == ("allow", None, "allow", None)
    assert world.one(to="10.0.1.20")["end_to_end"] == "allow"
    assert world.one(to="10.0.2.10")["nacl_out"] == "deny"


def test_a_classic_load_balancer_is_filtered_inside_too(world: World) -> None:
    """ACLs apply to a Classic Load Balancer's interface even within its subnet."""
    world.items("describe_network_interfaces").append(
        {
            **world.face("eni-b"),
            "NetworkInterfaceId": "eni-c",
            "SubnetId": "sub-1",
            "Description": "ELB my-classic",
            "Attachment": {"InstanceOwnerId": "amazon-elb"},
            "PrivateIpAddress": "10.0.1.20",
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.20"}],
            "Ipv6Addresses": [],
        }
    )
    assert acls(world, to="10.0.1.20")[0] == "deny"


@pytest.mark.parametrize(
    ("entries", "broken"),
    [
        ([entry(1, "allow", "6", ports=(443, 443)), entry(1, "allow", "6", out=True)], None),
        ([entry(1, "allow", "6", ports=(80, 80)), entry(1, "allow", "6", out=True)], "far_nacl_in"),
        (
            [
                entry(1, "allow", "6", ports=(443, 443)),
                entry(1, "allow", "6", out=True, ports=(443, 443)),
            ],
            "far_nacl_out",
        ),
    ],
    ids=["both", "no-way-in", "no-way-back"],
)
def test_n13_n14_n38_four_checks_for_one_connection(
    world: World, entries: Any, broken: str | None
) -> None:
    """The other subnet's ACL is asked as well, both ways; the sender's log does not show it."""
    world.acl(*entries, subnets=("sub-2",))
    row = world.one(to="10.0.2.10")
    assert (row["verdict"], row["forward"]) == ("allow", "ACCEPT")
    assert row["end_to_end"] == ("deny" if broken else "allow")
    assert row["blocked_by"] == ([broken] if broken else [])


@pytest.mark.parametrize(
    ("proto", "protocol", "verdict"),
    [("-1", 47, "allow"), ("47", 47, "allow"), ("47", 50, "deny"), ("6", 17, "deny")],
)
def test_n16_n17_ports_of_other_protocols_are_ignored(
    world: World, proto: str, protocol: int, verdict: str
) -> None:
    """Protocol -1 and every one without ports is not asked for them."""
    one = entry(1, "allow", proto, out=True, ports=(7, 7))
    assert acls(world, one, protocol=protocol)[0] == verdict


@pytest.mark.parametrize(
    ("typed", "kind", "out", "back"),
    [
        ((8, 0), 8, "allow", "deny"),
        ((-1, -1), 8, "allow", "allow"),
        ((0, -1), 8, "deny", "allow"),
        ((8, -1), None, "partial", "partial"),
        ((3, -1), 3, "allow", "allow"),
    ],
    ids=["n15-asks", "n18-any", "n19-answers", "n32-no-type", "nobody-answers"],
)
def test_n15_n18_n19_n32_icmp(
    world: World, typed: Any, kind: int | None, out: str, back: str
) -> None:
    """Type and code are held, -1 is any; an echo is answered by type 0, an error by nothing."""
    both = [entry(1, "allow", "1", out=each, typed=typed) for each in (True, False)]
    asked = {"protocol": 1, "icmp_type": kind, "icmp_code": None if kind is None else 0}
    found = acls(world, *both, **asked)
    assert (found[0], found[2]) == (out, back)


def test_n14_icmpv6_types_count_with_ipv6_blocks_only(world: World) -> None:
    """Protocol 58 with an IPv6 block is asked for its type."""
    asked = {"to": "2600::1", "protocol": 58, "icmp_type": 128, "icmp_code": 0}
    typed = [entry(1, "allow", "58", out=True, typed=(129, -1), Ipv6CidrBlock="::/0")]
    assert acls(world, *typed, **asked)[0] == "deny"
    world.items("describe_network_acls")[-1]["Entries"][0]["IcmpTypeCode"]["Type"] = 128
    assert world.one(**asked)["nacl_out"] == "allow"


def test_n30_n31_a_subnet_without_its_own_takes_its_vpcs_default(world: World) -> None:
    """The default ACL of the subnet's VPC counts, not one of another VPC."""
    world.items("describe_network_acls")[1]["Entries"] = []  # that of vpc-f
    row = world.one(to="172.16.1.10")
    assert (row["nacl_out_rule"], row["end_to_end"]) == (100, "deny")
    assert world.one(face="eni-f", to="10.0.1.10")["nacl_out"] == "deny"


def test_every_association_counts(world: World) -> None:
    """An ACL may have many subnets: each of them is held to it, in whatever order they come."""
    for subnets in (("sub-0", "sub-1", "sub-2"), ("sub-2", "sub-1", "sub-0")):
        world.items("describe_network_acls")[2:] = []
        world.acl(*ALL[1:], subnets=subnets)
        for face in ("eni-a", "eni-b", "eni-p"):
            row = world.one(face=face)
            assert (row["nacl_out_rule"], row["nacl_in"]) == (500, "deny"), face


def test_an_acl_without_entries_keeps_its_subnets(world: World) -> None:
    """It refuses everything; its subnets do not fall back to the default one."""
    assert acls(world)[:2] == ("deny", 32767)


def test_numbers_of_both_directions_do_not_mix(world: World) -> None:
    """Rule 100 out and rule 100 in are two rules."""
    found = acls(world, entry(100, "deny"), entry(100, "allow", out=True))
    assert found == ("allow", 100, "deny", 100)


def test_two_entries_of_one_number_that_disagree_are_unknown(world: World) -> None:
    """AWS has no such thing: the answer contradicts itself, so nothing is said."""
    found = acls(world, entry(7, "deny", out=True), entry(7, "allow", out=True), *ALL)
    assert found[:2] == ("unknown", None)
    assert "acl-own: an entry cannot be read" in world.one()["notes"]


@pytest.mark.parametrize(
    ("to", "parts"),
    [
        ("169.254.169.253", {"dst_port": 53}),
        ("10.0.0.2", {"dst_port": 53, "protocol": 17}),
        ("fd00:ec2::253", {"dst_port": 53}),
        ("169.254.169.254", {"dst_port": 80}),
        ("fd00:ec2::254", {"dst_port": 80}),
        ("169.254.170.2", {"dst_port": 80}),
        ("169.254.169.250", {"dst_port": 1688}),
        ("169.254.169.123", {"dst_port": 123, "protocol": 17}),
        ("10.0.1.1", {"dst_port": 80}),
        ("10.0.9.9", {"protocol": 17, "src_port": 68, "dst_port": 67}),
    ],
    ids=[
        "n24-dns",
        "n24-base+2",
        "n24-v6",
        "n26-imds",
        "n26-v6",
        "n27-ecs",
        "n28-windows",
        "n29-time",
        "n29-router",
        "n29-dhcp",
    ],
)
def test_n24_n29_services_of_the_hypervisor_are_exempt(
    world: World, to: str, parts: dict[str, int]
) -> None:
    """No group, no ACL, no log line: refused rules do not matter."""
    world.rules(group="sg-a")
    world.acl()
    row = world.one(to=to, **parts)
    assert (row["verdict"], row["end_to_end"]) == ("allow", "allow")
    assert (row["forward"], row["reply"], row["blocked_by"]) == ("UNLOGGED", "UNLOGGED", [])


def test_n25_only_the_primary_block_has_the_dns_server(world: World) -> None:
    """Base plus two of a second block is an address like any other."""
    world.items("describe_vpcs")[0]["CidrBlockAssociationSet"] = [{"CidrBlock": "10.5.0.0/16"}]
    world.rules(group="sg-a")
    row = world.one(to="10.5.0.2", dst_port=53)
    assert (row["verdict"], row["forward"]) == ("deny", "REJECT")


def test_the_acl_that_aws_makes_lets_everything_through(world: World) -> None:
    """The entries of an untouched ACL let both families through, by numbers 100 and 101."""
    assert acls(world, *everything()) == ("allow", 100, "allow", 100)
    assert world.one(to="2600::1")["nacl_out_rule"] == 101
