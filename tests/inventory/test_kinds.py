from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from flowlens.inventory import Inventory, owners

Item = dict[str, Any]
History = Callable[..., Inventory]

ECS = "arn:aws:ecs:us-east-1:111122223333:attachment/f1f47f32-aecf-48d0-b045-900db0b9fcb9"
RESOLVER = "Route 53 Resolver: rslvr-in-55829d25693e4b729:rni-9494385465134fa5a"
LAMBDA = "AWS Lambda VPC ENI-orders-api-0eabb672-9699-4752-8738-38b7379f118b"
TGW = "Network Interface for Transit Gateway Attachment tgw-attach-0fadefb9eff283b00"
EFS = "EFS mount target for fs-0dcdbf56073416b82 (fsmt-0852ce334db888836)"
ENDPOINT = "VPC Endpoint Interface vpce-089f2123488812123"
WORKSPACES = "Created By Amazon Workspaces for AWS Account ID 111122223333"
STUDIO = "[DO NOT DELETE] ENI managed by SageMaker for Studio Domain (d-x1)"
FIREHOSE = "Amazon Kinesis Firehose - 111122223333:clicks:1600000000000"
MQ = "Amazon MQ network interface for broker b-1234abcd-56ef"
DIRECTORY = "AWS created network interface for directory d-1234567890"
GLUE = "Attached to Glue using role: arn:aws:iam::111122223333:role/glue"

#: kind, interface type, description, owner that the description names.
DESCRIBED = [
    ("lambda", "lambda", LAMBDA, None),
    ("lambda", "interface", LAMBDA, None),  # detached: the type has changed
    ("lambda", "interface", "AWS Lambda VPC ENI: 0eabb672-9699-4752-8738-38b7379f118b", None),
    ("nat_gateway", "nat_gateway", "Interface for NAT Gateway nat-0a8b0e", "nat-0a8b0e"),
    ("nat_gateway", "natGateway", "", None),
    ("nlb", "network_load_balancer", "ELB net/nlb/50dc6c495c0c9188", "nlb"),
    ("gwlb", "gateway_load_balancer", "ELB gwy/fw/50dc6c495c0c9188", "fw"),
    ("gwlb_endpoint", "gateway_load_balancer_endpoint", ENDPOINT, "vpce-089f2123488812123"),
    ("alb", "interface", "ELB app/portal/50dc6c495c0c9188", "portal"),
    ("alb", "load_balancer", "", None),
    ("vpc_endpoint", "vpc_endpoint", ENDPOINT, "vpce-089f2123488812123"),
    ("vpc_endpoint", "interface", ENDPOINT, "vpce-089f2123488812123"),
    ("transit_gateway", "transit_gateway", TGW, "tgw-attach-0fadefb9eff283b00"),
    ("api_gateway", "api_gateway_managed", "ENI managed by APIGateway", None),
    ("efs", "efs", EFS, "fs-0dcdbf56073416b82"),
    ("eks_pod_branch", "branch", "aws-k8s-branch-eni", None),
    ("trunk", "trunk", "", None),
    ("global_accelerator", "global_accelerator_managed", "", None),
    ("quicksight", "quicksight", "", None),
    ("iot", "iot_rules_managed", "", None),
    ("codestar", "aws_codestar_connections_managed", "AWS CodeStar Connections", None),
    ("clb", "interface", "ELB my-classic", "my-classic"),
    ("rds", "interface", "RDSNetworkInterface", None),
    ("rds_proxy", "interface", "Network interface for DBProxy orders", "orders"),
    ("redshift", "interface", "RedshiftNetworkInterface", None),
    ("elasticache", "interface", "ElastiCache my-redis-001", "my-redis-001"),
    ("elasticache", "interface", "ElastiCache+my-redis-001", "my-redis-001"),
    ("ecs_task", "interface", ECS, None),
    ("eks_control_plane", "interface", "Amazon EKS prod", "prod"),
    ("eks_node_secondary", "interface", "aws-K8S-i-06ff6e10c20a9cca6", "i-06ff6e10c20a9cca6"),
    ("route53_resolver", "interface", RESOLVER, "rslvr-in-55829d25693e4b729"),
    ("directory_service", "interface", DIRECTORY, "d-1234567890"),
    ("workspaces", "interface", WORKSPACES, None),
    ("dms", "interface", "DMSNetworkInterface", None),
    ("dax", "interface", "DAX orders", "orders"),
    ("cloudhsm", "interface", "CloudHSM Managed Interface", None),
    ("emr", "interface", "AWS ElasticMapReduce - j-1", "j-1"),
    ("opensearch", "interface", "ES logs", "logs"),
    ("firehose", "interface", FIREHOSE, "clicks"),
    ("glue", "interface", GLUE, "arn:aws:iam::111122223333:role/glue"),
    ("sagemaker", "interface", STUDIO, "d-x1"),
    ("datasync", "interface", "datasync task", None),
    ("mq", "interface", MQ, "b-1234abcd-56ef"),
]

OWN = {"AttachmentId": "a", "InstanceId": "i-1", "InstanceOwnerId": "111122223333"}
AWS = {"AttachmentId": "a", "InstanceOwnerId": "amazon-aws"}

#: kind and the parts of the answer that decide, where it is not the description.
OTHERS = [
    ("lambda_managed_instance", {"Operator": "scaler.lambda.amazonaws.com", "Attachment": OWN}),
    ("lambda_connector", {"Operator": "network-connectors.lambda.amazonaws.com"}),
    ("managed:eks.amazonaws.com", {"Operator": "eks.amazonaws.com", "Attachment": OWN}),
    ("codebuild", {"RequesterId": "AROA0:AWSCodeBuild-1a2b", "RequesterManaged": True}),
    ("comprehend", {"RequesterId": "AROA0:Comprehend", "RequesterManaged": True}),
    ("ec2", {"Attachment": OWN, "Description": "Primary network interface"}),
    ("ec2", {"Attachment": OWN, "Description": "RDSNetworkInterface"}),  # written by a customer
    ("aws_managed_other", {"RequesterManaged": True, "RequesterId": "727180483921"}),
    ("detached", {"Description": "spare"}),
    (None, {"Attachment": AWS, "Description": "never seen"}),
]


@pytest.mark.parametrize(("kind", "type_", "description", "owner"), DESCRIBED)
def test_type_and_description_tell_the_kind(
    history: History,
    face: Callable[..., Item],
    kind: str,
    type_: str,
    description: str,
    owner: str | None,
) -> None:
    """Every service's interface is recognised, and named where the description names it."""
    item = face("eni-1", "10.0.0.1", InterfaceType=type_, Description=description, Attachment=AWS)
    row = owners(history({10: {"interfaces": [item]}})).to_dicts()[0]
    assert (row["kind"], row["owner"]) == (kind, [owner] if owner else None)
    assert row["certainty"] == ("exact" if owner else "unknown")


@pytest.mark.parametrize(("kind", "parts"), OTHERS)
def test_other_evidence_tells_the_kind(
    history: History, face: Callable[..., Item], kind: str | None, parts: Item
) -> None:
    """Operator, requester, attachment and management decide in this order; else it is unknown."""
    if "Operator" in parts:
        parts = parts | {"Operator": {"Managed": True, "Principal": parts["Operator"]}}
    item = face("eni-1", "10.0.0.1", **parts)
    assert owners(history({10: {"interfaces": [item]}}))["kind"].item() == kind


def test_an_operator_that_does_not_manage_is_no_operator(
    history: History, face: Callable[..., Item]
) -> None:
    """Operator.Managed false is a plain instance."""
    operator = {"Managed": False, "Principal": "scaler.lambda.amazonaws.com"}
    item = face("eni-1", "10.0.0.1", Operator=operator, Attachment=OWN)
    assert owners(history({10: {"interfaces": [item]}}))["kind"].item() == "ec2"


def test_a_connector_is_named_by_its_tag(history: History, face: Callable[..., Item]) -> None:
    """The tag of the connector is its name; the id is used without one."""
    operator = {"Managed": True, "Principal": "network-connectors.lambda.amazonaws.com"}
    tags = [{"Key": "aws:lambda:networkConnectorName", "Value": "shop"}]
    item = face("eni-1", "10.0.0.1", Operator=operator, TagSet=tags)
    found = owners(history({10: {"interfaces": [item]}}))
    assert found["owner"].to_list() == [["shop"]]


def test_classification_is_vectorised(history: History, face: Callable[..., Item]) -> None:
    """A thousand interfaces of mixed kinds are each what they are alone."""
    items = [
        face(f"eni-{n:04}", InterfaceType=row[1], Description=row[2], Attachment=AWS)
        for n, row in enumerate(DESCRIBED * 24)
    ]
    found = owners(history({10: {"interfaces": items}})).sort("interface_id")
    assert found["kind"].equals(pl.Series("kind", [row[0] for row in DESCRIBED * 24]))
