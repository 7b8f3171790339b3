"""AWS CLI: a script that adds the rules."""

from collections.abc import Iterable, Iterator
from typing import Any

from flowlens.expected.render.body import Body
from flowlens.expected.render.grouped import Permission, by_group, permissions
from flowlens.expected.render.plan import Plan
from flowlens.expected.render.shell import FIRST, Command

__all__ = ["authorize", "permission", "render"]

_BATCH = 100  # rules of one request
_PEERS = {
    "ipv4": ("IpRanges", "CidrIp"),
    "ipv6": ("Ipv6Ranges", "CidrIpv6"),
    "list": ("PrefixListIds", "PrefixListId"),
    "group": ("UserIdGroupPairs", "GroupId"),
}
_ADVICE = (
    "A rule that is there already stops the script (InvalidPermission.Duplicate), and rules that",
    "let more through stay: with -i INVENTORY --diff both are known.",
)


def render(plan: Plan) -> Body:
    """Return a script that adds every rule."""
    granted = permissions(plan)
    rules, unsaid = granted.rules, granted.unsaid
    lines = [line for group in by_group(rules).values() for line in authorize(group, plan.source)]
    return Body(lines, unsaid, FIRST, _ADVICE)


def authorize(rules: list[Permission], source: str) -> Iterator[str]:
    """Yield the commands that add the rules of one group, with their reasons as comments."""
    for start in range(0, len(rules), _BATCH):
        some = rules[start : start + _BATCH]
        yield from (f"# {rule.name} {rule.grant.evidence(source)}" for rule in some)
        asked = {"GroupId": some[0].group, "IpPermissions": _together(some)}
        yield str(Command("ec2", "authorize-security-group-egress", asked))
        yield ""


def permission(rule: Permission) -> dict[str, Any]:
    """Return a rule as EC2's IpPermission.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
    """
    found: dict[str, Any] = {"IpProtocol": rule.protocol}
    if rule.ports:
        found |= dict(zip(("FromPort", "ToPort"), rule.ports, strict=True))
    listed, key = _PEERS[rule.grant.peer.kind]
    described = {"Description": rule.grant.description} if rule.grant.description else {}
    return found | {listed: [{key: rule.grant.peer.value, **described}]}


def _together(rules: Iterable[Permission]) -> list[dict[str, Any]]:
    """Return rules as permissions, those of the same ports in one."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for rule in rules:
        one = permission(rule)
        held = found.setdefault((rule.protocol, rule.ports), one)
        if held is not one:
            listed = _PEERS[rule.grant.peer.kind][0]
            held.setdefault(listed, []).extend(one[listed])
    return list(found.values())
