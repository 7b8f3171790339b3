"""The blocks and addresses of an account at which the number lines of its atlas are cut."""

from collections.abc import Iterator

from flowlens.reach.atlas import block
from flowlens.reach.views import View

__all__ = [
    "LINK",
    "NAT64",
    "PRIVATE",
    "RESERVED",
    "beyond",
    "cuts",
    "held",
    "listed",
    "network",
    "ruled",
]

#: Blocks that the internet gateway refuses (RFC 1918, RFC 6598), and what NAT64 translates.
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
NAT64 = "64:ff9b::/96"
#: Never forwarded by a route table (user guide of VPC, "Route tables").
RESERVED = ("169.254.168.0/22", "fd00:ec2::/32")
#: Services of the hypervisor, outside groups, ACLs and flow logs (user guides of VPC and EC2):
#: DNS, metadata, time, tasks, pods, Windows activation.
LINK = (
    *("169.254.169.253", "fd00:ec2::253"),
    *("169.254.169.254", "fd00:ec2::254"),
    *("169.254.169.123", "fd00:ec2::123"),
    *("169.254.170.2", "169.254.170.23", "fd00:ec2::23"),
    *("169.254.169.250", "169.254.169.251", "fd00:ec2::250", "fd00:ec2::251"),
)


def cuts(view: View) -> Iterator[str]:
    """Yield every block and address that cuts the number line."""
    yield from (*network(view), *held(view), *ruled(view), *listed(view))


def network(view: View) -> Iterator[str]:
    """Yield the blocks of networks, routes and network ACLs, and what AWS itself treats apart."""
    yield from (*PRIVATE, *RESERVED, *LINK, NAT64, "0.0.0.0/0", "::/0")
    for name in ("vpcs", "subnets"):
        yield from (text for row in view.rows(name) for text in row["cidrs"] or ())
    for row in view.rows("peerings"):
        yield from (*row["requester_cidrs"], *row["accepter_cidrs"])
    for row in view.rows("nat_gateways"):
        yield from (*(row["addresses"] or ()), *(row["public_addresses"] or ()))
    for name in ("nacls", "routes"):
        yield from (row["cidr"] for row in view.rows(name) if row["cidr"])
    yield from _derived(view)


def held(view: View) -> Iterator[str]:
    """Yield what interfaces hold, and the addresses that AWS leases."""
    for row in view.rows("interfaces"):
        for column in ("addresses", "prefixes", "public_addresses"):
            yield from row[column] or ()
    for row in view.rows("elastic"):
        yield from (text for text in (row["private"], row["address"]) if text)


def ruled(view: View) -> Iterator[str]:
    """Yield the blocks that rules of security groups name."""
    yield from (row["cidr"] for row in view.rows("rules") if row["cidr"])
    for row in view.rows("permissions"):
        for item in (*(row["ingress"] or ()), *(row["egress"] or ())):
            yield from (each["CidrIp"] for each in item["IpRanges"] or () if each["CidrIp"])
            yield from (each["CidrIpv6"] for each in item["Ipv6Ranges"] or () if each["CidrIpv6"])


def listed(view: View) -> Iterator[str]:
    """Yield the entries of prefix lists."""
    for row in view.rows("entries"):
        yield from row["cidrs"] or ()


def _derived(view: View) -> Iterator[str]:
    """Yield the addresses of the DNS server and the router in each block."""
    blocks = [row["cidr"] for row in view.rows("routes") if row["target"] == "local"]
    blocks += [
        cidr for name in ("vpcs", "subnets") for row in view.rows(name) for cidr in row["cidrs"]
    ]
    for cidr in blocks:
        yield from (text for n in (1, 2) if cidr and (text := beyond(cidr, n)))


def beyond(cidr: str, offset: int) -> str | None:
    """Return the address `offset` after the start of an IPv4 block; None where it has none.

    >>> beyond("10.0.0.0/16", 2), beyond("255.255.255.255/32", 2)
    ('10.0.0.2', None)
    """
    found = block(cidr)
    if found is None or found[0] != 4 or found[1] + offset >= found[2]:
        return None
    return ".".join(str(each) for each in (found[1] + offset).to_bytes(4))
