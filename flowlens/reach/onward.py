"""From end to end: what happens behind the first route, and at the other end."""

from dataclasses import replace

import numpy as np

from flowlens.reach.account import Row
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import ALLOW, DENY, UNSURE, Bits, chain
from flowlens.reach.keys import NOBODY
from flowlens.reach.meet import End, Met
from flowlens.reach.notes import Notes
from flowlens.reach.packets import ICMP, TCP, UDP, Packets
from flowlens.reach.points import EPHEMERAL
from flowlens.reach.routes import NOWHERE
from flowlens.reach.rulebook import parts
from flowlens.reach.ways import (
    APPLIANCE,
    BALANCER,
    EGRESS,
    INTERNET,
    LOCAL,
    NAT,
    PEERING,
    TRANSIT,
    Way,
)

__all__ = ["Beyond", "onward"]

#: Names of the layers beyond the interface's own end, in the order in which `onward` gives them.
LAYERS = (
    *("far_sg", "far_nacl_out", "far_nacl_in", "far_route", "far_interface"),
    *("nat_nacl", "nat_route", "path"),
)
_DIM = {
    TRANSIT: "what lies behind the gateway is not known: its route tables are not read",
    BALANCER: "what the appliances behind the Gateway Load Balancer do is not known",
    APPLIANCE: "what the appliance does is not known",
}


class Beyond:
    """Layers beyond the interface's own end; what does not apply lets everything through."""

    def __init__(self, size: int) -> None:
        self.bits = {name: np.full(size, ALLOW, np.uint8) for name in LAYERS}

    def set(self, name: str, rows: Ints, bits: Bits) -> None:
        """Set what a layer does with some packets, after all that it did before."""
        self.bits[name][rows] = chain(self.bits[name][rows], bits.astype(np.uint8))


def onward(end: End, packets: Packets, met: Met, embedded: Ints, notes: Notes) -> Beyond:
    """Say what happens to connections beyond the interface's own end.

    Args:
        end: the account.
        packets: the connections.
        met: what the own end does with them.
        embedded: place of the IPv4 address inside a NAT64 address; -1 for any other.
        notes: takes what is not known.
    """
    beyond = Beyond(len(packets))
    kind = met.way.kind
    for number, why in _DIM.items():
        rows = np.flatnonzero(kind == number)
        beyond.set("path", rows, np.full(len(rows), UNSURE))
        notes.say(why, packets.row[rows])
    inner = np.flatnonzero(np.isin(kind, (LOCAL, PEERING)) & (met.way.usable != DENY))
    met_inside = met.far.face[inner] >= 0
    dark = inner[~met_inside]
    beyond.set("path", dark, np.full(len(dark), UNSURE))
    notes.say("the interface at the other end is not in the inventory", packets.row[dark])
    known = inner[met_inside]
    _far(end, packets.take(known), met.far.face[known], beyond, known, notes)
    _outer(end, packets, met.way, beyond, notes)
    _nat(end, packets, met, embedded, (beyond, notes))
    return beyond


def _far(end: End, packets: Packets, face: Ints, beyond: Beyond, rows: Ints, notes: Notes) -> None:
    """Ask the interface at the other end, which sees the same connections the other way round."""
    blank = packets.own < 0
    beyond.set("path", rows[blank], np.full(int(blank.sum()), UNSURE))
    asked = packets.take(~blank).seen_by(face[~blank], packets.other[~blank], packets.own[~blank])
    said = Notes()
    met = end.meet(asked, said)
    notes.take(said, "far end: ")
    for name, bits in zip(LAYERS[:5], met.layers, strict=True):
        beyond.set(name, rows[~blank], bits)
        notes.say(f"far end: {name.removeprefix('far_')} refuses it", asked.row, bits == DENY)
    dim = np.isin(met.way.kind, tuple(_DIM))
    beyond.set("path", rows[~blank][dim], np.full(int(dim.sum()), UNSURE))


def _outer(end: End, packets: Packets, way: Way, beyond: Beyond, notes: Notes) -> None:
    """Ask an interface of the inventory that is met over the internet, by its public address."""
    faces = end.account.faces
    everywhere = np.zeros(len(packets), np.int64)
    four = packets.other < end.account.atlas.four
    holder = np.where(
        four,
        faces.public.at(everywhere, packets.other),
        faces.anywhere.at(everywhere, packets.other),
    )
    seen = np.where(four, faces.mapped.at(packets.face, packets.own), packets.own)
    seen = np.where(way.kind == NAT, end.ways.seen[way.via], seen)
    outside = np.isin(way.kind, (INTERNET, EGRESS, NAT)) & (way.usable != DENY) & (holder != NOBODY)
    dark = np.flatnonzero(outside & ((holder < 0) | (seen < 0)))
    beyond.set("path", dark, np.full(len(dark), UNSURE))
    notes.say("who holds the address, or as whom it meets us, is not known", packets.row[dark])
    rows = np.flatnonzero(outside & (holder >= 0) & (seen >= 0))
    asked = replace(packets.take(rows), own=seen[rows])
    _far(end, asked, holder[rows], beyond, rows, notes)


def _nat(end: End, packets: Packets, met: Met, embedded: Ints, said: tuple[Beyond, Notes]) -> None:
    """Follow connections through NAT gateways: their subnet's ACL, both ways, and its route."""
    beyond, notes = said
    rows = np.flatnonzero((met.way.kind == NAT) & (met.way.usable != DENY) & (met.way.via >= 0))
    vpcs, subnets = end.account.networks.vpcs, end.account.networks.subnets
    for number, which in parts(met.way.via[rows], len(rows) or 1):
        nat = end.ways.nats[number]
        mine = rows[which]
        asked = packets.take(mine)
        target = np.where(embedded[mine] >= 0, embedded[mine], asked.other)
        asked = replace(asked, other=target)
        here = (
            np.full(len(mine), subnets.get(nat["subnet_id"])),
            np.full(len(mine), vpcs.get(nat["vpc_id"])),
        )
        if nat["subnet_id"]:
            beyond.set("nat_nacl", mine, _acls(end, asked, here, notes))
            table = end.routes.table(*here)
        else:
            table = np.full(len(mine), end.routes.find(nat["route_table_id"]))
        silent = Notes()
        chosen = end.routes.choose(table, target, asked.row, silent)
        notes.take(silent, f"{nat['nat_gateway_id']}: ")
        beyond.set("nat_route", mine, _routed(end, nat, chosen, asked, notes))
        odd = ~np.isin(asked.protocol, (ICMP, TCP, UDP))
        notes.say("a NAT gateway takes TCP, UDP and ICMP only", asked.row, odd)
        beyond.set("path", mine[odd], np.full(int(odd.sum()), DENY))


def _acls(end: End, packets: Packets, here: tuple[Ints, Ints], notes: Notes) -> Bits:
    """Say what the ACL of the gateway's subnet does with the four packets that cross its edge."""
    acl = end.acls.of(*here)
    apart = end.account.faces.subnet[packets.face] != here[0]
    behind = replace(packets, other=packets.own)
    asked, told = np.ones(len(packets), bool), np.zeros(len(packets), bool)
    outer = replace(packets, back=np.full(len(packets), -1))
    # The gateway's own port is any from 1024 on (user guide of VPC, "Ephemeral ports").
    crossings = (
        (behind.sent(opening=asked), False, 0, apart),
        (outer.sent(opening=asked), True, 0, asked),
        (outer.sent(opening=told), False, EPHEMERAL, asked),
        (behind.sent(opening=told), True, EPHEMERAL, apart),
    )
    found = [np.full(len(packets), ALLOW)]
    for each, out, first, crosses in crossings:
        rows = np.flatnonzero(crosses & (each.type != -2))
        blank = each.other[rows] < 0
        bits = np.full(len(packets), ALLOW)
        said = Notes()
        bits[rows] = end.acls.judge(acl[rows], each.take(rows), said, out=out, first=first).bits
        bits[rows[blank]] = UNSURE
        notes.take(said, "NAT gateway: ")
        found.append(bits)
    return chain(*found)


def _routed(end: End, nat: Row, chosen: Ints, packets: Packets, notes: Notes) -> Bits:
    """Say whether the route of the gateway's subnet takes what it sends on."""
    bits = np.where(chosen == NOWHERE, DENY, UNSURE).astype(np.uint8)
    name = nat["nat_gateway_id"]
    notes.say(f"{name}: no route leads there", packets.row, chosen == NOWHERE)
    for number, rows in parts(chosen, len(chosen) or 1):
        if number < 0:
            continue
        route, asked = end.routes.routes[number], packets.take(rows)
        target = route.target or ""
        if route.state == "blackhole":
            bits[rows] = DENY
            notes.say(f"{name}: the route to {target} is a blackhole", asked.row)
        elif target.startswith("igw-"):
            bits[rows] = end.ways.internet.leave(nat, target, asked, notes)
        elif target.startswith(("pcx-", "vpce-")):
            notes.say(f"{name}: nat-onward-undocumented over {target}", asked.row)
        else:
            notes.say(f"{name}: what lies behind {target or 'its route'} is not known", asked.row)
    return bits
