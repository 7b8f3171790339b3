"""What a word of a filter means where a value is expected: addresses, ports, sizes, times, text."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

import polars as pl

from flowlens import times
from flowlens.errors import UsageError
from flowlens.filters import prefixes, words

__all__ = [
    "PORTS",
    "PROTOCOLS",
    "Value",
    "Wrong",
    "address",
    "number",
    "port",
    "protocol",
    "text",
    "time",
]

#: Names for ports, of the services that serverless networks meet (IANA service names and habit).
PORTS = {
    "amqp": 5672, "amqps": 5671, "cassandra": 9042, "dhcp": 67, "dns": 53, "domain": 53,
    "elasticsearch": 9200, "ftp": 21, "git": 9418, "http": 80, "https": 443, "imap": 143,
    "imaps": 993, "kafka": 9092, "kerberos": 88, "ldap": 389, "ldaps": 636, "memcached": 11211,
    "mongodb": 27017, "mqtt": 1883, "mqtts": 8883, "mssql": 1433, "mysql": 3306, "neptune": 8182,
    "nfs": 2049, "ntp": 123, "oracle": 1521, "pop3": 110, "pop3s": 995, "postgres": 5432,
    "postgresql": 5432, "rdp": 3389, "redis": 6379, "redshift": 5439, "sip": 5060, "smb": 445,
    "smtp": 25, "smtps": 465, "snmp": 161, "ssh": 22, "submission": 587, "syslog": 514,
    "telnet": 23, "tftp": 69, "winrm": 5985,
}  # fmt: skip
#: https://www.iana.org/assignments/protocol-numbers
PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51,
    "icmp6": 58, "icmpv6": 58, "ospf": 89, "vrrp": 112, "sctp": 132,
}  # fmt: skip
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {f"{unit}I": 2 ** (10 * power) for power, unit in enumerate("KMGT", 1)}


@dataclass(frozen=True, slots=True)
class Value:
    """One value: a plain one to be equal to, or a test of a column."""

    plain: Any = None
    test: Callable[[pl.Expr], pl.Expr] | None = None
    part: str = ""  # what every text begins with that passes the test


class Wrong(Exception):
    """A word that is no such value; the grammar adds its place."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def address(said: str) -> Value:
    """Read an address, a CIDR (``10/8`` too) or a glob.

    >>> address("2001:DB8:0::1").plain
    '2001:db8::1'
    """
    if "*" in said or "?" in said:
        return text(said)
    short = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3}){0,2})/(\d{1,2})", said)
    whole = f"{short[1]}{'.0' * (3 - short[1].count('.'))}/{short[2]}" if short else said
    try:
        if "/" not in whole:
            return Value(str(ip_address(whole)))
        network = ip_network(whole, strict=False)
    except ValueError:
        kind = "a network" if "/" in said else "an address"
        why = f"{said!r} is not {kind}"
        named = re.search("[g-z]", said.lower()) and "/" not in said
        raise Wrong(why, f"For names write: name = {said}." if named else "") from None
    octets = str(network.network_address).split(".")[: network.prefixlen // 8]
    part = "".join(f"{octet}." for octet in octets[:3]) if network.version == 4 else ""
    return Value(test=lambda column: prefixes.inside(column, network), part=part)


def port(said: str) -> Value:
    """Read a port number, a service name or a range such as ``1024-65535``.

    >>> port("https").plain
    443
    """
    if said.lower() in PORTS:
        return Value(PORTS[said.lower()])
    span = re.fullmatch(r"(\d{1,5})-(\d{1,5})", said)
    if span:
        low, high = int(span[1]), int(span[2])
        if low > high or high > 65535:
            why = f"{said!r} is not a range of ports (0-65535, smaller first)"
            raise Wrong(why)
        return Value(test=lambda column: column.is_between(low, high))
    if re.fullmatch(r"\d{1,9}", said):
        if int(said) > 65535:
            why = f"{said} is too large for a port (0-65535)"
            raise Wrong(why)
        return Value(int(said))
    why = f"{said!r} is not a port number or a known service name"
    raise Wrong(why, _near(said, PORTS))


def protocol(said: str) -> Value:
    """Read a protocol's name or IANA number.

    >>> protocol("udp").plain
    17
    """
    if said.lower() in PROTOCOLS:
        return Value(PROTOCOLS[said.lower()])
    if re.fullmatch(r"\d{1,3}", said) and int(said) < 256:
        return Value(int(said))
    why = f"{said!r} is not a protocol's name or number (0-255)"
    raise Wrong(why, _near(said, PROTOCOLS))


def number(said: str) -> Value:
    """Read a count or size: ``7``, ``10k``, ``10MB`` (decimal), ``1.5GiB`` (binary).

    >>> number("10MB").plain, number("1KiB").plain
    (10000000, 1024)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?I?)B?", said.upper())
    if not found or found[2] not in UNITS:
        why = f"{said!r} is not a number or size such as 500, 10MB or 1.5GiB"
        raise Wrong(why)
    if "." in found[1]:
        return Value(float(found[1]) * UNITS[found[2]])
    return Value(int(found[1]) * UNITS[found[2]])


def time(said: str, now: datetime | None) -> Value:
    """Read a time, or an interval ``A/B`` (B not included)."""
    try:
        if "/" in said:
            span = times.interval(since=said, now=now)
            return Value(test=lambda column: (column >= span.start) & (column < span.end))
        return Value(times.parse(said, now=now))
    except UsageError as problem:
        raise Wrong(str(problem)) from None


def text(said: str) -> Value:
    """Read text; ``*`` and ``?`` make it a glob.

    >>> text("checkout").plain
    'checkout'
    """
    if "*" not in said and "?" not in said:
        return Value(said)
    pattern = re.escape(said).replace(r"\*", ".*").replace(r"\?", ".")
    part = re.split(r"[*?]", said)[0]
    return Value(test=lambda column: column.str.contains(f"(?s)^{pattern}$"), part=part)


def _near(said: str, known: dict[str, int]) -> str:
    """Say the name that `said` looks like, with its number."""
    found = words.near(said, known)
    name = found.partition("'")[2].partition("'")[0]
    return found.replace("?", f" ({known[name]})?") if name else ""
