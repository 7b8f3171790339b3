"""What a capture asks AWS, once: the requests and the IAM policy are both read off this table.

Only ``Describe``, ``List`` and ``Get`` operations are here. An answer may be missing: a caller
without a permission gets a smaller inventory, and whatever depended on that answer is *unknown*.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CALLS", "Call", "call", "policy"]

Answers = Mapping[str, Any]
Plan = Callable[[Answers], Iterator[tuple[str, dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Call:
    """One read-only operation of AWS.

    ``name`` is the client and method of boto3, as captures spell it; ``key`` holds the list in
    the answer (None: the whole answer is one thing); ``action`` is the IAM action, whose second
    half is the operation's own name. ``each`` plans a request per item of earlier answers; such
    an answer is a mapping from the item to its own answer. ``after`` is the call that ``each``
    reads. ``drop`` names parts that may hold secrets and are never captured.
    """

    name: str
    key: str | None
    action: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    each: Plan | None = None
    after: str | None = None
    drop: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        """The boto3 client, such as ``ec2``."""
        return self.name.partition(".")[0]

    @property
    def method(self) -> str:
        """The boto3 method, such as ``describe_vpcs``."""
        return self.name.partition(".")[2]


def _lists(answers: Answers) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in answers["ec2.describe_managed_prefix_lists"]["PrefixLists"]:
        yield item["PrefixListId"], {"PrefixListId": item["PrefixListId"]}


def _providers(answers: Answers) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in answers["lambda.list_capacity_providers"]["CapacityProviders"]:
        arn = item["CapacityProviderArn"]
        yield arn, {"CapacityProviderName": arn}


def _clusters(answers: Answers) -> Iterator[tuple[str, dict[str, Any]]]:
    for arn in answers["ecs.list_clusters"]["clusterArns"]:
        yield arn, {"cluster": arn}


def _tasks(answers: Answers) -> Iterator[tuple[str, dict[str, Any]]]:
    for cluster, answer in answers["ecs.list_tasks"].items():
        arns = answer["taskArns"]
        for start in range(0, len(arns), 100):  # DescribeTasks takes at most 100 tasks
            yield cluster, {"cluster": cluster, "tasks": arns[start : start + 100]}


# Interfaces and instances that a service runs in the account are hidden without this argument
# (API reference of DescribeNetworkInterfaces and DescribeInstances).
_MANAGED = {"IncludeManagedResources": True}

_EC2 = (
    Call(
        "ec2.describe_network_interfaces",
        "NetworkInterfaces",
        "ec2:DescribeNetworkInterfaces",
        _MANAGED,
    ),
    Call("ec2.describe_instances", "Reservations", "ec2:DescribeInstances", _MANAGED),
    Call("ec2.describe_vpcs", "Vpcs", "ec2:DescribeVpcs"),
    Call("ec2.describe_subnets", "Subnets", "ec2:DescribeSubnets"),
    Call("ec2.describe_security_groups", "SecurityGroups", "ec2:DescribeSecurityGroups"),
    Call(
        "ec2.describe_security_group_rules",
        "SecurityGroupRules",
        "ec2:DescribeSecurityGroupRules",
    ),
    Call("ec2.describe_network_acls", "NetworkAcls", "ec2:DescribeNetworkAcls"),
    Call("ec2.describe_route_tables", "RouteTables", "ec2:DescribeRouteTables"),
    Call("ec2.describe_nat_gateways", "NatGateways", "ec2:DescribeNatGateways"),
    Call("ec2.describe_internet_gateways", "InternetGateways", "ec2:DescribeInternetGateways"),
    Call(
        "ec2.describe_egress_only_internet_gateways",
        "EgressOnlyInternetGateways",
        "ec2:DescribeEgressOnlyInternetGateways",
    ),
    Call("ec2.describe_vpc_endpoints", "VpcEndpoints", "ec2:DescribeVpcEndpoints"),
    Call(
        "ec2.describe_vpc_peering_connections",
        "VpcPeeringConnections",
        "ec2:DescribeVpcPeeringConnections",
    ),
    Call(
        "ec2.describe_managed_prefix_lists",
        "PrefixLists",
        "ec2:DescribeManagedPrefixLists",
    ),
    Call(
        "ec2.get_managed_prefix_list_entries",
        "Entries",
        "ec2:GetManagedPrefixListEntries",
        each=_lists,
        after="ec2.describe_managed_prefix_lists",
    ),
    Call(
        "ec2.describe_transit_gateway_attachments",
        "TransitGatewayAttachments",
        "ec2:DescribeTransitGatewayAttachments",
    ),
    Call("ec2.describe_addresses", "Addresses", "ec2:DescribeAddresses"),
    Call("ec2.describe_flow_logs", "FlowLogs", "ec2:DescribeFlowLogs"),
    Call(
        "ec2.describe_vpc_block_public_access_options",
        "VpcBlockPublicAccessOptions",
        "ec2:DescribeVpcBlockPublicAccessOptions",
    ),
    Call(
        "ec2.describe_vpc_block_public_access_exclusions",
        "VpcBlockPublicAccessExclusions",
        "ec2:DescribeVpcBlockPublicAccessExclusions",
    ),
)

_OTHERS = (
    Call(
        "lambda.list_functions",
        "Functions",
        "lambda:ListFunctions",
        {"FunctionVersion": "ALL"},
        drop=("Environment",),
    ),
    Call("lambda.list_capacity_providers", "CapacityProviders", "lambda:ListCapacityProviders"),
    Call(
        "lambda.list_function_versions_by_capacity_provider",
        "FunctionVersions",
        "lambda:ListFunctionVersionsByCapacityProvider",
        each=_providers,
        after="lambda.list_capacity_providers",
    ),
    Call("rds.describe_db_instances", "DBInstances", "rds:DescribeDBInstances"),
    Call("rds.describe_db_clusters", "DBClusters", "rds:DescribeDBClusters"),
    Call(
        "elbv2.describe_load_balancers",
        "LoadBalancers",
        "elasticloadbalancing:DescribeLoadBalancers",
    ),
    Call("ecs.list_clusters", "clusterArns", "ecs:ListClusters"),
    Call("ecs.list_tasks", "taskArns", "ecs:ListTasks", each=_clusters, after="ecs.list_clusters"),
    Call(
        "ecs.describe_tasks",
        "tasks",
        "ecs:DescribeTasks",
        each=_tasks,
        after="ecs.list_tasks",
        drop=("overrides",),
    ),
    Call(
        "elasticache.describe_cache_clusters", "CacheClusters", "elasticache:DescribeCacheClusters"
    ),
)

CALLS: tuple[Call, ...] = (
    Call("sts.get_caller_identity", None, "sts:GetCallerIdentity"),
    *_EC2,
    *_OTHERS,
)

_NAMED = {each.name: each for each in CALLS}


def call(name: str) -> Call | None:
    """Return the call of this name, such as ``ec2.describe_vpcs``; None where the table has none.

    >>> call("ec2.describe_vpcs").key
    'Vpcs'
    """
    return _NAMED.get(name)


def policy() -> dict[str, Any]:
    """Return the least IAM policy under which a snapshot is complete.

    None of these actions can be limited to a resource across services, and none changes anything.

    >>> policy()["Statement"][0]["Action"][0]
    'ec2:DescribeAddresses'
    """
    statement = {
        "Sid": "FlowlensSnapshot",
        "Effect": "Allow",
        "Action": sorted(each.action for each in CALLS),
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
