"""May this flow pass: every layer of the interface's own end, what its log says, and beyond."""

import os
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.inventory.model import Inventory
from flowlens.reach import groups
from flowlens.reach.account import TRACKED, Account
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import ALLOW, UNSURE
from flowlens.reach.flows import Asked, distinct, tidy
from flowlens.reach.judged import HERE, Judged, merge
from flowlens.reach.meet import PERHAPS, YES, End, Met
from flowlens.reach.notes import Notes
from flowlens.reach.onward import onward
from flowlens.reach.packets import ICMP, ICMP6, Packets, answer
from flowlens.reach.schema import FLOWS
from flowlens.reach.views import View, Views
from flowlens.reach.ways import BALANCER, BLIND, EGRESS, ENDPOINT, LOCAL, NAT, PEERING, TRANSIT

__all__ = ["evaluate", "speaking"]

_PART = 1 << 18  # flows judged at a time


def evaluate(flows: pl.DataFrame, inventory: Inventory) -> pl.DataFrame:
    """Say for each flow whether the configuration lets it pass, and which rule of which layer.

    A flow is a packet as an interface meets it. The layers are those that a whole connection
    needs: security groups for the packet that opens it, network ACLs for both directions, the
    route back and forth. The answers of AWS around the flow's time count; what they do not show,
    or disagree on, is ``unknown`` and `notes` say what is missing.

    Args:
        flows: with the columns of `schema.FLOWS`; missing ones and nulls are unknown.
        inventory: from `flowlens.inventory.load`.

    Returns:
        The columns of `schema.REACH`, a row for each flow in the same order.

    Raises:
        UsageError: a column holds what it cannot hold.
    """
    frame = tidy(flows.lazy().collect())
    accounts = _accounts(inventory)
    times = pl.Series("times", accounts.views.times, dtype=FLOWS["at"])
    slot = sum(
        (
            pl.lit(times).search_sorted(pl.col("at"), side=side).cast(pl.Int64)
            for side in ("left", "right")
        ),
        start=pl.lit(0, dtype=pl.Int64),
    )
    keyed = frame.with_columns(pl.when(pl.col("at").is_not_null()).then(slot).alias("slot")).drop(
        "at"
    )
    names = keyed.columns
    asked = keyed.unique(maintain_order=True).with_row_index("flow")
    judged = _whole(asked, accounts).sort("flow").drop("flow")
    if asked.height == keyed.height:
        return judged
    at = keyed.join(asked, on=names, how="left", nulls_equal=True, maintain_order="left")
    return judged.select(pl.all().gather(at["flow"]))


def _whole(asked: pl.DataFrame, accounts: "_Accounts") -> pl.DataFrame:
    """Judge distinct flows in parts, several at a time, so that memory stays bounded."""
    parts = [
        part.slice(at, _PART)
        for part in asked.partition_by("slot", maintain_order=True) or [asked]
        for at in range(0, max(1, part.height), _PART)
    ]
    slots = [part["slot"][0] if part.height else None for part in parts]
    ends = [accounts.ends(slot) for slot in slots]
    said = [accounts.views.between(slot) for slot in slots]
    if len(parts) == 1:
        return _judge(parts[0], ends[0], said[0])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return pl.concat(pool.map(_judge, parts, ends, said))


class _Accounts:
    """The accounts of an inventory as numbers, one for each view that was ever asked for."""

    def __init__(self, inventory: Inventory) -> None:
        self.views = Views(inventory)
        self._ends: dict[int, End] = {}

    def ends(self, slot: int | None) -> list[End]:
        """Return the accounts that speak in a slot of time."""
        return [self._end(view) for view in self.views.around(slot)]

    def _end(self, view: View) -> End:
        if id(view) not in self._ends:
            self._ends[id(view)] = End(Account(view))
        return self._ends[id(view)]


def speaking(inventory: Inventory, at: datetime) -> list[End]:
    """Return the accounts that speak at a time, as `evaluate` asks them.

    Args:
        inventory: from `flowlens.inventory.load`.
        at: the time.
    """
    accounts = _accounts(inventory)
    times = accounts.views.times
    return accounts.ends(bisect_left(times, at) + bisect_right(times, at))


@lru_cache(maxsize=2)
def _accounts(inventory: Inventory) -> _Accounts:
    return _Accounts(inventory)


def _judge(frame: pl.DataFrame, ends: Sequence[End], between: str) -> pl.DataFrame:
    """Judge distinct flows of one slot of time: by every view, then what the views agree on."""
    judged = merge([_view(frame, end) for end in ends], between).table()
    return frame.select("flow").hstack(judged)


def _view(frame: pl.DataFrame, end: End) -> Judged:
    asked, notes = distinct(frame, end.account), Notes()
    packets = asked.packets
    _complain(frame, packets, end, notes)
    exempt = np.zeros(len(packets), np.int64)
    known = np.flatnonzero((packets.face >= 0) & (packets.other >= 0) & (packets.protocol >= 0))
    exempt[known] = end.exempt(packets.take(known), asked.low[known])
    notes.say(
        "a service of the hypervisor: outside groups, ACLs and logs", packets.row, exempt == YES
    )
    doubt = exempt == PERHAPS
    notes.say(
        "perhaps the DNS server or the router of the VPC: its blocks are not known",
        packets.row,
        doubt,
    )
    judged = _layers(end, asked, known[exempt[known] != YES], notes)
    for bits in judged.layers.values():
        bits[exempt == YES] = ALLOW
        bits[doubt] = np.where(bits[doubt] == ALLOW, ALLOW, UNSURE)
    judged.layers["sg"][doubt] = UNSURE
    judged.exempt[:] = exempt == YES
    return judged


def _layers(end: End, asked: Asked, which: Ints, notes: Notes) -> Judged:
    """Judge the packets of which enough is known; the others are unknown in every layer."""
    size = len(asked.packets)
    packets = asked.packets.take(which)
    met = end.meet(packets, notes)
    beyond = onward(end, packets, met, asked.embedded[which], notes)
    layers = {**dict(zip(HERE, met.layers, strict=True)), **beyond.bits}
    typed = np.isin(asked.packets.protocol, (ICMP, ICMP6))
    routes = [*end.routes.routes]
    chosen = _spread(met.route, which, size)
    return Judged(
        layers={name: _spread(bits, which, size, UNSURE) for name, bits in layers.items()},
        out=asked.packets.out != asked.reply,
        reply=asked.reply,
        exempt=np.zeros(size, bool),
        blocked=_spread(met.way.blocked, which, size, fill=False),
        silent=typed & (answer(asked.packets.protocol, asked.packets.type) == -2),
        tracked=_spread(_tracked(end, packets, met), which, size),
        numbers={
            "nacl_out": _spread(met.outward.number, which, size),
            "nacl_in": _spread(met.inward.number, which, size),
        },
        words={
            **_carried(end, asked.packets.face),
            "route": _texts([route.name for route in routes], chosen),
            "route_target": _texts([route.target for route in routes], chosen),
        },
        rules=(met.groups.rows, met.groups.rules, end.groups.names),
        notes=notes,
    )


def _carried(end: End, face: Ints) -> dict[str, pl.Series]:
    """Return the groups of each interface, a line each, and the network ACL of its subnet."""
    faces, names = end.account.faces, end.account.groups.names
    sets = ["\n".join(sorted(names[n] for n in each)) for each in faces.sets]
    known = np.flatnonzero(face >= 0)
    subnet, vpc, carried = (
        _spread(each[face[known]], known, len(face))
        for each in (faces.subnet, faces.vpc, faces.set)
    )
    return {
        "groups": _texts([*sets], carried),
        "nacl": _texts([*end.acls.names], end.acls.of(subnet, vpc)),
    }


def _tracked(end: End, packets: Packets, met: Met) -> Ints:
    """Return which connections are tracked: some always are, whatever the rules."""
    kinds = [*end.account.faces.kinds, None]
    always = np.array([kind in TRACKED for kind in kinds], bool)
    table = [(row["service"] or "").endswith("dynamodb") for row in end.ways.endpoints]
    dynamo = np.array([*table, False], bool)
    kept = always[packets.face] | always[np.where(met.far.face >= 0, met.far.face, -1)]
    kept |= np.isin(met.way.kind, (NAT, EGRESS, TRANSIT, BALANCER))
    at_endpoint = met.way.kind == ENDPOINT
    kept |= at_endpoint & dynamo[np.where(at_endpoint, met.way.via, -1)]
    # Behind an unknown route, or at an unknown interface, may be what is always tracked.
    dim = (met.way.kind == BLIND) | (met.far.link == groups.PERHAPS)
    dim |= np.isin(met.way.kind, (LOCAL, PEERING)) & (met.far.face < 0)
    return np.where(kept, 1, np.where(dim & (met.groups.tracked == 0), -1, met.groups.tracked))


def _spread(part: NDArray[Any], which: Ints, size: int, fill: Any = -1) -> NDArray[Any]:
    whole = np.full(size, fill, part.dtype)
    whole[which] = part
    return whole


def _texts(names: list[str | None], chosen: Ints) -> pl.Series:
    column = pl.Series(names, dtype=pl.String)
    known = pl.Series(chosen).to_frame("n").select(pl.when(pl.col("n") >= 0).then("n")).to_series()
    return column.gather(known)


def _complain(frame: pl.DataFrame, packets: Packets, end: End, notes: Notes) -> None:
    """Say which flows cannot be judged for want of themselves."""
    rows, view = packets.row, end.account.view
    why = view.lack("ec2.describe_network_interfaces")
    strange = frame.filter(packets.face < 0)["interface_id"].unique().drop_nulls().to_list()
    for name in strange:
        named = (frame["interface_id"] == name).fill_null(value=False).to_numpy()
        notes.say(f"{name} is not in the inventory: {why}", rows, named)
    lost = (packets.face < 0) & frame["interface_id"].is_null().to_numpy()
    notes.say(f"which interface has the address is not known: {why}", rows, lost)
    notes.say("the address at the other end is missing or no address", rows, packets.other < 0)
    notes.say("the flow has no protocol", rows, packets.protocol < 0)
    foreign = (packets.face >= 0) & (packets.own >= 0)
    foreign &= ~end.account.faces.own.has(packets.face, packets.own)
    notes.say("the near address is not one of the interface's", rows, foreign)
