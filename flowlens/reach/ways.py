"""Where a route leads: the kind of its target, and whether it takes the packet.

Semantics: user guide of VPC, "NAT gateways", "Gateway endpoints"; peering guide. A refused packet
here is still ACCEPT in the sender's flow log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flowlens.reach.account import Account, Row
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import ALLOW, DENY, UNSURE, Bits, Bools
from flowlens.reach.cuts import NAT64
from flowlens.reach.internet import Internet
from flowlens.reach.keys import Runs, Zone
from flowlens.reach.notes import Notes
from flowlens.reach.packets import ICMP, ICMP6, TCP, Packets
from flowlens.reach.routes import NOWHERE, Route, Routes
from flowlens.reach.rulebook import parts

__all__ = ["Way", "Ways"]

#: Kinds of targets: EGRESS is an egress-only internet gateway, BALANCER an endpoint of a Gateway
#: Load Balancer, GONE no target at all, and BLIND stands where the route itself is not known.
LOCAL, PEERING, INTERNET, NAT, EGRESS, ENDPOINT = range(6)
BALANCER, APPLIANCE, TRANSIT, GONE, BLIND = range(6, 11)
#: Ways that lead out of what the inventory shows.
_TRANSIT = ("tgw-", "vgw-", "lgw-", "cagw-", "arn:")

_NATS = "ec2.describe_nat_gateways"
_ENDPOINTS = "ec2.describe_vpc_endpoints"
_PEERINGS = "ec2.describe_vpc_peering_connections"


@dataclass(frozen=True, slots=True)
class Way:
    """Where packets go: kind and whether that takes them.

    ``via`` is the place of the NAT gateway, endpoint or peering in its table; ``blocked`` tells
    what Block Public Access refuses.
    """

    kind: Ints
    usable: Bits
    via: Ints
    blocked: Bools


class Ways:
    """The targets of an account's routes.

    Args:
        account: the account.
        routes: its route tables.
    """

    def __init__(self, account: Account, routes: Routes) -> None:
        self._account, self._atlas, self._routes = account, account.atlas, routes
        self._view = view = account.view
        self.nats = view.rows("nat_gateways")
        self.endpoints = view.rows("endpoints")
        self.peerings = view.rows("peerings")
        self._index = {
            row[key]: n
            for rows, key in (
                (self.nats, "nat_gateway_id"),
                (self.endpoints, "endpoint_id"),
                (self.peerings, "peering_id"),
            )
            for n, row in enumerate(rows)
        }
        self.internet = Internet(account)
        #: As which address the world meets what comes through a NAT gateway; unknown of several.
        self.seen = np.array([*map(self._seen, self.nats), -1], np.int64)
        self._translated = Zone(account.atlas, (NAT64,))
        self.across = Runs(self._atlas.size, self._across())

    def _seen(self, nat: Row) -> int:
        known = nat["public_addresses"]
        run = self._atlas.run(known[0]) if len(known) == 1 else None
        return run[0] if run else -1

    def _across(self) -> list[tuple[int, int, int]]:
        """Return the blocks of both sides: peering * 4 + side * 2 + family."""
        found = []
        blocks = {row["vpc_id"]: row["cidrs"] for row in self._view.rows("vpcs")}
        for n, row in enumerate(self.peerings):
            for side, name in enumerate(("requester", "accepter")):
                for text in (*row[f"{name}_cidrs"], *blocks.get(row[f"{name}_vpc"], ())):
                    if run := self._atlas.run(text):
                        found.append((n * 4 + side * 2 + (run[0] >= self._atlas.four), *run))
        return found

    def judge(self, chosen: Ints, packets: Packets, notes: Notes) -> Way:
        """Say where routes lead.

        Args:
            chosen: the route of each packet, from `Routes.choose`.
            packets: the packets; ``other`` is where the interface sends to.
            notes: takes what is not known.
        """
        kind = np.where(chosen == NOWHERE, GONE, BLIND)
        usable = np.where(chosen == NOWHERE, DENY, UNSURE).astype(np.uint8)
        way = Way(kind, usable, np.full(len(chosen), -1), np.zeros(len(chosen), bool))
        notes.say("no route leads there", packets.row, chosen == NOWHERE)
        for number, rows in parts(chosen, len(chosen) or 1):
            if number >= 0:
                self._lead(self._routes.routes[number], way, rows, packets.take(rows), notes)
        return way

    def _lead(self, route: Route, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        target = route.target or ""
        if route.state == "blackhole":
            way.kind[rows], way.usable[rows] = GONE, DENY
            notes.say(f"the route to {target or 'nothing'} is a blackhole", packets.row)
            return
        step = next((each for start, each in self._steps.items() if target.startswith(start)), None)
        if step is None:
            notes.say(f"what {target or 'a route without target'} does is not known", packets.row)
            return
        step(self, target, way, rows, packets, notes)
        if route.state not in (None, "active"):
            way.usable[rows] = UNSURE
            notes.say(f"what a route in state {route.state} does is not known", packets.row)

    def _inside(self, target: str, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        way.kind[rows], way.usable[rows] = LOCAL, ALLOW

    def _away(self, target: str, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        way.kind[rows], way.usable[rows] = TRANSIT, ALLOW

    def _row(
        self, rows: list[Row], target: str, call: str, packets: Packets, notes: Notes
    ) -> Row | None:
        """Return what AWS says about a target; None and a note where it says nothing."""
        if target in self._index:
            return rows[self._index[target]]
        notes.say(f"{target} is not known; {self._view.lack(call)}", packets.row)
        return None

    def _internet(self, target: str, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        way.kind[rows] = INTERNET
        way.usable[rows], way.blocked[rows] = self.internet.through(target, packets, notes)

    def _only_out(self, target: str, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        way.kind[rows] = EGRESS
        way.usable[rows], way.blocked[rows] = self.internet.outward(target, packets, notes)

    def _translate(self, target: str, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        way.kind[rows] = NAT
        plain = (packets.other < self._atlas.four) | self._translated.has(packets.other)
        fit = plain & packets.out
        notes.say("a NAT gateway lets nobody in and takes no other IPv6", packets.row, ~fit)
        found = self._row(self.nats, target, _NATS, packets, notes)
        bits = UNSURE if found is None else ALLOW if found["state"] == "available" else DENY
        if bits == DENY:
            notes.say(f"{target} is not available", packets.row)
        way.usable[rows] = np.where(fit, bits, DENY)
        way.via[rows] = self._index.get(target, -1)

    def _endpoint(self, target: str, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        found = self._row(self.endpoints, target, _ENDPOINTS, packets, notes)
        if found is None or found["type"] not in ("Gateway", "GatewayLoadBalancer"):
            return
        ready = (found["state"] or "available").lower() == "available"
        if not ready:
            notes.say(f"{target} is not available", packets.row)
        way.via[rows] = self._index[target]
        if found["type"] == "GatewayLoadBalancer":
            way.kind[rows], way.usable[rows] = BALANCER, ALLOW if ready else DENY
            return
        # TCP and pings only (user guide of VPC, "Gateway endpoints").
        icmp = np.isin(packets.protocol, (ICMP, ICMP6))
        ping = np.isin(packets.type, (8, 128))
        bits = np.where(icmp & (packets.type < 0), ALLOW | DENY, DENY)
        bits = np.where((packets.protocol == TCP) | (icmp & ping), ALLOW, bits)
        fit = packets.out & ready
        notes.say("a gateway endpoint takes TCP and pings only", packets.row, (bits & DENY) > 0)
        notes.say("a gateway endpoint lets nobody in", packets.row, ~packets.out)
        way.kind[rows], way.usable[rows] = ENDPOINT, np.where(fit, bits, DENY)

    def _peer(self, target: str, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        way.kind[rows] = PEERING
        found = self._row(self.peerings, target, _PEERINGS, packets, notes)
        if found is None:
            return
        number = self._index[target]
        way.via[rows] = number
        vpcs = self._account.networks.vpcs
        here = self._account.faces.vpc[packets.face]
        one, other = (vpcs.get(found[f"{side}_vpc"]) for side in ("requester", "accepter"))
        side = np.where(here == one, 1, 0)
        owner = number * 4 + side * 2 + (packets.other >= self._atlas.four)
        held = self.across.has(owner, packets.other)
        blank = ~self.across.knows(owner) & (np.where(side == 1, other, one) < 0)
        bits = np.where(held, ALLOW, np.where(blank, UNSURE, DENY))
        strange = ~np.isin(here, [each for each in (one, other) if each >= 0])
        if found["state"] != "active":
            notes.say(f"{target} is not active", packets.row)
            strange[:] = True
        notes.say(f"{target} does not lead there", packets.row, ~held & ~blank & ~strange)
        notes.say(f"{target}: the blocks behind it are not known", packets.row, blank & ~strange)
        way.usable[rows] = np.where(strange, DENY, bits)

    def _machine(self, target: str, way: Way, rows: Ints, packets: Packets, notes: Notes) -> None:
        """Lead to an interface: it passes packets on if its source/destination check is off."""
        faces = self._account.faces
        known = (
            [faces.ids.get(target)] if target.startswith("eni-") else faces.instances.get(target)
        )
        way.kind[rows] = APPLIANCE
        if not known or len(known) > 1 or known[0] < 0:
            notes.say(f"{target} is not in the inventory, or has several interfaces", packets.row)
            return
        face = known[0]
        mine = faces.private.has(np.full(len(rows), face), packets.other)
        check = {True: DENY, False: ALLOW, None: UNSURE}[faces.check[face]]
        if check == DENY:
            notes.say(
                f"{target} takes packets for itself only (SourceDestCheck)", packets.row, ~mine
            )
        way.kind[rows] = np.where(mine, LOCAL, APPLIANCE)
        way.usable[rows] = np.where(mine, ALLOW, check)

    _steps: ClassVar[dict[str, Callable[..., None]]] = {
        "local": _inside,
        "igw-": _internet,
        "eigw-": _only_out,
        "nat-": _translate,
        "vpce-": _endpoint,
        "pcx-": _peer,
        "eni-": _machine,
        "i-": _machine,
        **dict.fromkeys(_TRANSIT, _away),
    }
