"""Security groups: allow rules only, the union of all groups of an interface, with state.

Semantics: user guide of VPC, "Security group rules" and "Security group connection tracking";
API reference of SecurityGroupRule and IpPermission.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flowlens.reach.account import SPAN, Account
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import ALLOW, Bits, Bools, verdicts
from flowlens.reach.cuts import PRIVATE
from flowlens.reach.keys import Zone, among
from flowlens.reach.notes import Notes
from flowlens.reach.packets import TCP, UDP, Packets
from flowlens.reach.permits import Permits
from flowlens.reach.points import Points, Query, points
from flowlens.reach.rulebook import parts
from flowlens.reach.side import Side

__all__ = ["DIRECT", "NEVER", "PERHAPS", "VAGUE", "Far", "Groups", "Passed"]

_CELLS = 1_000_000  # of a table of packets and rules, so that it stays in the cache

#: Whether a rule that names a group can match over the way that packets take.
#: (vaguely: unless a machine in between, which is not known, keeps it from doing so).
NEVER, DIRECT, PERHAPS, VAGUE = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Far:
    """The interface at the other end of packets (negative: not known), and how it is linked."""

    face: Ints
    link: Ints

    def take(self, which: Bools | Ints) -> "Far":
        """Return some of them."""
        return Far(self.face[which], self.link[which])


@dataclass(frozen=True, slots=True)
class Passed:
    """What the groups do, and the rules that let packets through, by row and number.

    ``tracked`` is 1 for connections whose state is kept, 0 for others, -1 if not known.
    """

    bits: Bits
    rows: Ints
    rules: Ints
    tracked: Ints


class Groups:
    """The security groups of an account.

    Args:
        account: the account.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self.permits = permits = Permits(account.view, account.atlas)
        #: The rules, the narrowest first, and what they are called.
        self.rows, self.lists = permits.rows, permits.lists
        self.names = [row["rule_id"] for row in permits.rows]
        names = account.groups
        self._members: dict[str, Zone] = {}
        self._private = Zone(account.atlas, PRIVATE)
        sides: dict[tuple[int, bool], list[int]] = {}
        for n, row in enumerate(permits.rows):
            sides.setdefault((names.add(row["group_id"]), bool(row["egress"])), []).append(n)
        self._sides = {
            key: Side.of(permits, account.atlas, names, numbers) for key, numbers in sides.items()
        }
        self._nothing = Side.of(permits, account.atlas, names, [])
        self.unknown = [permits.unknown(name) for name in names.names]

    def judge(self, packets: Packets, far: Far, notes: Notes) -> Passed:
        """Say what the groups of the interfaces do with the packets that open connections.

        Args:
            packets: the packets; interfaces are known.
            far: who is at the other end.
            notes: takes what is not known.
        """
        owner = self._account.faces.set[packets.face] * 2 + packets.out
        query = Query.of(owner, packets.other, packets)
        asked = points(query, self._bounds)
        tally = _Tally(len(asked.of))
        for group, out, which in self._turns(owner[asked.of]):
            if why := self.unknown[group]:
                tally.doubt(why, which)
            else:
                side = self._sides.get((group, out), self._nothing)
                self._match(side, asked, which, packets, far, tally)
        tally.maybe |= owner[asked.of] < 0
        tally.speak(packets.row[asked.of], notes)
        bits = asked.gather(verdicts(allow=tally.sure, deny=~tally.sure & ~tally.maybe))
        bare = np.isin(
            owner // 2, [n for n, each in enumerate(self._account.faces.sets) if not each]
        )
        at, numbers = tally.hits()
        return Passed(
            np.where(bare, ALLOW, bits).astype(np.uint8),
            packets.row[asked.of[at]],
            numbers,
            self._tracked(owner, packets, asked.gather(tally.wide.astype(np.uint8)) > 0),
        )

    def _turns(self, owner: Ints) -> Iterator[tuple[int, bool, Ints]]:
        """Yield each group and direction with the packets that it judges, a few at a time."""
        turns: dict[tuple[int, bool], list[Ints]] = {}
        for name, rows in parts(owner, len(owner) or 1):
            for group in self._account.faces.of(name // 2):
                turns.setdefault((group, bool(name % 2)), []).append(rows)
        for (group, out), held in turns.items():
            whole = np.concatenate(held)
            step = max(1, _CELLS // max(1, len(self._sides.get((group, out), self._nothing).book)))
            for at in range(0, len(whole), step):
                yield group, out, whole[at : at + step]

    def _match(
        self, side: Side, asked: Points, which: Ints, packets: Packets, far: Far, tally: "_Tally"
    ) -> None:
        of = asked.of[which]
        place = packets.other[of]
        fits = side.book.fits(packets.protocol[of], asked.a[which], asked.b[which])
        inside = fits & side.book.inside(place)
        for column, name in side.lists.items():
            inside[:, column] &= self._member(name).has(place)
        named = np.flatnonzero(side.group >= 0)
        if len(named):
            yes, perhaps = self._carries(side, named, far.take(of))
            inside[:, named] &= yes
            perhaps &= fits[:, named]
            for n in np.flatnonzero(perhaps.any(axis=0)).tolist():
                tally.doubt(self._whom(side, named[n]), which[perhaps[:, n]])
        for n, why in enumerate(side.doubts):
            if why and side.group[n] < 0:
                safe = side.public[n] & self._private.has(place)
                tally.doubt(why, which[(inside[:, n] | side.book.unreadable[n]) & ~safe])
                inside[:, n] = False
        tally.hit(which, inside, side)

    def _member(self, name: str) -> Zone:
        """Return which places of the atlas a prefix list holds."""
        if name not in self._members:
            blocks = self.permits.lists.blocks[name]
            self._members[name] = Zone(self._account.atlas, blocks)
        return self._members[name]

    def _carries(self, side: Side, columns: Ints, far: Far) -> tuple[Bools, Bools]:
        """Say where the far interface carries the groups that rules name, and where it may."""
        faces = self._account.faces
        keys = far.face[:, None] * SPAN + side.group[columns]
        live = ~side.never[columns]
        direct, there = far.link == DIRECT, far.face >= 0
        held = among(keys, faces.carry)
        carried = (direct & there)[:, None] & live & held
        blind = direct & (~there | (faces.set[far.face] < 0))
        perhaps = np.broadcast_to(blind[:, None] & live, carried.shape).copy()
        perhaps |= (far.link == PERHAPS)[:, None] & live
        vague = (far.link == VAGUE)[:, None] & live
        perhaps |= vague & (~there | (faces.set[far.face] < 0))[:, None]
        perhaps |= vague & there[:, None] & held
        doubted = np.array([side.doubts[column] is not None for column in columns], bool)
        return carried & ~doubted, perhaps | (carried & doubted)

    def _whom(self, side: Side, column: int) -> str:
        group = self._account.groups.names[side.group[column]]
        return side.doubts[column] or (
            f"{self.names[side.numbers[column]]}: who carries {group} there is not known"
        )

    def _bounds(self, owner: int, number: int) -> tuple[list[int], list[int]]:
        found = [
            self._sides.get((group, bool(owner % 2)), self._nothing).book.cuts(number)
            for group in self._account.faces.of(owner // 2)
        ]
        return [cut for each in found for cut in each[0]], [c for each in found for c in each[1]]

    def _tracked(self, owner: Ints, packets: Packets, wide: Bools) -> Ints:
        """Say which connections are tracked: 1 yes, 0 no, -1 not known.

        TCP and UDP that a rule for every address lets through are not, where such a rule for
        every port lets everything back (user guide of EC2, "Untracked connections").
        """
        six = packets.other >= self._account.atlas.four
        free = np.zeros(len(owner), bool)
        unsure = free.copy()
        for name, rows in parts(owner, len(owner) or 1):
            groups = self._account.faces.of(name // 2)
            unsure[rows] = any(self.unknown[group] for group in groups)
            back = [self._sides.get((group, not name % 2), self._nothing) for group in groups]
            for family, number in {pair for side in back for pair in side.open}:
                free[rows] |= (packets.protocol[rows] == number) & (six[rows] == (family == 6))
        plain = wide & np.isin(packets.protocol, (TCP, UDP))
        return np.where(plain & free, 0, np.where(plain & unsure, -1, 1))


class _Tally:
    """What rules say about points, one group after the other."""

    def __init__(self, size: int) -> None:
        self.sure, self.maybe, self.wide = (np.zeros(size, bool) for _ in range(3))
        self._doubts: list[tuple[str, Ints]] = []
        self._hits: list[tuple[Ints, Ints]] = []

    def doubt(self, why: str, which: Ints) -> None:
        if len(which):
            self.maybe[which] = True
            self._doubts.append((why, which))

    def hit(self, which: Ints, matched: Bools, side: Side) -> None:
        self.sure[which] |= matched.any(axis=1)
        if side.wide.any():
            self.wide[which] |= matched[:, side.wide].any(axis=1)
        row, column = np.nonzero(matched)
        self._hits.append((which[row], side.numbers[column]))

    def hits(self) -> tuple[Ints, Ints]:
        empty = np.empty(0, np.int64)
        return tuple(np.concatenate([empty, *(each[n] for each in self._hits)]) for n in (0, 1))  # type: ignore[return-value]

    def speak(self, rows: Ints, notes: Notes) -> None:
        """Say the doubts that decide something."""
        for why, which in self._doubts:
            notes.say(why, rows[which], ~self.sure[which])
