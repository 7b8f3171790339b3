"""SAM: for each group a new one with its rules inside, to put into the functions' VpcConfig.

A group that is created with rules has no others, so there is nothing to revoke.
"""

from collections.abc import Iterator

from flowlens.expected.render import text
from flowlens.expected.render.body import Body
from flowlens.expected.render.cloudformation import mapping, properties
from flowlens.expected.render.grouped import Permission, by_group, permissions
from flowlens.expected.render.places import told
from flowlens.expected.render.plan import Plan

__all__ = ["render"]

_ADVICE = (
    "Each group holds the egress of one that is there now. Put it into VpcConfig of the functions:",
    "  VpcConfig: {SecurityGroupIds: [!GetAtt GROUP.GroupId], SubnetIds: [...]}",
    "and keep the old group beside it, without rules of its own, where others name it.",
)


def render(plan: Plan) -> Body:
    """Return a template with a group for each group."""
    granted = permissions(plan)
    rules, unsaid = granted.rules, granted.unsaid
    held = by_group(rules)
    vpcs = {group: (plan.known.groups or {}).get(group) for group in held}
    head = ['AWSTemplateFormatVersion: "2010-09-09"', "Transform: AWS::Serverless-2016-10-31"]
    if not all(vpcs.values()):
        head += ["Parameters:", "  VpcId:", "    Type: AWS::EC2::VPC::Id"]
    body = [line for group in held for line in _group(group, vpcs[group], held[group], plan)]
    resources = ["Resources:", *body] if held else ["Resources: {}"]
    return Body([*head, *resources], unsaid, advice=_ADVICE)


def _group(group: str, vpc: str | None, rules: list[Permission], plan: Plan) -> Iterator[str]:
    users = dict.fromkeys(
        who for place in plan.places if group in place.groups for who in place.who
    )
    yield f"  # for {text.comment(told(users))}, in the place of {group}"
    yield f"  Group{text.name(group)}:"
    yield from ("    Type: AWS::EC2::SecurityGroup", "    Properties:")
    what = text.described(f"Egress of {told(users)}")
    yield from mapping({"GroupDescription": what}, "      ")
    yield from mapping({"VpcId": vpc}, "      ") if vpc else ["      VpcId: !Ref VpcId"]
    yield "      SecurityGroupEgress:"
    for rule in rules:
        yield f"        # {rule.grant.evidence(plan.source)}"
        yield from mapping(properties(rule), "          ", "        - ")
