"""What lets traffic through in the made-up account: security groups and the network ACL."""

from typing import Any

from data.account import ACCOUNT, GROUPS, SUBNETS, VPC

__all__ = ["acl", "groups", "rules"]

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


def acl() -> dict[str, Any]:
    """Return the VPC's own network ACL: everything passes."""
    return {
        "NetworkAclId": "acl-0a000000000000001",
        "VpcId": VPC,
        "IsDefault": True,
        "Associations": [{"SubnetId": subnet[0]} for subnet in SUBNETS.values()],
        "Entries": [
            {"Protocol": "-1", "RuleNumber": number, "RuleAction": action, "Egress": egress}
            | prefix
            for egress in (True, False)
            for number, action, prefix in (
                (100, "allow", {"CidrBlock": "0.0.0.0/0"}),
                (101, "allow", {"Ipv6CidrBlock": "::/0"}),
                (32_767, "deny", {"CidrBlock": "0.0.0.0/0"}),
                (32_768, "deny", {"Ipv6CidrBlock": "::/0"}),
            )
        ],
    }
