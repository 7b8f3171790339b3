"""The rules of security groups as AWS answered them, and what of them cannot be read."""

from collections.abc import Iterable, Iterator
from math import log2
from typing import Any

from flowlens.reach.account import Row
from flowlens.reach.atlas import Atlas
from flowlens.reach.rulebook import UNREADABLE, protocol
from flowlens.reach.views import View

__all__ = ["Lists", "Permits"]

_RULES, _LISTED = "ec2.describe_security_group_rules", "ec2.describe_security_groups"
_PEERINGS = "ec2.describe_vpc_peering_connections"
_ENTRIES = "ec2.get_managed_prefix_list_entries"
_EVERYTHING = (("0.0.0.0/0", "IPv4"), ("::/0", "IPv6"))


class Lists:
    """Managed prefix lists: the blocks of those whose entries were read.

    Args:
        view: the answers.
    """

    def __init__(self, view: View) -> None:
        self.blocks: dict[str, list[str]] = {
            row["prefix_list_id"]: row["cidrs"] for row in view.rows("entries")
        }
        named = view.rows("lists")
        self._families = {row["prefix_list_id"]: row["family"] for row in named}
        #: Lists of AWS hold public and link-local addresses only.
        self.public = {
            row["prefix_list_id"]
            for row in named
            if row["owner_id"] == "AWS" or (row["name"] or "").startswith("com.amazonaws.")
        }
        self._view = view

    def unread(self, name: str) -> str:
        """Say why the entries of a list are not there."""
        return f"{name}: its entries were not read; {self._view.lack(_ENTRIES, name)}"

    def span(self, name: str) -> list[str]:
        """Return the blocks in which the entries of a list must lie, whatever they are."""
        blocks = [block for block, family in _EVERYTHING if family == self._families.get(name)]
        return blocks or [block for block, _ in _EVERYTHING]


class Permits:
    """Every rule of every group.

    Args:
        view: the answers.
        atlas: where blocks are.
    """

    def __init__(self, view: View, atlas: Atlas) -> None:
        self.lists = Lists(view)
        self._view, self._atlas = view, atlas
        listed = {row["group_id"] for row in view.rows("security_groups")}
        ruled: dict[str, list[Row]] = {}
        for row in view.rows("rules"):
            ruled.setdefault(row["group_id"], []).append(row)
        old = {row["group_id"]: row for row in view.rows("permissions")}
        self._states = {row["peering_id"]: row for row in view.rows("peerings")}
        self._listed, self._ruled, self._old = listed, ruled, old
        self._sizes: dict[str | None, float] = {}
        #: Rules that were read off a group, which has no ids for them, too.
        rows = [row for name in sorted({*listed, *ruled}) for row in self._of(name)]
        self.rows = sorted(rows, key=self._narrow)

    def _of(self, group: str) -> Iterable[Row]:
        if group in self._ruled:
            return self._ruled[group]
        if self._view.answered(_RULES):
            return ()
        return _spread(self._old[group]) if group in self._old else ()

    def unknown(self, group: str) -> str | None:
        """Say why the rules of a group are not known; None where they are."""
        if group in self._ruled:
            return None
        if group not in self._listed:
            why = self._view.lack(_LISTED)
            gone = self._view.answered(_LISTED)
            said = "it is gone, or someone else's" if gone else "its rules are not known"
            return f"{group}: {said}; {why}"
        old = self._old[group]
        if self._view.answered(_RULES):
            twice = f"{group}: {_LISTED} shows rules and {_RULES} shows none"
            return twice if old["ingress"] or old["egress"] else None
        blank = old["ingress"] is None or old["egress"] is None
        return f"{group}: its rules are not known; {self._view.lack(_RULES)}" if blank else None

    def _narrow(self, row: Row) -> tuple[float, int, str]:
        """Return what sorts rules, the narrowest first: addresses (bits), then ports."""
        blocks = [row["cidr"]] if row["cidr"] else self.lists.blocks.get(row["prefix_list_id"], [])
        whom = row["cidr"] or row["prefix_list_id"]
        if whom not in self._sizes:
            sizes = [2.0 ** self._atlas.bits(text) for text in blocks if self._atlas.run(text)]
            self._sizes[whom] = log2(sum(sizes)) if sizes else 0.0
        low, high = row["from_port"], row["to_port"]
        ports = high - low if None not in (low, high) and -1 not in (low, high) else 65536
        return (self._sizes[whom], ports, row["rule_id"])

    def stale(self, row: Row) -> bool:
        """Say whether a rule names a group over a peering that does not carry it (any more).

        Groups of another Region cannot be named (peering guide, "Update your security groups").
        """
        name, said = row["peering_id"], row["peering_state"]
        if said and said != "active":
            return True
        found = self._states.get(name)
        if name and found is None:
            return self._view.answered(_PEERINGS)
        return found is not None and (found["state"] != "active" or _distant(found))

    def doubt(self, row: Row) -> str | None:
        """Say what of a rule cannot be read; None where all can."""
        rule, given = row["rule_id"], (row["cidr"], row["prefix_list_id"], row["referenced_group"])
        if protocol(row["protocol"]) == UNREADABLE:
            return f"{rule}: the protocol {row['protocol']!r:.20} cannot be read"
        if row["cidr"] and not self._atlas.run(row["cidr"]):
            return f"{rule}: the block {row['cidr']!r:.50} cannot be read"
        if row["prefix_list_id"] and row["prefix_list_id"] not in self.lists.blocks:
            return self.lists.unread(row["prefix_list_id"])
        if not any(given):
            return f"{rule}: whom it lets through cannot be read"
        known = row["peering_id"] in self._states or row["peering_state"]
        if row["peering_id"] and not known and not self._view.answered(_PEERINGS):
            return f"{rule}: {row['peering_id']} is not known; {self._view.lack(_PEERINGS)}"
        return None


def _distant(peering: Row) -> bool:
    one, other = peering["requester_region"], peering["accepter_region"]
    return bool(one and other and one != other)


def _spread(group: Row) -> Iterator[Row]:
    """Yield the rules of a group as older answers hold them, a row per source or destination."""
    for way in ("ingress", "egress"):
        for item in group[way] or ():
            for peer in _peers(item):
                ends = {
                    "group_id": group["group_id"],
                    "egress": way == "egress",
                    "protocol": item["IpProtocol"],
                    "from_port": item["FromPort"],
                    "to_port": item["ToPort"],
                }
                yield {**_NO_PEER, **ends, **peer, "rule_id": _label(ends, peer)}


_NO_PEER = dict.fromkeys(
    ("cidr", "prefix_list_id", "referenced_group", "peering_id", "peering_state")
)


def _peers(item: dict[str, Any]) -> Iterator[Row]:
    yield from ({"cidr": each["CidrIp"]} for each in item["IpRanges"] or ())
    yield from ({"cidr": each["CidrIpv6"]} for each in item["Ipv6Ranges"] or ())
    yield from ({"prefix_list_id": each["PrefixListId"]} for each in item["PrefixListIds"] or ())
    for each in item["UserIdGroupPairs"] or ():
        yield {
            "referenced_group": each["GroupId"],
            "peering_id": each["VpcPeeringConnectionId"],
            "peering_state": each["PeeringStatus"],
        }


def _label(ends: Row, peer: Row) -> str:
    """Name a rule that has no id by what it says."""
    whom = next((each for each in peer.values() if each), "nobody")
    number = ends["protocol"]
    ports = "" if ends["from_port"] is None else f"/{ends['from_port']}-{ends['to_port']}"
    return f"{ends['group_id']}/{'egress' if ends['egress'] else 'ingress'}/{number}{ports}/{whom}"
