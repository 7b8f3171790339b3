from typing import Any

import pytest

from flowlens.inventory import Inventory
from tests.reach.accounts import World, entry, face, flow, judge, route, rule

VGW = {"Origin": "EnableVgwRoutePropagation"}


def routed(world: World, *routes: Any, **parts: Any) -> tuple[Any, ...]:
    """Ask about eni-a when the main table has further routes."""
    world.routes("rtb-main", *routes)
    row = world.one(**parts)
    return row["route"], row["route_target"], row["route_usable"]


def test_r01_r57_behind_a_transit_gateway_nothing_is_known(world: World) -> None:
    """The own end lets pass; what the gateway's tables do is unknown, never allowed."""
    for target in ("tgw-1", "vgw-1", "arn:aws:networkmanager::1:core-network/core-network-1"):
        fresh = World()
        found = routed(fresh, route("10.9.0.0/16", target), to="10.9.0.1")
        assert found == ("10.9.0.0/16", target, True)
        row = fresh.one(to="10.9.0.1")
        assert (row["verdict"], row["end_to_end"], row["forward"]) == ("allow", "unknown", "ACCEPT")


def test_r02_without_a_route_the_log_says_accept(world: World) -> None:
    """Groups and ACL let it out, so the log says ACCEPT; it gets nowhere."""
    world.items("describe_route_tables")[0]["Routes"] = [route("10.0.0.0/16", "local")]
    row = world.one()
    assert (row["verdict"], row["forward"], row["blocked_by"]) == ("deny", "ACCEPT", ["route"])
    assert (row["route"], row["route_target"], row["route_usable"]) == (None, None, False)


@pytest.mark.parametrize("state", ["associated", "associating", "disassociated", "failed"])
def test_r03_r52_r53_only_a_made_association_counts(world: World, state: str) -> None:
    """A table whose association is not made (any more) leaves the subnet with the main one."""
    world.items("describe_route_tables").append(
        {
            "RouteTableId": "rtb-own",
            "VpcId": "vpc-a",
            "Associations": [{"SubnetId": "sub-1", "AssociationState": {"State": state}}],
            "Routes": [route("10.0.0.0/16", "local"), route("0.0.0.0/0", "tgw-1")],
        }
    )
    expected = "tgw-1" if state == "associated" else "nat-1"
    assert world.one()["route_target"] == expected


def box(world: World, check: bool | None = False) -> None:
    world.items("describe_network_interfaces").append(
        face("eni-box", "10.0.0.50", "sub-0", "sg-p", SourceDestCheck=check)
    )


@pytest.mark.parametrize(
    ("check", "usable", "verdict"),
    [(False, True, "allow"), (True, False, "deny"), (None, None, "unknown")],
    ids=["r50", "r51", "unread"],
)
def test_r05_r50_r51_more_specific_than_local(
    world: World, check: bool | None, usable: bool | None, verdict: str
) -> None:
    """A route to a whole subnet through an appliance beats local, if that passes packets on."""
    box(world, check)
    found = routed(world, route("10.0.2.0/24", "eni-box"), to="10.0.2.10")
    assert found == ("10.0.2.0/24", "eni-box", usable)
    row = world.one(to="10.0.2.10")
    assert row["verdict"] == verdict
    assert row["end_to_end"] == ("deny" if verdict == "deny" else "unknown")
    assert world.one(to="10.0.0.10")["route_target"] == "local"


def test_r56_a_route_to_an_instance_is_one_to_its_interface(world: World) -> None:
    """An instance with one interface stands for it."""
    box(world)
    assert routed(world, route("10.9.0.0/16", "i-eni-box"), to="10.9.0.1")[2] is True


def test_a_route_to_the_destination_itself_passes(world: World) -> None:
    """An interface takes what is meant for it, whatever its check."""
    box(world, True)
    assert routed(world, route("10.0.0.0/24", "eni-box"), to="10.0.0.50")[2] is True


def test_r06_local_beats_propagated_routes_even_longer_ones(world: World) -> None:
    """A gateway that announces a part of the VPC does not get it."""
    assert routed(world, route("10.0.2.0/24", "vgw-1", **VGW), to="10.0.2.10")[1] == "local"


@pytest.mark.parametrize(
    ("routes", "target"),
    [
        ([route("10.9.0.0/16", "vgw-1", **VGW), route("10.9.0.0/16", "tgw-1")], "tgw-1"),
        ([route("172.20.0.0/16", "tgw-1"), route("172.20.1.0/24", "vgw-1", **VGW)], None),
        ([route("pl-x", "tgw-1"), route("10.9.0.0/16", "vgw-1", **VGW)], "tgw-1"),
        ([route("pl-x", "vgw-1"), route("10.9.0.0/16", "tgw-1")], "tgw-1"),
        (
            [route("10.9.0.0/16", "vgw-1", Origin="Advertisement"), route("10.9.0.0/16", "tgw-1")],
            "tgw-1",
        ),
    ],
    ids=["r07-static", "other", "r09-list", "r10-static-list", "r60-route-server"],
)
def test_r07_r10_r60_equal_prefixes(world: World, routes: Any, target: str | None) -> None:
    """Of equal prefixes static beats a prefix list, which beats what is announced."""
    world.calls["get_managed_prefix_list_entries"]["pl-x"] = {"Entries": [{"Cidr": "10.9.0.0/16"}]}
    assert routed(world, *routes, to="10.9.0.1")[1] == (target or "nat-1")


def test_r08_outside_the_vpc_the_longer_prefix_wins(world: World) -> None:
    """There a longer announced route beats a shorter static one."""
    routes = route("10.9.0.0/16", "tgw-1"), route("10.9.1.0/24", "vgw-1", **VGW)
    assert routed(world, *routes, to="10.9.1.1")[1] == "vgw-1"
    assert world.one(to="10.9.2.1")["route_target"] == "tgw-1"


def test_r11_two_lists_with_one_block_are_ambiguous(world: World) -> None:
    """AWS picks one at random: unknown, and the reason is said."""
    lists = world.calls["get_managed_prefix_list_entries"]
    lists["pl-x"] = lists["pl-y"] = {"Entries": [{"Cidr": "10.9.0.0/16"}]}
    found = routed(world, route("pl-x", "tgw-1"), route("pl-y", "vgw-1"), to="10.9.0.1")
    assert found == (None, None, None)
    row = world.one(to="10.9.0.1")
    assert (row["verdict"], row["notes"]) == (
        "unknown",
        ["several routes for the same block: AWS picks one at random"],
    )


def test_r12_r14_gateway_endpoint_or_nat(world: World) -> None:
    """S3 goes through its gateway endpoint, unless a customer's longer route leads elsewhere."""
    assert routed(world, to="52.216.1.1") == ("pl-s3", "vpce-s3", True)
    assert world.one(to="52.219.1.1")["route_target"] == "nat-1"
    longer = route("52.216.1.0/24", "nat-1")
    assert routed(world, longer, to="52.216.1.1")[:2] == ("52.216.1.0/24", "nat-1")


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ({}, "allow"),
        ({"protocol": 17}, "deny"),
        ({"protocol": 1, "icmp_type": 8, "icmp_code": 0}, "allow"),
        ({"protocol": 1, "icmp_type": 3, "icmp_code": 0}, "deny"),
        ({"protocol": 1}, "partial"),
    ],
)
def test_r36_a_gateway_endpoint_takes_tcp_and_pings(
    world: World, parts: dict[str, int], verdict: str
) -> None:
    """Everything else that a route sends there is lost."""
    assert world.one(to="52.216.1.1", **parts)["verdict"] == verdict


def test_r37_a_vpce_route_may_be_a_load_balancers(world: World) -> None:
    """A Gateway Load Balancer endpoint passes packets to appliances: unknown beyond."""
    endpoint = {**world.items("describe_vpc_endpoints")[0], "VpcEndpointId": "vpce-lb"}
    world.items("describe_vpc_endpoints").append(
        {**endpoint, "VpcEndpointType": "GatewayLoadBalancer"}
    )
    assert routed(world, route("203.0.113.0/24", "vpce-lb")) == ("203.0.113.0/24", "vpce-lb", True)
    assert world.one()["end_to_end"] == "unknown"


def test_r38_r40_unread_entries_leave_the_route_unknown(world: World) -> None:
    """Any public address may be S3's then; private ones, and a route to one address, are sure."""
    world.calls["get_managed_prefix_list_entries"].pop("pl-s3")
    row = world.one(to="52.216.1.1")
    assert (row["verdict"], row["route_target"], row["forward"]) == ("unknown", None, "ACCEPT")
    assert row["notes"][0].startswith("pl-s3: its entries were not read;")
    assert world.one(to="10.0.2.10")["verdict"] == "allow"
    assert world.one(to="2600::1")["verdict"] == "allow"
    assert routed(world, route("52.216.1.1/32", "nat-1"), to="52.216.1.1")[1] == "nat-1"


def test_r15_a_blackhole_wins_and_drops(world: World) -> None:
    """It is no reason to take a shorter route, and the log says ACCEPT."""
    found = routed(world, route("203.0.113.0/24", "tgw-1", State="blackhole"))
    assert found == ("203.0.113.0/24", "tgw-1", False)
    row = world.one()
    assert (row["verdict"], row["forward"], row["blocked_by"]) == ("deny", "ACCEPT", ["route"])


def test_r16_r19_the_address_in_use_needs_a_public_one(world: World) -> None:
    """A public subnet says nothing: the very private address must be mapped."""
    assert world.one(face="eni-p")["verdict"] == "allow"
    world.face("eni-p")["PrivateIpAddresses"].append({"PrivateIpAddress": "10.0.0.11"})
    row = world.one(face="eni-p", near="10.0.0.11")
    assert (row["verdict"], row["forward"], row["route_usable"]) == ("deny", "ACCEPT", False)
    world.face("eni-p").update(InterfaceType="lambda")
    world.face("eni-p")["PrivateIpAddresses"][0].pop("Association")
    assert world.one(face="eni-p")["blocked_by"] == ["route"]


def test_r17_elastic_ips_of_their_own_answer_count(world: World) -> None:
    """DescribeAddresses tells the public address where the interface does not."""
    world.face("eni-p")["PrivateIpAddresses"][0].pop("Association")
    world.calls["describe_addresses"] = {
        "Addresses": [
            {
                "AllocationId": "eipalloc-1",
                "PublicIp": "198.51.100.10",
                "NetworkInterfaceId": "eni-p",
                "PrivateIpAddress": "10.0.0.10",
            }
        ]
    }
    assert world.one(face="eni-p")["verdict"] == "allow"


def test_r20_ipv6_needs_no_public_address(world: World) -> None:
    """Every IPv6 address is as good as another for an internet gateway."""
    world.rules(rule("sgr-6", "sg-p", CidrIpv6="::/0"))
    assert world.one(face="eni-p", to="2600::1")["verdict"] == "allow"


def test_r21_r22_egress_only_is_ipv6_and_outbound(world: World) -> None:
    """It lets functions and machines out over IPv6, and nobody in."""
    assert world.one(to="2600::1")["route_target"] == "eigw-1"
    world.rules(rule("sgr-6", "sg-a", inward=True, CidrIpv6="::/0"))
    row = world.one(origin="2600::1")
    assert (row["verdict"], row["forward"], row["blocked_by"]) == ("deny", "ACCEPT", ["route"])


def test_r23_a_nat_gateway_must_be_available(world: World) -> None:
    """A failed or deleted gateway takes nothing."""
    world.items("describe_nat_gateways")[0]["State"] = "failed"
    assert world.one()["blocked_by"] == ["route"]


def test_r24_r25_the_gateways_own_subnet_needs_a_way_out(world: World) -> None:
    """Without a route of its own to the internet the gateway leads nowhere."""
    world.items("describe_route_tables")[1]["Routes"] = [route("10.0.0.0/16", "local")]
    row = world.one()
    assert (row["verdict"], row["end_to_end"], row["blocked_by"]) == (
        "allow",
        "deny",
        ["nat_route"],
    )
    assert (row["forward"], row["route_usable"]) == ("ACCEPT", True)


def test_r26_a_private_nat_gateway_has_no_internet(world: World) -> None:
    """It has no public address, and an internet gateway refuses it."""
    nat = world.items("describe_nat_gateways")[0]
    nat["ConnectivityType"] = "private"
    nat["NatGatewayAddresses"][0].pop("PublicIp")
    assert world.one()["end_to_end"] == "deny"


def test_r27_r28_nat_takes_ipv4_and_what_nat64_translates(world: World) -> None:
    """Other IPv6 is lost; 64:ff9b::/96 is sent on as the IPv4 address at its end."""
    found = routed(world, route("2600::/16", "nat-1"), route("64:ff9b::/96", "nat-1"), to="2600::1")
    assert found == ("2600::/16", "nat-1", False)
    row = world.one(to="64:ff9b::cb00:7105")
    assert (row["verdict"], row["end_to_end"]) == ("allow", "allow")
    assert world.one(to="64:ff9b::a09:1")["end_to_end"] == "deny"  # 10.9.0.1


def test_r29_peering_is_not_transitive(world: World) -> None:
    """Only the peer's own blocks lie behind a peering."""
    assert routed(world, route("192.168.0.0/16", "pcx-1"), to="192.168.0.1")[2] is False


def test_r30_r31_a_peering_needs_both_sides(world: World) -> None:
    """It must be active, and the other side needs the route back."""
    assert world.one(to="172.16.1.10")["end_to_end"] == "allow"
    world.items("describe_route_tables")[2]["Routes"].pop()
    row = world.one(to="172.16.1.10")
    assert (row["verdict"], row["end_to_end"], row["blocked_by"]) == (
        "allow",
        "deny",
        ["far_route"],
    )
    world.items("describe_vpc_peering_connections")[0]["Status"]["Code"] = "deleted"
    assert world.one(to="172.16.1.10")["blocked_by"] == ["route"]


@pytest.mark.parametrize("to", ["169.254.168.5", "169.254.171.9", "fd00:ec2::99"])
def test_r32_reserved_blocks_are_never_forwarded(world: World, to: str) -> None:
    """No default route takes them."""
    assert world.one(to=to)["route_usable"] is False


def test_r33_the_internet_gateway_must_be_attached(world: World) -> None:
    """One that is attached elsewhere, or nowhere, takes nothing."""
    world.items("describe_internet_gateways")[0]["Attachments"] = []
    assert world.one(face="eni-p")["blocked_by"] == ["route"]
    assert world.one()["end_to_end"] == "deny"


@pytest.mark.parametrize("to", ["10.9.0.1", "172.31.0.1", "192.168.1.1", "100.64.0.1"])
def test_r34_r35_an_internet_gateway_refuses_private_destinations(world: World, to: str) -> None:
    """RFC 1918 and RFC 6598 do not leave by the default route."""
    assert world.one(face="eni-p", to=to)["blocked_by"] == ["route"]


def block(world: World, mode: str, **exclusions: str) -> None:
    world.calls["describe_vpc_block_public_access_options"] = {
        "VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": mode}
    }
    world.calls["describe_vpc_block_public_access_exclusions"] = {
        "VpcBlockPublicAccessExclusions": [
            {
                "ResourceArn": f"arn:aws:ec2:us-east-1:1:subnet/{name.replace('_', '-')}",
                "InternetGatewayExclusionMode": spared,
                "State": "create-complete",
            }
            for name, spared in exclusions.items()
        ]
    }


@pytest.mark.parametrize(
    ("mode", "spared", "direct", "through_nat"),
    [
        ("off", None, "allow", "allow"),
        ("block-bidirectional", None, "deny", "deny"),
        ("block-ingress", None, "deny", "allow"),
        ("block-bidirectional", "allow-bidirectional", "allow", "allow"),
        ("block-bidirectional", "allow-egress", "deny", "allow"),
    ],
    ids=["r41", "r42", "r43", "r44", "r45"],
)
def test_r41_r45_block_public_access(
    world: World, mode: str, spared: str | None, direct: str, through_nat: str
) -> None:
    """Only NAT and egress-only gateways are spared by its ingress mode; exclusions by subnet."""
    block(world, mode, **({"sub_0": spared} if spared else {}))
    row = world.one(face="eni-p")
    assert row["verdict"] == direct
    assert row["forward"] == ("ACCEPT" if direct == "allow" else "REJECT")  # reject-reason BPA
    assert row["blocked_by"] == ([] if direct == "allow" else ["bpa"])
    assert world.one()["end_to_end"] == through_nat


def test_r45_the_subnets_own_state_counts(world: World) -> None:
    """What the subnet says of itself needs no list of exclusions."""
    block(world, "block-bidirectional")
    world.items("describe_subnets")[0]["BlockPublicAccessStates"] = {
        "InternetGatewayBlockMode": "off"
    }
    assert world.one(face="eni-p")["verdict"] == "allow"


def test_block_public_access_without_its_exclusions_is_unknown(world: World) -> None:
    """A subnet may be spared: without the list nothing is said."""
    block(world, "block-bidirectional")
    world.calls.pop("describe_vpc_block_public_access_exclusions")
    assert world.one(face="eni-p")["verdict"] == "unknown"


def test_r46_a_nat_gateway_drops_what_nobody_asked_for(world: World) -> None:
    """Its interface accepts and logs it all the same."""
    row = world.one(face="eni-nat", origin="203.0.113.5")
    assert (row["forward"], row["verdict"], row["blocked_by"]) == ("ACCEPT", "deny", ["interface"])
    answer = world.one(
        face="eni-nat", origin="203.0.113.5", role="reply", src_port=443, dst_port=2000
    )
    assert (answer["verdict"], answer["forward"]) == ("allow", "ACCEPT")


def test_r47_nobody_opens_a_connection_to_a_function(world: World) -> None:
    """Groups and ACL accept it, and it is refused."""
    world.face("eni-a").update(InterfaceType="lambda", Description="AWS Lambda VPC ENI-x-1")
    world.rules(rule("sgr-in", "sg-a", inward=True))
    row = world.one(origin="10.0.2.10")
    assert (row["forward"], row["verdict"], row["blocked_by"]) == ("ACCEPT", "deny", ["interface"])
    assert world.one(face="eni-b", to="10.0.1.10")["end_to_end"] == "deny"


def test_r61_r62_managed_instances_are_ordinary(world: World) -> None:
    """Inbound connections reach them, and with a public address they reach the internet."""
    world.face("eni-p")["Operator"] = {"Managed": True, "Principal": "scaler.lambda.amazonaws.com"}
    world.rules(rule("sgr-in", "sg-p", inward=True))
    assert world.one(face="eni-p", origin="203.0.113.5")["verdict"] == "allow"
    assert world.one(face="eni-p")["verdict"] == "allow"


def test_r59_deny_all_igw_traffic(world: World) -> None:
    """An interface that refuses the internet is not reached through its gateway."""
    world.face("eni-p")["DenyAllIgwTraffic"] = True
    assert world.one(face="eni-p")["blocked_by"] == ["route"]


def test_the_whole_way_inside(world: World) -> None:
    """The other interface's groups decide as well: the sender's log does not show it."""
    row = world.one(to="10.0.2.10", dst_port=80)
    assert (row["verdict"], row["forward"]) == ("allow", "ACCEPT")
    assert (row["end_to_end"], row["blocked_by"]) == ("deny", ["far_sg"])
    row = world.one(face="eni-b", origin="10.0.1.10", dst_port=80)
    assert (row["forward"], row["blocked_by"]) == ("REJECT", ["sg"])


def test_n21_n23_the_gateways_acl_is_asked_four_times(world: World) -> None:
    """In from the client, out to the world, back in, and out to the client's port."""
    good = [
        entry(1, "allow", "6", CidrBlock="10.0.1.0/24", ports=(443, 443)),
        entry(1, "allow", "6", out=True, CidrBlock="203.0.113.0/24", ports=(443, 443)),
        entry(2, "allow", "6", CidrBlock="203.0.113.0/24", ports=(1024, 65535)),
        entry(2, "allow", "6", out=True, CidrBlock="10.0.1.0/24", ports=(40000, 40000)),
    ]
    world.acl(*good, subnets=("sub-0",))
    assert world.one()["end_to_end"] == "allow"
    for n in range(4):
        world.items("describe_network_acls")[-1]["Entries"] = good[:n] + good[n + 1 :]
        row = world.one()
        assert (row["end_to_end"], row["blocked_by"]) == ("deny", ["nat_nacl"]), n
    narrow = [*good[:2], {**good[2], "PortRange": {"From": 1024, "To": 2000}}, good[3]]
    world.items("describe_network_acls")[-1]["Entries"] = narrow
    assert world.one()["end_to_end"] == "partial"


@pytest.mark.parametrize("target", ["pcx-1", "vpce-s3"])
def test_onward_from_a_nat_gateway_is_undocumented(world: World, target: str) -> None:
    """Whether NAT goes on over a peering or a gateway endpoint is not documented: unknown."""
    world.routes("rtb-public", route("203.0.113.0/24", target))
    row = world.one()
    assert (row["verdict"], row["end_to_end"]) == ("allow", "unknown")
    assert row["notes"] == [f"nat-1: nat-onward-undocumented over {target}"]


def test_the_interface_may_be_named_by_its_address(world: World) -> None:
    """Without an id, the one interface that holds the near address is meant."""
    named, unnamed = world.ask(flow(), flow(interface_id=None))
    assert unnamed == named
    assert (
        judge(Inventory.of([world.capture()]), flow(interface_id=None, src="10.0.1.99"))[0][
            "verdict"
        ]
        == "unknown"
    )
