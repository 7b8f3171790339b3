"""What one end does with its packets: groups, ACL both ways, route, and the interface itself."""

from dataclasses import dataclass

import numpy as np

from flowlens.reach import groups
from flowlens.reach.account import Account
from flowlens.reach.acls import Acls, Decided
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import ALLOW, DENY, UNSURE, Bits, Bools
from flowlens.reach.cuts import LINK
from flowlens.reach.groups import DIRECT, NEVER, VAGUE, Far, Groups, Passed
from flowlens.reach.keys import Zone
from flowlens.reach.notes import Notes
from flowlens.reach.packets import UDP, Packets
from flowlens.reach.points import EPHEMERAL
from flowlens.reach.routes import Routes
from flowlens.reach.ways import (
    APPLIANCE,
    BALANCER,
    BLIND,
    LOCAL,
    NAT,
    PEERING,
    TRANSIT,
    Way,
    Ways,
)

__all__ = ["PERHAPS", "YES", "End", "Met"]

NO, YES, PERHAPS = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Met:
    """What one end does. ``within`` tells that the other end is in the same subnet (2: perhaps).

    ``face`` is what the kind of interface itself does: nobody opens a connection to a function.
    """

    route: Ints
    way: Way
    far: Far
    groups: Passed
    outward: Decided
    inward: Decided
    within: Ints
    face: Bits

    @property
    def layers(self) -> tuple[Bits, ...]:
        """Every layer that a connection has to pass."""
        return self.groups.bits, self.outward.bits, self.inward.bits, self.way.usable, self.face


class End:
    """Everything an account says about one end of a connection.

    Args:
        account: the account.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.routes, self.acls = Routes(account), Acls(account)
        self.ways, self.groups = Ways(account, self.routes), Groups(account)
        self._link = Zone(account.atlas, LINK)
        kinds = account.faces.kinds
        self._function, self._nat, self._classic = (
            np.array([kind == name for kind in kinds], bool)
            for name in ("lambda", "nat_gateway", "clb")
        )

    def exempt(self, packets: Packets, low: Ints) -> Ints:
        """Say which packets are outside groups, ACLs and logs: 1 yes, 0 no, 2 perhaps.

        Args:
            packets: the packets.
            low: the last four bits of an IPv4 address at the other end; -1 for another.
        """
        nets, faces = self.account.networks, self.account.faces
        vpc, other = faces.vpc[packets.face], packets.other
        ports = np.sort(np.stack([packets.port, packets.back]), axis=0)
        lease = np.logical_or.reduce([(ports[0] == n) & (ports[1] == n + 1) for n in (67, 546)])
        link = self._link.has(other) | nets.exempt.has(vpc, other)
        sure = link | ((packets.protocol == UDP) & lease)
        blank = (low == 2) & ~np.isin(vpc, nets.named) | (low == 1) & ~np.isin(vpc, nets.split)
        there = nets.blocks.has(vpc, other) | ~nets.blocks.knows(vpc)
        held = faces.holders.at(vpc, other) >= 0
        return np.where(sure, YES, np.where(blank & there & ~held, PERHAPS, NO))

    def meet(self, packets: Packets, notes: Notes) -> Met:
        """Say what the interfaces' end of connections does.

        Args:
            packets: connections of known interfaces, addresses and protocols.
            notes: takes what is not known.
        """
        faces = self.account.faces
        subnet, vpc = faces.subnet[packets.face], faces.vpc[packets.face]
        table = self.routes.table(subnet, vpc)
        route = self.routes.choose(table, packets.other, packets.row, notes)
        way = self.ways.judge(route, packets, notes)
        near = self._near(packets)
        within = self._within(packets, near)
        # What stays in a subnet asks no route table, where there is one at all.
        stays = (within == YES) & (table >= 0)
        way.kind[stays], way.usable[stays] = LOCAL, ALLOW
        may = (within == PERHAPS) & near & (way.kind != LOCAL)
        way.kind[may], way.usable[may] = BLIND, UNSURE
        far = self._far(packets, way, near, within)
        outward, inward = self._acl(packets, within, far, notes)
        return Met(
            route=route,
            way=way,
            far=far,
            groups=self.groups.judge(packets, far, notes),
            outward=outward,
            inward=inward,
            within=within,
            face=self._face(packets, notes),
        )

    def _near(self, packets: Packets) -> Bools:
        """Say whether the other address is one of the VPC's own."""
        faces, nets = self.account.faces, self.account.networks
        vpc = faces.vpc[packets.face]
        held = faces.holders.at(vpc, packets.other) != -1
        found: Bools = nets.blocks.has(vpc, packets.other) | held
        return found

    def _within(self, packets: Packets, near: Bools) -> Ints:
        faces, nets = self.account.faces, self.account.networks
        subnet, vpc = faces.subnet[packets.face], faces.vpc[packets.face]
        holder = faces.holders.at(vpc, packets.other)
        seated = (holder >= 0) & (subnet >= 0)
        shared = seated & (faces.subnet[np.maximum(holder, 0)] == subnet)
        known = nets.ranges.knows(subnet)
        guess = np.where(seated, shared, np.where(near | ~nets.blocks.knows(vpc), PERHAPS, NO))
        return np.where(known, nets.ranges.has(subnet, packets.other), guess).astype(np.int64)

    def _far(self, packets: Packets, way: Way, near: Bools, within: Ints) -> Far:
        """Find the interface at the other end, and whether rules can name its groups."""
        faces = self.account.faces
        vpc = faces.vpc[packets.face]
        peer, linked = self._peer(packets, way)
        straight = near & (~packets.out | np.isin(way.kind, (LOCAL, BLIND)))
        across = ~straight & (peer >= 0)
        face = np.where(straight, faces.holders.at(vpc, packets.other), -1)
        face = np.where(across, faces.holders.at(peer, packets.other), face)
        # Whoever comes may come over a peering that was not captured.
        unpeered = not self.account.view.answered("ec2.describe_vpc_peering_connections")
        loose = np.isin(way.kind, (TRANSIT, BLIND)) | (~packets.out & unpeered)
        link = np.where(straight, DIRECT, np.where(loose, groups.PERHAPS, NEVER))
        link = np.where(across | (linked != NEVER) & ~straight, linked, link)
        detour = np.where(within == YES, NO, self._detour(packets, way, face))
        link = np.where((detour == PERHAPS) & (link == DIRECT), VAGUE, link)
        return Far(face, np.where(detour == YES, NEVER, link))

    def _peer(self, packets: Packets, way: Way) -> tuple[Ints, Ints]:
        """Return the VPC behind the peering over which packets come or go, and the link."""
        vpcs, ways, four = self.account.networks.vpcs, self.ways, self.account.atlas.four
        here = self.account.faces.vpc[packets.face]
        size, seats = len(packets), set(np.unique(here[here >= 0]).tolist())
        peer, link = np.full(size, -1, np.int64), np.full(size, NEVER, np.int64)
        for n, row in enumerate(ways.peerings):
            ends = [vpcs.get(row[f"{side}_vpc"]) for side in ("requester", "accepter")]
            for side, (mine, other) in enumerate((ends, ends[::-1])):
                if mine not in seats:
                    continue
                owner = np.full(size, n * 4 + (1 - side) * 2) + (packets.other >= four)
                arrives = ~packets.out & ways.across.has(owner, packets.other)
                sent = packets.out & (way.kind == PEERING) & (way.via == n) & (way.usable != DENY)
                met = (here == mine) & (sent | arrives)
                # An inactive peering carries nothing, and no rule names a group of another Region.
                distant = row["requester_region"] != row["accepter_region"]
                regions = None not in (row["requester_region"], row["accepter_region"])
                live = row["state"] == "active"
                peer[met & live] = other
                link[met & live] = NEVER if distant and regions else DIRECT
        unsure = (way.kind == PEERING) & (way.usable == UNSURE) & (peer < 0)
        return peer, np.where(unsure, groups.PERHAPS, link)

    def _detour(self, packets: Packets, way: Way, face: Ints) -> Ints:
        """Say which packets come or go through a machine in between: no group is named then."""
        kind = way.kind.copy()
        known = np.flatnonzero(~packets.out & (face >= 0) & (packets.own >= 0))
        kind[known] = self._sent(packets.take(known), face[known])
        # Who sends from an address that nobody is seen at may send through anything.
        passed = np.isin(kind, (APPLIANCE, BALANCER))
        passed[known] |= kind[known] == NAT
        dim = (kind == BLIND) & (packets.out | (face >= 0))
        return np.where(passed, YES, np.where(dim, PERHAPS, NO))

    def _sent(self, packets: Packets, face: Ints) -> Ints:
        """Return the kind of way by which the other end sends."""
        faces, silent = self.account.faces, Notes()
        back = packets.seen_by(face, packets.other, packets.own)
        table = self.routes.table(faces.subnet[face], faces.vpc[face])
        chosen = self.routes.choose(table, back.other, back.row, silent)
        return self.ways.judge(chosen, back, silent).kind

    def _acl(
        self, packets: Packets, within: Ints, far: Far, notes: Notes
    ) -> tuple[Decided, Decided]:
        """Say what the network ACL does with what leaves and what enters the subnet."""
        faces = self.account.faces
        subnet, vpc = faces.subnet[packets.face], faces.vpc[packets.face]
        acl = self.acls.of(subnet, vpc)
        classic = self._classic[packets.face] | self._classic[np.maximum(far.face, 0)] & (
            far.face >= 0
        )
        inside = np.where(classic, NO, within)
        found = []
        for out in (True, False):
            first = np.where(packets.out == out, 0, EPHEMERAL)
            mine = packets.sent(opening=packets.out == out)
            crosses = np.flatnonzero((inside != YES) & (mine.type != -2))
            told = self.acls.judge(
                acl[crosses], mine.take(crosses), notes, out=out, first=first[crosses]
            )
            bits, number = np.full(len(packets), ALLOW), np.full(len(packets), -1, np.int64)
            unsure = (inside[crosses] == PERHAPS) & (told.bits != ALLOW)
            bits[crosses], number[crosses] = np.where(unsure, UNSURE, told.bits), told.number
            notes.say(
                "whether both ends are in one subnet is not known; "
                + self.account.view.lack("ec2.describe_subnets"),
                mine.row[crosses],
                unsure,
            )
            found.append(Decided(bits.astype(np.uint8), number))
        return found[0], found[1]

    def _face(self, packets: Packets, notes: Notes) -> Bits:
        """Say what the kind of interface refuses: connections that nobody may open to it."""
        nets, faces = self.account.networks, self.account.faces
        vpc = faces.vpc[packets.face]
        function = self._function[packets.face] & ~packets.out
        # It accepts, and logs as accepted, what it then drops.
        strange = nets.blocks.knows(vpc) & ~nets.blocks.has(vpc, packets.other)
        nat = self._nat[packets.face] & ~packets.out & strange
        notes.say("nobody can open a connection to a Lambda function", packets.row, function)
        notes.say("a NAT gateway drops what nobody behind it asked for", packets.row, nat)
        return np.where(function | nat, DENY, ALLOW).astype(np.uint8)
