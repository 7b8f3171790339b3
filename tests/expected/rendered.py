"""Renderings read back: what they say, found by other people's readers."""

import re
import shlex
from typing import Any

import hcl2
from ruamel.yaml import YAML

Item = dict[str, Any]
_PERMISSIONS = {
    "IpRanges": ("CidrIp", "CidrIpv4"),
    "Ipv6Ranges": ("CidrIpv6", "CidrIpv6"),
    "PrefixListIds": ("PrefixListId", "PrefixListId"),
    "UserIdGroupPairs": ("GroupId", "Group"),
}
_CLOUD = {
    "CidrIp": "CidrIpv4",
    "CidrIpv6": "CidrIpv6",
    "DestinationPrefixListId": "PrefixListId",
    "DestinationSecurityGroupId": "Group",
}
_TERRA = {
    "cidr_ipv4": "CidrIpv4",
    "cidr_ipv6": "CidrIpv6",
    "prefix_list_id": "PrefixListId",
    "referenced_security_group_id": "Group",
}


def commands(script: str) -> list[tuple[str, str, str]]:
    """Service, verb and request of each command of a script, as a shell reads them."""
    found = []
    for line in script.splitlines():
        plain = re.sub(r"^(\w+=\$\()(.*)\)$", r"\2", line)
        if plain.startswith("aws ") and "--cli-input-json" in plain:
            words = shlex.split(plain)
            found.append((words[1], words[2], words[words.index("--cli-input-json") + 1]))
    return found


def rule(group: str, protocol: str, ports: tuple[int, int] | None, key: str, peer: str) -> Item:
    """An egress rule as DescribeSecurityGroupRules answers it."""
    first, last = ports or (-1, -1)
    found: Item = {
        "SecurityGroupRuleId": f"sgr-new-{group}-{protocol}-{first}-{last}-{peer}",
        "GroupId": group,
        "IsEgress": True,
        "IpProtocol": protocol,
        "FromPort": first,
        "ToPort": last,
    }
    return found | ({"ReferencedGroupInfo": {"GroupId": peer}} if key == "Group" else {key: peer})


def from_permissions(group: str, permissions: list[Item]) -> list[Item]:
    """The rules of an IpPermissions of EC2."""
    return [
        rule(group, each["IpProtocol"], _ports(each, "FromPort", "ToPort"), key, peer[inner])
        for each in permissions
        for outer, (inner, key) in _PERMISSIONS.items()
        for peer in each.get(outer, ())
    ]


def from_terraform(text: str) -> list[Item]:
    return [
        rule(
            block["security_group_id"],
            block["ip_protocol"],
            _ports(block, "from_port", "to_port"),
            key,
            block[name],
        )
        for block in resources(text).values()
        for name, key in _TERRA.items()
        if name in block
    ]


def resources(text: str) -> dict[str, Item]:
    """The resources of a Terraform file by name, their texts without quotes."""
    found = {}
    for each in hcl2.loads(text).get("resource", ()):
        for kind, named in each.items():
            for name, block in named.items():
                plain = {k: v for k, v in block.items() if not k.startswith("__")}
                found[f"{_bare(kind)}.{_bare(name)}"] = {k: _bare(v) for k, v in plain.items()}
    return found


def from_template(text: str) -> list[Item]:
    """The rules of a CloudFormation or a SAM template; a new group stands for the one it names."""
    found = []
    for each in (YAML(typ="safe").load(_plain(text))["Resources"] or {}).values():
        inside = each["Properties"]
        for one in inside.get("SecurityGroupEgress", [inside]):
            for name, key in _CLOUD.items():
                if name in one:
                    ports = _ports(one, "FromPort", "ToPort")
                    group = inside.get("GroupId", "new")
                    found.append(rule(group, one["IpProtocol"], ports, key, one[name]))
    return found


def _plain(text: str) -> str:
    return text.replace("!Ref VpcId", '"VpcId"')


def _bare(value: Any) -> Any:
    return value[1:-1] if isinstance(value, str) and value.startswith('"') else value


def _ports(held: Item, first: str, last: str) -> tuple[int, int] | None:
    return (held[first], held[last]) if first in held else None
