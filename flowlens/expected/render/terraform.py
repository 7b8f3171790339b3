"""Terraform: a resource for each rule.

https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/vpc_security_group_egress_rule
"""

import json
from collections.abc import Iterator

from flowlens.expected.render.body import ADDS, Body
from flowlens.expected.render.grouped import Permission, permissions
from flowlens.expected.render.plan import Plan

__all__ = ["quoted", "render"]

_PEERS = {
    "ipv4": "cidr_ipv4",
    "ipv6": "cidr_ipv6",
    "list": "prefix_list_id",
    "group": "referenced_security_group_id",
}


def render(plan: Plan) -> Body:
    """Return a resource for each rule; its name changes only with what the rule says."""
    granted = permissions(plan)
    rules, unsaid = granted.rules, granted.unsaid
    lines = [line for rule in rules for line in _resource(rule, plan.source)]
    return Body(lines, unsaid, advice=ADDS)


def quoted(text: str) -> str:
    r"""Return text as a string of HCL, in which no template begins.

    https://developer.hashicorp.com/terraform/language/expressions/strings

    >>> print(quoted('a "b" ${c} %{d}'))
    "a \"b\" $${c} %%{d}"
    """
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _resource(rule: Permission, source: str) -> Iterator[str]:
    arguments = {"security_group_id": quoted(rule.group)}
    if rule.grant.description:
        arguments["description"] = quoted(rule.grant.description)
    arguments["ip_protocol"] = quoted(rule.protocol)
    if rule.ports:
        arguments |= dict(zip(("from_port", "to_port"), map(str, rule.ports), strict=True))
    arguments[_PEERS[rule.grant.peer.kind]] = quoted(rule.grant.peer.value)
    width = max(map(len, arguments))
    yield f"# {rule.grant.evidence(source)}"
    yield f'resource "aws_vpc_security_group_egress_rule" "egress_{rule.name}" {{'
    yield from (f"  {key:<{width}} = {value}" for key, value in arguments.items())
    yield from ("}", "")
