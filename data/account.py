"""The made-up account: what AWS would answer about it before and after a change of hands.

Addresses outside the account are from the documentation ranges (RFC 5737, RFC 3849), those of
AWS services from the ranges that AWS publishes.
"""

from datetime import datetime
from typing import Any

ACCOUNT, REGION, VPC = "123456789012", "us-east-1", "vpc-0a1b2c3d4e5f60718"
SUBNETS = {
    "private-a": ("subnet-0aa0000000000000a", "10.20.1.0/24", "2001:db8:1200:1::/64", "use1-az1"),
    "private-b": ("subnet-0bb0000000000000b", "10.20.2.0/24", "2001:db8:1200:2::/64", "use1-az2"),
    "public-a": ("subnet-0cc0000000000000c", "10.20.0.0/24", None, "use1-az1"),
}
GROUPS = {
    "orders": "sg-0000000000000a001",
    "payments": "sg-0000000000000a002",
    "mail": "sg-0000000000000a003",
    "images": "sg-0000000000000a004",
    "batch": "sg-0000000000000a005",
    "database": "sg-0000000000000a006",
    "endpoints": "sg-0000000000000a007",
    "nightly": "sg-0000000000000a008",
}
S3_LIST, S3_ENDPOINT, NAT = "pl-63a5400a", "vpce-0a53000000000000f", "nat-0a8b0e0d28266841f"
NAT_PUBLIC = "198.51.100.10"

#: Interface -> (subnet, address, group).
FACES = {
    "eni-00000000000000101": ("private-a", "10.20.1.21", "orders"),
    "eni-00000000000000102": ("private-b", "10.20.2.31", "payments"),
    "eni-00000000000000103": ("private-b", "10.20.2.32", "mail"),
    "eni-00000000000000104": ("private-a", "10.20.1.22", "images"),
    "eni-00000000000000105": ("private-a", "10.20.1.90", "batch"),
    "eni-00000000000000106": ("private-b", "10.20.2.50", "database"),
    "eni-00000000000000107": ("private-a", "10.20.1.60", "endpoints"),
    "eni-00000000000000108": ("private-a", "10.20.1.61", "endpoints"),
    "eni-00000000000000109": ("public-a", "10.20.0.220", ""),
    "eni-00000000000000110": ("private-b", "10.20.2.40", "batch"),  # until it is terminated
    "eni-00000000000000111": (
        "private-b",
        "10.20.2.40",
        "nightly",
    ),  # and this one gets its address
}
IPV6 = {"eni-00000000000000104": "2001:db8:1200:1::22"}
FACE_OF = {
    "orders": "eni-00000000000000101",
    "payments": "eni-00000000000000102",
    "mail": "eni-00000000000000103",
    "images": "eni-00000000000000104",
    "batch": "eni-00000000000000105",
    "database": "eni-00000000000000106",
    "secrets": "eni-00000000000000107",
    "queue": "eni-00000000000000108",
    "nat": "eni-00000000000000109",
    "old batch": "eni-00000000000000110",
    "nightly": "eni-00000000000000111",
}
INSTANCES = {
    "eni-00000000000000105": ("i-0ba7c400000000001", "batch"),
    "eni-00000000000000110": ("i-0ba7c400000000002", "batch-old"),
}
#: Function -> (subnets, group, since the second capture only).
FUNCTIONS = {
    "orders-api": (("private-a",), "orders", False),
    "orders-worker": (("private-a",), "orders", False),
    "invoice-pdf": (("private-a",), "orders", False),
    "payments": (("private-b",), "payments", False),
    "report-mailer": (("private-b",), "mail", False),
    "image-resize": (("private-a",), "images", False),
    "nightly-export": (("private-b",), "nightly", True),
    "status-page": ((), "", False),
}


def address(name: str) -> str:
    """Return the address of one of `FACE_OF`."""
    return FACES[FACE_OF[name]][1]


def capture(at: datetime, *, later: bool) -> dict[str, Any]:
    """Return an inventory file: the answers at `at`, before or after the change of hands."""
    calls = {
        "sts.get_caller_identity": {"Account": ACCOUNT},
        "ec2.describe_network_interfaces": {"NetworkInterfaces": _interfaces(later=later)},
        "ec2.describe_instances": {"Reservations": _reservations(later=later)},
        "ec2.describe_vpcs": {"Vpcs": [_vpc()]},
        "ec2.describe_subnets": {"Subnets": _subnets()},
        "ec2.describe_security_groups": {"SecurityGroups": _groups()},
        "ec2.describe_route_tables": {"RouteTables": _routes()},
        "ec2.describe_nat_gateways": {"NatGateways": [_nat()]},
        "ec2.describe_vpc_endpoints": {"VpcEndpoints": _endpoints()},
        "ec2.describe_vpc_peering_connections": {"VpcPeeringConnections": []},
        "ec2.describe_managed_prefix_lists": {"PrefixLists": [_list()]},
        "ec2.get_managed_prefix_list_entries": {
            S3_LIST: {"Entries": [{"Cidr": "52.216.0.0/15"}, {"Cidr": "3.5.0.0/19"}]}
        },
        "ec2.describe_addresses": {"Addresses": [_elastic()]},
        "ec2.describe_flow_logs": {"FlowLogs": []},
        "lambda.list_functions": {"Functions": _functions(later=later)},
        "rds.describe_db_instances": {"DBInstances": [_database()]},
    }
    return {
        "captured_at": at.isoformat().replace("+00:00", "Z"),
        "account_id": ACCOUNT,
        "region": REGION,
        "calls": calls,
        "errors": {
            "elasticache.describe_cache_clusters": "AccessDenied: not authorized to perform "
            "elasticache:DescribeCacheClusters"
        },
    }


def _interfaces(*, later: bool) -> list[dict[str, Any]]:
    gone = FACE_OF["old batch"] if later else FACE_OF["nightly"]
    return [_interface(name) for name in FACES if name != gone]


def _interface(name: str) -> dict[str, Any]:
    subnet, own, group = FACES[name]
    item: dict[str, Any] = {
        "NetworkInterfaceId": name,
        "VpcId": VPC,
        "SubnetId": SUBNETS[subnet][0],
        "AvailabilityZone": "us-east-1a" if subnet.endswith("a") else "us-east-1b",
        "OwnerId": ACCOUNT,
        "Status": "in-use",
        "Groups": [{"GroupId": GROUPS[group], "GroupName": group}] if group else [],
        "PrivateIpAddress": own,
        "PrivateIpAddresses": [{"PrivateIpAddress": own, "Primary": True}],
        "Ipv6Addresses": [{"Ipv6Address": IPV6[name]}] if name in IPV6 else [],
        "SourceDestCheck": name != FACE_OF["nat"],
        "TagSet": [],
    }
    return item | _kind(name, group)


def _kind(name: str, group: str) -> dict[str, Any]:
    """Return what tells what an interface belongs to."""
    attached = {"AttachmentId": f"ela-attach-{name[-8:]}", "Status": "attached"}
    if name in INSTANCES:
        attached |= {"InstanceId": INSTANCES[name][0], "InstanceOwnerId": ACCOUNT}
        return {
            "InterfaceType": "interface",
            "Description": "Primary network interface",
            "RequesterManaged": False,
            "Attachment": attached,
        }
    attached |= {"InstanceOwnerId": "amazon-aws"}
    managed = {"RequesterManaged": True, "Attachment": attached}
    if name == FACE_OF["nat"]:
        public = {"PublicIp": NAT_PUBLIC, "AllocationId": "eipalloc-0a000000000000001"}
        what = {"InterfaceType": "nat_gateway", "Description": f"Interface for NAT Gateway {NAT}"}
        return managed | what | {"Association": public, "RequesterId": "amazon-aws"}
    if group == "endpoints":
        which = "vpce-0a5ec00000000000a" if name == FACE_OF["secrets"] else "vpce-0a50500000000000b"
        what = {"InterfaceType": "vpc_endpoint", "Description": f"VPC Endpoint Interface {which}"}
        return managed | what | {"RequesterId": "727180483921"}
    if group == "database":
        what = {"InterfaceType": "interface", "Description": "RDSNetworkInterface"}
        return managed | what | {"RequesterId": "amazon-rds"}
    maker = next(function for function, made in FUNCTIONS.items() if made[1] == group)
    return {
        "InterfaceType": "lambda",
        "Description": f"AWS Lambda VPC ENI-{maker}-0eabb672-9699-4752-8738-38b7379f118b",
        "RequesterManaged": False,
        "RequesterId": f"AROAEXAMPLE:{ACCOUNT}",
        "Attachment": attached,
    }


def _reservations(*, later: bool) -> list[dict[str, Any]]:
    running = [
        {
            "InstanceId": instance,
            "SubnetId": SUBNETS[FACES[face][0]][0],
            "VpcId": VPC,
            "Tags": [{"Key": "Name", "Value": name}],
        }
        for face, (instance, name) in INSTANCES.items()
        if not (later and name == "batch-old")
    ]
    return [{"Instances": running, "OwnerId": ACCOUNT}]


def _vpc() -> dict[str, Any]:
    return {
        "VpcId": VPC,
        "CidrBlock": "10.20.0.0/16",
        "CidrBlockAssociationSet": [
            {"CidrBlock": "10.20.0.0/16", "CidrBlockState": {"State": "associated"}}
        ],
        "Ipv6CidrBlockAssociationSet": [
            {
                "Ipv6CidrBlock": "2001:db8:1200::/56",
                "Ipv6CidrBlockState": {"State": "associated"},
            }
        ],
        "Tags": [{"Key": "Name", "Value": "shop"}],
    }


def _subnets() -> list[dict[str, Any]]:
    return [
        {
            "SubnetId": subnet,
            "VpcId": VPC,
            "CidrBlock": cidr,
            "AvailabilityZoneId": zone,
            "Ipv6CidrBlockAssociationSet": [
                {"Ipv6CidrBlock": six, "Ipv6CidrBlockState": {"State": "associated"}}
            ]
            if six
            else [],
            "Tags": [{"Key": "Name", "Value": name}],
        }
        for name, (subnet, cidr, six, zone) in SUBNETS.items()
    ]


def _groups() -> list[dict[str, Any]]:
    anywhere = {
        "IpProtocol": "-1",
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
    }
    return [
        {"GroupId": group, "GroupName": name, "VpcId": VPC, "IpPermissionsEgress": [anywhere]}
        for name, group in GROUPS.items()
    ]


def _routes() -> list[dict[str, Any]]:
    local = {"DestinationCidrBlock": "10.20.0.0/16", "GatewayId": "local", "State": "active"}
    six = {
        "DestinationIpv6CidrBlock": "::/0",
        "EgressOnlyInternetGatewayId": "eigw-0a000000000000001",
        "State": "active",
    }
    nat = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": NAT, "State": "active"}
    s3 = {"DestinationPrefixListId": S3_LIST, "GatewayId": S3_ENDPOINT, "State": "active"}
    out = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-0a1", "State": "active"}
    private = [SUBNETS[name][0] for name in ("private-a", "private-b")]
    return [
        {
            "RouteTableId": "rtb-0a000000000000001",
            "VpcId": VPC,
            "Routes": [local, nat, six, s3],
            "Associations": [{"SubnetId": subnet, "Main": False} for subnet in private],
        },
        {
            "RouteTableId": "rtb-0a000000000000002",
            "VpcId": VPC,
            "Routes": [local, out],
            "Associations": [{"SubnetId": SUBNETS["public-a"][0], "Main": False}, {"Main": True}],
        },
    ]


def _nat() -> dict[str, Any]:
    where = {
        "NetworkInterfaceId": FACE_OF["nat"],
        "PrivateIp": address("nat"),
        "PublicIp": NAT_PUBLIC,
    }
    return {
        "NatGatewayId": NAT,
        "VpcId": VPC,
        "SubnetId": SUBNETS["public-a"][0],
        "State": "available",
        "ConnectivityType": "public",
        "NatGatewayAddresses": [where],
    }


def _endpoints() -> list[dict[str, Any]]:
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
        }
        for name, kind, service, faces in made
    ]


def _list() -> dict[str, Any]:
    return {
        "PrefixListId": S3_LIST,
        "PrefixListName": f"com.amazonaws.{REGION}.s3",
        "OwnerId": "AWS",
        "AddressFamily": "IPv4",
    }


def _elastic() -> dict[str, Any]:
    return {
        "PublicIp": NAT_PUBLIC,
        "AllocationId": "eipalloc-0a000000000000001",
        "NetworkInterfaceId": FACE_OF["nat"],
        "PrivateIpAddress": address("nat"),
    }


def _functions(*, later: bool) -> list[dict[str, Any]]:
    return [
        {
            "FunctionName": name,
            "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:{version}",
            "Version": version,
            "Runtime": "python3.13",
            "VpcConfig": {
                "VpcId": VPC if subnets else "",
                "SubnetIds": [SUBNETS[subnet][0] for subnet in subnets],
                "SecurityGroupIds": [GROUPS[group]] if group else [],
            },
        }
        for name, (subnets, group, new) in FUNCTIONS.items()
        if later or not new
        for version in ("$LATEST", "7")
    ]


def _database() -> dict[str, Any]:
    subnets = [{"SubnetIdentifier": SUBNETS[name][0]} for name in ("private-a", "private-b")]
    return {
        "DBInstanceIdentifier": "shop-db",
        "Engine": "postgres",
        "Endpoint": {"Address": "shop-db.c0ffee.us-east-1.rds.amazonaws.com", "Port": 5432},
        "DBSubnetGroup": {"VpcId": VPC, "Subnets": subnets},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": GROUPS["database"], "Status": "active"}],
    }
