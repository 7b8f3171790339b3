"""Another configuration: the same inventory without some rules, or with further ones.

What is left out is named as AWS names it: a rule by its id (``sgr-…``), all rules of a group by
that of the group (``sg-…``), an entry of a network ACL as ``acl-…/egress/100``, a route as
``rtb-…/0.0.0.0/0``.
"""

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowlens.errors import InputError, UsageError
from flowlens.inventory.capture import Capture
from flowlens.inventory.model import Inventory
from flowlens.reach.atlas import block
from flowlens.reach.rulebook import UNREADABLE, protocol

__all__ = ["changed", "read"]

Item = dict[str, Any]
_RULES = "ec2.describe_security_group_rules"
_GROUPS = "ec2.describe_security_groups"
_ACLS = "ec2.describe_network_acls"
_TABLES = "ec2.describe_route_tables"
_ROUTE = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
_WAYS = {True: "egress", False: "ingress"}


def changed(
    inventory: Inventory, without: Sequence[str] = (), rules: Sequence[Item] = ()
) -> Inventory:
    """Return the inventory as if some rules were not there and others were; it stays as it is.

    Args:
        inventory: from `flowlens.inventory.load`.
        without: names of rules, groups, entries of network ACLs and routes.
        rules: further rules of security groups, from `read`.

    Raises:
        UsageError: the inventory has no such rule, with those that come near; or no such group.
        InventoryError: there are rules to be added, and no capture holds rules.
    """
    known = list(dict.fromkeys(_names(inventory)))
    for name in without:
        if name not in known:
            raise UsageError(_strange(name, known, inventory))
    groups = {
        row["group_id"] for name in ("security_groups", "rules") for row in _rows(inventory, name)
    }
    if rules:
        inventory.need(_RULES)
    for rule in rules:
        if rule["GroupId"] not in groups:
            raise UsageError(_strange(rule["GroupId"], sorted(groups), inventory))
    return Inventory.of(
        [_capture(each, frozenset(without), rules) for each in inventory.captures], inventory.notes
    )


def _rows(inventory: Inventory, name: str) -> Iterator[Mapping[str, Any]]:
    return inventory.table(name).iter_rows(named=True)


def _names(inventory: Inventory) -> Iterator[str]:
    """Yield everything that can be left out."""
    for row in _rows(inventory, "rules"):
        yield from (row["rule_id"], row["group_id"])
    for row in _rows(inventory, "nacls"):
        yield f"{row['nacl_id']}/{_WAYS[bool(row['egress'])]}/{row['number']}"
    for row in _rows(inventory, "routes"):
        yield f"{row['route_table_id']}/{row['cidr'] or row['prefix_list_id']}"


def _strange(name: str, known: Sequence[str], inventory: Inventory) -> str:
    near = difflib.get_close_matches(name, known, 3, 0.6)
    start = name.partition("/")[0]
    near = near or [each for each in known if each.partition("/")[0] == start][:3]
    call = {"acl": _ACLS, "rtb": _TABLES}.get(name.partition("-")[0], _RULES)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "expected sgr-…, sg-…, acl-…/egress/100 or rtb-…/BLOCK"
    )
    if reason := inventory.missing(call):
        hint = f"{hint}; {reason}"
    return f"{name!r} is not in the inventory; {hint}"


def _capture(capture: Capture, without: frozenset[str], rules: Sequence[Item]) -> Capture:
    """Return a capture without what is left out and with further rules."""
    calls = dict(capture.calls)
    steps: tuple[tuple[str, str, Callable[[Item], Item | None]], ...] = (
        (_RULES, "SecurityGroupRules", lambda item: None if _left(item, without) else item),
        (_ACLS, "NetworkAcls", lambda item: _entries(item, without)),
        (_TABLES, "RouteTables", lambda item: _routes(item, without)),
    )
    for call, key, step in steps:
        if call in calls:
            calls[call] = {**calls[call], key: list(filter(None, map(step, calls[call][key])))}
    if _RULES in calls and _GROUPS in calls:
        old = capture.calls[_RULES]["SecurityGroupRules"]
        touched = {item["GroupId"] for item in old if _left(item, without)}
        listed = calls[_GROUPS]["SecurityGroups"]
        mine = {item["GroupId"] for item in listed}
        told = calls[_RULES]["SecurityGroupRules"]
        added = [rule for rule in rules if rule["GroupId"] in mine]
        calls[_RULES] = {**calls[_RULES], "SecurityGroupRules": [*told, *added]}
        # The older form of the rules would contradict.
        bare: Item = {"IpPermissions": [], "IpPermissionsEgress": []}
        groups = [{**item, **bare} if item["GroupId"] in touched else item for item in listed]
        calls[_GROUPS] = {**calls[_GROUPS], "SecurityGroups": groups}
    return replace(capture, calls=calls)


def _left(item: Item, without: frozenset[str]) -> bool:
    return bool({item.get("SecurityGroupRuleId"), item.get("GroupId")} & without)


def _entries(item: Item, without: frozenset[str]) -> Item:
    kept = [
        each
        for each in item.get("Entries", ())
        if f"{item['NetworkAclId']}/{_WAYS[bool(each.get('Egress'))]}/{each.get('RuleNumber')}"
        not in without
    ]
    return {**item, "Entries": kept}


def _routes(item: Item, without: frozenset[str]) -> Item:
    def name(route: Item) -> str:
        where = next((route[key] for key in _ROUTE if route.get(key)), None)
        return f"{item['RouteTableId']}/{where}"

    return {
        **item,
        "Routes": [each for each in item.get("Routes", ()) if name(each) not in without],
    }


def read(path: str | Path) -> list[Item]:
    """Read rules to be added, as DescribeSecurityGroupRules would answer them.

    Args:
        path: a JSON file: what ``aws ec2 describe-security-group-rules`` prints, a list of its
            rules, or one of them; or the input of ``aws ec2 authorize-security-group-egress``
            (``GroupId`` and ``IpPermissions``), in which ``"IsEgress": false`` means ingress.

    Returns:
        The rules. Those without an id are called ``new-1``, ``new-2`` …

    Raises:
        InputError: the file cannot be read, or holds no rules; the text says what is wrong.
    """
    try:
        found = json.loads(Path(path).read_bytes())
    except OSError as problem:
        msg = f"{path}: cannot be read: {problem.strerror}"
        raise InputError(msg) from None
    except ValueError as problem:
        msg = f"{path}: not JSON: {problem}"
        raise InputError(msg) from None
    items = found.get("SecurityGroupRules", [found]) if isinstance(found, dict) else found
    if not isinstance(items, list) or not items or not all(isinstance(x, dict) for x in items):
        msg = f"{path}: holds no rule; expected what aws ec2 describe-security-group-rules prints"
        raise InputError(msg)
    rules = [rule for item in items for rule in _spread(item)]
    for number, rule in enumerate(rules, 1):
        rule.setdefault("SecurityGroupRuleId", f"new-{number}")
        _check(rule, f"{path}: rule {number}")
    return rules


def _spread(item: Item) -> Iterable[Item]:
    """Yield the rules of an item: itself, or one for each peer of its permissions."""
    if "IpPermissions" not in item:
        yield {"IsEgress": True, **item}
        return
    for permission in item["IpPermissions"]:
        ends = {
            "GroupId": item.get("GroupId"),
            "IsEgress": item.get("IsEgress", True),
            "IpProtocol": str(permission.get("IpProtocol")),
            "FromPort": permission.get("FromPort", -1),
            "ToPort": permission.get("ToPort", -1),
        }
        for key, name, target in (
            ("IpRanges", "CidrIp", "CidrIpv4"),
            ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
            ("PrefixListIds", "PrefixListId", "PrefixListId"),
        ):
            yield from ({**ends, target: each.get(name)} for each in permission.get(key, ()))
        for each in permission.get("UserIdGroupPairs", ()):
            yield {**ends, "ReferencedGroupInfo": each}


def _check(rule: Item, where: str) -> None:
    """Hold a rule to what AWS would take.

    Raises:
        InputError: it would not.
    """
    peers = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo")
    given = [name for name in peers if rule.get(name)]
    wrong = None
    if not isinstance(rule.get("GroupId"), str):
        wrong = 'has no "GroupId"'
    elif protocol(str(rule.get("IpProtocol"))) == UNREADABLE:
        wrong = (
            f'has "IpProtocol" {rule.get("IpProtocol")!r}; expected tcp, udp, icmp, -1 or a number'
        )
    elif len(given) != 1:
        wrong = f"names {len(given)} of {', '.join(peers)}; expected one"
    elif given[0].startswith("Cidr") and not block(str(rule[given[0]])):
        wrong = f"has {given[0]!r} {rule[given[0]]!r}; expected a block such as 10.0.0.0/8"
    elif not all(isinstance(rule.get(end, -1), int) for end in ("FromPort", "ToPort")):
        wrong = "has a port that is no number"
    if wrong:
        msg = f"{where} {wrong}"
        raise InputError(msg)
