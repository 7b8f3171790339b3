"""Numbers, times and owners in words: one wording for findings, report and tables."""

from collections.abc import Sequence
from datetime import datetime

__all__ = [
    "SIGHTED", "count", "moment", "noun", "proto", "service", "share", "size", "span", "who",
]  # fmt: skip

#: Names of the IANA protocol numbers that flow logs show in practice.
#: https://www.iana.org/assignments/protocol-numbers
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp"}

#: Protocols whose records carry ports.
PORTED = frozenset({6, 17, 132})

#: Why the baseline expects an edge: the same workload did it before.
SIGHTED = "first seen {} in the baseline"

UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def size(value: int | None) -> str:
    """Return `value` bytes in decimal units with up to three significant digits.

    >>> size(2_912_345), size(610_000), size(12), size(999_960), size(None)
    ('2.9 MB', '610 kB', '12 B', '1 MB', 'unknown')
    """
    if value is None:
        return "unknown"
    if value < 1000:
        return f"{value} B"
    number, unit = value / 1000, 0
    while _digits(number) >= 1000 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{_digits(number):.1f}".removesuffix(".0") + f" {UNITS[unit]}"


def _digits(number: float) -> float:
    """Return `number` with one decimal below a hundred and none above."""
    return round(number, 1) if number < 99.95 else round(number)


def count(value: int | None) -> str:
    """Return `value` with a comma between thousands.

    >>> count(1234567)
    '1,234,567'
    """
    return "unknown" if value is None else f"{value:,}"


def noun(value: int, word: str, plural: str | None = None) -> str:
    """Return a count with its noun.

    >>> noun(1, "record"), noun(1200, "record"), noun(2, "address", "addresses")
    ('1 record', '1,200 records', '2 addresses')
    """
    return f"{value:,} {word if value == 1 else plural or word + 's'}"


def share(part: float, whole: float) -> str:
    """Return `part` of `whole` in per cent, never rounded up to all or down to nothing.

    >>> share(1, 4), share(9_999_999, 10_000_000), share(1, 10_000_000), share(0, 0)
    ('25 %', '> 99.99 %', '< 0.01 %', 'unknown')
    >>> share(1, 3), share(4, 901), share(996, 1000)
    ('33.3 %', '0.44 %', '99.6 %')
    """
    if not whole:
        return "unknown"
    value = 100 * part / whole
    if 0 < value < 0.01:
        return "< 0.01 %"
    if 99.99 < value < 100:
        return "> 99.99 %"
    digits = 1 if 1 <= value <= 99 else 2
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") + " %"


def proto(protocol: int | None) -> str:
    """Return the name of an IANA protocol number, or the number.

    >>> proto(6), proto(253), proto(None)
    ('tcp', '253', 'unknown')
    """
    return "unknown" if protocol is None else PROTOCOLS.get(protocol, str(protocol))


def service(protocol: int | None, port: int | None) -> str:
    """Return protocol and port as one word; protocols without ports stand alone.

    >>> service(6, 443), service(1, 0), service(17, None)
    ('tcp/443', 'icmp', 'udp')
    """
    if port is None or (protocol is not None and protocol not in PORTED):
        return proto(protocol)
    return f"{proto(protocol)}/{port}"


def moment(time: datetime | None) -> str:
    """Return a UTC time to the minute.

    >>> moment(datetime(2026, 11, 21, 11, 4, 59))
    '2026-11-21 11:04'
    """
    return "unknown" if time is None else f"{time:%Y-%m-%d %H:%M}"


def span(first: datetime | None, last: datetime | None) -> str:
    """Return the words for a time span in UTC.

    >>> span(datetime(2026, 11, 21, 11, 4), datetime(2026, 11, 21, 12, 31))
    'between 2026-11-21 11:04 and 12:31 UTC'
    >>> span(datetime(2026, 11, 21, 11, 4), datetime(2026, 11, 21, 11, 4))
    'at 2026-11-21 11:04 UTC'
    """
    if first is None or last is None:
        return "at an unknown time"
    start, end = moment(first), moment(last)
    if start == end:
        return f"at {start} UTC"
    same = first.date() == last.date()
    return f"between {start} and {f'{last:%H:%M}' if same else end} UTC"


def who(owners: Sequence[str] | None, client: str | None, kind: str | None = None) -> str:
    """Return who held an address, as one phrase that never picks one of several candidates.

    Args:
        owners: the candidates, sorted; functions that share an interface are all in it.
        client: the address, for when nobody is known.
        kind: what the interface is; a gateway only passes on what others send.

    >>> who(["billing"], "10.0.0.1"), who(["a", "b"], "10.0.0.1")
    ('billing', 'a or b (they share an interface)')
    >>> who(["a", "b", "c"], "10.0.0.1"), who(None, "10.0.0.1")
    ('a or one of 2 others on its interface', '10.0.0.1 (owner unknown)')
    >>> who(["nat-0a1"], "10.0.0.1", "nat_gateway")
    'someone behind nat-0a1'
    """
    if not owners:
        return f"{client or 'an unknown address'} (owner unknown)"
    if kind == "nat_gateway":
        return f"someone behind {' or '.join(owners)}"
    if len(owners) == 1:
        return owners[0]
    if len(owners) == 2:
        return f"{owners[0]} or {owners[1]} (they share an interface)"
    return f"{owners[0]} or one of {len(owners) - 1} others on its interface"
