"""Questions about a range of ports or ICMP types, asked at one point of each stretch.

A flow that does not say its port is several packets. Rules can only tell apart the stretches
between their own bounds, so that one point of each stretch stands for all of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flowlens.reach.atlas import Ints
from flowlens.reach.bits import Bits
from flowlens.reach.packets import ICMP, ICMP6, TCP, UDP, Packets

__all__ = ["EPHEMERAL", "PORTS", "Points", "Query", "points"]

#: From where clients open connections: Lambda, NAT gateways and load balancers use all of these,
#: operating systems a part of them (user guide of VPC, "Ephemeral ports").
EPHEMERAL = 1024
PORTS, OCTET = 65535, 255


@dataclass(frozen=True, slots=True)
class Query:
    """What packets a layer is asked about: `a` is the port or ICMP type, `b` the ICMP code.

    ``owner`` is whose rules are asked, ``place`` the address that their blocks are held against.
    """

    owner: Ints
    place: Ints
    protocol: Ints
    low: Ints
    high: Ints
    code: Ints

    @classmethod
    def of(cls, owner: Ints, place: Ints, packets: Packets, *, first: Ints | int = 0) -> "Query":
        """Return the query for the packets that open connections.

        Args:
            owner: whose rules are asked.
            place: the address that their blocks are held against.
            packets: their protocol, port, type and code count.
            first: the first port that an unknown one can be.
        """
        protocol = packets.protocol
        ported, typed = np.isin(protocol, (TCP, UDP)), np.isin(protocol, (ICMP, ICMP6))
        port, kind = packets.port, packets.type
        low = np.where(ported, np.where(port < 0, first, port), 0)
        high = np.where(ported, np.where(port < 0, PORTS, port), 0)
        low = np.where(typed, np.maximum(kind, 0), low)
        high = np.where(typed, np.where(kind < 0, OCTET, kind), high)
        return cls(owner, place, protocol, low, high, np.where(typed, packets.code, 0))


@dataclass(frozen=True, slots=True)
class Points:
    """Points of queries: ``of`` is the query of each, in order, from ``starts`` on."""

    of: Ints
    a: Ints
    b: Ints
    starts: Ints

    def gather(self, bits: Bits) -> Bits:
        """Return for each query what its points say together."""
        if not len(bits):
            return bits
        return np.bitwise_or.reduceat(bits, self.starts)


#: The first and last `a`, and the `b` bounds, that the rules of an owner tell apart.
Cuts = Callable[[int, int], tuple[Sequence[int], Sequence[int]]]


def points(query: Query, cuts: Cuts) -> Points:
    """Return the points of queries.

    Args:
        query: the queries.
        cuts: gives the bounds of an owner's rules for a protocol, for ports (types) and codes.
    """
    size = len(query.owner)
    wide = np.flatnonzero((query.low != query.high) | (query.code < 0))
    if not len(wide):
        rows = np.arange(size)
        return Points(rows, query.low, query.code, rows)
    narrow = _narrow(query, wide)
    of, a, b = [narrow], [query.low[narrow]], [query.code[narrow]]
    keys = np.stack(
        [part[wide] for part in (query.owner, query.protocol, query.low, query.high, query.code)]
    )
    distinct, group = np.unique(keys, axis=1, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(group.ravel(), minlength=distinct.shape[1]))
    for n, (owner, protocol, low, high, code) in enumerate(distinct.T.tolist()):
        rows = wide[order[(ends[n - 1] if n else 0) : ends[n]]]
        found = cuts(owner, protocol)
        firsts = _firsts(found[0], low, high)
        codes = _firsts(found[1], 0, OCTET) if code < 0 else np.array([code])
        pairs = np.array(np.meshgrid(firsts, codes)).reshape(2, -1)
        of.append(np.repeat(rows, pairs.shape[1]))
        a.append(np.tile(pairs[0], len(rows)))
        b.append(np.tile(pairs[1], len(rows)))
    return _sorted(np.concatenate(of), np.concatenate(a), np.concatenate(b), size)


def _narrow(query: Query, wide: Ints) -> Ints:
    exact = np.ones(len(query.owner), bool)
    exact[wide] = False
    return np.flatnonzero(exact)


def _firsts(cuts: Sequence[int], low: int, high: int) -> Ints:
    """Return the first value of each stretch between cuts inside [low, high]."""
    inner = {cut for cut in cuts if low < cut <= high}
    return np.array(sorted({low, *inner}), np.int64)


def _sorted(of: Ints, a: Ints, b: Ints, size: int) -> Points:
    order = np.argsort(of, kind="stable")
    return Points(of[order], a[order], b[order], np.searchsorted(of[order], np.arange(size)))
