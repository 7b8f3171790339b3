"""An account as numbers: interfaces, networks and who holds which place of the atlas."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from flowlens.reach.atlas import Atlas, Ints
from flowlens.reach.cuts import beyond, cuts
from flowlens.reach.keys import Holders, Runs
from flowlens.reach.views import View

__all__ = ["Account", "Faces", "Ids", "Networks"]

Row = dict[str, Any]

#: More than there are groups: interface times this plus group is a key.
SPAN = 1 << 24

#: Kinds without security groups of their own, and kinds whose connections are always tracked.
BARE = ("nat_gateway", "transit_gateway", "gwlb", "gwlb_endpoint", "nlb")
TRACKED = (*BARE, "lambda", "vpc_endpoint", "global_accelerator")


class Ids:
    """Numbers for names, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._index: dict[str, int] = {}

    def add(self, name: str | None) -> int:
        """Return the number of a name, a new one if need be; -1 for None."""
        if name is None:
            return -1
        if name not in self._index:
            self._index[name] = len(self.names)
            self.names.append(name)
        return self._index[name]

    def get(self, name: str | None) -> int:
        """Return the number of a name; -1 if it has none."""
        return -1 if name is None else self._index.get(name, -1)


class Networks:
    """VPCs and subnets: their blocks, and what of them is known."""

    def __init__(self, view: View, atlas: Atlas) -> None:
        self.vpcs, self.subnets = Ids(), Ids()
        rows = view.rows("vpcs")
        blocks = [(row["vpc_id"], cidr) for row in rows for cidr in row["cidrs"]]
        routed = [
            (row["vpc_id"], row["cidr"]) for row in view.rows("routes") if row["target"] == "local"
        ]
        # A table's local routes are the blocks of its VPC, where the VPC itself was not captured.
        listed = {row["vpc_id"] for row in rows}
        blocks += [pair for pair in routed if pair[0] not in listed]
        self.blocks = _runs(atlas, self.vpcs, blocks)
        nets = view.rows("subnets")
        self.ranges = _runs(
            atlas, self.subnets, [(row["subnet_id"], cidr) for row in nets for cidr in row["cidrs"]]
        )
        primary = _primary(rows, routed)
        resolvers = [(vpc, text) for vpc, cidr in primary.items() if (text := beyond(cidr, 2))]
        routers = [
            (row["vpc_id"], text)
            for row in nets
            for cidr in row["cidrs"]
            if ":" not in cidr and (text := beyond(cidr, 1))
        ]
        self.exempt = _runs(atlas, self.vpcs, [*resolvers, *routers])
        self.named = np.array(sorted({self.vpcs.add(vpc) for vpc, _ in resolvers}), np.int64)
        self.split = np.array(sorted({self.vpcs.add(row["vpc_id"]) for row in nets}), np.int64)


def _primary(rows: Iterable[Row], routed: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the primary block of each VPC; a lone local route is it as well."""
    lone: dict[str, set[str]] = {}
    for vpc, cidr in routed:
        if cidr and ":" not in cidr:
            lone.setdefault(vpc, set()).add(cidr)
    found = {vpc: min(cidrs) for vpc, cidrs in lone.items() if len(cidrs) == 1}
    return found | {row["vpc_id"]: row["primary"] for row in rows if row["primary"]}


def _runs(atlas: Atlas, ids: Ids, blocks: Iterable[tuple[str | None, str]]) -> Runs:
    return Runs(
        atlas.size,
        [
            (ids.add(name), *run)
            for name, cidr in blocks
            if name is not None and (run := atlas.run(cidr))
        ],
    )


class Faces:
    """Interfaces: where they are, what they carry, and which addresses they hold."""

    def __init__(self, view: View, atlas: Atlas, networks: Networks, groups: Ids) -> None:
        rows = view.rows("interfaces")
        self.ids = Ids()
        for row in rows:
            self.ids.add(row["interface_id"])
        self.vpc = _numbers(networks.vpcs.add(row["vpc_id"]) for row in rows)
        self.subnet = _numbers(networks.subnets.add(row["subnet_id"]) for row in rows)
        self.kinds = [row["kind"] for row in rows]
        sets: dict[tuple[int, ...], int] = {}
        self.set = _numbers(_carried(row, groups, sets) for row in rows)
        self.sets = [*sets]
        self.check = [row["source_dest_check"] for row in rows]
        self.shut = np.array([bool(row["shut"]) for row in rows], bool)
        self.instances: dict[str, list[int]] = {}
        for n, row in enumerate(rows):
            if row["instance_id"]:
                self.instances.setdefault(row["instance_id"], []).append(n)
        self.carry = np.array(
            sorted(n * SPAN + g for n, s in enumerate(self.set) for g in self.of(s)),
            np.int64,
        )
        self._settle(view, atlas)

    def _settle(self, view: View, atlas: Atlas) -> None:
        """Find who holds which places."""
        rows = view.rows("interfaces")
        private = _held(atlas, rows, "addresses", "prefixes")
        public = _held(atlas, rows, "public_addresses")
        self.private = Runs(atlas.size, private)
        self.own = Runs(atlas.size, [*private, *public])
        self.holders = Holders(
            atlas.size,
            [(int(self.vpc[n]), low, high, n) for n, low, high in private if self.vpc[n] >= 0],
        )
        self.anywhere = Holders(atlas.size, [(0, low, high, n) for n, low, high in private])
        self.public = Holders(atlas.size, [(0, low, high, n) for n, low, high in public])
        self.mapped = Holders(
            atlas.size,
            [
                (n, *here, there[0])
                for n, one, other in self._mapped(view)
                if (here := atlas.run(one)) and (there := atlas.run(other))
            ],
        )

    def of(self, number: int) -> tuple[int, ...]:
        """Return the groups of a set."""
        return self.sets[number] if number >= 0 else ()

    def _mapped(self, view: View) -> Iterator[tuple[int, str, str]]:
        """Yield which address of an interface has which public one; a public one has itself."""
        for n, row in enumerate(view.rows("interfaces")):
            yield from ((n, each["private"], each["public"]) for each in row["mapped"] or ())
            yield from ((n, text, text) for text in row["public_addresses"])
        for row in view.rows("elastic"):
            n = self.ids.get(row["interface_id"])
            if n >= 0 and row["private"] and row["address"]:
                yield n, row["private"], row["address"]
        for row in view.rows("nat_gateways"):
            for name in row["interfaces"] or [row["nat_gateway_id"]]:
                n = self.ids.get(name)
                if n >= 0:
                    yield from ((n, each["private"], each["public"]) for each in row["mapped"])


def _carried(row: Row, groups: Ids, sets: dict[tuple[int, ...], int]) -> int:
    """Return the number of the interface's set of groups; -1 where it is not known."""
    if row["groups"] is None and row["kind"] not in BARE:
        return -1
    return sets.setdefault(tuple(sorted(map(groups.add, row["groups"] or ()))), len(sets))


def _held(atlas: Atlas, rows: Iterable[Row], *columns: str) -> list[tuple[int, int, int]]:
    """Return the runs of the addresses of each interface."""
    return [
        (n, *run)
        for n, row in enumerate(rows)
        for column in columns
        for text in row[column]
        if (run := atlas.run(text))
    ]


def _numbers(values: Iterable[int]) -> Ints:
    return np.array(list(values), np.int64)


class Account:
    """Everything that a view says, as numbers."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.atlas = Atlas(cuts(view))
        self.groups = Ids()
        self.networks = Networks(view, self.atlas)
        self.faces = Faces(view, self.atlas, self.networks, self.groups)
