"""What AWS lets one have of rules, lists and names: every limit once, with its source.

Amounts are defaults of an account in a commercial Region. Compared with the pages named in
November 2026, as far as copies of them could be had; AWS may change them, and an account may
have been given more, so callers may put their own in their place.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["QUOTAS", "WEIGHTS", "Quota", "weight"]

VPC = "https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"
LISTS = (
    "https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html"
)
FIREWALL = "https://docs.aws.amazon.com/network-firewall/latest/developerguide/quotas.html"
RESOLVER = "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit.

    Attributes:
        what: What is counted, of what.
        default: How many there may be.
        most: How many there may be after a raise; null where nothing is said about that.
        adjustable: Whether AWS raises it on request; null where its page does not say.
        source: The page that says so.
        note: What counts how.
    """

    what: str
    default: int
    source: str
    adjustable: bool | None = False
    most: int | None = None
    note: str = ""


QUOTAS: Mapping[str, Quota] = {
    "group_rules": Quota(
        "rules of a security group in one direction",
        60,
        VPC,
        adjustable=True,
        note="IPv4 and IPv6 apart; a reference to a group counts in both",
    ),
    "interface_rules": Quota(
        "security groups of an interface times rules of a group",
        1_000,
        VPC,
        note="bounds how far group_rules and interface_groups can be raised",
    ),
    "interface_groups": Quota("security groups of an interface", 5, VPC, adjustable=True, most=16),
    "list_entries": Quota(
        "entries of a prefix list",
        1_000,
        VPC,
        adjustable=True,
        note="a list counts in a rule by its MaxEntries, whatever it holds",
    ),
    "list_changes": Quota(
        "entries of a prefix list in one request",
        100,
        "https://github.com/hashicorp/terraform-provider-aws/issues/17191",
    ),
    "lists": Quota("prefix lists of a Region", 100, VPC, adjustable=True),
    "list_versions": Quota("versions of a prefix list", 1_000, VPC, adjustable=True),
    "list_references": Quota(
        "references to a prefix list per type of resource", 5_000, VPC, adjustable=True
    ),
    "nacl_rules": Quota(
        "rules of a network ACL in one direction",
        20,
        VPC,
        adjustable=True,
        most=40,
        note="IPv4 and IPv6 apart; the default deny counts, and answers need a rule of their own",
    ),
    "routes": Quota("routes of a route table", 50, VPC, adjustable=True, most=1_000),
    "firewall_rule": Quota("characters of a Suricata rule", 8_192, FIREWALL),
    "firewall_text": Quota("bytes of the rules of a stateful group", 2_000_000, FIREWALL),
    "firewall_capacity": Quota("capacity of a stateful rule group", 30_000, FIREWALL),
    "firewall_sets": Quota("IP set references of a stateful rule group", 5, FIREWALL),
    "firewall_groups": Quota(
        "stateful rule groups of an account in a Region", 50, FIREWALL, adjustable=True
    ),
    "template_resources": Quota(
        "resources of a CloudFormation template",
        500,
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html",
    ),
    "dns_rules": Quota("rules of a DNS Firewall rule group", 100, RESOLVER, adjustable=None),
    "dns_groups": Quota("DNS Firewall rule groups of a VPC", 5, RESOLVER, adjustable=None),
    "dns_lists": Quota("domain lists of an account in a Region", 1_000, RESOLVER, adjustable=None),
    "dns_domains": Quota("domains in all domain lists", 100_000, RESOLVER, adjustable=None),
    "dns_file": Quota("domains of a file in S3", 250_000, RESOLVER, adjustable=None),
    "dns_name": Quota("characters of a domain", 255, RESOLVER),
}

#: What an AWS-managed prefix list counts in a rule, by the end of its name (`LISTS`).
WEIGHTS: Mapping[str, int] = {
    "s3": 1,
    "dynamodb": 1,
    "ec2-instance-connect": 2,
    "groundstation": 5,
    "s3express": 6,
    "vpc-lattice": 10,
    "route53-healthchecks": 25,
    "cloudfront.origin-facing": 55,
}


def weight(name: str) -> int | None:
    """Return what an AWS-managed prefix list counts in a rule; null where that is not known.

    Args:
        name: Its name, ``com.amazonaws.REGION.SERVICE``.

    >>> weight("com.amazonaws.us-east-1.s3"), weight("com.amazonaws.global.ipv6.groundstation")
    (1, 5)
    >>> weight("com.amazonaws.us-east-1.other")
    """
    if not name.startswith("com.amazonaws."):
        return None
    rest = name.removeprefix("com.amazonaws.").partition(".")[2]
    return WEIGHTS.get(rest.removeprefix("ipv6."))
