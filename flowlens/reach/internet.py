"""Internet gateways and egress-only ones: which packets they take, and why not.

Semantics: user guide of VPC, "Internet gateways", "Egress-only internet gateways", "Block public
access".
"""

import numpy as np

from flowlens.reach.account import Account, Row
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import ALLOW, DENY, UNSURE, Bits, Bools
from flowlens.reach.cuts import PRIVATE
from flowlens.reach.keys import Zone
from flowlens.reach.notes import Notes
from flowlens.reach.packets import Packets
from flowlens.reach.public import Blocking

__all__ = ["Internet"]

_NATS = "ec2.describe_nat_gateways"
_EGRESS = ("egress_only", "ec2.describe_egress_only_internet_gateways")
_BOTH = ("internet_gateways", "ec2.describe_internet_gateways")


class Internet:
    """The ways of an account to the internet.

    Args:
        account: the account.
    """

    def __init__(self, account: Account) -> None:
        self._account, self._view = account, account.view
        self._blocking = Blocking(account)
        self._private = Zone(account.atlas, PRIVATE)
        self._nat = np.array([kind == "nat_gateway" for kind in account.faces.kinds], bool)

    def through(self, target: str, packets: Packets, notes: Notes) -> tuple[Bits, Bools]:
        """Say whether an internet gateway takes packets, and what Block Public Access refuses.

        Args:
            target: the gateway.
            packets: the packets; ``other`` is where the interface sends to.
            notes: takes what is not known.
        """
        faces, row = self._account.faces, packets.row
        four = packets.other < self._account.atlas.four
        bits = self._attached(target, packets, notes)
        private = self._private.has(packets.other)
        notes.say("an internet gateway takes no private destination", row, private)
        bare = four & (packets.own >= 0) & (faces.mapped.at(packets.face, packets.own) < 0)
        nat = self._nat[packets.face]
        # A NAT gateway's public addresses may be told by its own answer only.
        guess = bare & nat & (not self._view.answered(_NATS))
        bare &= ~guess
        notes.say("the interface's address has no public one", row, bare)
        notes.say(f"the address has no known public one; {self._view.lack(_NATS)}", row, guess)
        shut = faces.shut[packets.face]
        notes.say("the interface refuses the internet (DenyAllIgwTraffic)", row, shut)
        bits = np.where(guess | (four & (packets.own < 0)), UNSURE, bits)
        subnet, vpc = faces.subnet[packets.face], faces.vpc[packets.face]
        blocked, dim = self._blocked(subnet, vpc, row, notes, narrow=nat)
        bits = np.where(dim, UNSURE, bits)
        return np.where(private | bare | shut | blocked, DENY, bits), blocked

    def outward(self, target: str, packets: Packets, notes: Notes) -> tuple[Bits, Bools]:
        """Say whether an egress-only gateway takes packets; arguments as of `through`."""
        faces = self._account.faces
        fit = packets.out & (packets.other >= self._account.atlas.four)
        notes.say("an egress-only gateway lets nobody in and takes IPv6 only", packets.row, ~fit)
        subnet, vpc = faces.subnet[packets.face], faces.vpc[packets.face]
        blocked, dim = self._blocked(subnet, vpc, packets.row, notes)
        bits = np.where(dim, UNSURE, self._attached(target, packets, notes))
        return np.where(~fit | blocked, DENY, bits), blocked

    def leave(self, nat: Row, target: str, packets: Packets, notes: Notes) -> Bits:
        """Say whether an internet gateway takes what a NAT gateway sends on."""
        name, row = nat["nat_gateway_id"], packets.row
        private = self._private.has(packets.other)
        notes.say(f"{name}: an internet gateway takes no private destination", row, private)
        bare = nat["connectivity"] == "private" or not nat["public_addresses"]
        if bare:
            notes.say(f"{name} has no public address", row)
        nets = self._account.networks
        subnet = np.full(len(packets), nets.subnets.get(nat["subnet_id"]))
        vpc = np.full(len(packets), nets.vpcs.get(nat["vpc_id"]))
        blocked, dim = self._blocked(subnet, vpc, row, notes)
        bits = np.where(dim, UNSURE, self._attached(target, packets, notes))
        return np.where(private | blocked | bare, DENY, bits).astype(np.uint8)

    def _attached(self, target: str, packets: Packets, notes: Notes) -> Bits:
        """Say whether a gateway is attached to the interfaces' VPCs."""
        table, call = _BOTH if target.startswith("igw-") else _EGRESS
        found = [row for row in self._view.rows(table) if row["gateway_id"] == target]
        if not found:
            notes.say(f"{target} is not known; {self._view.lack(call)}", packets.row)
            return np.full(len(packets), UNSURE)
        doors = [self._account.networks.vpcs.get(name) for name in found[0]["vpcs"]]
        there = np.isin(self._account.faces.vpc[packets.face], doors)
        notes.say(f"{target} is not attached to the VPC", packets.row, ~there)
        return np.where(there, ALLOW, DENY).astype(np.uint8)

    def _blocked(
        self, subnet: Ints, vpc: Ints, row: Ints, notes: Notes, *, narrow: Bools | bool = True
    ) -> tuple[Bools, Bools]:
        """Say what Block Public Access refuses, and of what that is not known.

        `narrow` tells what only ever lets connections out.
        """
        mode = self._blocking.mode(subnet, vpc, row, notes)
        return self._blocking.refuses(mode, narrow=np.broadcast_to(narrow, mode.shape)), mode < 0
