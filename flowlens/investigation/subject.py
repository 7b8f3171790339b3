"""What is investigated, as addresses, interfaces and names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import polars as pl

from flowlens.destinations.prefixes import covering
from flowlens.findings.evidence import among

__all__ = ["KINDS", "Subject", "single"]

#: Kinds of subjects; ``function:payments`` says which one a word means.
KINDS = (
    *("address", "prefix", "interface", "function", "instance", "group", "domain", "finding"),
    "owner",  # whatever else holds interfaces: a database, a NAT gateway, a load balancer, …
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is investigated.

    Args:
        said: its name, as the user wrote it.
        kind: one of `KINDS`.
        addresses: every address or prefix it ever had, canonical.
        interfaces: every interface it ever was; empty where an address is all that counts.
        kin: interfaces of similar workloads, whose records are read as well, by how they are
            similar.
        kin_addresses: their addresses.
        finding: the row of FINDINGS, where it is one.
    """

    said: str
    kind: str
    addresses: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    kin: Mapping[str, str] = field(default_factory=dict)
    kin_addresses: tuple[str, ...] = ()
    finding: Mapping[str, Any] | None = None

    @property
    def where(self) -> str:
        """The filter of all records that are read: its own, and those of similar workloads."""
        if self.addresses:
            return among("addr", list(dict.fromkeys((*self.addresses, *self.kin_addresses))))
        return self.own

    @property
    def own(self) -> str:
        """The filter of the records that are its own."""
        if self.finding is not None and (self.finding["evidence"] or {}).get("filter"):
            return str(self.finding["evidence"]["filter"])
        if self.addresses:
            return among("addr", list(self.addresses))
        named = list(self.interfaces or (self.said,))
        return among("instance_id" if self.kind == "instance" else "interface_id", named)

    @property
    def held(self) -> bool:
        """Whether it counts who held an address at the time, not only the address."""
        return bool(self.interfaces) and self.kind not in {"address", "prefix", "finding"}

    def has(self, addresses: pl.Series) -> pl.Series:
        """Return those of some addresses that are its own."""
        blocks = [one for one in self.addresses if "/" in one]
        distinct = addresses.drop_nulls().unique()
        alone = distinct.filter(distinct.is_in([one for one in self.addresses if "/" not in one]))
        if not blocks:
            return alone
        return pl.concat([alone, covering(distinct, blocks)["address"]]).unique()


def single(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return distinct addresses, IPv4 first, in the order of their numbers."""
    nets = {ip_network(one, strict=False) for one in addresses}
    ordered = sorted(nets, key=lambda net: (net.version, net.network_address, net.prefixlen))
    return tuple(
        str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)
        for net in ordered
    )
