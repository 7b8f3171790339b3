"""Flows as people type them: ``10.0.1.5 -> 10.0.2.9:443/tcp``."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from flowlens.errors import UsageError
from flowlens.words import PORTED, PROTOCOLS

__all__ = ["Typed", "parse"]

ICMP = {1, 58}
_NUMBERS = {name: number for number, name in PROTOCOLS.items()} | {"icmp6": 58, "ipv6-icmp": 58}
_ARROW = re.compile(r"\s*(?:->|→)\s*")
_SHAPE = "expected 'A:port -> B:port/tcp', with IPv6 in brackets as in [2001:db8::1]:443"

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Typed:
    """A flow as it was typed: an end is an address, or the name of what holds one."""

    client: str
    server: str
    protocol: int
    client_port: int | None = None
    server_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


def parse(text: str) -> Typed:
    """Read a flow.

    An end is an address, an interface, or the name of a workload; a port that is left out or
    ``*`` is any. After the server come the protocol, by name or number, and of ICMP the type and
    the code, as in ``A -> B/icmp/8/0``.

    Args:
        text: what was typed.

    Raises:
        UsageError: a part cannot be read; the text says which.

    >>> parse("10.0.1.5 -> [2001:db8::1]:443/tcp").server
    '2001:db8::1'
    >>> parse("batch:* -> 10.0.2.9/icmp/8/0").icmp_type
    8
    """
    halves = _ARROW.split(text.strip())
    if len(halves) != 2 or not all(halves):
        msg = f"--flow {text!r:.120}: {len(halves) - 1} arrows; {_SHAPE}"
        raise UsageError(msg)
    left, right = halves
    # No name of an end has a slash: the first one ends the server.
    server, slash, kind = right.partition("/")
    if not slash:
        msg = f"--flow {text!r:.120}: no protocol; end it with /tcp, /udp, /icmp or a number"
        raise UsageError(msg)
    if "/" in left:
        msg = f"--flow {text!r:.120}: {left!r} has a slash; the protocol stands after the server"
        raise UsageError(msg)
    protocol, typed = _protocol(kind, text)
    (one, from_port), (other, to_port) = (_end(end, text) for end in (left, server))
    if protocol not in PORTED and (from_port or to_port):
        msg = f"--flow {text!r:.120}: {kind} has no ports"
        raise UsageError(msg)
    return Typed(one, other, protocol, from_port, to_port, *typed)


def _protocol(text: str, whole: str) -> tuple[int, tuple[int | None, int | None]]:
    word, *rest = text.strip().lower().split("/")
    number = _NUMBERS.get(word, int(word) if word.isdecimal() else -1)
    if not 0 <= number <= 255:
        known = ", ".join(_NUMBERS)
        msg = f"--flow {whole!r:.120}: {word!r:.30} is no protocol; use a number or {known}"
        raise UsageError(msg)
    parts = [None if part in ("*", "-1") else _octet(part, whole) for part in rest]
    if len(parts) > (2 if number in ICMP else 0):
        msg = f"--flow {whole!r:.120}: {'/'.join(rest)!r:.30} after {word}; only ICMP has a type"
        raise UsageError(msg)
    first, second = (*parts, None, None)[:2]
    return number, (first, second)


def _octet(text: str, whole: str) -> int:
    if not text.isdecimal() or int(text) > 255:
        msg = f"--flow {whole!r:.120}: {text!r:.30} is no ICMP type or code; expected 0 to 255"
        raise UsageError(msg)
    return int(text)


def _end(text: str, whole: str) -> tuple[str, int | None]:
    """Return the name or the canonical address of an end, and its port."""
    if (bare := _address(text)) is not None:
        if bare.version == 6:
            msg = f"--flow {whole!r:.120}: write IPv6 in brackets, [{bare}] or [{bare}]:port"
            raise UsageError(msg)
        return str(bare), None
    if text.startswith("["):
        inner, bracket, port = text[1:].partition("]")
        found = _address(inner)
        if not bracket or found is None or (port and not port.startswith(":")):
            msg = f"--flow {whole!r:.120}: {text!r:.60} is no address in brackets"
            raise UsageError(msg)
        return str(found), _port(port[1:], whole)
    name, _, port = text.partition(":")
    if re.fullmatch(r"[\d.]+", name) and _address(name) is None:
        msg = f"--flow {whole!r:.120}: {name!r:.60} is no address"
        raise UsageError(msg)
    if ":" in port:
        msg = f"--flow {whole!r:.120}: {text!r:.60} has several colons; write [IPv6]:port"
        raise UsageError(msg)
    return name, _port(port, whole)


def _port(text: str, whole: str) -> int | None:
    if text in ("", "*"):
        return None
    if not text.isdecimal() or int(text) > 65535:
        msg = f"--flow {whole!r:.120}: {text!r:.30} is no port; expected 0 to 65535, or *"
        raise UsageError(msg)
    return int(text)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
