"""Network ACLs: numbered rules, the first that fits decides; stateless; between subnets only.

Semantics: user guide of VPC, "Network ACLs"; API reference of NetworkAclEntry.
"""

from dataclasses import dataclass

import numpy as np

from flowlens.reach.account import Account, Row
from flowlens.reach.atlas import Atlas, Ints
from flowlens.reach.bits import ALLOW, DENY, UNSURE, Bits
from flowlens.reach.keys import NOBODY, SEVERAL, lookup, single
from flowlens.reach.notes import Notes
from flowlens.reach.packets import ICMP, ICMP6, TCP, UDP, Packets
from flowlens.reach.points import EPHEMERAL, Points, Query, points
from flowlens.reach.rulebook import UNREADABLE, Rule, Rulebook, parts, protocol

__all__ = ["Acls", "Decided", "rule"]

_CALL = "ec2.describe_network_acls"
_CELLS = 1_000_000
#: The number of the entry that refuses what no other decides.
LAST4, LAST6 = 32767, 32768


@dataclass(frozen=True, slots=True)
class Decided:
    """What the ACL does, and the number of the entry that decides (-1: several, or none)."""

    bits: Bits
    number: Ints


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries of one ACL in one direction, by number; ``allow`` is 1, 0, or -1 unreadable."""

    book: Rulebook
    number: Ints
    allow: Ints
    doubled: bool


class Acls:
    """The network ACLs of an account.

    Args:
        account: the account.
    """

    def __init__(self, account: Account) -> None:
        self._account, view = account, account.view
        rows = view.rows("acls")
        self.names = [row["nacl_id"] for row in rows]
        self._subnets = single(
            (account.networks.subnets.add(name), n)
            for n, row in enumerate(rows)
            for name in row["subnets"]
        )
        self._defaults = single(
            (account.networks.vpcs.add(row["vpc_id"]), n)
            for n, row in enumerate(rows)
            if row["default"]
        )
        index = {name: n for n, name in enumerate(self.names)}
        sides: dict[tuple[int, bool], list[Row]] = {}
        for row in view.rows("nacls"):
            sides.setdefault((index[row["nacl_id"]], bool(row["egress"])), []).append(row)
        self._sides = {key: _entries(each, account.atlas) for key, each in sides.items()}
        self._nothing = _entries([], account.atlas)

    def of(self, subnet: Ints, vpc: Ints) -> Ints:
        """Return the ACL of each subnet: its own, else the default one of its VPC."""
        found = lookup(self._subnets, subnet)
        return np.where((found == NOBODY) & (subnet >= 0), lookup(self._defaults, vpc), found)

    def judge(
        self, acl: Ints, packets: Packets, notes: Notes, *, out: bool, first: Ints | int = EPHEMERAL
    ) -> Decided:
        """Say what the ACLs do with packets that leave (`out`) or enter their subnet.

        Args:
            acl: the ACL of each packet, from `of`.
            packets: the packets themselves: ``other`` is the address outside, ``port`` the
                destination port, whichever way they go.
            notes: takes what is not known.
            out: direction.
            first: the first port that an unknown one can be.
        """
        query = Query.of(np.maximum(acl, 0) * 2 + out, packets.other, packets, first=first)
        asked = points(query, self._bounds)
        bits = np.full(len(asked.of), UNSURE, np.uint8)
        number = np.full(len(asked.of), -1, np.int64)
        known = np.flatnonzero(acl[asked.of] >= 0)
        for name, rows in parts(acl[asked.of[known]], _CELLS // 64):
            entries = self._sides.get((name, out), self._nothing)
            which = known[rows]
            told = self._first(entries, asked, which, packets)
            bits[which], number[which] = told
            doubtful = told[0] == UNSURE
            notes.say(
                f"{self.names[name]}: an entry cannot be read",
                packets.row[asked.of[which]],
                doubtful,
            )
        self._complain(acl, packets.row, notes)
        one = np.minimum.reduceat(number, asked.starts) if len(number) else number
        same = one == (np.maximum.reduceat(number, asked.starts) if len(number) else number)
        return Decided(asked.gather(bits), np.where(same, one, -1))

    def _first(
        self, entries: _Entries, asked: Points, which: Ints, packets: Packets
    ) -> tuple[Bits, Ints]:
        """Return what the first entry that fits does, and its number."""
        of = asked.of[which]
        place = packets.other[of]
        last = np.where(place >= self._account.atlas.four, LAST6, LAST4)
        if not len(entries.book):
            return np.full(len(of), DENY, np.uint8), last
        fits = entries.book.fits(packets.protocol[of], asked.a[which], asked.b[which])
        fits = (fits | entries.book.unreadable) & entries.book.inside(place)
        at = fits.argmax(axis=1)
        found = fits[np.arange(len(of)), at]
        allow = np.where(found, entries.allow[at], 0)
        number = np.where(found, entries.number[at], last)
        if entries.doubled:
            rival = fits & (entries.number == number[:, None]) & (entries.allow != allow[:, None])
            allow = np.where(found & rival.any(axis=1), -1, allow)
        bits = np.where(allow == 1, ALLOW, np.where(allow == 0, DENY, UNSURE))
        return bits.astype(np.uint8), np.where(allow < 0, -1, number)

    def _complain(self, acl: Ints, rows: Ints, notes: Notes) -> None:
        why = f"the network ACL of the subnet is not known; {self._account.view.lack(_CALL)}"
        notes.say(why, rows, acl == NOBODY)
        notes.say("several network ACLs claim the subnet", rows, acl == SEVERAL)

    def _bounds(self, owner: int, number: int) -> tuple[list[int], list[int]]:
        return self._sides.get((owner // 2, bool(owner % 2)), self._nothing).book.cuts(number)


def _entries(rows: list[Row], atlas: Atlas) -> _Entries:
    ordered = sorted(rows, key=lambda row: (row["number"] is None, row["number"] or 0))
    rules = [rule(row, atlas) for row in ordered]
    numbers = np.array(
        [-1 if row["number"] is None else row["number"] for row in ordered], np.int64
    )
    return _Entries(
        Rulebook(rules),
        numbers,
        np.array([_action(row, atlas) for row in ordered], np.int64),
        len(np.unique(numbers)) < len(numbers),
    )


def _action(row: Row, atlas: Atlas) -> int:
    """Return 1 for allow, 0 for deny, -1 where the entry cannot be read."""
    told = {"allow": 1, "deny": 0}.get(row["action"], -1)
    blank = protocol(row["protocol"]) == UNREADABLE or not atlas.run(row["cidr"])
    return -1 if blank or row["number"] is None else told


def rule(row: Row, atlas: Atlas) -> Rule:
    """Return an entry as a rule; ports of protocols that have none are ignored."""
    number = protocol(row["protocol"])
    run = atlas.run(row["cidr"]) or (0, atlas.size)
    if number in (TCP, UDP):
        ends = (row["from_port"], row["to_port"])
    elif number == ICMP or (number == ICMP6 and ":" in (row["cidr"] or "")):
        ends = (row["icmp_type"], row["icmp_code"])
    else:
        ends = (None, None)
    return Rule.ported(number, ends, run)
