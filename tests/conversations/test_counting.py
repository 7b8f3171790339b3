from typing import Any

import pytest

from flowlens.errors import UsageError

C, S, NAT = "10.0.1.5", "203.0.113.5", "10.0.0.220"


def both(client: str, server: str, **extra: Any) -> list[dict[str, Any]]:
    """A request of 100 bytes and a reply of 900, over port 443."""
    out = {"srcaddr": client, "dstaddr": server, "bytes": 100, "packets": 2}
    back = {
        "srcaddr": server, "dstaddr": client, "srcport": 443, "dstport": 40_000,
        "bytes": 900, "packets": 3,
    }  # fmt: skip
    return [out | extra, back | extra]


def masked(client: str, server: str, nat: str, **extra: Any) -> list[dict[str, Any]]:
    """What a NAT gateway's interface writes of one exchange: inner and outer leg, each way."""
    out, back = both(client, server, **extra)
    return [
        out | {"dstaddr": nat, "pkt_srcaddr": client, "pkt_dstaddr": server},
        out | {"srcaddr": nat, "pkt_srcaddr": nat, "pkt_dstaddr": server},
        back | {"dstaddr": nat, "pkt_srcaddr": server, "pkt_dstaddr": nat},
        back | {"srcaddr": nat, "pkt_srcaddr": server, "pkt_dstaddr": client},
    ]


def figures(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (r["client"], r["server"], r["bytes_out"], r["bytes_in"], r["observer"], r["observers"])
        for r in rows
    ]


def test_one_interface_counts_both_directions(talk: Any) -> None:
    """Request and reply at the client's interface are one conversation with two sums."""
    (row,) = talk(both(C, S))
    sums = ("bytes_out", "packets_out", "bytes_in", "packets_in")
    assert [row[name] for name in sums] == [100, 2, 900, 3]
    assert (row["records"], row["connections"], row["action"]) == (2, 1, "ACCEPT")


def test_both_ends_of_a_pair_are_counted_once_at_the_client(talk: Any) -> None:
    """Two interfaces wrote the same conversation; the client's figures are kept."""
    server = "10.0.2.9"
    rows = (
        both(C, server)
        + both(C, server, interface_id="eni-server", bytes=7)
        + both(C, "10.0.3.3")  # shows that eni-client is the client's
        + both("10.0.4.4", server, interface_id="eni-server")
    )
    kept = figures(talk(rows))
    assert (C, server, 100, 900, "eni-client", ["eni-client", "eni-server"]) in kept
    assert len(kept) == 3


def test_the_server_is_kept_where_the_client_has_no_log(talk: Any) -> None:
    """A middlebox and the server wrote it down: the server's interface is preferred."""
    rows = talk(
        both(C, "10.0.2.9", interface_id="eni-server", flow_direction="ingress")[:1]
        + both(C, "10.0.2.9", interface_id="tgw-attach-1", bytes=1)[:1]
    )
    assert figures(rows) == [(C, "10.0.2.9", 100, 0, "eni-server", ["eni-server", "tgw-attach-1"])]


def test_nat_gateway_with_packet_addresses_counts_once(talk: Any) -> None:
    """Four records at the gateway and two at the instance are one conversation."""
    instance = [
        row
        | {"pkt_srcaddr": row["srcaddr"], "pkt_dstaddr": row["dstaddr"], "interface_id": "eni-i"}
        for row in both(C, S)
    ]
    rows = talk(instance + masked(C, S, NAT, interface_id="eni-nat"))
    assert figures(rows) == [(C, S, 100, 900, "eni-i", ["eni-i", "eni-nat"])]


def test_nat_gateway_alone_keeps_the_inner_leg(talk: Any) -> None:
    """Only the NAT gateway is logged: the client is the instance, and nothing is doubled."""
    rows = talk(masked(C, S, NAT, interface_id="eni-nat"))
    assert figures(rows) == [(C, S, 100, 900, "eni-nat", ["eni-nat"])]
    assert rows[0]["vantage"] == "middle"


def test_regional_nat_gateway_is_an_observer_of_its_own(talk: Any) -> None:
    """Its records have no interface; resource-id takes its place, and the public leg is a copy."""
    public = "107.22.182.139"
    nat = {"interface_id": None, "resource_id": "nat-1"}
    rows = talk(both(C, S, **nat) + both(public, S, **nat))
    assert figures(rows) == [(C, S, 100, 900, "nat-1", ["nat-1"])]


def test_transit_gateway_interfaces_are_seen_through(talk: Any) -> None:
    """An attachment puts its own address in; the packet's addresses make one of them."""
    client, server, hop = "10.20.33.164", "10.40.2.236", "10.40.1.175"
    out, back = both(client, server)
    real = {"pkt_srcaddr": client, "pkt_dstaddr": server}
    rows = talk(
        [
            out | real | {"interface_id": "eni-3", "instance_id": "i-1"},
            out | real | {"interface_id": "eni-1", "srcaddr": hop, "instance_id": None},
        ]
    )
    assert figures(rows) == [(client, server, 100, 0, "eni-3", ["eni-1", "eni-3"])]
    del back


def test_exact_duplicates_are_one_record(talk: Any) -> None:
    """The same line twice adds nothing."""
    assert talk(both(C, S) * 2) == talk(both(C, S))


def test_overlapping_flow_logs_of_one_interface_count_once(talk: Any) -> None:
    """A 60 s and a 600 s flow log of one interface: one of them is kept, the fuller one."""
    fine = [row for at in (0, 60) for row in both(C, S, start=at, end=at + 50, flow_log="fl-fine")]
    coarse = both(C, S, start=0, end=110, flow_log="fl-whole")
    (row,) = talk(
        fine + [row | {"bytes": row["bytes"] * 2, "packets": row["packets"] * 2} for row in coarse]
    )
    assert (row["bytes_out"], row["bytes_in"], row["records"]) == (200, 1800, 4)


def test_two_formats_are_two_flow_logs_also_without_a_name(talk: Any) -> None:
    """Version 2 each minute and version 5 each ten minutes, files renamed: counted once."""
    fine = [row for at in (0, 60) for row in both(C, S, start=at, end=at + 50, version=2)]
    coarse = [
        row | {"bytes": row["bytes"] * 2, "packets": row["packets"] * 2}
        for row in both(C, S, start=0, end=110, version=5, vpc_id="vpc-1")
    ]
    (row,) = talk(fine + coarse)
    assert (row["bytes_out"], row["bytes_in"], row["connections"]) == (200, 1800, 1)


def test_accept_and_reject_are_two_conversations(talk: Any) -> None:
    """The action is part of the key."""
    rows = talk(both(C, S) + both(C, S, action="REJECT", start=20, end=30))
    assert [row["action"] for row in rows] == ["ACCEPT", "REJECT"]


def test_an_unknown_action_is_kept_as_text(talk: Any) -> None:
    """A value that nobody documented is neither ACCEPT nor lost."""
    assert [row["action"] for row in talk(both(C, S, action="MAYBE"))] == ["MAYBE"]


def test_transit_gateway_records_take_the_action_of_a_vpc_record(talk: Any) -> None:
    """A transit gateway has no verdict of its own; the interface beside it has."""
    tgw = {"interface_id": None, "tgw_attachment_id": "tgw-attach-1", "action": None}
    rows = talk(both(C, "10.9.0.1") + both(C, "10.9.0.1", **tgw))
    assert [(r["action"], r["observers"]) for r in rows] == [
        ("ACCEPT", ["eni-client", "tgw-attach-1"])
    ]


def test_a_transit_gateway_alone_has_an_unknown_action(talk: Any) -> None:
    """Unknown is null, not ACCEPT."""
    tgw = {"interface_id": None, "tgw_attachment_id": "tgw-attach-1", "action": None}
    assert [r["action"] for r in talk(both(C, "10.9.0.1", **tgw))] == [None]


def test_what_the_format_left_out_is_null(talk: Any) -> None:
    """Without ports, times and counts the columns are unknown, not zero."""
    gone = ("srcport", "dstport", "start", "end", "bytes", "packets", "protocol", "action")
    (row,) = talk([{"srcaddr": C, "dstaddr": S}], without=gone)
    names = ("hour", "server_port", "protocol", "bytes_out", "packets_in", "first_seen", "action")
    assert [row[name] for name in names] == [None] * 7
    assert row["records"] == 1


def test_a_format_without_addresses_is_refused(talk: Any) -> None:
    """The message names the field that is missing."""
    with pytest.raises(UsageError, match="no dstaddr"):
        talk([{"srcaddr": C}])


def test_service_and_path_are_kept_for_the_server(talk: Any) -> None:
    """AWS's own name of the far address and the egress path of the client's packets."""
    out, back = both(C, S)
    rows = talk(
        [
            out | {"pkt_dst_aws_service": "S3", "traffic_path": 8, "flow_direction": "egress"},
            back | {"pkt_src_aws_service": "S3", "traffic_path": None, "flow_direction": "ingress"},
        ]
    )
    assert [(r["aws_service"], r["traffic_path"], r["vantage"]) for r in rows] == [
        ("S3", 8, "client")
    ]


def test_ipv6_is_a_conversation_like_any_other(talk: Any) -> None:
    """Both families take the same way."""
    rows = talk(both("2001:db8::5", "2001:db8:ffff::1"))
    assert figures(rows)[0][:4] == ("2001:db8::5", "2001:db8:ffff::1", 100, 900)


def test_a_record_that_stands_for_several_counts_as_many(talk: Any) -> None:
    """Tables that were added up where they lie say how many records are behind each row."""
    out = {"srcaddr": C, "dstaddr": S}
    rows = [out | {"bytes": 700, "merged": 5}, out | {"bytes": 70, "merged": 2, "start": 60}]
    (row,) = talk([*rows, rows[0]])
    assert (row["bytes_out"], row["records"]) == (770, 7)
