import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowlens.inventory import Inventory, load

Item = dict[str, Any]


@pytest.fixture
def face() -> Callable[..., Item]:
    """Makes an interface as DescribeNetworkInterfaces answers it, from (id, address, …)."""

    def make(name: str, address: str | None = None, **parts: Any) -> Item:
        item: Item = {
            "NetworkInterfaceId": name,
            "InterfaceType": "interface",
            "Description": "",
            "VpcId": "vpc-a",
            "SubnetId": "subnet-a",
            "OwnerId": "111122223333",
            "RequesterManaged": False,
            "SourceDestCheck": True,
            "Groups": [{"GroupId": "sg-a", "GroupName": "a"}],
            "PrivateIpAddresses": [],
            "Ipv6Addresses": [],
            "TagSet": [],
        }
        if address:
            item["PrivateIpAddress"] = address
            item["PrivateIpAddresses"] = [{"PrivateIpAddress": address, "Primary": True}]
        return item | parts

    return make


@pytest.fixture
def machine(face: Callable[..., Item]) -> Callable[..., Item]:
    """Makes the interface of an EC2 instance, from (id, address, instance, …)."""

    def make(name: str, address: str, instance: str, **parts: Any) -> Item:
        attachment = {
            "AttachmentId": f"attach-{name}",
            "InstanceId": instance,
            "InstanceOwnerId": "111122223333",
        }
        return face(name, address, Attachment=attachment, **parts)

    return make


@pytest.fixture
def hyperplane(face: Callable[..., Item]) -> Callable[..., Item]:
    """Makes a Lambda interface, from (id, address, groups, …)."""

    def make(name: str, address: str, groups: tuple[str, ...] = ("sg-a",), **parts: Any) -> Item:
        return face(
            name,
            address,
            InterfaceType="lambda",
            Description="AWS Lambda VPC ENI-creator-0eabb672-9699-4752-8738-38b7379f118b",
            Groups=[{"GroupId": group} for group in groups],
            Attachment={"AttachmentId": "ela-attach-1", "InstanceOwnerId": "amazon-aws"},
            **parts,
        )

    return make


@pytest.fixture
def function() -> Callable[..., Item]:
    """Makes a function version, from (name, subnets, groups, version)."""

    def make(
        name: str,
        subnets: tuple[str, ...] = ("subnet-a",),
        groups: tuple[str, ...] = ("sg-a",),
        version: str = "$LATEST",
        **parts: Any,
    ) -> Item:
        return {
            "FunctionName": name,
            "FunctionArn": f"arn:aws:lambda:us-east-1:111122223333:function:{name}:{version}",
            "Version": version,
            "VpcConfig": {
                "VpcId": "vpc-a",
                "SubnetIds": list(subnets),
                "SecurityGroupIds": list(groups),
            },
            **parts,
        }

    return make


#: Where the lists of an answer are, typed here once more so that a wrong key in the code shows.
KEYS = {
    "ec2.describe_network_interfaces": "NetworkInterfaces",
    "ec2.describe_instances": "Reservations",
    "ec2.describe_vpcs": "Vpcs",
    "ec2.describe_nat_gateways": "NatGateways",
    "ec2.describe_addresses": "Addresses",
    "ec2.describe_vpc_endpoints": "VpcEndpoints",
    "ec2.describe_subnets": "Subnets",
    "ec2.describe_managed_prefix_lists": "PrefixLists",
    "lambda.list_functions": "Functions",
    "rds.describe_db_instances": "DBInstances",
}
SHORT = {"interfaces": "ec2.describe_network_interfaces", "functions": "lambda.list_functions"}


@pytest.fixture
def history(tmp_path: Path) -> Callable[..., Inventory]:
    """Writes captures by their hour of 2026-03-01 and loads the folder.

    history({10: {"interfaces": […]}, 12: {…, "errors": {…}}}); an answer may be a list of items
    or the raw mapping. A second argument names account and region.
    """

    def make(
        captures: Mapping[float, Mapping[str, Any]],
        account: str = "111122223333",
        region: str = "us-east-1",
    ) -> Inventory:
        for hour, answers in captures.items():
            calls: Item = {}
            for short, answer in answers.items():
                name = SHORT.get(short, short)
                if name != "errors":
                    calls[name] = {KEYS[name]: answer} if isinstance(answer, list) else answer
            document = {
                "captured_at": clock(hour).isoformat(),
                "account_id": account,
                "region": region,
                "calls": calls,
                "errors": answers.get("errors", {}),
            }
            path = tmp_path / f"{account}-{region}-{hour}.json"
            path.write_text(json.dumps(document))
        return load(tmp_path)

    return make


def clock(hour: float) -> datetime:
    return datetime(2026, 3, 1, int(hour), round(hour % 1 * 60), tzinfo=UTC)


@pytest.fixture
def ask() -> Callable[..., list[Item]]:
    """Asks `own` about rows of (address, hour, …) and returns the answers without nulls."""
    import polars as pl

    from flowlens.inventory import own
    from flowlens.tables import TIME

    def make(inventory: Inventory, *rows: Item, **options: Any) -> list[Item]:
        names = sorted({name for row in rows for name in row})
        times = {"hour", "first", "last"}
        frame = pl.LazyFrame(
            {
                name: [
                    clock(row[name]) if name in times and name in row else row.get(name)
                    for row in rows
                ]
                for name in names
            },
            schema={name: TIME if name in times else pl.String() for name in names},
        )
        found = own(frame, inventory, address="address", prefix="x", **options).collect()
        return [
            {
                name[2:]: value
                for name, value in row.items()
                if name[:2] == "x_" and value is not None
            }
            for row in found.to_dicts()
        ]

    return make
