from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import polars as pl

from flowlens.inventory import Capture, Inventory
from flowlens.reach import FLOWS, evaluate

Item = dict[str, Any]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANY4 = {"CidrIpv4": "0.0.0.0/0"}


def face(name: str, address: str, subnet: str, *groups: str, **parts: Any) -> Item:
    """An interface as DescribeNetworkInterfaces answers it; `public` gives it an Elastic IP."""
    vpc = parts.pop("vpc", "vpc-a")
    public = parts.pop("public", None)
    private: Item = {"PrivateIpAddress": address, "Primary": True}
    if public:
        private["Association"] = {"PublicIp": public}
    return {
        "NetworkInterfaceId": name,
        "InterfaceType": "interface",
        "Description": "",
        "VpcId": vpc,
        "SubnetId": subnet,
        "Groups": [{"GroupId": each} for each in groups],
        "SourceDestCheck": True,
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [private],
        "Ipv6Addresses": [],
        "Attachment": {"InstanceId": f"i-{name}", "InstanceOwnerId": "1"},
        **parts,
    }


def rule(name: str, group: str, proto: str = "-1", ports: Any = (-1, -1), **peer: Any) -> Item:
    """A rule as DescribeSecurityGroupRules answers it; egress unless `inward` is given."""
    inward = peer.pop("inward", False)
    return {
        "SecurityGroupRuleId": name,
        "GroupId": group,
        "IsEgress": not inward,
        "IpProtocol": proto,
        "FromPort": ports[0],
        "ToPort": ports[1],
        **(peer or ANY4),
    }


def entry(number: int, action: str, proto: str = "-1", **parts: Any) -> Item:
    """An entry of a network ACL; inward unless `out` is given."""
    ports, typed = parts.pop("ports", None), parts.pop("typed", None)
    found: Item = {
        "RuleNumber": number,
        "RuleAction": action,
        "Protocol": proto,
        "Egress": parts.pop("out", False),
        **(parts or {"CidrBlock": "0.0.0.0/0"}),
    }
    if ports:
        found["PortRange"] = {"From": ports[0], "To": ports[1]}
    if typed:
        found["IcmpTypeCode"] = {"Type": typed[0], "Code": typed[1]}
    return found


def route(where: str, target: str, **parts: Any) -> Item:
    """A route as DescribeRouteTables answers it."""
    kinds = {
        "nat": "NatGatewayId",
        "tgw": "TransitGatewayId",
        "pcx": "VpcPeeringConnectionId",
        "eigw": "EgressOnlyInternetGatewayId",
        "eni": "NetworkInterfaceId",
        "i": "InstanceId",
        "arn:aws:networkmanager": "CoreNetworkArn",
    }
    kind = kinds.get(target.partition("-")[0], "GatewayId")
    if target.startswith("arn:"):
        kind = "CoreNetworkArn"
    key = "DestinationCidrBlock"
    if where.startswith("pl-"):
        key = "DestinationPrefixListId"
    elif ":" in where:
        key = "DestinationIpv6CidrBlock"
    return {key: where, kind: target, "State": "active", "Origin": "CreateRoute", **parts}


def subnet(name: str, four: str, six: str | None = None, vpc: str = "vpc-a") -> Item:
    blocks = [{"Ipv6CidrBlock": six}] if six else []
    return {
        "SubnetId": name,
        "VpcId": vpc,
        "CidrBlock": four,
        "Ipv6CidrBlockAssociationSet": blocks,
    }


def everything() -> list[Item]:
    """The entries of a network ACL that nobody changed."""
    both = [
        [
            entry(100, "allow", out=out, CidrBlock="0.0.0.0/0"),
            entry(101, "allow", out=out, Ipv6CidrBlock="::/0"),
            entry(32767, "deny", out=out, CidrBlock="0.0.0.0/0"),
            entry(32768, "deny", out=out, Ipv6CidrBlock="::/0"),
        ]
        for out in (True, False)
    ]
    return both[0] + both[1]


def plain() -> dict[str, Any]:
    """A VPC with private and public subnets, a peered one, and all gateways.

    eni-a (10.0.1.10, sg-a) and eni-b (10.0.2.10, sg-b) are private, eni-p (10.0.0.10, sg-p) has
    198.51.100.10, eni-f (172.16.1.10, sg-f) is in the peered VPC. Only sg-a and sg-p let
    everything out; sg-b and sg-f let TCP 443 in from everywhere.
    """
    local = route("10.0.0.0/16", "local"), route("2001:db8:a::/56", "local")
    faces = [
        face(
            "eni-a",
            "10.0.1.10",
            "sub-1",
            "sg-a",
            Ipv6Addresses=[{"Ipv6Address": "2001:db8:a:1::10"}],
        ),
        face(
            "eni-b",
            "10.0.2.10",
            "sub-2",
            "sg-b",
            Ipv6Addresses=[{"Ipv6Address": "2001:db8:a:2::10"}],
        ),
        face(
            "eni-p",
            "10.0.0.10",
            "sub-0",
            "sg-p",
            public="198.51.100.10",
            Ipv6Addresses=[{"Ipv6Address": "2001:db8:a::10"}],
        ),
        face(
            "eni-nat",
            "10.0.0.9",
            "sub-0",
            public="198.51.100.9",
            InterfaceType="nat_gateway",
            SourceDestCheck=False,
            Attachment={"InstanceOwnerId": "amazon-aws"},
        ),
        face("eni-f", "172.16.1.10", "sub-f", "sg-f", vpc="vpc-f"),
    ]
    return {
        "describe_vpcs": {
            "Vpcs": [
                {
                    "VpcId": "vpc-a",
                    "CidrBlock": "10.0.0.0/16",
                    "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8:a::/56"}],
                },
                {"VpcId": "vpc-f", "CidrBlock": "172.16.0.0/16"},
            ]
        },
        "describe_subnets": {
            "Subnets": [
                subnet("sub-0", "10.0.0.0/24", "2001:db8:a::/64"),
                subnet("sub-1", "10.0.1.0/24", "2001:db8:a:1::/64"),
                subnet("sub-2", "10.0.2.0/24", "2001:db8:a:2::/64"),
                subnet("sub-f", "172.16.1.0/24", vpc="vpc-f"),
            ]
        },
        "describe_network_interfaces": {"NetworkInterfaces": faces},
        "describe_security_groups": {
            "SecurityGroups": [
                *({"GroupId": f"sg-{each}", "VpcId": "vpc-a"} for each in "abp"),
                {"GroupId": "sg-f", "VpcId": "vpc-f"},
            ]
        },
        "describe_security_group_rules": {
            "SecurityGroupRules": [
                rule("sgr-a", "sg-a"),
                rule("sgr-a6", "sg-a", CidrIpv6="::/0"),
                rule("sgr-b", "sg-b", "tcp", (443, 443), inward=True, **ANY4),
                rule("sgr-p", "sg-p"),
                rule("sgr-f", "sg-f", "tcp", (443, 443), inward=True, **ANY4),
            ]
        },
        "describe_network_acls": {
            "NetworkAcls": [
                {
                    "NetworkAclId": f"acl-{vpc}",
                    "VpcId": vpc,
                    "IsDefault": True,
                    "Associations": [],
                    "Entries": everything(),
                }
                for vpc in ("vpc-a", "vpc-f")
            ]
        },
        "describe_route_tables": {
            "RouteTables": [
                {
                    "RouteTableId": "rtb-main",
                    "VpcId": "vpc-a",
                    "Associations": [{"Main": True}],
                    "Routes": [
                        *local,
                        route("0.0.0.0/0", "nat-1"),
                        route("::/0", "eigw-1"),
                        route("172.16.0.0/16", "pcx-1"),
                        route("pl-s3", "vpce-s3"),
                    ],
                },
                {
                    "RouteTableId": "rtb-public",
                    "VpcId": "vpc-a",
                    "Associations": [
                        {"SubnetId": "sub-0", "AssociationState": {"State": "associated"}}
                    ],
                    "Routes": [*local, route("0.0.0.0/0", "igw-1"), route("::/0", "igw-1")],
                },
                {
                    "RouteTableId": "rtb-f",
                    "VpcId": "vpc-f",
                    "Associations": [{"Main": True}],
                    "Routes": [route("172.16.0.0/16", "local"), route("10.0.0.0/16", "pcx-1")],
                },
            ]
        },
        "describe_nat_gateways": {
            "NatGateways": [
                {
                    "NatGatewayId": "nat-1",
                    "VpcId": "vpc-a",
                    "SubnetId": "sub-0",
                    "State": "available",
                    "ConnectivityType": "public",
                    "NatGatewayAddresses": [
                        {
                            "NetworkInterfaceId": "eni-nat",
                            "PrivateIp": "10.0.0.9",
                            "PublicIp": "198.51.100.9",
                        }
                    ],
                }
            ]
        },
        "describe_internet_gateways": {
            "InternetGateways": [
                {
                    "InternetGatewayId": "igw-1",
                    "Attachments": [{"VpcId": "vpc-a", "State": "available"}],
                }
            ]
        },
        "describe_egress_only_internet_gateways": {
            "EgressOnlyInternetGateways": [
                {
                    "EgressOnlyInternetGatewayId": "eigw-1",
                    "Attachments": [{"VpcId": "vpc-a", "State": "attached"}],
                }
            ]
        },
        "describe_vpc_endpoints": {
            "VpcEndpoints": [
                {
                    "VpcEndpointId": "vpce-s3",
                    "VpcEndpointType": "Gateway",
                    "VpcId": "vpc-a",
                    "State": "available",
                    "ServiceName": "com.amazonaws.us-east-1.s3",
                }
            ]
        },
        "describe_vpc_peering_connections": {
            "VpcPeeringConnections": [
                {
                    "VpcPeeringConnectionId": "pcx-1",
                    "Status": {"Code": "active"},
                    "RequesterVpcInfo": {
                        "VpcId": "vpc-a",
                        "Region": "us-east-1",
                        "CidrBlockSet": [{"CidrBlock": "10.0.0.0/16"}],
                    },
                    "AccepterVpcInfo": {
                        "VpcId": "vpc-f",
                        "Region": "us-east-1",
                        "CidrBlockSet": [{"CidrBlock": "172.16.0.0/16"}],
                    },
                }
            ]
        },
        "describe_managed_prefix_lists": {
            "PrefixLists": [
                {
                    "PrefixListId": "pl-s3",
                    "PrefixListName": "com.amazonaws.us-east-1.s3",
                    "OwnerId": "AWS",
                    "AddressFamily": "IPv4",
                },
                {"PrefixListId": "pl-own", "OwnerId": "1", "AddressFamily": "IPv4"},
            ]
        },
        "get_managed_prefix_list_entries": {
            "pl-s3": {"Entries": [{"Cidr": "52.216.0.0/15"}]},
            "pl-own": {"Entries": [{"Cidr": "203.0.113.0/24"}, {"Cidr": "172.16.1.0/24"}]},
        },
        "describe_vpc_block_public_access_options": {
            "VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": "off"}
        },
    }


class World:
    """The plain account, to be changed before questions are asked about it."""

    def __init__(self) -> None:
        self.calls = deepcopy(plain())
        self.errors: dict[str, str] = {}

    def items(self, call: str) -> list[Item]:
        answer = self.calls[call]
        assert isinstance(answer, dict)
        found = next(iter(answer.values()))
        assert isinstance(found, list)
        return found

    def face(self, name: str) -> Item:
        faces = self.items("describe_network_interfaces")
        return next(each for each in faces if each["NetworkInterfaceId"] == name)

    def rules(self, *rules: Item, group: str | None = None) -> None:
        """Add rules, or with `group` put them in the place of all of its rules."""
        found = self.items("describe_security_group_rules")
        found[:] = [each for each in found if each["GroupId"] != group]
        found.extend(rules)

    def routes(self, table: str, *routes: Item) -> None:
        tables = self.items("describe_route_tables")
        next(each for each in tables if each["RouteTableId"] == table)["Routes"].extend(routes)

    def acl(self, *entries: Item, subnets: tuple[str, ...] = ("sub-1",)) -> None:
        """Give subnets a network ACL of their own."""
        self.items("describe_network_acls").append(
            {
                "NetworkAclId": "acl-own",
                "VpcId": "vpc-a",
                "IsDefault": False,
                "Associations": [{"SubnetId": each} for each in subnets],
                "Entries": list(entries),
            }
        )

    def capture(self, at: datetime = AT) -> Capture:
        calls = {f"ec2.{name}": answer for name, answer in self.calls.items()}
        errors = {f"ec2.{name}": text for name, text in self.errors.items()}
        return Capture(at, "1", "us-east-1", deepcopy(calls), errors)

    def ask(self, *flows: Item) -> list[Item]:
        return judge(Inventory.of([self.capture()]), *flows)

    def one(self, **parts: Any) -> Item:
        """Ask about one flow; see `flow`."""
        return self.ask(flow(**parts))[0]


def flow(face: str = "eni-a", to: str | None = None, **parts: Any) -> Item:
    """A flow out of eni-a (10.0.1.10:40000) to TCP 443, or into it with ``origin``."""
    near = {
        "eni-a": "10.0.1.10",
        "eni-b": "10.0.2.10",
        "eni-p": "10.0.0.10",
        "eni-f": "172.16.1.10",
        "eni-nat": "10.0.0.9",
    }.get(face, "10.0.1.10")
    six = {"eni-a": "2001:db8:a:1::10", "eni-b": "2001:db8:a:2::10", "eni-p": "2001:db8:a::10"}
    origin = parts.pop("origin", None)
    far = origin or to or "203.0.113.5"
    near = parts.pop("near", six.get(face, near) if ":" in far else near)
    whole: Item = {
        "interface_id": face,
        "direction": "ingress" if origin else "egress",
        "src": far if origin else near,
        "dst": near if origin else far,
        "protocol": 6,
        "src_port": 40000,
        "dst_port": 443,
        "icmp_type": None,
        "icmp_code": None,
        "role": "initiate",
        "at": AT,
    }
    if parts.get("protocol", 6) not in (6, 17):
        whole |= {"src_port": None, "dst_port": None}
    return whole | parts


def judge(inventory: Inventory, *flows: Item) -> list[Item]:
    return evaluate(pl.DataFrame(flows, schema=FLOWS), inventory).to_dicts()
