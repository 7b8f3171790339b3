from collections.abc import Callable
from typing import Any

import pytest

from flowlens.inventory import Inventory, middleboxes, owners

Item = dict[str, Any]
Make = Callable[..., Item]
History = Callable[..., Inventory]


def owned(inventory: Inventory) -> dict[str, tuple[list[str] | None, str]]:
    frame = owners(inventory)
    return {
        name: (owner, certainty)
        for name, owner, certainty in frame.select("interface_id", "owner", "certainty").rows()
    }


def test_a_shared_lambda_interface_belongs_to_the_set(
    history: History, hyperplane: Make, function: Make
) -> None:
    """All functions with the subnet and exactly the groups are candidates, the creator is not."""
    inventory = history(
        {
            10: {
                "interfaces": [
                    hyperplane("eni-two", "10.0.0.5", ("sg-b", "sg-a")),
                    hyperplane("eni-one", "10.0.0.6", ("sg-a",)),
                    hyperplane("eni-none", "10.0.0.7", ("sg-z",)),
                ],
                "functions": [
                    function("refunds", ("subnet-x", "subnet-a"), ("sg-a", "sg-b")),
                    function("orders", groups=("sg-b", "sg-a")),
                    function("superset", groups=("sg-a", "sg-b", "sg-c")),
                    function("elsewhere", ("subnet-x",), ("sg-a", "sg-b")),
                    function("alone", groups=("sg-a",)),
                    {"FunctionName": "outside", "Version": "$LATEST"},
                ],
            }
        }
    )
    assert owned(inventory) == {
        "eni-two": (["orders", "refunds"], "shared"),
        "eni-one": (["alone"], "exact"),
        "eni-none": ([], "none"),
    }
    why = owners(inventory).filter(interface_id="eni-none")["why"].item()
    assert why == "no function has this combination"


def test_published_versions_count(history: History, hyperplane: Make, function: Make) -> None:
    """A version that was published with the old groups still uses their interface."""
    inventory = history(
        {
            10: {
                "interfaces": [hyperplane("eni-old", "10.0.0.5", ("sg-old",))],
                "functions": [
                    function("orders", groups=("sg-new",)),
                    function("orders", groups=("sg-old",), version="7"),
                    function("orders", groups=("sg-old",), version="8"),
                ],
            }
        }
    )
    assert owned(inventory) == {"eni-old": (["orders"], "exact")}


def test_denied_functions_are_unknown_not_none(history: History, hyperplane: Make) -> None:
    """Without the list of functions the candidates are null and the reason is kept."""
    inventory = history(
        {
            10: {
                "interfaces": [hyperplane("eni-1", "10.0.0.5")],
                "errors": {"lambda.list_functions": "AccessDeniedException: not allowed"},
            }
        }
    )
    row = owners(inventory).to_dicts()[0]
    assert (row["kind"], row["owner"], row["certainty"]) == ("lambda", None, "unknown")
    assert (row["lacks"], row["why"]) == (
        "lambda.list_functions",
        "lambda.list_functions is missing",
    )
    assert inventory.missing("lambda.list_functions") == (
        "lambda.list_functions is missing; 2026-03-01T10:00:00+00:00: "
        "AccessDeniedException: not allowed"
    )


def test_instances_are_named_by_tag_else_id(history: History, machine: Make) -> None:
    """The Name tag names the owner; without it, or without the call, the id does."""
    instances = [
        {
            "Instances": [
                {"InstanceId": "i-1", "Tags": [{"Key": "Name", "Value": "web"}]},
                {"InstanceId": "i-2", "Tags": []},
            ]
        }
    ]
    faces = [machine("eni-1", "10.0.0.1", "i-1"), machine("eni-2", "10.0.0.2", "i-2")]
    inventory = history({10: {"interfaces": faces, "ec2.describe_instances": instances}})
    assert owned(inventory) == {"eni-1": (["web"], "exact"), "eni-2": (["i-2"], "exact")}


@pytest.mark.parametrize("tag", ["fast", "arn:aws:lambda:us-east-1:1:capacity-provider:fast"])
def test_managed_instances_belong_to_their_capacity_provider(
    history: History, machine: Make, function: Make, tag: str
) -> None:
    """All functions of the provider are candidates; its name or its ARN may be in the tag."""
    face = machine(
        "eni-1",
        "10.0.0.1",
        "i-1",
        Operator={"Managed": True, "Principal": "scaler.lambda.amazonaws.com"},
    )
    instance = {
        "InstanceId": "i-1",
        "Tags": [{"Key": "aws:lambda:capacity-provider", "Value": tag}],
    }
    provider = {
        "LambdaManagedInstancesCapacityProviderConfig": {
            "CapacityProviderArn": "arn:aws:lambda:us-east-1:1:capacity-provider:fast"
        }
    }
    inventory = history(
        {
            10: {
                "interfaces": [face],
                "ec2.describe_instances": [{"Instances": [instance]}],
                "functions": [function("a", CapacityProviderConfig=provider), function("b")],
            }
        }
    )
    row = owners(inventory).to_dicts()[0]
    assert (row["kind"], row["owner"]) == ("lambda_managed_instance", ["a"])


def test_databases_match_by_subnet_group_and_groups(history: History, face: Make) -> None:
    """The interface names nothing: one instance fits, several are candidates, none is unknown."""

    def database(name: str, group: str) -> Item:
        return {
            "DBInstanceIdentifier": name,
            "DBSubnetGroup": {"Subnets": [{"SubnetIdentifier": "subnet-a"}]},
            "VpcSecurityGroups": [{"VpcSecurityGroupId": group}],
        }

    def rds(name: str, group: str) -> Item:
        return face(
            name,
            Description="RDSNetworkInterface",
            RequesterId="amazon-rds",
            RequesterManaged=True,
            Groups=[{"GroupId": group}],
        )

    inventory = history(
        {
            10: {
                "interfaces": [rds("eni-1", "sg-1"), rds("eni-2", "sg-2"), rds("eni-3", "sg-3")],
                "rds.describe_db_instances": [
                    database("orders", "sg-1"),
                    database("b", "sg-2"),
                    database("a", "sg-2"),
                ],
            }
        }
    )
    assert owned(inventory) == {
        "eni-1": (["orders"], "exact"),
        "eni-2": (["a", "b"], "shared"),
        "eni-3": (None, "unknown"),
    }


def test_tasks_are_found_by_attachment(history: History, face: Make) -> None:
    """The service or family of the task owns its interface; a stopped task is unknown."""

    def task(name: str, attachment: str) -> Item:
        arn = f"arn:aws:ecs:us-east-1:111122223333:attachment/{attachment}"
        return face(name, Description=arn)

    answer = {
        "arn:c": {
            "tasks": [
                {"taskArn": "t1", "group": "service:shop", "attachments": [{"id": "aa-1"}]},
                {"taskArn": "t2", "group": "family:job", "attachments": [{"id": "aa-2"}]},
            ]
        }
    }
    inventory = history(
        {
            10: {
                "interfaces": [task("eni-1", "aa-1"), task("eni-2", "aa-2"), task("eni-3", "aa-3")],
                "ecs.describe_tasks": answer,
            }
        }
    )
    assert owned(inventory) == {
        "eni-1": (["shop"], "exact"),
        "eni-2": (["job"], "exact"),
        "eni-3": (None, "unknown"),
    }


def test_gateways_and_endpoints_list_their_interfaces(history: History, face: Make) -> None:
    """An interface without type and description is still the one its gateway or endpoint lists."""
    inventory = history(
        {
            10: {
                "interfaces": [face("eni-1"), face("eni-2"), face("eni-3"), face("eni-4")],
                "ec2.describe_nat_gateways": [
                    {
                        "NatGatewayId": "nat-1",
                        "NatGatewayAddresses": [{"NetworkInterfaceId": "eni-1"}],
                    }
                ],
                "ec2.describe_vpc_endpoints": [
                    {"VpcEndpointId": "vpce-1", "NetworkInterfaceIds": ["eni-2"]},
                    {
                        "VpcEndpointId": "vpce-2",
                        "VpcEndpointType": "GatewayLoadBalancer",
                        "NetworkInterfaceIds": ["eni-3"],
                    },
                ],
            }
        }
    )
    assert owners(inventory).select("kind", "owner").rows() == [
        ("nat_gateway", ["nat-1"]),
        ("vpc_endpoint", ["vpce-1"]),
        ("gwlb_endpoint", ["vpce-2"]),
        ("detached", []),
    ]


def test_middleboxes_pass_on_traffic(history: History, face: Make, machine: Make) -> None:
    """NAT and transit gateways are listed with private and public addresses, instances are not."""
    nat = face("eni-nat", "10.0.0.1", InterfaceType="nat_gateway", Groups=[])
    tgw = face("eni-tgw", "10.0.0.2", InterfaceType="transit_gateway", Groups=[])
    gateway = {
        "NatGatewayId": "nat-1",
        "State": "available",
        "NatGatewayAddresses": [{"NetworkInterfaceId": "eni-nat", "PublicIp": "52.0.0.1"}],
    }
    inventory = history(
        {
            10: {
                "interfaces": [tgw, nat, machine("eni-vm", "10.0.0.3", "i-1")],
                "ec2.describe_nat_gateways": [gateway],
            },
            11: {"interfaces": [nat | {"PrivateIpAddress": "10.0.0.8"}]},
        }
    )
    assert middleboxes(inventory).rows() == [
        ("eni-nat", "nat_gateway", ["10.0.0.1", "10.0.0.8"], ["52.0.0.1"]),
        ("eni-tgw", "transit_gateway", ["10.0.0.2"], []),
    ]


def test_a_lambda_interface_without_groups_in_the_answer_is_unknown(
    history: History, hyperplane: Make, function: Make
) -> None:
    """No list of groups is not an empty one: nothing is said of who uses the interface."""
    bare = hyperplane("eni-1", "10.0.0.5")
    bare.pop("Groups")
    inventory = history({10: {"interfaces": [bare], "functions": [function("orders")]}})
    assert owned(inventory) == {"eni-1": (None, "unknown")}


def test_a_capacity_providers_own_list_is_enough(history: History, machine: Make) -> None:
    """The functions of a provider are known without the list of all functions."""
    tags = [{"Key": "aws:lambda:capacity-provider", "Value": "fast"}]
    face = machine(
        "eni-1",
        "10.0.0.1",
        "i-1",
        Operator={"Managed": True, "Principal": "scaler.lambda.amazonaws.com"},
        TagSet=tags,
    )
    arn = "arn:aws:lambda:us-east-1:1:capacity-provider:fast"
    versions = [{"FunctionArn": "arn:aws:lambda:us-east-1:1:function:orders:3"}]
    answer = {arn: {"CapacityProviderArn": arn, "FunctionVersions": versions}}
    call = "lambda.list_function_versions_by_capacity_provider"
    inventory = history({10: {"interfaces": [face], call: answer}})
    assert owned(inventory) == {"eni-1": (["orders"], "exact")}
