"""Random accounts and flows, small and tangled: everything has a fair chance to meet everything."""

from random import Random
from typing import Any

Item = dict[str, Any]
Calls = dict[str, Any]

BLOCKS4 = (
    *("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "10.0.1.10/32", "10.0.2.0/24"),
    *("10.1.0.0/16", "172.16.0.0/12", "198.51.100.0/24", "203.0.113.0/25", "52.216.0.0/15"),
)
BLOCKS6 = ("::/0", "2001:db8::/32", "2001:db8:a::/56", "2001:db8:a:1::/64", "64:ff9b::/96")
PORTS = (0, 22, 53, 80, 443, 1024, 5432, 8080, 32768, 40000, 60999, 65535)
NUMBERS = ("-1", "6", "17", "1", "58", "47")
WORDS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}
VPCS = ("vpc-a", "vpc-b")
HOME = {"vpc-a": ("10.0", "2001:db8:a"), "vpc-b": ("10.1", "2001:db8:b")}
REMOTE = (
    *("198.51.100.7", "203.0.113.9", "203.0.113.200", "52.216.3.3", "172.20.0.5", "10.9.9.9"),
    *("10.0.0.2", "10.0.1.1", "10.0.1.77", "10.1.1.77", "169.254.169.254", "169.254.169.9"),
    *("2001:db8:a:1::99", "2600::1", "64:ff9b::cb00:7109", "fd00:ec2::253", "10.5.0.2"),
)
OPTIONAL = (
    *("describe_vpcs", "describe_subnets", "describe_security_groups", "describe_route_tables"),
    *("describe_security_group_rules", "describe_network_acls", "describe_nat_gateways"),
    *("describe_internet_gateways", "describe_egress_only_internet_gateways"),
    *("describe_vpc_endpoints", "describe_vpc_peering_connections"),
    *("describe_managed_prefix_lists", "get_managed_prefix_list_entries"),
    "describe_network_interfaces",
)


def world(dice: Random) -> Calls:
    """Make the answers of one capture; some of them may be missing."""
    calls = {
        "describe_vpcs": {"Vpcs": [vpc(name) for name in VPCS]},
        "describe_subnets": {"Subnets": [subnet(v, n) for v in VPCS for n in range(3)]},
        "describe_network_interfaces": {"NetworkInterfaces": faces(dice)},
        "describe_security_groups": {
            "SecurityGroups": [
                {"GroupId": f"sg-{n}", "VpcId": VPCS[n % 2]} for n in range(dice.choice((5, 6)))
            ]
        },
        "describe_security_group_rules": {
            "SecurityGroupRules": [
                *(rule(dice, n) for n in range(dice.randint(5, 40))),
                *(wide(dice, n) for n in range(dice.choice((0, 0, 4, 10)))),
            ]
        },
        "describe_network_acls": {"NetworkAcls": acls(dice)},
        "describe_route_tables": {"RouteTables": tables(dice)},
        "describe_nat_gateways": {"NatGateways": [nat(dice)]},
        "describe_internet_gateways": {
            "InternetGateways": [door(dice, "InternetGatewayId", "igw-1")]
        },
        "describe_egress_only_internet_gateways": {
            "EgressOnlyInternetGateways": [door(dice, "EgressOnlyInternetGatewayId", "eigw-1")]
        },
        "describe_vpc_endpoints": {
            "VpcEndpoints": [
                {
                    "VpcEndpointId": "vpce-1",
                    "VpcEndpointType": "Gateway",
                    "State": dice.choice(("available", "available", "deleting")),
                    "VpcId": "vpc-a",
                    "ServiceName": f"com.amazonaws.us-east-1.{dice.choice(('s3', 'dynamodb'))}",
                }
            ]
        },
        "describe_vpc_peering_connections": {"VpcPeeringConnections": [peering(dice)]},
        "describe_managed_prefix_lists": {
            "PrefixLists": [
                {"PrefixListId": "pl-1", "OwnerId": "AWS", "AddressFamily": "IPv4"},
                {"PrefixListId": "pl-2", "OwnerId": "1", "AddressFamily": "IPv4"},
                {"PrefixListId": "pl-3", "OwnerId": "1", "AddressFamily": "IPv6"},
            ]
        },
        "get_managed_prefix_list_entries": entries(dice),
    }
    if dice.random() < 0.4:
        for name in dice.sample(OPTIONAL, dice.randint(1, 5)):
            calls.pop(name)
    return {f"ec2.{name}": answer for name, answer in calls.items()}


def vpc(name: str) -> Item:
    four, six = HOME[name]
    return {
        "VpcId": name,
        "CidrBlock": f"{four}.0.0/16",
        "CidrBlockAssociationSet": [{"CidrBlock": f"{four}.0.0/16"}],
        "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": f"{six}::/56"}],
    }


def subnet(name: str, n: int) -> Item:
    four, six = HOME[name]
    return {
        "SubnetId": f"{name}-{n}",
        "VpcId": name,
        "CidrBlock": f"{four}.{n}.0/24",
        "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": f"{six}:{n}::/64"}],
    }


def faces(dice: Random) -> list[Item]:
    found = [face(dice, name, n, 10 + k) for name in VPCS for n in range(3) for k in range(2)]
    nat_face = face(dice, "vpc-a", 0, 9)
    nat_face |= {"InterfaceType": "nat_gateway", "Groups": [], "SourceDestCheck": False}
    nat_face["PrivateIpAddresses"] = [{"PrivateIpAddress": "10.0.0.9"}]
    return [*found, nat_face]


def face(dice: Random, name: str, n: int, last: int) -> Item:
    four, six = HOME[name]
    address: Item = {"PrivateIpAddress": f"{four}.{n}.{last}"}
    if dice.random() < 0.4:
        address["Association"] = {
            "PublicIp": f"198.51.100.{VPCS.index(name) * 100 + n * 20 + last}"
        }
    item: Item = {
        "NetworkInterfaceId": f"eni-{name}-{n}-{last}",
        "InterfaceType": dice.choice(("interface", "interface", "interface", "lambda")),
        "VpcId": name,
        "SubnetId": f"{name}-{n}",
        "Groups": [{"GroupId": f"sg-{each}"} for each in dice.sample(range(6), dice.randint(1, 3))],
        "PrivateIpAddress": address["PrivateIpAddress"],
        "PrivateIpAddresses": [address],
        "Ipv6Addresses": [{"Ipv6Address": f"{six}:{n}::{last}"}],
        "SourceDestCheck": dice.random() < 0.5,
        "Attachment": {"AttachmentId": "a"},
    }
    if dice.random() < 0.2:
        item["Ipv4Prefixes"] = [{"Ipv4Prefix": f"{four}.{n}.{last * 16 - 16}/28"}]
    if dice.random() < 0.1:
        item["DenyAllIgwTraffic"] = True
    return item


def ends(dice: Random, number: str) -> tuple[int, int]:
    """Two numbers for a rule: ports, or ICMP type and code."""
    if number in ("1", "58"):
        return dice.choice((-1, 0, 3, 8, 128, 129)), dice.choice((-1, -1, 0, 4))
    low, high = sorted(dice.choices(PORTS, k=2))
    return dice.choice(((low, high), (low, low), (0, 65535)))


def rule(dice: Random, n: int) -> Item:
    number = dice.choice(NUMBERS)
    first, last = ends(dice, number) if number in WORDS else (-1, -1)
    item: Item = {
        "SecurityGroupRuleId": f"sgr-{n}",
        "GroupId": f"sg-{dice.randrange(6)}",
        "IsEgress": dice.random() < 0.5,
        "IpProtocol": dice.choice((number, WORDS.get(number, number))),
        "FromPort": first,
        "ToPort": last,
    }
    if number == "-1" and dice.random() < 0.5:
        del item["FromPort"], item["ToPort"]
    kind = dice.randrange(6)
    if kind <= 1:
        item["CidrIpv4"] = dice.choice(BLOCKS4)
    elif kind == 2:
        item["CidrIpv6"] = dice.choice(BLOCKS6)
    elif kind == 3:
        item["PrefixListId"] = f"pl-{dice.randint(1, 3)}"
    else:
        info: Item = {"GroupId": f"sg-{dice.randrange(6)}"}
        if dice.random() < 0.3:
            info["VpcPeeringConnectionId"] = dice.choice(("pcx-1", "pcx-1", "pcx-gone"))
        if dice.random() < 0.2:
            info["PeeringStatus"] = dice.choice(("active", "deleted"))
        item["ReferencedGroupInfo"] = info
    return item


def wide(dice: Random, n: int) -> Item:
    """A rule that lets much through, so that later layers have something to judge."""
    peer = dice.choice(
        ({"CidrIpv4": "0.0.0.0/0"}, {"CidrIpv6": "::/0"}, {"CidrIpv4": "10.0.0.0/8"})
    )
    return {
        "SecurityGroupRuleId": f"sgr-wide-{n}",
        "GroupId": f"sg-{dice.randrange(6)}",
        "IsEgress": dice.random() < 0.5,
        "IpProtocol": "-1",
        **peer,
    }


def acls(dice: Random) -> list[Item]:
    found = []
    for name in VPCS:
        for n in range(2):
            seats = [f"{name}-{k}" for k in range(3) if dice.random() < 0.4] if n else []
            found.append(
                {
                    "NetworkAclId": f"acl-{name}-{n}",
                    "VpcId": name,
                    "IsDefault": n == 0,
                    "Associations": [{"SubnetId": each} for each in seats],
                    "Entries": lines(dice),
                }
            )
    return found


def lines(dice: Random) -> list[Item]:
    found = []
    most = dice.choice((0, 2, 8))
    for way in (True, False):
        for number in dice.sample(range(1, 50), dice.randint(0, most)):
            found.append(line(dice, number, egress=way))
        if dice.random() < 0.8:
            rest = {"Egress": way, "Protocol": "-1", "RuleAction": "allow"}
            found.append({**rest, "RuleNumber": 100, "CidrBlock": "0.0.0.0/0"})
            found.append({**rest, "RuleNumber": 101, "Ipv6CidrBlock": "::/0"})
        found.append(
            {
                "Egress": way,
                "Protocol": "-1",
                "RuleAction": "deny",
                "RuleNumber": 32767,
                "CidrBlock": "0.0.0.0/0",
            }
        )
    dice.shuffle(found)
    return found


def line(dice: Random, number: int, *, egress: bool) -> Item:
    protocol = dice.choice(NUMBERS)
    item: Item = {
        "RuleNumber": number,
        "Egress": egress,
        "Protocol": protocol,
        "RuleAction": dice.choice(("allow", "deny")),
    }
    item |= (
        {"CidrBlock": dice.choice(BLOCKS4)}
        if dice.random() < 0.6
        else {"Ipv6CidrBlock": dice.choice(BLOCKS6)}
    )
    first, last = ends(dice, protocol)
    if protocol in ("6", "17"):
        item["PortRange"] = {"From": first, "To": last}
    elif protocol in ("1", "58"):
        item["IcmpTypeCode"] = {"Type": first, "Code": last}
    return item


def tables(dice: Random) -> list[Item]:
    found = []
    for name in VPCS:
        for n in range(2):
            seats: list[Item] = [{"Main": True}] if n == 0 else []
            for k in range(3):
                if n and dice.random() < 0.5:
                    state = dice.choice(("associated", "associated", "disassociated"))
                    seats.append({"SubnetId": f"{name}-{k}", "AssociationState": {"State": state}})
            found.append(
                {
                    "RouteTableId": f"rtb-{name}-{n}",
                    "VpcId": name,
                    "Associations": seats,
                    "Routes": routes(dice, name),
                }
            )
    return found


def routes(dice: Random, name: str) -> list[Item]:
    four, six = HOME[name]
    found: list[Item] = [
        {"DestinationCidrBlock": f"{four}.0.0/16", "GatewayId": "local", "State": "active"},
        {"DestinationIpv6CidrBlock": f"{six}::/56", "GatewayId": "local", "State": "active"},
    ]
    targets = (
        *(("GatewayId", each) for each in ("igw-1", "vgw-1")),
        *(("NatGatewayId", "nat-1"),) * 2,
        ("TransitGatewayId", "tgw-1"),
        *(("VpcPeeringConnectionId", "pcx-1"),) * 3,
        ("EgressOnlyInternetGatewayId", "eigw-1"),
        ("NetworkInterfaceId", dice.choice(("eni-vpc-a-1-10", "eni-vpc-b-1-10", "eni-x"))),
    )
    wheres = (
        *(("DestinationCidrBlock", each) for each in BLOCKS4 if each != f"{four}.0.0/16"),
        *(("DestinationIpv6CidrBlock", each) for each in BLOCKS6 if not each.startswith(six)),
        ("DestinationPrefixListId", "pl-1"),
        ("DestinationPrefixListId", "pl-2"),
        ("DestinationPrefixListId", "pl-3"),
    )
    chosen = dice.sample(wheres, dice.randint(1, 6))
    chosen += [("DestinationCidrBlock", "0.0.0.0/0")] if dice.random() < 0.7 else []
    for key, where in dict.fromkeys(chosen):
        kind, target = dice.choice(targets)
        if where == "pl-1" and dice.random() < 0.7:
            kind, target = "GatewayId", "vpce-1"
        if where == f"{HOME['vpc-b' if name == 'vpc-a' else 'vpc-a'][0]}.0.0/16":
            kind, target = "VpcPeeringConnectionId", "pcx-1"
        state = dice.choice(("active",) * 9 + ("blackhole",))
        origin = "EnableVgwRoutePropagation" if target == "vgw-1" else "CreateRoute"
        found.append({key: where, kind: target, "State": state, "Origin": origin})
    return found


def nat(dice: Random) -> Item:
    public: Item = {"PublicIp": "198.51.100.250"} if dice.random() < 0.8 else {}
    return {
        "NatGatewayId": "nat-1",
        "VpcId": "vpc-a",
        "SubnetId": "vpc-a-0",
        "State": dice.choice(("available",) * 5 + ("failed",)),
        "ConnectivityType": "public" if public else "private",
        "NatGatewayAddresses": [
            {"PrivateIp": "10.0.0.9", "NetworkInterfaceId": "eni-vpc-a-0-9", **public}
        ],
    }


def door(dice: Random, key: str, name: str) -> Item:
    seats = [{"VpcId": each, "State": "available"} for each in VPCS if dice.random() < 0.8]
    return {key: name, "Attachments": seats}


def peering(dice: Random) -> Item:
    far = "us-east-1" if dice.random() < 0.8 else "eu-west-1"
    return {
        "VpcPeeringConnectionId": "pcx-1",
        "Status": {"Code": dice.choice(("active",) * 4 + ("deleted",))},
        "RequesterVpcInfo": side("vpc-a", "us-east-1"),
        "AccepterVpcInfo": side("vpc-b", far),
    }


def side(name: str, region: str) -> Item:
    four, six = HOME[name]
    return {
        "VpcId": name,
        "Region": region,
        "CidrBlockSet": [{"CidrBlock": f"{four}.0.0/16"}],
        "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": f"{six}::/56"}],
    }


def entries(dice: Random) -> Item:
    lists = {
        "pl-1": ["52.216.0.0/15", "198.51.100.0/26"],
        "pl-2": ["10.1.0.0/16", "203.0.113.0/25", "10.9.0.0/16"],
        "pl-3": ["2600::/16", "2001:db8:b::/56"],
    }
    return {
        name: {"Entries": [{"Cidr": each} for each in cidrs]}
        for name, cidrs in lists.items()
        if dice.random() < 0.85
    }


def flow(dice: Random, calls: Calls) -> Item:
    """Make a flow of an interface of the account, or of one that it does not have."""
    known = calls.get("ec2.describe_network_interfaces", {}).get("NetworkInterfaces", [])
    mine = dice.choice(known) if known and dice.random() < 0.98 else {}
    six = dice.random() < 0.35
    near = "10.0.1.10"
    if mine:
        near = mine["Ipv6Addresses"][0]["Ipv6Address"] if six else mine["PrivateIpAddress"]
    others = [text for each in known for text in addresses(each)]
    pool = [text for text in (*others, *REMOTE) if (":" in text) == (":" in near)]
    far = dice.choice(pool)
    protocol = dice.choice((6, 6, 6, 17, 58 if ":" in near else 1, 47))
    ports = protocol in (6, 17)
    leaves = dice.random() < 0.5
    return {
        "interface_id": mine.get("NetworkInterfaceId", "eni-none"),
        "direction": "egress" if leaves else "ingress",
        "src": near if leaves else far,
        "dst": far if leaves else near,
        "protocol": protocol,
        "src_port": port(dice, 0.3) if ports else None,
        "dst_port": port(dice, 0.1) if ports else None,
        "icmp_type": None if ports or dice.random() < 0.4 else dice.choice((0, 3, 8, 128, 129)),
        "icmp_code": None if ports or dice.random() < 0.4 else dice.choice((0, 4)),
        "role": dice.choice(("initiate", "initiate", "reply")),
    }


def port(dice: Random, blank: float) -> int | None:
    return None if dice.random() < blank else dice.choice((*PORTS, 67, 68, dice.randrange(65536)))


def addresses(face: Item) -> list[str]:
    found = [face["PrivateIpAddress"], face["Ipv6Addresses"][0]["Ipv6Address"]]
    return found + [
        each["Association"]["PublicIp"]
        for each in face["PrivateIpAddresses"]
        if "Association" in each
    ]
