"""What lets traffic through in the made-up account: security groups and network ACLs."""

from typing import Any

from data.account import ACCOUNT, GROUPS, SUBNETS, VPC

__all__ = ["acls", "groups", "rules"]

Entry = tuple[int, str, dict[str, Any]]

#: Group -> (port, who may call it). Nobody may call the others: functions only call out.
OPEN = {
    "database": (5432, ("payments", "batch")),
    "endpoints": (443, ("orders", "payments", "mail", "images", "nightly")),
}


def groups() -> list[dict[str, Any]]:
    """Return the security groups; all of them let everything out."""
    anywhere = {
        "IpProtocol": "-1",
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
    }
    return [
        {
            "GroupId": group,
            "GroupName": name,
            "VpcId": VPC,
            "OwnerId": ACCOUNT,
            "IpPermissions": [
                {
                    "IpProtocol": "tcp",
                    "FromPort": port,
                    "ToPort": port,
                    "UserIdGroupPairs": [{"GroupId": GROUPS[caller]} for caller in callers],
                }
                for port, callers in [OPEN.get(name, (0, ()))]
                if callers
            ],
            "IpPermissionsEgress": [anywhere],
        }
        for name, group in GROUPS.items()
    ]


def rules() -> list[dict[str, Any]]:
    """Return the rules of `groups` as AWS lists them one by one."""
    every = {"IsEgress": True, "IpProtocol": "-1", "FromPort": -1, "ToPort": -1}
    said = [
        (name, every | prefix)
        for name in GROUPS
        for prefix in ({"CidrIpv4": "0.0.0.0/0"}, {"CidrIpv6": "::/0"})
    ]
    for name, (port, callers) in OPEN.items():
        rule = {"IsEgress": False, "IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        said += [(name, rule | {"ReferencedGroupInfo": {"GroupId": GROUPS[c]}}) for c in callers]
    return [
        {"SecurityGroupRuleId": f"sgr-{number:017x}", "GroupId": GROUPS[name]} | rule
        for number, (name, rule) in enumerate(said, 1)
    ]


def acls() -> list[dict[str, Any]]:
    """Return the VPC's own network ACL, through which everything passes, and the public subnet's.

    The latter keeps out those who knock on the NAT gateway, by where they come from.
    """
    public = SUBNETS["public-a"][0]
    private = [subnet[0] for subnet in SUBNETS.values() if subnet[0] != public]
    every = [
        (100, "allow", {"Protocol": "-1", "CidrBlock": "0.0.0.0/0"}),
        (101, "allow", {"Protocol": "-1", "Ipv6CidrBlock": "::/0"}),
    ]
    knocking = (20, "deny", {"Protocol": "-1", "CidrBlock": "203.0.113.128/25"})
    return [
        _acl("acl-0a000000000000001", private, every, every, default=True),
        _acl("acl-0a000000000000002", [public], [knocking, *every], every, default=False),
    ]


def _acl(
    name: str, subnets: list[str], inward: list[Entry], outward: list[Entry], *, default: bool
) -> dict[str, Any]:
    last = [
        (32_767, "deny", {"Protocol": "-1", "CidrBlock": "0.0.0.0/0"}),
        (32_768, "deny", {"Protocol": "-1", "Ipv6CidrBlock": "::/0"}),
    ]
    return {
        "NetworkAclId": name,
        "VpcId": VPC,
        "IsDefault": default,
        "Associations": [{"SubnetId": subnet} for subnet in subnets],
        "Entries": [
            {"RuleNumber": number, "RuleAction": action, "Egress": egress} | rule
            for egress, entries in ((True, outward), (False, inward))
            for number, action, rule in [*entries, *last]
        ],
    }
