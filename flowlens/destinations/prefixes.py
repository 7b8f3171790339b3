"""Which prefixes hold an address, for many addresses at once.

Prefixes are either nested or disjoint, so they cut the number line into segments, and each segment
has one stack of prefixes, the widest first. Finding the stack of an address is then one sorted
look-up (an as-of join) instead of a comparison with every prefix.
"""

from collections.abc import Iterable
from ipaddress import ip_network

import polars as pl

__all__ = ["IPV4", "covering", "longest", "number"]

#: Family and number of an address; what the segments are sorted by.
_SPACE = {"family": pl.UInt8(), "number": pl.UInt128()}
_SEGMENTS = {**_SPACE, "rows": pl.List(pl.UInt32)}

_QUAD = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = rf"^{_QUAD}(?:\.{_QUAD}){{3}}$"
_IPV6 = r"^(?:[0-9a-fA-F]{1,4}|:|\.)*:(?:[0-9a-fA-F]{1,4}|:|\.)*$"
#: The dotted end of an IPv4-mapped address as Python 3.13 and RFC 5952 §5 write it.
_TAIL = r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$"
_MAX_GROUPS = 8


def _quads(text: pl.Expr) -> pl.Expr:
    """Return the number of a dotted quad."""
    parts = text.str.split(".")
    octets = (
        parts.list.get(i, null_on_oob=True).cast(pl.UInt128, strict=False)
        * pl.lit(1 << 8 * (3 - i), pl.UInt128)
        for i in range(4)
    )
    return pl.sum_horizontal(*octets, ignore_nulls=False)


def _groups(text: pl.Expr, *, from_end: bool) -> pl.Expr:
    """Return the number of colon-separated groups, placed from the front or from the end."""
    parts = text.str.split(":")

    def group(i: int) -> pl.Expr:
        part = parts.list.get(-1 - i if from_end else i, null_on_oob=True)
        value = part.str.to_integer(base=16, strict=False, dtype=pl.Int64).cast(pl.UInt128)
        weight = 1 << 16 * (i if from_end else _MAX_GROUPS - 1 - i)
        return value.fill_null(0) * pl.lit(weight, pl.UInt128)

    return pl.sum_horizontal(*(group(i) for i in range(_MAX_GROUPS)))


def _count(text: pl.Expr) -> pl.Expr:
    return pl.when(text == "").then(0).otherwise(text.str.count_matches(":") + 1).fill_null(0)


def _ipv6(text: pl.Expr) -> pl.Expr:
    """Return the number of an IPv6 address; null where the text has too many or few groups."""
    quad = text.str.extract(_TAIL)
    plain = pl.when(quad.is_null()).then(text).otherwise(text.str.replace(_TAIL, "0:0"))
    halves = plain.str.split_exact("::", 1)
    head, tail = halves.struct.field("field_0"), halves.struct.field("field_1")
    count = _count(head) + _count(tail)
    valid = pl.when(tail.is_null()).then(count == _MAX_GROUPS).otherwise(count < _MAX_GROUPS)
    value = _groups(head, from_end=False) + _groups(tail, from_end=True)
    value = value + _quads(quad).fill_null(0)
    return pl.when(valid & (plain.str.count_matches("::", literal=True) <= 1)).then(value)


def number(address: pl.Expr) -> pl.Expr:
    """Return an address as a struct of its family (4, 6) and its number; null where it is none.

    Args:
        address: Addresses as text.

    >>> frame = pl.DataFrame({"a": ["10.0.0.1", "::1", "db.example"]})
    >>> frame.select(number(pl.col("a"))).to_series().struct.field("number").to_list()
    [167772161, 1, None]
    """
    four, six = address.str.contains(IPV4), address.str.contains(_IPV6)
    value = pl.when(four).then(_quads(address)).when(six).then(_ipv6(address))
    family = pl.when(four).then(4).when(six & value.is_not_null()).then(6)
    return pl.struct(family.cast(pl.UInt8).alias("family"), value.alias("number"))


def _segments(prefixes: Iterable[str]) -> pl.DataFrame:
    """Return where each stack of prefixes begins; the rows of a stack are positions in `prefixes`.

    Raises:
        ValueError: A prefix has host bits or is no prefix.
    """
    nets = [ip_network(text) for text in prefixes]
    order = sorted(
        (n.version, int(n.network_address), n.prefixlen, i, int(n.broadcast_address) + 1)
        for i, n in enumerate(nets)
    )
    starts: dict[tuple[int, int], list[int]] = {}
    stack: list[tuple[int, int, int]] = []  # family, end, row

    def close(family: int, until: int) -> None:
        while stack and (stack[-1][0] != family or stack[-1][1] <= until):
            ended, end, _ = stack.pop()
            if end < 1 << (32 if ended == 4 else 128):
                starts[ended, end] = [row for _, stop, row in stack if stop > end]

    for family, first, _, row, end in order:
        close(family, first)
        stack.append((family, end, row))
        starts[family, first] = [r for _, _, r in stack]
    close(0, 0)
    rows = [(family, first, stacked) for (family, first), stacked in sorted(starts.items())]
    return pl.DataFrame(rows, schema=_SEGMENTS, orient="row")


def covering(addresses: pl.Series, prefixes: Iterable[str]) -> pl.DataFrame:
    """Return every prefix that holds an address, the widest first.

    Args:
        addresses: Addresses as text; repeated and null ones are allowed.
        prefixes: Prefixes as text, also repeated ones.

    Returns:
        One row for each distinct address and prefix that holds it: `address` and `row`, the
        position of the prefix in `prefixes`. An address that no prefix holds has no row.

    Raises:
        ValueError: A prefix has host bits or is no prefix.

    >>> covering(pl.Series(["10.1.2.3", "::1"]), ["10.1.0.0/16", "10.0.0.0/8"]).rows()
    [('10.1.2.3', 1), ('10.1.2.3', 0)]
    """
    cuts = _segments(prefixes)
    distinct = pl.DataFrame({"address": addresses.drop_nulls().unique().cast(pl.String)})
    if cuts.is_empty() or distinct.is_empty():
        return pl.DataFrame(schema={"address": pl.String(), "row": pl.UInt32()})
    return (
        _points(distinct)
        .lazy()
        .drop_nulls()
        .sort("family", "number", "address")
        .join_asof(cuts.lazy(), on="number", by="family", check_sortedness=False)
        .select("address", row="rows")
        .explode("row")
        .drop_nulls()
        .collect()
    )


def _points(distinct: pl.DataFrame) -> pl.DataFrame:
    """Add the family and the number of addresses; most frames have none of IPv6, which is dear."""
    six = pl.col("address").str.contains(":", literal=True)
    parts = [distinct.filter(~six).with_columns(_FOUR), distinct.filter(six)]
    return pl.concat([parts[0], parts[1].with_columns(_ANY)] if parts[1].height else parts[:1])


_QUADS = pl.when(pl.col("address").str.contains(IPV4)).then(_quads(pl.col("address")))
#: Family and number of addresses without a colon, and of any.
_FOUR = (pl.lit(4, pl.UInt8).alias("family"), _QUADS.alias("number"))
_ANY = tuple(number(pl.col("address")).struct.field(name) for name in _SPACE)


def longest(addresses: pl.Series, prefixes: Iterable[str]) -> pl.DataFrame:
    """Return the longest prefix that holds an address.

    Of equal prefixes the one that comes last in `prefixes` counts.

    Returns:
        `address` and `row` as in `covering`, at most one row for each address.

    >>> longest(pl.Series(["10.1.2.3"]), ["10.1.0.0/16", "10.0.0.0/8"]).rows()
    [('10.1.2.3', 0)]
    """
    return covering(addresses, prefixes).unique("address", keep="last", maintain_order=True)
