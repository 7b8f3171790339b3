"""What AWS would answer about the network of the made-up account; it stays as it is."""

from typing import Any

from data.account import (
    ACCOUNT,
    FACE_OF,
    GROUPS,
    LOGS,
    NAT,
    NAT_PUBLIC,
    REGION,
    S3_ENDPOINT,
    S3_LIST,
    SUBNETS,
    VPC,
    address,
)
from data.records import CUSTOM, DEFAULT
from data.rules import acls, groups, rules

__all__ = ["network"]

Item = dict[str, Any]

INTERNET, OUTWARD = "igw-0a000000000000001", "eigw-0a000000000000001"
ELASTIC = "eipalloc-0a000000000000001"
PRIVATE = [SUBNETS[name][0] for name in ("private-a", "private-b")]


def network() -> Item:
    """Return the answers about the VPC, by call."""
    entries = [{"Cidr": "52.216.0.0/15"}, {"Cidr": "3.5.0.0/19"}]
    return {
        "ec2.describe_vpcs": {"Vpcs": [_vpc()]},
        "ec2.describe_subnets": {"Subnets": _subnets()},
        "ec2.describe_security_groups": {"SecurityGroups": groups()},
        "ec2.describe_security_group_rules": {"SecurityGroupRules": rules()},
        "ec2.describe_network_acls": {"NetworkAcls": acls()},
        "ec2.describe_route_tables": {"RouteTables": _routes()},
        "ec2.describe_nat_gateways": {"NatGateways": [_nat()]},
        "ec2.describe_internet_gateways": {
            "InternetGateways": [{"InternetGatewayId": INTERNET, "Attachments": _attached()}]
        },
        "ec2.describe_egress_only_internet_gateways": {
            "EgressOnlyInternetGateways": [
                {"EgressOnlyInternetGatewayId": OUTWARD, "Attachments": _attached()}
            ]
        },
        "ec2.describe_vpc_endpoints": {"VpcEndpoints": _endpoints()},
        "ec2.describe_vpc_peering_connections": {"VpcPeeringConnections": []},
        "ec2.describe_transit_gateway_attachments": {"TransitGatewayAttachments": []},
        "ec2.describe_managed_prefix_lists": {"PrefixLists": [_list()]},
        "ec2.get_managed_prefix_list_entries": {S3_LIST: {"Entries": entries}},
        "ec2.describe_addresses": {"Addresses": [_elastic()]},
        "ec2.describe_flow_logs": {"FlowLogs": [_log(name) for name in LOGS]},
        "ec2.describe_vpc_block_public_access_options": {
            "VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": "off"}
        },
    }


def _named(name: str) -> list[Item]:
    return [{"Key": "Name", "Value": name}]


def _attached() -> list[Item]:
    return [{"State": "attached", "VpcId": VPC}]


def _block(prefix: str, family: str = "") -> Item:
    return {f"{family}CidrBlock": prefix, f"{family}CidrBlockState": {"State": "associated"}}


def _vpc() -> Item:
    return {
        "VpcId": VPC,
        "OwnerId": ACCOUNT,
        "State": "available",
        "CidrBlock": "10.20.0.0/16",
        "CidrBlockAssociationSet": [_block("10.20.0.0/16")],
        "Ipv6CidrBlockAssociationSet": [_block("2001:db8:1200::/56", "Ipv6")],
        "Tags": _named("shop"),
    }


def _subnets() -> list[Item]:
    return [
        {
            "SubnetId": subnet,
            "VpcId": VPC,
            "CidrBlock": cidr,
            "AvailabilityZoneId": zone,
            "Ipv6CidrBlockAssociationSet": [_block(six, "Ipv6")] if six else [],
            "Tags": _named(name),
        }
        for name, (subnet, cidr, six, zone) in SUBNETS.items()
    ]


def _routes() -> list[Item]:
    def route(target: Item, to: str, kind: str = "DestinationCidrBlock") -> Item:
        return target | {kind: to, "State": "active", "Origin": "CreateRoute"}

    local = {"GatewayId": "local", "DestinationCidrBlock": "10.20.0.0/16", "State": "active"}
    six = route({"EgressOnlyInternetGatewayId": OUTWARD}, "::/0", "DestinationIpv6CidrBlock")
    s3 = route({"GatewayId": S3_ENDPOINT}, S3_LIST, "DestinationPrefixListId")
    inner = [local, route({"NatGatewayId": NAT}, "0.0.0.0/0"), six, s3]
    outer = [local, route({"GatewayId": INTERNET}, "0.0.0.0/0")]
    public = {"SubnetId": SUBNETS["public-a"][0], "Main": False}
    return [
        {
            "RouteTableId": f"rtb-0a00000000000000{number}",
            "VpcId": VPC,
            "Routes": routes,
            "Associations": held,
        }
        for number, routes, held in (
            (1, inner, [{"SubnetId": subnet, "Main": False} for subnet in PRIVATE]),
            (2, outer, [public, {"Main": True}]),
        )
    ]


def _nat() -> Item:
    where = {
        "NetworkInterfaceId": FACE_OF["nat"],
        "PrivateIp": address("nat"),
        "PublicIp": NAT_PUBLIC,
        "AllocationId": ELASTIC,
    }
    return {
        "NatGatewayId": NAT,
        "VpcId": VPC,
        "SubnetId": SUBNETS["public-a"][0],
        "State": "available",
        "ConnectivityType": "public",
        "NatGatewayAddresses": [where],
    }


def _endpoints() -> list[Item]:
    made: tuple[tuple[str, str, str, list[str]], ...] = (
        (S3_ENDPOINT, "Gateway", "s3", []),
        ("vpce-0a5ec00000000000a", "Interface", "secretsmanager", [FACE_OF["secrets"]]),
        ("vpce-0a50500000000000b", "Interface", "sqs", [FACE_OF["queue"]]),
    )
    return [
        {
            "VpcEndpointId": name,
            "VpcEndpointType": kind,
            "VpcId": VPC,
            "ServiceName": f"com.amazonaws.{REGION}.{service}",
            "State": "available",
            "NetworkInterfaceIds": faces,
            "RouteTableIds": [] if faces else ["rtb-0a000000000000001"],
            "Groups": [{"GroupId": GROUPS["endpoints"]}] if faces else [],
        }
        for name, kind, service, faces in made
    ]


def _list() -> Item:
    return {
        "PrefixListId": S3_LIST,
        "PrefixListName": f"com.amazonaws.{REGION}.s3",
        "OwnerId": "AWS",
        "AddressFamily": "IPv4",
    }


def _elastic() -> Item:
    return {
        "PublicIp": NAT_PUBLIC,
        "AllocationId": ELASTIC,
        "NetworkInterfaceId": FACE_OF["nat"],
        "PrivateIpAddress": address("nat"),
    }


def _log(name: str) -> Item:
    resource, window, kind = LOGS[name]
    fields = DEFAULT if window == 600 and kind == "plain-text" else CUSTOM
    return {
        "FlowLogId": name,
        "FlowLogStatus": "ACTIVE",
        "ResourceId": resource,
        "TrafficType": "ALL",
        "LogDestinationType": "s3",
        "LogDestination": "arn:aws:s3:::shop-flow-logs",
        "LogFormat": " ".join(f"${{{field}}}" for field in fields),
        "MaxAggregationInterval": window,
        "DestinationOptions": {"FileFormat": kind},
    }
