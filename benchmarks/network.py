"""The network of made captures: which interfaces, addresses and services there are.

An account with one VPC of 16 subnets: ten private ones (the Internet is behind one of three NAT
gateways, S3 and DynamoDB behind gateway endpoints), four public ones, one with IPv6 only, and
one whose interfaces are called from outside. Everything is computed from numbers, so that a
network of any size needs no more memory than its tables of texts.

Every server port is registered for a service and every client port is ephemeral and registered
for none, so that the port alone tells who the client is, to `flowlens` as to plain SQL.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.services import HIGH_SERVICES

__all__ = ["AWS", "INBOUND", "INSIDE", "INTERNET", "PORTS", "TCP", "UDP", "V6", "Network", "mixed"]

TCP, UDP = 6, 17
INSIDE, AWS, INTERNET = range(3)  # kinds of servers
SUBNETS, PUBLIC, V6, INBOUND = 16, 10, 14, 15  # from `PUBLIC` on there is no NAT gateway between
NATS = 3

#: Linux's ``ip_local_port_range``, without the numbers that a service may have.
PORTS = np.setdiff1d(np.arange(32_768, 61_000), HIGH_SERVICES)

SERVICES = {
    INSIDE: [5432, 6379, 443, 8080, 9092, 53, 3306, 9200, 2049, 123],
    AWS: [443],
    INTERNET: [443, 443, 443, 443, 443, 80, 8443, 123, 53, 993, 587, 22],
}
DATAGRAM = (53, 123)
OCTETS = (3, 18, 34, 44, 52, 54, 99, 104, 142, 185)

Numbers = NDArray[np.int64]


def mixed(values: Numbers, salt: int) -> Numbers:
    """Return numbers of 62 bits that look random: the finaliser of SplitMix64."""
    bits = values.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) % 2**64)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((bits ^ (bits >> np.uint64(31))) >> np.uint64(2)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Network:
    """Interfaces and addresses by number.

    Interfaces come first, and an interface's number is that of its own address: clients, servers
    with IPv4, servers with IPv6, NAT gateways. Servers outside follow, first by IPv4, then by
    IPv6.

    Args:
        pairs: how many different pairs of a client and a service talk within an hour.
    """

    pairs: int

    @property
    def clients(self) -> int:
        """How many interfaces open connections: three a subnet at least, so that each has peers."""
        return min(max(self.pairs // 150, 3 * SUBNETS), 3_000)

    @property
    def servers(self) -> int:
        """How many interfaces of each family answer."""
        return max(self.clients // 10, 4)

    @property
    def gateways(self) -> int:
        """The number of the first NAT gateway."""
        return self.clients + 2 * self.servers

    @property
    def outside(self) -> int:
        """How many servers outside have an address of each family."""
        ranks = self.pairs // self.clients + 2
        return ranks * (ranks + 1) // 2

    @property
    def interfaces(self) -> int:
        """How many interfaces there are."""
        return self.gateways + NATS

    def pair(self, number: Numbers) -> pl.DataFrame:
        """Return who talks to whom over which port.

        A client's first pairs are with the servers that everybody uses, the later ones with ever
        rarer ones.

        Args:
            number: of the pairs, below `pairs`.
        """
        near, rank = number % self.clients, number // self.clients
        service = rank * (rank + 1) // 2 + mixed(near, 1) % (rank + 1)
        subnet, chance = near % SUBNETS, mixed(service, 2) % 100
        kind = np.select([chance < 30, chance < 75], [INSIDE, AWS], INTERNET)
        kind = np.where(subnet == INBOUND, INTERNET, kind)
        v6 = subnet == V6
        inner = self.clients + v6 * self.servers + mixed(service, 3) % self.servers
        outer = self.interfaces + v6 * self.outside + service
        port = np.zeros(len(number), np.int64)
        for of, choices in SERVICES.items():
            port = np.where(kind == of, np.take(choices, mixed(service, 4) % len(choices)), port)
        return pl.DataFrame(
            {
                "subnet": subnet,
                "near": near,
                "far": np.where(kind == INSIDE, inner, outer),
                "kind": kind,
                "service": port,
                "protocol": np.where(np.isin(port, DATAGRAM), UDP, TCP),
                "nat": self.gateways + subnet % NATS,
                "through": (kind == INTERNET) & (subnet < PUBLIC),
                "refused": mixed(number, 5) % 100 < 4,
            }
        )

    def addresses(self) -> pl.DataFrame:
        """Return the text of each address, and the AWS service whose range it is in."""
        near = [_near(number) for number in range(self.clients)]
        v4 = [f"10.21.{n // 250}.{n % 250 + 4}" for n in range(self.servers)]
        v6 = [f"2600:1f18:aa00:200::{n + 16:x}" for n in range(self.servers)]
        gateways = [f"10.20.255.{n + 4}" for n in range(NATS)]
        far = np.arange(self.outside)
        outside = [_outside(number) for number in range(self.outside)]
        outside += [f"2a05:d01c:{n // 50_000 + 1:x}::{n % 50_000 + 1:x}" for n in far]
        chance = mixed(far, 2) % 100
        aws = np.where(
            (chance >= 30) & (chance < 75), np.where(far % 8 == 0, "DYNAMODB", "S3"), "-"
        )
        names = ["-"] * self.interfaces + [*aws, *aws]
        return pl.DataFrame({"address": near + v4 + v6 + gateways + outside, "aws": names})

    def holders(self) -> pl.DataFrame:
        """Return what the logs say about each interface: its id, subnet, instance and zone."""
        number = np.arange(self.interfaces)
        subnet = np.where(number < self.clients, number % SUBNETS, SUBNETS)
        unattended = (number >= self.gateways) | (number % 3 == 0)
        return pl.DataFrame(
            {
                "interface": [f"eni-0{n:016x}" for n in mixed(number, 6) % 2**60],
                "subnet": [f"subnet-0{n:016x}" for n in mixed(subnet, 7) % 2**60],
                "instance": [
                    "-" if alone else f"i-0{n:016x}"
                    for n, alone in zip(mixed(number, 8) % 2**60, unattended, strict=True)
                ],
                "zone": [f"use1-az{n}" for n in subnet % 3 + 1],
            }
        )


def _near(number: int) -> str:
    subnet, host = number % SUBNETS, number // SUBNETS + 4
    return f"2600:1f18:aa00:100::{host:x}" if subnet == V6 else f"10.20.{subnet}.{host}"


def _outside(number: int) -> str:
    bits = number * 7_919 % 2**24
    return f"{OCTETS[number % 10]}.{bits >> 16}.{bits >> 8 & 255}.{bits & 255}"
