"""CloudFormation: a template with a resource for each rule.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ec2-securitygroupegress.html
"""

import json
from collections.abc import Iterator, Mapping

from flowlens.expected.quotas import QUOTAS
from flowlens.expected.render.body import ADDS, Body
from flowlens.expected.render.grouped import Permission, permissions
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.plan import Plan

__all__ = ["PEERS", "mapping", "properties", "render"]

PEERS = {
    "ipv4": "CidrIp",
    "ipv6": "CidrIpv6",
    "list": "DestinationPrefixListId",
    "group": "DestinationSecurityGroupId",
}


def render(plan: Plan) -> Body:
    """Return a template; the logical id of a rule changes only with what the rule says."""
    granted = permissions(plan)
    rules, unsaid = granted.rules, granted.unsaid
    lines = ['AWSTemplateFormatVersion: "2010-09-09"', 'Description: "Egress rules"', "Resources:"]
    for rule in rules:
        lines += [f"  # {rule.grant.evidence(plan.source)}", f"  Egress{rule.name}:"]
        lines += ["    Type: AWS::EC2::SecurityGroupEgress", "    Properties:"]
        lines += mapping({"GroupId": rule.group, **properties(rule)}, "      ")
    most = QUOTAS["template_resources"].default
    if len(rules) > most:
        text = f"{len(rules):,} resources; a template has {most} at most; divide the document"
        unsaid.append(Unsaid(rules[most].grant.lines[0], text))
    return Body(lines if rules else [*lines[:2], "Resources: {}"], unsaid, advice=ADDS)


def properties(rule: Permission) -> dict[str, str | int]:
    """Return what a rule says, without its group."""
    found: dict[str, str | int] = {"IpProtocol": rule.protocol}
    if rule.ports:
        found |= dict(zip(("FromPort", "ToPort"), rule.ports, strict=True))
    found[PEERS[rule.grant.peer.kind]] = rule.grant.peer.value
    if rule.grant.description:
        found["Description"] = rule.grant.description
    return found


def mapping(fields: Mapping[str, str | int], indent: str, first: str = "") -> Iterator[str]:
    r"""Yield lines of a YAML mapping whose texts are strings and nothing else.

    >>> print(*mapping({"CidrIp": "10.0.0.0/8", "FromPort": 22}, "  ", "- "), sep="\n")
    - CidrIp: "10.0.0.0/8"
      FromPort: 22
    """
    for n, (key, value) in enumerate(fields.items()):
        # A string of JSON is a double-quoted scalar of YAML.
        yield f"{indent if n or not first else first}{key}: {json.dumps(value)}"
