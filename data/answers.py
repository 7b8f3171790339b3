"""What AWS would answer about the workloads, before and after a change of hands."""

from datetime import datetime
from typing import Any

from data.account import (
    ACCOUNT,
    FACE_OF,
    FACES,
    FUNCTIONS,
    GROUPS,
    INSTANCES,
    IPV6,
    NAT,
    NAT_PUBLIC,
    REGION,
    SUBNETS,
    VPC,
)
from data.network import network

__all__ = ["capture"]

#: Not in a VPC any more; version 7, which is, still runs.
MOVED = ("invoice-pdf", "$LATEST")


def capture(at: datetime, *, later: bool) -> dict[str, Any]:
    """Return an inventory file: the answers at `at`, before or after the change of hands."""
    calls = {
        "sts.get_caller_identity": {"Account": ACCOUNT},
        "ec2.describe_network_interfaces": {"NetworkInterfaces": _interfaces(later=later)},
        "ec2.describe_instances": {"Reservations": _reservations(later=later)},
        "lambda.list_functions": {"Functions": _functions(later=later)},
        "lambda.list_capacity_providers": {"CapacityProviders": []},
        "lambda.list_function_versions_by_capacity_provider": {},
        "rds.describe_db_instances": {"DBInstances": [_database()]},
        "rds.describe_db_clusters": {"DBClusters": []},
        "elbv2.describe_load_balancers": {"LoadBalancers": []},
        "ecs.list_clusters": {"clusterArns": []},
        "ecs.list_tasks": {},
        "ecs.describe_tasks": {},
    }
    refused = "AccessDenied: not authorized to perform elasticache:DescribeCacheClusters"
    return {
        "captured_at": at.isoformat().replace("+00:00", "Z"),
        "account_id": ACCOUNT,
        "region": REGION,
        "calls": calls | network(),
        "errors": {"elasticache.describe_cache_clusters": refused},
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


def _functions(*, later: bool) -> list[dict[str, Any]]:
    return [
        {
            "FunctionName": name,
            "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:{version}",
            "Version": version,
            "Runtime": "python3.13",
            "VpcConfig": _placed(*(((), "") if (name, version) == MOVED else (subnets, group))),
        }
        for name, (subnets, group, new) in FUNCTIONS.items()
        if later or not new
        for version in ("$LATEST", "7")
    ]


def _placed(subnets: tuple[str, ...], group: str) -> dict[str, Any]:
    return {
        "VpcId": VPC if subnets else "",
        "SubnetIds": [SUBNETS[subnet][0] for subnet in subnets],
        "SecurityGroupIds": [GROUPS[group]] if group else [],
    }


def _database() -> dict[str, Any]:
    subnets = [{"SubnetIdentifier": SUBNETS[name][0]} for name in ("private-a", "private-b")]
    return {
        "DBInstanceIdentifier": "shop-db",
        "Engine": "postgres",
        "Endpoint": {"Address": "shop-db.c0ffee.us-east-1.rds.amazonaws.com", "Port": 5432},
        "DBSubnetGroup": {"VpcId": VPC, "Subnets": subnets},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": GROUPS["database"], "Status": "active"}],
    }
