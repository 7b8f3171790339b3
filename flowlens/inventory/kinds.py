"""What kind of thing a network interface belongs to: an ordered table, first match wins.

Sources: the API reference of DescribeNetworkInterfaces, the user guides of the services, Cloud
Custodian, and descriptions seen in public dumps. A row matches by the first of these that it has:
operator, interface type, description, requester. A description alone is not enough where the
interface says the opposite of what the service's interfaces always say (`managed`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import polars as pl

__all__ = ["KINDS", "Kind", "classify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One row: how the interfaces of a service look.

    ``group`` is the capture group of ``description`` that names the resource; ``loose`` means
    that the description alone does not tell the kind (another row has the same one).
    """

    kind: str
    operator: str | None = None
    type: str | None = None
    description: str | None = None
    unless: str | None = None
    group: int | None = None
    requester: str | None = None
    managed: bool = False
    loose: bool = False


_CONNECTOR = r"^network-connectors\.lambda\.amazonaws\.com$"
_ENDPOINT = r"^VPC Endpoint Interface (vpce-[0-9a-f]+)$"
_ECS = r"^arn:aws[a-z-]*:ecs:([^:]+):(\d+):attachment/([0-9a-f-]+)$"
_RESOLVER = r"^Route 53 Resolver: (rslvr-(?:in|out)-[0-9a-f]+):(rni-[0-9a-f]+)$"
_FIREHOSE = r"^Amazon Kinesis Firehose - (\d+):(.+):(\d+)"
_WORKSPACES = r"^Created By Amazon Workspaces for AWS Account ID (\d+)$"
_DIRECTORY = r"^AWS created network interface for directory (d-[0-9a-f]+)$"
_EFS = r"^EFS mount target for (fs-[0-9a-f]+) \((fsmt-[0-9a-f]+)\)$"
_MQ = r"^Amazon MQ network interface for broker (b-[0-9a-f-]+)"
_TGW = r"^Network Interface for Transit Gateway Attachment (tgw-attach-[0-9a-f]+)$"
_NAT = r"^Interface for NAT Gateway (nat-[0-9a-f]+)$"
_SAGEMAKER = r"(?:Domain \(?|arn:aws[a-z-]*:sagemaker:\S+/)([A-Za-z0-9-]+)"

#: In the order of precedence. "managed:" is completed with the operator's principal.
KINDS: tuple[Kind, ...] = (
    Kind(kind="lambda_managed_instance", operator=r"^scaler\.lambda\.amazonaws\.com$"),
    Kind(kind="lambda_connector", operator=_CONNECTOR),
    Kind(kind="managed:", operator=r".+"),
    Kind(kind="lambda", type=r"^lambda$", description=r"^AWS Lambda VPC ENI"),
    # The API's enumeration says natGateway, its answers say nat_gateway.
    Kind(kind="nat_gateway", type=r"^(?:nat_gateway|natGateway)$", description=_NAT, group=1),
    Kind(
        kind="nlb",
        type=r"^network_load_balancer$",
        description=r"^ELB net/([^/]+)/([0-9a-f]+)$",
        group=1,
    ),
    Kind(
        kind="gwlb",
        type=r"^gateway_load_balancer$",
        description=r"^ELB gwy/([^/]+)/([0-9a-f]+)$",
        group=1,
    ),
    Kind(
        kind="gwlb_endpoint",
        type=r"^gateway_load_balancer_endpoint$",
        description=_ENDPOINT,
        group=1,
        loose=True,
    ),
    Kind(
        kind="alb",
        type=r"^load_balancer$",
        description=r"^ELB app/([^/]+)/([0-9a-f]+)$",
        group=1,
        managed=True,
    ),
    Kind(kind="vpc_endpoint", type=r"^vpc_endpoint$", description=_ENDPOINT, group=1),
    Kind(kind="transit_gateway", type=r"^transit_gateway$", description=_TGW, group=1),
    Kind(
        kind="api_gateway",
        type=r"^api_gateway_managed$",
        description=r"^ENI managed by APIGateway$",
    ),
    Kind(kind="efs", type=r"^efs$", description=_EFS, group=1, managed=True),
    Kind(kind="eks_pod_branch", type=r"^branch$", description=r"^aws-k8s-branch-eni$"),
    Kind(kind="trunk", type=r"^trunk$"),
    Kind(kind="global_accelerator", type=r"^global_accelerator_managed$"),
    Kind(kind="quicksight", type=r"^quicksight$"),
    Kind(kind="iot", type=r"^iot_rules_managed$"),
    Kind(
        kind="codestar",
        type=r"^aws_codestar_connections_managed$",
        description=r"^AWS CodeStar Connections",
    ),
    Kind(
        kind="clb",
        description=r"^ELB (.+)$",
        unless=r"^ELB (?:app|net|gwy)/",
        group=1,
        managed=True,
    ),
    Kind(kind="rds", description=r"^RDSNetworkInterface$", managed=True),
    Kind(kind="rds_proxy", description=r"^Network interface for DBProxy (.+)$", group=1),
    Kind(kind="redshift", description=r"^RedshiftNetworkInterface$"),
    Kind(kind="elasticache", description=r"^ElastiCache[ +](.+)$", group=1, managed=True),
    Kind(kind="ecs_task", description=_ECS, group=3),
    Kind(kind="eks_control_plane", description=r"^Amazon EKS (.+)$", group=1),
    Kind(kind="eks_node_secondary", description=r"^aws-K8S-(i-[0-9a-f]+)$", group=1),
    Kind(kind="route53_resolver", description=_RESOLVER, group=1),
    Kind(kind="directory_service", description=_DIRECTORY, group=1),
    Kind(kind="workspaces", description=_WORKSPACES),
    Kind(kind="dms", description=r"^DMSNetworkInterface$"),
    Kind(kind="dax", description=r"^DAX (.+)$", group=1),
    Kind(kind="cloudhsm", description=r"^(?:CloudHsm ENI|CloudHSM Manage)"),
    Kind(kind="emr", description=r"^AWS ElasticMapReduce(?: - (\S+))?", group=1),
    Kind(kind="opensearch", description=r"^ES (.+)$", group=1),
    Kind(kind="firehose", description=_FIREHOSE, group=2),
    Kind(kind="glue", description=r"^Attached to Glue using role: (arn:\S+)$", group=1),
    Kind(kind="sagemaker", description=r"SageMaker"),
    Kind(kind="datasync", description=r"^datasync "),
    Kind(kind="mq", description=_MQ, group=1),
    Kind(kind="codebuild", requester=r":AWSCodeBuild-"),
    Kind(kind="comprehend", requester=r":Comprehend$"),
)


def classify(interfaces: pl.DataFrame) -> pl.DataFrame:
    """Add `kind` and `resource`: what an interface belongs to and the name its description gives.

    Kind is null where nothing in the table fits an interface that is in use: unknown.

    Args:
        interfaces: the inventory's table of interfaces.
    """
    named = interfaces.with_columns(_kind().alias("kind"))
    return named.with_columns(
        _resource().alias("resource"),
        pl.when(pl.col("kind") == "managed:")
        .then(pl.concat_str("kind", "operator"))
        .otherwise("kind")
        .alias("kind"),
    )


@cache  # the table never changes, and takes longer to spell than to read a few interfaces by
def _kind() -> pl.Expr:
    """Return the kind that the table says, or what the attachment tells."""
    return pl.coalesce(
        *(_fits(row) for row in KINDS),
        pl.when(pl.col("instance_id").is_not_null()).then(pl.lit("ec2")),
        pl.when(pl.col("requester_managed")).then(pl.lit("aws_managed_other")),
        pl.when(pl.col("attachment_id").is_null() & pl.col("instance_owner_id").is_null()).then(
            pl.lit("detached")
        ),
    )


def _fits(row: Kind) -> pl.Expr:
    """Return the row's kind where an interface fits it, else null."""
    tests: tuple[Callable[[Kind], pl.Expr | None], ...] = (_operator, _type, _text, _requester)
    found = [test for each in tests if (test := each(row)) is not None]
    return pl.when(pl.any_horizontal(test.fill_null(value=False) for test in found)).then(
        pl.lit(row.kind)
    )


def _operator(row: Kind) -> pl.Expr | None:
    return pl.col("operator").str.contains(row.operator) if row.operator else None


def _type(row: Kind) -> pl.Expr | None:
    return pl.col("interface_type").str.contains(row.type) if row.type else None


def _text(row: Kind) -> pl.Expr | None:
    if row.description is None or row.loose:
        return None
    text = pl.col("description")
    test = text.str.contains(row.description)
    if row.unless:
        test &= ~text.str.contains(row.unless)
    if row.type:  # a type that says something else wins over a description
        test &= pl.col("interface_type").is_in(["interface"]).fill_null(value=True)
    if row.managed:  # customers write descriptions too: their own instance is no service
        own = pl.col("instance_id").is_not_null() & pl.col("requester_managed").eq_missing(
            pl.lit(value=False)
        )
        test &= ~own
    return test


def _requester(row: Kind) -> pl.Expr | None:
    return pl.col("requester_id").str.contains(row.requester) if row.requester else None


@cache
def _resource() -> pl.Expr:
    named = [
        pl.when(pl.col("kind") == row.kind).then(
            pl.col("description").str.extract(row.description, row.group)
        )
        for row in KINDS
        if row.description and row.group
    ]
    scraped = pl.when(pl.col("kind") == "sagemaker").then(
        pl.col("description").str.extract(_SAGEMAKER, 1)
    )
    return pl.coalesce(*named, scraped)
