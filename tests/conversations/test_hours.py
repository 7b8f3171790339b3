from typing import Any

C, S = "10.0.1.5", "10.0.2.9"


def sent(interface: str, start: int, end: int, packets: int, **extra: Any) -> dict[str, Any]:
    """A record of C to S: seconds after 11:00, ten bytes a packet."""
    return {
        "interface_id": interface, "srcaddr": C, "dstaddr": S, "start": start, "end": end,
        "packets": packets, "bytes": packets * 10, "flow_direction": "egress",
    } | extra  # fmt: skip


def kept(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (r["hour"].hour, r["observer"], r["packets_out"], r["bytes_out"], r["observers"])
        for r in rows
    ]


def test_a_window_across_the_full_hour_is_not_counted_again(talk: Any) -> None:
    """A 600 s log has the traffic in one record at 11:58, a 60 s log in two: it counts once."""
    coarse = sent("eni-c", 3500, 3800, 10, flow_log="fl-coarse")
    fine = [
        sent("eni-c", 3500, 3559, 4, flow_log="fl-fine"),
        sent("eni-c", 3620, 3800, 6, flow_log="fl-fine"),
    ]
    assert kept(talk([coarse, *fine])) == [(11, "eni-c", 10, 100, ["eni-c"])]


def test_the_same_flow_log_is_kept_in_neighbouring_hours(talk: Any) -> None:
    """Two logs split 30 packets as 12 + 18 and 17 + 13: taking the fuller each hour gives 35."""
    fine = [
        sent("eni-c", 10, 3590, 12, flow_log="fl-fine"),
        sent("eni-c", 3610, 7100, 18, flow_log="fl-fine"),
    ]
    coarse = [
        sent("eni-c", 10, 3900, 17, flow_log="fl-z"),
        sent("eni-c", 3910, 7100, 13, flow_log="fl-z"),
    ]
    assert [row[:3] for row in kept(talk(fine + coarse))] == [(11, "eni-c", 12), (12, "eni-c", 18)]


def test_a_flow_log_that_began_late_does_not_replace_a_whole_one(talk: Any) -> None:
    """The second log has more packets in all, but was not on for most of the first hour."""
    whole = [sent("eni-c", at, at + 50, 5, flow_log="fl-1") for at in (10, 3400)]
    late = [sent("eni-c", at, at + 50, 5, flow_log="fl-2") for at in (3400, 3700, 5000)]
    hours = [row[:3] for row in kept(talk(whole + late))]
    assert hours == [(11, "eni-c", 10), (12, "eni-c", 10)]


def test_the_servers_record_after_the_full_hour_is_a_copy(talk: Any) -> None:
    """The client wrote one record before noon; the server's second one adds a name, no packet."""
    client = sent("eni-c", 3580, 3620, 9)
    server = [
        sent("eni-s", 3580, 3599, 5, flow_direction="ingress"),
        sent("eni-s", 3601, 3620, 4, flow_direction="ingress"),
    ]
    assert kept(talk([client, *server])) == [(11, "eni-c", 9, 90, ["eni-c", "eni-s"])]


def test_a_later_hour_that_only_the_server_saw_stays(talk: Any) -> None:
    """Traffic long after the client's last record is the server's to tell."""
    rows = [
        sent("eni-c", 3000, 3100, 9),
        sent("eni-s", 5000, 5100, 4, flow_direction="ingress"),
    ]
    assert [row[:3] for row in kept(talk(rows))] == [(11, "eni-c", 9), (12, "eni-s", 4)]


def test_a_middlebox_that_began_a_second_before_the_client_is_a_copy(talk: Any) -> None:
    """The gateway stamped 11:59:59 and the client 12:00:00: one conversation, in hour 12."""
    tgw = {"flow_direction": "ingress", "interface_id": "tgw-attach-1"}
    rows = talk([sent("eni-c", 3600, 3620, 3), sent("", 3599, 3620, 3) | tgw])
    assert kept(rows) == [(12, "eni-c", 3, 30, ["eni-c", "tgw-attach-1"])]


def test_hours_in_a_row_are_never_all_given_away(talk: Any) -> None:
    """Three observers whose records end late: each packet that is kept is kept once."""
    rows = [
        sent("eni-a", 0, 8000, 5),
        sent("eni-b", 3700, 8000, 4, flow_direction="ingress"),
        sent("eni-d", 7300, 8000, 3, flow_direction="ingress"),
    ]
    assert [row[:3] for row in kept(talk(rows))] == [(11, "eni-a", 5), (13, "eni-d", 3)]


def test_a_transit_gateway_takes_the_action_of_another_hour(talk: Any) -> None:
    """The verdict was written at 11:59, the gateway's record at 12:00: one conversation."""
    tgw = {"interface_id": None, "tgw_attachment_id": "tgw-attach-1", "action": None}
    rows = talk([sent("eni-c", 3599, 3601, 2), sent("", 3600, 3601, 2) | tgw])
    assert [(r["action"], r["observers"]) for r in rows] == [("ACCEPT", ["eni-c", "tgw-attach-1"])]
