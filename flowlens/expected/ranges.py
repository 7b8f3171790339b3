"""Prefixes for addresses under a quota, and whether prefixes are the right instrument at all."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import collapse_addresses, ip_network

from flowlens.errors import UsageError
from flowlens.expected.cover import Cover, shared_cover
from flowlens.expected.ground import Amounts
from flowlens.expected.prefixes import WIDTH

__all__ = ["FOREIGN", "Fit", "Spoken", "fit"]

#: Foreign addresses that prefixes may admit; beyond, they are the wrong instrument.
FOREIGN = 1_000_000

#: Protocol and server port.
Spoken = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """Prefixes of one family for each protocol and port.

    Attributes:
        family: 4 or 6.
        prefixes: What to admit.
        left: Addresses that were left out for their price.
        foreign: Addresses admitted beside the given ones; of IPv6, networks of 64 bits.
        count: Prefixes in all.
        least: What the quota would have admitted beside them; null where it cannot hold them.
        room: The quota.
    """

    family: int
    prefixes: Mapping[Spoken, tuple[str, ...]]
    left: Mapping[Spoken, tuple[str, ...]]
    foreign: int
    count: int
    least: int | None
    room: int

    @property
    def over(self) -> bool:
        """Whether there are more prefixes than the quota has room for."""
        return self.count > max(0, self.room)


def fit(
    groups: Mapping[Spoken, Iterable[str]],
    family: int,
    room: int,
    *,
    forbidden: Iterable[str] = (),
    penalty: Amounts | None = None,
    foreign: int = FOREIGN,
) -> Fit:
    """Return the prefixes that admit all addresses and the least besides.

    While the addresses alone fit into the quota nothing else is admitted. Beyond it, the optimal
    cover under the quota counts, unless it admits more than `foreign` others: then as few
    prefixes as keep to that, although they are more than the quota has room for.

    Args:
        groups: Addresses by protocol and port.
        family: 4 or 6; addresses of the other one are passed over.
        room: Prefixes there may be.
        forbidden: Prefixes that are never admitted.
        penalty: What it costs to leave an address out, as in `optimal_cover`.
        foreign: Others that may be admitted.

    >>> fit({(6, 443): ["10.0.0.0", "10.0.0.1", "10.0.0.3"]}, 4, 2).prefixes
    {(6, 443): ('10.0.0.0/31', '10.0.0.3/32')}
    >>> fit({(6, 443): ["10.0.0.0", "10.0.0.1", "10.0.0.3"]}, 4, 1).foreign
    1
    """
    own = {
        spoken: sorted({a for a in addresses if (":" in a) == (family == 6)})
        for spoken, addresses in sorted(groups.items())
    }
    own = {spoken: addresses for spoken, addresses in own.items() if addresses}
    exact = {spoken: _joined(addresses) for spoken, addresses in own.items()}
    count = sum(map(len, exact.values()))
    if count <= max(0, room):
        return Fit(family, exact, {}, 0, count, 0, room)
    banned = tuple(forbidden)

    def cover(budget: int) -> dict[Spoken, Cover] | None:
        try:
            return shared_cover(own, budget, forbidden=banned, penalty=penalty)
        except UsageError:
            return None  # not without forbidden space, or fewer prefixes than ports

    def enough(budget: int) -> bool:
        tried = cover(budget)
        return tried is not None and _foreign(tried, family) <= foreign

    best = cover(max(0, room))
    least = None if best is None else _foreign(best, family)
    if best is None or least is None or least > foreign:
        best = cover(_fewest(max(0, room), count, enough))
    assert best is not None, "as many prefixes as addresses admit nothing else"
    return Fit(
        family,
        {spoken: each.prefixes for spoken, each in best.items() if each.prefixes},
        {spoken: each.left for spoken, each in best.items() if each.left},
        _foreign(best, family),
        sum(len(each.prefixes) for each in best.values()),
        least,
        room,
    )


def _fewest(low: int, high: int, enough: Callable[[int], bool]) -> int:
    """Return the least number that is enough: more than `low`, at most `high`.

    >>> _fewest(3, 90, lambda number: number >= 17)
    17
    """
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _joined(addresses: list[str]) -> tuple[str, ...]:
    """Return the fewest prefixes that hold exactly these addresses, in order."""
    return tuple(map(str, collapse_addresses(map(ip_network, addresses))))  # type: ignore[type-var]


def _foreign(covers: Mapping[Spoken, Cover], family: int) -> int:
    """Count what is admitted beside; an IPv6 network of 64 bits is what one customer gets."""
    extra = sum(int(each.extra) for each in covers.values())
    return extra if family == 4 else -(-extra // (1 << WIDTH[6] // 2))
