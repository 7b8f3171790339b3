from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlens.errors import UsageError
from flowlens.filters import expression, where
from flowlens.filters.prefixes import inside, sortable6
from flowlens.tables import CONVERSATIONS, EDGES, FINDINGS

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
RECORDS: dict[str, pl.DataType] = {
    "srcaddr": pl.String(),
    "dstaddr": pl.String(),
    "pkt_dstaddr": pl.String(),
    "srcport": pl.UInt16(),
    "dstport": pl.UInt16(),
    "protocol": pl.UInt8(),
    "bytes": pl.UInt64(),
    "start": pl.Datetime("ms", "UTC"),
    "action": pl.String(),
    "tcp_flags": pl.UInt8(),
    "interface_id": pl.String(),
}


def record(**given: object) -> pl.DataFrame:
    return pl.DataFrame([{name: given.get(name) for name in RECORDS}], schema=RECORDS)


def edge(**given: object) -> pl.DataFrame:
    return pl.DataFrame([{name: given.get(name) for name in EDGES}], schema=EDGES)


def keeps(frame: pl.DataFrame, text: str) -> bool:
    return frame.filter(expression(text, frame.schema, now=NOW)).height == 1


FLOW = record(
    srcaddr="10.0.1.5",
    dstaddr="10.0.0.9",
    pkt_dstaddr="185.32.7.7",
    srcport=40000,
    dstport=8333,
    protocol=6,
    bytes=20_000_000,
    start=datetime(2026, 11, 21, 11, 4, tzinfo=UTC),
    action="REJECT",
    tcp_flags=2,
    interface_id="eni-1",
)


@pytest.mark.parametrize(
    "text",
    [
        "dst in 185.32.0.0/16 and dport = 8333",
        "dst net 185.32/16 and dst port 8333",
        "dst host 185.32.7.7",
        "dst 185.32.7.7",
        "src 10.0.1.5 and not dst port 443",
        "host 10.0.1.5 && tcp && !udp",
        "net 10/8",
        "portrange 8000-9000",
        "port in (443, 8333)",
        "port (443, 8333)",
        "addr in (10.0.1.5, 1.1.1.1)",
        "bytes > 10MB and (tcp or udp) and reject",
        "bytes >= 20000000 and bytes < 20.1MB and bytes < 20MiB",
        "proto = tcp and protocol in (6, udp)",
        "action = reject and action != ACCEPT",
        "start in 2026-11-21/2026-11-22",
        "start >= 2026-11-21T11:04Z and start < 'sun 00:00'",
        "time > 7d",
        "eni = eni-* and interface-id ~ NI-",
        "dst = 185.32.* and ipv4",
        "flags < 300 and tcp_flags = 2",
        "pkt_dstaddr is not null",
        "DST IN 185.32.7.7 AND Port <> 1",
        "udp or dport = 8333",
    ],
)
def test_accepted(text: str) -> None:
    """Comparisons, typed values and the words of BPF all describe the same record."""
    assert keeps(FLOW, text)
    assert not keeps(FLOW, f"not ({text})")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("fn = checkout-*", True),
        ("fn = checkout", False),
        ("fn in (checkout-b, other)", True),
        ("fn = payments", False),
        ("class = domain", True),
        ("class = unexpected", True),
        ("class in (unexpected, aws)", True),
        ("class != unexpected", False),
        ("class = expected", False),
        ("unexpected", True),
        ("name ~ STRIPE", True),
        ("name = api.stripe.com", True),
        ("domain = *.stripe.com", True),
        ("name = other", False),
        ("port = https and name ~ stripe", True),
        ("bytes = 150", True),
        ("orientation >= likely", True),
        ("orientation > likely", False),
        ("path = 'internet gateway'", True),
        ("server_owner is null", True),
        ("owner = checkout-a", True),
        ("eni = eni-2", True),
        ("first_seen > 7d", True),
    ],
)
def test_edges(text: str, kept: bool) -> None:
    """Short names reach the lists, structs and verdicts of the edge table."""
    row = edge(
        client_owner=["checkout-a", "checkout-b"],
        destination="api.stripe.com",
        destination_kind="domain",
        domains=[{"name": "js.stripe.com", "probability": 0.9}],
        expected="no",
        server_port=443,
        bytes_out=100,
        bytes_in=50,
        orientation="likely",
        path="internet gateway",
        observer="eni-1",
        observers=["eni-1", "eni-2"],
        first_seen=datetime(2026, 11, 20, tzinfo=UTC),
    )
    assert keeps(row, text) is kept


def test_findings() -> None:
    """Severities compare by their order and the numbers of a finding by their names."""
    rows = pl.DataFrame(
        [
            {"id": "a", "severity": "low", "numbers": {"bytes_out": 10, "records": 1}},
            {"id": "b", "severity": "high", "numbers": {"bytes_out": 5_000, "records": 9}},
        ],
        schema=FINDINGS,
    )
    schema = rows.schema
    assert rows.filter(expression("severity >= medium", schema))["id"].to_list() == ["b"]
    assert rows.filter(expression("severity < critical", schema))["id"].to_list() == ["a", "b"]
    assert rows.filter(expression("bytes_out < 1k and records = 1", schema))["id"].to_list() == [
        "a"
    ]


@pytest.mark.parametrize("text", ["fn = a", "dst in 10.0.0.0/8", "port > 5", "name ~ x", "tcp"])
def test_unknown(text: str) -> None:
    """What is unknown matches no test, and every negation is the exact complement."""
    row = edge()
    assert not keeps(row, text)
    assert keeps(row, f"not {text}")


WRONG = [
    ("dport = postgress", "not a port number or a known service", "'postgres' (5432)"),
    ("dprt = 443", "not a field", "'dport'"),
    ("dst in 10.0.0.0/33", "not a network", ""),
    ("dst = 10.0.0.300", "not an address", ""),
    ("dst = stripe.com", "not an address", "name = stripe.com"),
    ("proto = tpc", "not a protocol", "'tcp' (6)"),
    ("protocol = 300", "not a protocol", ""),
    ("port = 70000", "too large", ""),
    ("port in 90-80", "smaller first", ""),
    ("bytes > 10XB", "not a number or size", ""),
    ("bytes ~ 3", "looks into text", "="),
    ("bytes >", "the filter ends here", ""),
    ("class = awz", "not a value", "'aws'"),
    ("action = dropped", "not a value", "ACCEPT"),
    ("sport = 1", "this table has no", ""),
    ("dst < 10.0.0.1", "no order", "10.0.0.0/8"),
    ("(tcp or udp", "closing parenthesis", ""),
    ("tcp)", "expected 'and' or 'or'", ""),
    ("tcp udp", "expected 'and' or 'or'", ""),
    ("name = 'stripe", "quote is not closed", ""),
    ("tcp | udp", "means nothing", "'and' or 'or'"),
    ("dst in (10.0.0.1 10.0.0.2)", "expected ',' or ')'", ""),
    ("and tcp", "a field was expected", "FIELD"),
    ("fn is nothing", "expected 'null'", ""),
    ("first_seen > tomorow", "not a time", ""),
    ("port < 1-3", "is a range", "in"),
    ("dst port", "a value was expected", ""),
    ("not", "the filter ends here", ""),
    ("(" * 60 + "tcp" + ")" * 60, "inside each other", ""),
    ("not " * 60 + "tcp", "inside each other", ""),
]


@pytest.mark.parametrize(("text", "why", "hint"), WRONG)
def test_wrong(text: str, why: str, hint: str) -> None:
    """A wrong filter says what is wrong, points at the place, and says what to write."""
    with pytest.raises(UsageError) as caught:
        expression(text, EDGES, now=NOW)
    lines = str(caught.value).split("\n")
    assert why in lines[0]
    assert lines[1] == f"  {text}"
    assert lines[2].strip() == "^"
    assert hint in "\n".join(lines[3:])


def test_caret() -> None:
    """The caret stands under the first letter of the wrong word."""
    with pytest.raises(UsageError) as caught:
        expression("dst in 10.0.0.0/8 and dport = postgress", CONVERSATIONS)
    _, text, caret, hint = str(caught.value).split("\n")
    assert text[caret.index("^") :] == "postgress"
    assert hint == "  Did you mean 'postgres' (5432)?"


def test_empty() -> None:
    """An empty filter is wrong and shows a right one."""
    with pytest.raises(UsageError, match="the filter is empty; write for example"):
        expression("  ", EDGES)


def test_hostile() -> None:
    """A filter with control characters is shown without them."""
    with pytest.raises(UsageError) as caught:
        expression("nme = '\x1b[2J'", EDGES)
    assert "\x1b" not in str(caught.value)


def test_relative() -> None:
    """A relative time without a now is an error, not a look at the clock."""
    with pytest.raises(UsageError, match="knows what time it is"):
        expression("start > 7d", RECORDS)


addresses = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    # Few and short groups, so that "::" and equal prefixes are common.
    st.lists(st.sampled_from([0, 1, 0x20, 0xFFFF]), min_size=8, max_size=8).map(
        lambda groups: IPv6Address(sum(one << 16 * at for at, one in enumerate(groups)))
    ),
)


@given(st.lists(addresses, min_size=1, max_size=20), st.data())
def test_networks(found: list[object], data: st.DataObject) -> None:
    """An address is inside a network exactly where the standard library says so."""
    known = [ip_address(str(one)) for one in found]
    base = data.draw(st.sampled_from(known))
    length = data.draw(st.integers(0, base.max_prefixlen))
    network: IPv4Network | IPv6Network = ip_network(f"{base}/{length}", strict=False)
    column = pl.DataFrame({"a": [one.compressed for one in known]})
    got = column.select(inside(pl.col("a"), network)).to_series().to_list()
    assert got == [one in network for one in known]


def test_sortable() -> None:
    """IPv6 text turns into digits that sort as the addresses do."""
    rows = pl.DataFrame({"a": ["::", "::1", "1::", "1::2:0:3", "1:2:3:4:5:6:7:8"]})
    assert rows.select(sortable6(pl.col("a"))).to_series().to_list() == [
        "0" * 32,
        "0" * 31 + "1",
        "0001" + "0" * 28,
        "0001" + "0" * 16 + "000200000003",
        "00010002000300040005000600070008",
    ]


def test_family() -> None:
    """The whole of IPv4 holds no IPv6 address and the other way round."""
    rows = pl.DataFrame({"server": ["1.2.3.4", "2001:db8::1", None]}).lazy()
    four = where(rows, "server in 0.0.0.0/0").collect()["server"].to_list()
    six = where(rows, "server in ::/0").collect()["server"].to_list()
    assert (four, six) == (["1.2.3.4"], ["2001:db8::1"])


def test_canonical() -> None:
    """An IPv6 address is found however it is written."""
    row = edge(server="2001:db8::1")
    assert keeps(row, "dst = 2001:0DB8:0:0::1")
    assert keeps(row, "dst in 2001:db8::/32")
    assert not keeps(row, "dst in 2001:db8:1::/48")
