from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens.destinations.prefixes import covering, longest, number
from tests.examples import examples

# Few bits are free, so that prefixes nest and addresses hit them.
FOUR = st.integers(0, 255).map(lambda n: int(IPv4Address("10.0.0.0")) + n)
SIX = st.integers(0, 255).map(lambda n: int(IPv6Address("2001:db8::")) + n)
ADDRESSES = st.lists(
    st.one_of(
        FOUR.map(IPv4Address),
        SIX.map(IPv6Address),
        st.integers(0, 2**32 - 1).map(IPv4Address),
        st.integers(0, 2**128 - 1).map(IPv6Address),
    ),
    max_size=20,
)
PREFIXES = st.lists(
    st.one_of(
        st.tuples(FOUR, st.integers(22, 32)).map(lambda p: IPv4Network(p, strict=False)),
        st.tuples(SIX, st.integers(118, 128)).map(lambda p: IPv6Network(p, strict=False)),
        st.sampled_from([ip_network("0.0.0.0/0"), ip_network("::/0"), ip_network("ff00::/8")]),
        st.just(ip_network("255.255.255.0/24")),
    ),
    max_size=20,
)


@settings(max_examples=examples(40), deadline=None)
@given(addresses=ADDRESSES, prefixes=PREFIXES)
def test_covering_equals_the_plain_loop(
    addresses: list[IPv4Address | IPv6Address], prefixes: list[IPv4Network | IPv6Network]
) -> None:
    """Every prefix that holds an address is found, and no other, in both families."""
    texts = pl.Series([str(a) for a in addresses], dtype=pl.String)
    found = covering(texts, [str(p) for p in prefixes])
    expected = {(str(a), i) for a in addresses for i, p in enumerate(prefixes) if a in p}
    assert sorted(found.rows()) == sorted(expected)


@settings(max_examples=examples(40), deadline=None)
@given(addresses=ADDRESSES, prefixes=PREFIXES)
def test_longest_equals_the_plain_loop(
    addresses: list[IPv4Address | IPv6Address], prefixes: list[IPv4Network | IPv6Network]
) -> None:
    """The prefix chosen for an address is the longest that holds it."""
    texts = pl.Series([str(a) for a in addresses], dtype=pl.String)
    found = dict(longest(texts, [str(p) for p in prefixes]).rows())
    for address in addresses:
        holding = [(p.prefixlen, i) for i, p in enumerate(prefixes) if address in p]
        assert found.get(str(address)) == (max(holding)[1] if holding else None)


@settings(max_examples=examples(40), deadline=None)
@given(address=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_number_equals_the_integer(address: IPv4Address | IPv6Address) -> None:
    """An address becomes the integer that Python gives it, whatever its zeros are."""
    frame = pl.DataFrame({"a": [str(address), address.exploded]})
    values = frame.select(number(pl.col("a"))).to_series().to_list()
    assert values == [{"family": address.version, "number": int(address)}] * 2


def test_number_reads_mapped_addresses() -> None:
    """An IPv4-mapped address is the same number in both spellings."""
    frame = pl.DataFrame({"a": ["::ffff:192.0.2.1", "::ffff:c000:201"]})
    values = frame.select(number(pl.col("a"))).to_series().struct.field("number").to_list()
    assert values == [int(ip_address("::ffff:192.0.2.1"))] * 2


def test_number_refuses_what_is_no_address() -> None:
    """Text that is no address has no number."""
    texts = ["", "-", "10.0.0", "10.0.0.256", "1:2:3", "1::2::3", "1:2:3:4:5:6:7:8:9", "a.b", None]
    frame = pl.DataFrame({"a": texts})
    assert frame.select(number(pl.col("a"))).to_series().struct.field("number").to_list() == [
        None
    ] * len(texts)
