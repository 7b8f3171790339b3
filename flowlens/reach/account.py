"""An account as numbers: interfaces, networks and who holds which place of the atlas."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from flowlens.reach.atlas import Atlas, Ints, block
from flowlens.reach.keys import Holders, Runs
from flowlens.reach.views import View

__all__ = [
    "Account",
    "Faces",
    "Ids",
    "Networks",
    "held",
    "listed",
    "network",
    "ruled",
]

Row = dict[str, Any]

#: Blocks that the internet gateway refuses (RFC 1918, RFC 6598), and what NAT64 translates.
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
NAT64 = "64:ff9b::/96"
#: Never forwarded by a route table (user guide of VPC, "Route tables").
RESERVED = ("169.254.168.0/22", "fd00:ec2::/32")
#: Services of the hypervisor, outside groups, ACLs and flow logs (user guides of VPC and EC2):
#: DNS, metadata, time, tasks, pods, Windows activation.
LINK = (
    *("169.254.169.253", "fd00:ec2::253"),
    *("169.254.169.254", "fd00:ec2::254"),
    *("169.254.169.123", "fd00:ec2::123"),
    *("169.254.170.2", "169.254.170.23", "fd00:ec2::23"),
    *("169.254.169.250", "169.254.169.251", "fd00:ec2::250", "fd00:ec2::251"),
)

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
        resolvers = [(vpc, text) for vpc, cidr in primary.items() if (text := _beyond(cidr, 2))]
        routers = [
            (row["vpc_id"], text)
            for row in nets
            for cidr in row["cidrs"]
            if ":" not in cidr and (text := _beyond(cidr, 1))
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


def _beyond(cidr: str, offset: int) -> str | None:
    """Return the address `offset` after the start of an IPv4 block.

    >>> _beyond("10.0.0.0/16", 2)
    '10.0.0.2'
    """
    found = block(cidr)
    if found is None or found[0] != 4:
        return None
    return ".".join(str(each) for each in (found[1] + offset).to_bytes(4))


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
        self.sets: list[tuple[int, ...]] = []
        self._sets: dict[tuple[int, ...], int] = {}
        self.set = _numbers(self._carried(row, groups) for row in rows)
        self.check = [row["source_dest_check"] for row in rows]
        self.shut = np.array([bool(row["shut"]) for row in rows], bool)
        self.instances: dict[str, list[int]] = {}
        for n, row in enumerate(rows):
            if row["instance_id"]:
                self.instances.setdefault(row["instance_id"], []).append(n)
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
        mapped = [*self._mapped(view, rows), *((n, text, text) for n, text in _public(rows))]
        self.mapped = Holders(
            atlas.size,
            [
                (n, *here, there[0])
                for n, one, other in mapped
                if (here := atlas.run(one)) and (there := atlas.run(other))
            ],
        )
        self.carry = np.array(
            sorted(n * SPAN + g for n, s in enumerate(self.set) for g in self.of(s)),
            np.int64,
        )

    def of(self, number: int) -> tuple[int, ...]:
        """Return the groups of a set."""
        return self.sets[number] if number >= 0 else ()

    def _carried(self, row: Row, groups: Ids) -> int:
        """Return the number of the interface's set of groups; -1 where it is not known."""
        if row["groups"] is None and row["kind"] not in BARE:
            return -1
        found = tuple(sorted(groups.add(each) for each in row["groups"] or ()))
        if found not in self._sets:
            self._sets[found] = len(self.sets)
            self.sets.append(found)
        return self._sets[found]

    def _mapped(self, view: View, rows: Iterable[Row]) -> Iterator[tuple[int, str, str]]:
        """Yield which private address of an interface has which public one."""
        for n, row in enumerate(rows):
            yield from ((n, each["private"], each["public"]) for each in row["mapped"] or ())
        for row in view.rows("elastic"):
            n = self.ids.get(row["interface_id"])
            if n >= 0 and row["private"] and row["address"]:
                yield n, row["private"], row["address"]
        for row in view.rows("nat_gateways"):
            for name in row["interfaces"] or [row["nat_gateway_id"]]:
                n = self.ids.get(name)
                if n >= 0:
                    yield from ((n, each["private"], each["public"]) for each in row["mapped"])


def _held(atlas: Atlas, rows: Iterable[Row], *columns: str) -> list[tuple[int, int, int]]:
    """Return the runs of the addresses of each interface."""
    return [
        (n, *run)
        for n, row in enumerate(rows)
        for column in columns
        for text in row[column]
        if (run := atlas.run(text))
    ]


def _public(rows: Iterable[Row]) -> Iterator[tuple[int, str]]:
    return ((n, text) for n, row in enumerate(rows) for text in row["public_addresses"])


def _numbers(values: Iterable[int]) -> Ints:
    return np.array(list(values), np.int64)


class Account:
    """Everything that a view says, as numbers."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.atlas = Atlas(_texts(view))
        self.groups = Ids()
        self.networks = Networks(view, self.atlas)
        self.faces = Faces(view, self.atlas, self.networks, self.groups)


def _texts(view: View) -> Iterator[str]:
    """Yield every block and address that cuts the number line."""
    yield from (*network(view), *held(view), *ruled(view), *listed(view))


def network(view: View) -> Iterator[str]:
    """Yield the blocks of networks, routes and network ACLs, and what AWS itself treats apart."""
    yield from (*PRIVATE, *RESERVED, *LINK, NAT64, "0.0.0.0/0", "::/0")
    for name in ("vpcs", "subnets"):
        yield from (text for row in view.rows(name) for text in row["cidrs"] or ())
    for row in view.rows("peerings"):
        yield from (*row["requester_cidrs"], *row["accepter_cidrs"])
    for row in view.rows("nat_gateways"):
        yield from (*(row["addresses"] or ()), *(row["public_addresses"] or ()))
    for name in ("nacls", "routes"):
        yield from (row["cidr"] for row in view.rows(name) if row["cidr"])
    yield from _derived(view)


def held(view: View) -> Iterator[str]:
    """Yield what interfaces hold, and the addresses that AWS leases."""
    for row in view.rows("interfaces"):
        for column in ("addresses", "prefixes", "public_addresses"):
            yield from row[column] or ()
    for row in view.rows("elastic"):
        yield from (text for text in (row["private"], row["address"]) if text)


def ruled(view: View) -> Iterator[str]:
    """Yield the blocks that rules of security groups name."""
    yield from (row["cidr"] for row in view.rows("rules") if row["cidr"])
    for row in view.rows("permissions"):
        for item in (*(row["ingress"] or ()), *(row["egress"] or ())):
            yield from (each["CidrIp"] for each in item["IpRanges"] or () if each["CidrIp"])
            yield from (each["CidrIpv6"] for each in item["Ipv6Ranges"] or () if each["CidrIpv6"])


def listed(view: View) -> Iterator[str]:
    """Yield the entries of prefix lists."""
    for row in view.rows("entries"):
        yield from row["cidrs"] or ()


def _derived(view: View) -> Iterator[str]:
    """Yield the addresses of the DNS server and the router in each block."""
    blocks = [row["cidr"] for row in view.rows("routes") if row["target"] == "local"]
    blocks += [
        cidr for name in ("vpcs", "subnets") for row in view.rows(name) for cidr in row["cidrs"]
    ]
    for cidr in blocks:
        yield from (text for n in (1, 2) if cidr and (text := _beyond(cidr, n)))
