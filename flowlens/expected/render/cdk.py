"""CDK: a construct in Python that holds every rule.

https://docs.aws.amazon.com/cdk/api/v2/python/aws_cdk.aws_ec2/CfnSecurityGroupEgress.html
"""

import json
from collections.abc import Iterator

from flowlens.expected.render.body import ADDS, Body
from flowlens.expected.render.grouped import Permission, permissions
from flowlens.expected.render.plan import Plan

__all__ = ["render"]

_HEAD = """\
from aws_cdk import aws_ec2 as ec2
from constructs import Construct


class Egress(Construct):
    \"""What the workloads may reach.\"""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)"""
_PEERS = {
    "ipv4": "cidr_ip",
    "ipv6": "cidr_ipv6",
    "list": "destination_prefix_list_id",
    "group": "destination_security_group_id",
}


def render(plan: Plan) -> Body:
    """Return a module with one construct, in which each rule has an id of its own."""
    granted = permissions(plan)
    rules, unsaid = granted.rules, granted.unsaid
    lines = _HEAD.split("\n")
    for rule in rules:
        lines += [f"        {line}" for line in _construct(rule, plan.source)]
    return Body(lines, unsaid, advice=ADDS)


def _construct(rule: Permission, source: str) -> Iterator[str]:
    given: dict[str, str | int] = {"group_id": rule.group, "ip_protocol": rule.protocol}
    if rule.ports:
        given |= dict(zip(("from_port", "to_port"), rule.ports, strict=True))
    given[_PEERS[rule.grant.peer.kind]] = rule.grant.peer.value
    if rule.grant.description:
        given["description"] = rule.grant.description
    yield f"# {rule.grant.evidence(source)}"
    yield from ("ec2.CfnSecurityGroupEgress(", "    self,", f'    "Egress{rule.name}",')
    # What AWS takes in descriptions is ASCII, of which a string of JSON is one of Python.
    yield from (f"    {key}={json.dumps(value)}," for key, value in given.items())
    yield ")"
