"""Prefixes as numbers: read from text, ordered, and written in their one spelling.

The *key* of a prefix within its family is its first address and its length in the lowest eight
bits: keys sort by first address, the widest prefix first.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_interface, ip_network
from socket import AF_INET, AF_INET6, inet_pton

from flowlens.errors import UsageError

__all__ = ["WIDTH", "end", "key", "keys", "outermost", "shown", "written"]

#: Bits of an address of each family.
WIDTH = {4: 32, 6: 128}

_OBJECTS = (IPv4Address, IPv4Network, IPv6Address, IPv6Network)


def keys(values: Iterable[object], what: str = "address") -> dict[int, list[int]]:
    """Return the distinct keys of addresses and networks, sorted, by family.

    Args:
        values: Texts, or objects of `ipaddress`.
        what: What to call one in a message.

    Raises:
        UsageError: A value is neither; the message names it.

    >>> keys(["::1/128", "0.0.0.1", "0.0.0.1", "0.0.0.0/8"])
    {4: [8, 288], 6: [384]}
    """
    if isinstance(values, str):
        msg = f"{what} {values!r} stands alone; expected a list; try [{values!r}]"
        raise UsageError(msg)
    found: dict[int, set[int]] = {family: set() for family in WIDTH}
    four, six, number = found[4], found[6], int.from_bytes
    for value in values:
        try:  # several times as fast as ipaddress
            if ":" in value:  # type: ignore[operator]
                six.add(number(inet_pton(AF_INET6, value)) << 8 | 128)  # type: ignore[arg-type]
            else:
                four.add(number(inet_pton(AF_INET, value)) << 8 | 32)  # type: ignore[arg-type]
        except (OSError, TypeError, ValueError):
            family, one = key(value, what)
            found[family].add(one)
    return {family: sorted(members) for family, members in found.items()}


def key(value: object, what: str = "address") -> tuple[int, int]:
    """Return the family and the key of one address or network.

    Raises:
        UsageError: It is neither.

    >>> key("10.0.0.1/8")
    Traceback (most recent call last):
    ...
    flowlens.errors.UsageError: address '10.0.0.1/8' has host bits set; try 10.0.0.0/8
    """
    text = str(value) if isinstance(value, (str, *_OBJECTS)) else ""
    text = "" if "%" in text else text  # a zone means something on one machine only
    try:
        network = ip_network(text)
    except ValueError as exc:
        try:
            hint = f"has host bits set; try {ip_interface(text).network}"
        except ValueError:
            hint = "is none; expected an address or a prefix; try 10.0.0.1 or 2001:db8::/32"
        msg = f"{what} {value!r} {hint}"
        raise UsageError(msg) from exc
    return network.version, int(network.network_address) << 8 | network.prefixlen


def end(family: int, key: int) -> int:
    """Return the number of the address behind a prefix.

    >>> end(4, 8)
    16777216
    """
    return (key >> 8) + (1 << WIDTH[family] - (key & 255))


def outermost(family: int, keys: Iterable[int]) -> list[int]:
    """Return those of some sorted prefixes that lie in no other one."""
    found, free = [], 0
    for each in keys:
        if each >> 8 >= free:
            free = end(family, each)
            found.append(each)
    return found


def written(family: int, key: int) -> str:
    """Return a prefix as text.

    >>> written(4, 8), written(6, 384)
    ('0.0.0.0/8', '::1/128')
    """
    kind = IPv4Network if family == 4 else IPv6Network
    return str(kind((key >> 8, key & 255)))


def shown(family: int, key: int) -> str:
    """Return a prefix as text, and an address without its length.

    >>> shown(4, 8), shown(6, 384)
    ('0.0.0.0/8', '::1')
    """
    return written(family, key).removesuffix(f"/{WIDTH[family]}")
