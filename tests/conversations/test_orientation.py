from typing import Any

import pytest

A, B = "10.0.0.5", "192.0.2.10"


def pair(sport: int, dport: int, protocol: int = 6, **extra: Any) -> list[dict[str, Any]]:
    """One record from A and one from B over the same ports."""
    there = {"srcaddr": A, "dstaddr": B, "srcport": sport, "dstport": dport, "protocol": protocol}
    back = {"srcaddr": B, "dstaddr": A, "srcport": dport, "dstport": sport, "protocol": protocol}
    return [there | {k: v[0] for k, v in extra.items()}, back | {k: v[1] for k, v in extra.items()}]


def roles(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(r["client"], r["server"], r["server_port"], r["orientation"]) for r in rows]


def test_syn_marks_the_client_whatever_the_ports_say(talk: Any) -> None:
    """The sender of a SYN is the client, even from port 443 to an ephemeral port."""
    rows = talk(pair(443, 50_000, tcp_flags=(2, 18)))
    assert roles(rows) == [(A, B, 50_000, "certain")]


def test_syn_ack_marks_the_server_when_the_syn_was_not_seen(talk: Any) -> None:
    """A SYN-ACK alone settles it, also OR-ed with FIN in one window (19)."""
    assert roles(talk(pair(5001, 5002, tcp_flags=(1, 19)))) == [(A, B, 5002, "certain")]
    assert roles(talk(pair(5001, 5002, tcp_flags=(19, 1)))) == [(B, A, 5001, "certain")]


def test_roles_hold_over_windows_hours_and_interfaces(talk: Any) -> None:
    """A 5-tuple that showed its SYN once keeps its roles in records without flags."""
    first = pair(50_000, 60_000, tcp_flags=(2, 18))
    later = pair(50_000, 60_000, tcp_flags=(0, 0), start=(4000, 4000), end=(4010, 4010))
    other = [row | {"interface_id": "eni-other"} for row in later]
    rows = talk(first + later + other)
    assert roles(rows) == [(A, B, 60_000, "certain")] * 2
    assert [row["hour"].hour for row in rows] == [11, 12]


def test_flow_direction_does_not_decide_the_client(talk: Any) -> None:
    """A reply that leaves the interface is egress, and its sender is still the server."""
    rows = pair(443, 50_000, flow_direction=("egress", "ingress"), tcp_flags=(18, 2))
    assert roles(talk(rows)) == [(B, A, 443, "certain")]


def test_contradicting_flags_are_never_certain(talk: Any) -> None:
    """Both ends sent a SYN: the ports decide, and it is not called certain."""
    rows = talk(pair(50_000, 443, tcp_flags=(2, 2)))
    assert roles(rows) == [(A, B, 443, "likely")]


@pytest.mark.parametrize(
    ("sport", "dport", "server"),
    [
        (50_000, 443, 443),
        (443, 50_000, 443),
        (40_000, 5432, 5432),
        (1030, 53, 53),
        (68, 67, 67),  # DHCP: both privileged
        (20, 50_000, 50_000),  # active FTP: the server's port 20 opens the data connection
    ],
)
def test_without_flags_the_service_port_is_the_server(
    talk: Any, sport: int, dport: int, server: int
) -> None:
    """Version 2 has no flags: the registered or privileged port answers."""
    (row,) = talk(pair(sport, dport))
    assert (row["server_port"], row["orientation"]) == (server, "likely")


def test_an_unanswered_datagram_comes_from_the_client(talk: Any) -> None:
    """Only one side sent, both ports alike: the sender opened it."""
    rows = talk([{"srcaddr": B, "dstaddr": A, "srcport": 5353, "dstport": 5353, "protocol": 17}])
    assert roles(rows) == [(B, A, 5353, "likely")]


def test_equal_ports_fall_to_the_inside_as_client(talk: Any) -> None:
    """NTP has 123 on both sides; what is inside calls out, but that is a guess."""
    assert roles(talk(pair(123, 123, 17))) == [(A, B, 123, "guess")]


def test_a_late_reply_is_not_taken_for_a_request(talk: Any) -> None:
    """A DNS answer after the state expired is refused alone, and still the server's."""
    late = {"srcaddr": B, "dstaddr": A, "srcport": 53, "protocol": 17}
    rows = talk([late | {"dstport": 50_000}, late | {"dstport": 50_001, "action": "REJECT"}])
    assert {row["server_port"] for row in rows} == {53}


def test_history_of_an_end_decides_between_unknown_ports(talk: Any) -> None:
    """Where flags showed an end as the server before, it is the server of a silent 5-tuple too."""
    known = [row for port in range(50_001, 50_009) for row in pair(port, 45_001, tcp_flags=(2, 18))]
    silent = pair(38_000, 45_001, tcp_flags=(0, 0))
    rows = talk(known + silent)
    assert roles(rows) == [(A, B, 45_001, "certain")]
    assert rows[0]["connections"] == 9


def test_one_peer_that_comes_back_from_many_ports_is_a_client(talk: Any) -> None:
    """No flags, both ports ephemeral: the fixed port serves the changing ones."""
    rows = talk([row for port in range(50_001, 50_020) for row in pair(port, 45_001)])
    assert roles(rows) == [(A, B, 45_001, "likely")]


def test_icmp_has_no_ports(talk: Any) -> None:
    """Ports are 0 for ICMP; an unanswered ping comes from its client."""
    rows = talk([{"srcaddr": A, "dstaddr": B, "srcport": 0, "dstport": 0, "protocol": 1}])
    assert roles(rows) == [(A, B, 0, "likely")]
