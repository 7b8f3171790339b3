"""Prefix lists: the blocks of each group and port in a list of their own, and rules about it."""

from collections.abc import Iterator
from typing import Any

from flowlens.expected.quotas import QUOTAS
from flowlens.expected.render import text
from flowlens.expected.render.awscli import authorize, permission
from flowlens.expected.render.body import Body
from flowlens.expected.render.grouped import Permission, by_group, permissions
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.plan import Plan
from flowlens.expected.render.shell import FIRST, Command, var

__all__ = ["render"]

_READY = """\
# A list takes the next change when the last one is made.
ready() {
  while :; do
    state=$(aws ec2 describe-managed-prefix-lists --prefix-list-ids "$1" \\
      --query 'PrefixLists[0].State' --output text)
    case $state in
      *-complete) return 0 ;;
      *-failed) echo "$1: $state" >&2; return 1 ;;
    esac
    sleep 2
  done
}
"""
_ADVICE = (
    "MaxEntries is what a list holds, because rules count it whole; to add to a list later,",
    "raise it first: aws ec2 modify-managed-prefix-list --prefix-list-id ID --max-entries N",
)

_Key = tuple[str, str, tuple[int, int] | None]


def render(plan: Plan) -> Body:
    """Return a script that makes lists, a hundred entries a change, and rules about them."""
    granted = permissions(plan)
    rules, unsaid = granted.rules, granted.unsaid
    lines: list[str] = []
    number = 0
    for held in by_group(rules).values():
        plain = []
        for some in _sets(held):
            if len(some) == 1 or some[0].grant.peer.kind not in ("ipv4", "ipv6"):
                plain += some
                continue
            number += 1
            lines += _list(some, plan.source)
            if len(some) > QUOTAS["list_entries"].default:
                what = f"{len(some):,} prefixes; {QUOTAS['list_entries'].what}: "
                what += f"{QUOTAS['list_entries'].default:,}"
                unsaid.append(Unsaid(some[-1].grant.lines[0], what))
        lines += authorize(plain, plan.source)
    if number > QUOTAS["lists"].default:
        what = f"{number} lists; {QUOTAS['lists'].what}: {QUOTAS['lists'].default}"
        unsaid.append(Unsaid(rules[-1].grant.lines[0], what))
    lines = [*(_READY.split("\n") if number else ()), *lines]
    return Body(lines, unsaid, FIRST, _ADVICE)


def _sets(rules: list[Permission]) -> list[list[Permission]]:
    """Return the rules of a group by kind, protocol and ports."""
    found: dict[_Key, list[Permission]] = {}
    for rule in rules:
        found.setdefault((rule.grant.peer.kind, rule.protocol, rule.ports), []).append(rule)
    return list(found.values())


def _list(rules: list[Permission], source: str) -> Iterator[str]:
    """Yield the commands that make a list, fill it, and let a group reach it."""
    one = rules[0]
    key = text.name(one.group, one.protocol, one.ports, one.grant.peer.kind)
    name, step = f"list_{key}", QUOTAS["list_changes"].default
    yield from (f"# {rule.grant.peer.value} {rule.grant.evidence(source)}" for rule in rules)
    entries = [_entry(rule) for rule in rules]
    made: dict[str, Any] = {
        "PrefixListName": f"flowlens-{key}",
        "AddressFamily": "IPv6" if one.grant.peer.kind == "ipv6" else "IPv4",
        "MaxEntries": len(rules),
        "Entries": entries[:step],
    }
    yield str(Command("ec2", "create-managed-prefix-list", made, name, "PrefixList.PrefixListId"))
    for version, start in enumerate(range(step, len(rules), step), 1):
        change = {
            "PrefixListId": var(name),
            "CurrentVersion": version,
            "AddEntries": entries[start : start + step],
        }
        yield f'ready "${name}"'
        yield str(Command("ec2", "modify-managed-prefix-list", change))
    yield f'ready "${name}"'
    spoken = permission(one)
    rule = {k: v for k, v in spoken.items() if k in ("IpProtocol", "FromPort", "ToPort")}
    rule["PrefixListIds"] = [{"PrefixListId": var(name)}]
    asked = {"GroupId": one.group, "IpPermissions": [rule]}
    yield str(Command("ec2", "authorize-security-group-egress", asked))
    yield ""


def _entry(rule: Permission) -> dict[str, str]:
    described = rule.grant.description
    return {"Cidr": rule.grant.peer.value} | ({"Description": described} if described else {})
