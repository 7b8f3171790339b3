"""What single values must look like, vectorised: numbers, times, addresses."""

import re
from functools import lru_cache
from ipaddress import IPv6Address
from socket import AF_INET6, inet_ntop, inet_pton

import polars as pl

from flowlens_parsers.errors import NOT_ADDRESS, NOT_NUMBER, RANGE
from flowlens_parsers.fields import ADDRESSES, SCHEMA, TIME

__all__ = ["LATEST", "SECONDS", "addresses", "canonical", "check", "convert", "times"]

#: The largest start or end that is seconds; above it the value is milliseconds, as other people
#: met it (flowlogs-reader divides by 1000 there).
SECONDS = 2**31 - 1

#: The last millisecond that is a time: the end of the year 9999.
LATEST = 253_402_300_799_999

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$"
_INTEGER = r"^[+-]?[0-9]+$"


#: Values that are looked at one by one: some calls of Polars cost as much as that.
_FEW = 256

_dotted = re.compile(_IPV4, re.ASCII).fullmatch


@lru_cache(maxsize=1 << 16)
def canonical(text: str) -> str | None:
    """Return an address as RFC 5952 writes it, or None.

    An octet with a leading zero is refused: some read it as octal. IPv4 inside IPv6 keeps its
    dots, as section 5 of the RFC recommends.

    >>> canonical("2001:DB8:0:0::1"), canonical("::ffff:10.0.0.1"), canonical("010.0.0.1")
    ('2001:db8::1', '::ffff:10.0.0.1', None)
    """
    if ":" not in text:
        return text if _dotted(text) else None
    try:
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return None
    short = inet_ntop(AF_INET6, packed)
    if "." not in short:
        return short
    address = IPv6Address(packed)  # some write the last 32 bits of others as IPv4, too
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else address.compressed


def addresses(values: pl.Series) -> pl.Series:
    """Return `values` canonical, null where they are no address.

    Only the distinct values are looked at, and only those that are not IPv4 one by one.

    >>> addresses(pl.Series(["10.0.0.1", "FE80::1", "host", None])).to_list()
    ['10.0.0.1', 'fe80::1', None, None]
    """
    if len(values) < _FEW:
        found = [None if text is None else canonical(text) for text in values.to_list()]
        return pl.Series(values.name, found, dtype=pl.String)
    distinct = values.unique()
    plain = distinct.str.contains(_IPV4)
    if plain.all():
        return values
    odd = distinct.filter(~plain)
    new = [canonical(value) for value in odd]
    return values.replace(odd, pl.Series(new, dtype=pl.String))


def times(value: pl.Expr) -> pl.Expr:
    """Turn whole seconds or milliseconds since 1970 into times; null where out of range."""
    stamp = pl.when(value > SECONDS).then(value).otherwise(value * 1000)
    return pl.when((value >= 0) & (stamp <= LATEST)).then(stamp).cast(TIME)


def convert(name: str) -> pl.Expr:
    """Turn the text column `name` into its field's dtype; null where that fails."""
    text, dtype = pl.col(name), SCHEMA.get(name, pl.String())
    if name in ADDRESSES:
        return text.map_batches(addresses, return_dtype=pl.String)
    if dtype == pl.String():
        return text
    digits = text.str.strip_prefix("+")
    if dtype == TIME:
        return times(digits.cast(pl.Int64, strict=False)).alias(name)
    return digits.cast(dtype, strict=False)


def check(name: str, typed: pl.Expr) -> pl.Expr | None:
    """Return the reason why the text column `name` did not become `typed`, null where it did.

    None for a field that takes any text.
    """
    text = pl.col(name)
    failed = text.is_not_null() & typed.is_null()
    if name in ADDRESSES:
        return pl.when(failed).then(pl.lit(NOT_ADDRESS))
    if SCHEMA.get(name, pl.String()) == pl.String():
        return None
    whole = pl.when(text.str.contains(_INTEGER)).then(pl.lit(RANGE)).otherwise(pl.lit(NOT_NUMBER))
    return pl.when(failed).then(whole)
