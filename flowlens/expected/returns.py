"""Whether the network ACL of a subnet lets the answers in: it keeps no state, they need a rule.

https://docs.aws.amazon.com/vpc/latest/userguide/nacl-ephemeral-ports.html
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens.expected.budget import entries
from flowlens.expected.document import Document, Entry, Subject
from flowlens.words import proto

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["EPHEMERAL", "answers"]

#: Ports that NAT gateways and functions send from, which answers go to.
EPHEMERAL = (1024, 65_535)

_CALL = "ec2.describe_network_acls"
_PORTED = (6, 17)
_FAMILY = {1: 4, 58: 6}
_Network = IPv4Network | IPv6Network


def answers(
    document: Document, inventory: "Inventory | None", limits: Mapping[str, int]
) -> Iterator[tuple[int, str, str]]:
    """Yield line, level and text of entries whose answers the ACL of their subnet refuses.

    Only rules `from` a subnet are looked at, and blocks of addresses: an ACL knows nothing else.

    Args:
        document: What should happen.
        inventory: The ACLs; without them nothing is said.
        limits: By the names of `quotas.QUOTAS`.
    """
    subjects = dict.fromkeys(s for rule in document.rules for s in rule.subjects)
    for subject in subjects if inventory is not None else ():
        name, rows = _acl(inventory, subject) if subject.kind == "subnet" else (None, [])
        if name is not None:
            yield from _refused(document, subject, name, rows, limits)


def _refused(
    document: Document,
    subject: Subject,
    name: str,
    rows: list[dict[str, Any]],
    limits: Mapping[str, int],
) -> Iterator[tuple[int, str, str]]:
    room = {
        family: sum((":" in (row["cidr"] or "")) == (family == 6) for row in rows)
        for family in (4, 6)
    }
    told: set[tuple[_Network, int | None]] = set()
    for entry in entries(document, subject):
        for block in _blocks(entry, document):
            for protocol in dict.fromkeys(port.protocol for port in entry.ports):
                if _FAMILY.get(protocol or 0, block.version) != block.version:
                    continue
                number = _decisive(block, protocol, rows)
                if number is None or (block, protocol) in told:
                    continue
                told.add((block, protocol))
                room[block.version] += 1
                yield entry.line, "warning", _text(subject, name, block, protocol, number)
                if room[block.version] == limits["nacl_rules"] + 1:
                    what = (
                        f"{name} would have {room[block.version]} IPv{block.version} ingress rules"
                    )
                    what += f" with those for answers; it has {limits['nacl_rules']}"
                    yield entry.line, "warning", what


def _text(subject: Subject, name: str, block: _Network, protocol: int | None, number: int) -> str:
    first, last = EPHEMERAL
    what = "all" if protocol is None else proto(protocol)
    what += f" {first}-{last}" if protocol in _PORTED else ""
    rule = "its last rule" if number >= 32_767 else f"rule {number}"
    text = f"{subject.value}: {name} does not let all answers from {block} in ({what}, {rule}); "
    return f"{text}an ACL keeps no state, add an ingress rule"


def _blocks(entry: Entry, document: Document) -> Iterator[_Network]:
    texts: tuple[str, ...] = {"cidr": entry.values, "any": ("0.0.0.0/0", "::/0")}.get(
        entry.kind, ()
    )
    if entry.kind == "name":
        texts = tuple(p for value in entry.values for p in document.names[value])
    yield from map(ip_network, texts)


def _acl(
    inventory: "Inventory | None", subject: Subject
) -> tuple[str | None, list[dict[str, Any]]]:
    """Return the ACL of a subnet and its ingress entries in their order, by the last capture."""
    assert inventory is not None
    told = inventory.answered(_CALL)
    latest = inventory.nacls.filter(pl.col("capture").is_in(told[-1:]))
    mine = latest.filter(pl.col("subnets").list.contains(subject.value))
    if mine.is_empty():  # the default ACL of its VPC
        subnet = inventory.subnets.filter(pl.col("subnet_id") == subject.value)
        vpc = subnet["vpc_id"].last() if subnet.height else None
        mine = latest.filter(pl.col("default"), pl.col("vpc_id") == pl.lit(vpc, pl.String))
    inward = mine.filter(~pl.col("egress")).sort("number")
    names = mine["nacl_id"].to_list()
    return next(iter(names), None), inward.to_dicts()


def _decisive(block: _Network, protocol: int | None, rows: list[dict[str, Any]]) -> int | None:
    """Return the number of the rule that keeps answers out; null where all come in."""
    for row in rows:
        here = ip_network(row["cidr"] or "0.0.0.0/0", strict=False)
        low, high = _ports(row, protocol)
        if here.version != block.version or not here.overlaps(block) or high < EPHEMERAL[0]:
            continue
        refuses = row["action"] != "allow"
        # To refuse one protocol is to refuse a part of all of them.
        if row["protocol"] not in ("-1", str(protocol)) and not (protocol is None and refuses):
            continue
        if refuses:
            return int(row["number"])
        wide = low <= EPHEMERAL[0] and high >= EPHEMERAL[1]
        if wide and here.prefixlen <= block.prefixlen:
            return None
    return 32_767


def _ports(row: dict[str, Any], protocol: int | None) -> tuple[int, int]:
    if protocol not in _PORTED or row["protocol"] == "-1" or row["from_port"] is None:
        return (0, EPHEMERAL[1])
    return (row["from_port"], row["to_port"])
