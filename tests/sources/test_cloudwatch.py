from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowlens.errors import AccessError, InputError
from flowlens.sources import Aws, Object, list_objects

Client = Callable[[str], Any]

FORMAT = "${version} ${srcaddr} ${dstaddr} ${start} ${end} ${log-status}"
DENIED = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"
DENIED += "</Errors><RequestID>1</RequestID></Response>"
#: A log group takes only events of the last two weeks.
START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


@pytest.fixture
def group(aws_client: Client) -> Callable[..., None]:
    """Makes the log group `flows` with five messages, one a minute, in two streams."""
    logs = aws_client("logs")
    logs.create_log_group(logGroupName="flows")
    first = int(START.timestamp() * 1000)
    for stream, minutes in (("eni-1-all", (0, 2, 4)), ("eni-2-all", (1, 3))):
        logs.create_log_stream(logGroupName="flows", logStreamName=stream)
        events = [
            {"timestamp": first + minute * 60_000, "message": f"{stream} {minute}"}
            for minute in minutes
        ]
        logs.put_log_events(logGroupName="flows", logStreamName=stream, logEvents=events)

    def deliver(*formats: str) -> None:
        """Makes a flow log of each format that writes to the group."""
        ec2 = aws_client("ec2")
        for format in formats:
            vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            ec2.create_flow_logs(
                ResourceIds=[vpc],
                ResourceType="VPC",
                TrafficType="ALL",
                LogDestinationType="cloud-watch-logs",
                LogGroupName="flows",
                DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flows",
                LogFormat=format,
            )

    return deliver


def _list(endpoint: str, src: str = "cloudwatch:flows", **options: Any) -> list[Object]:
    return list(list_objects(src, options=Aws(endpoint_url=endpoint), **options))


def _lines(found: Object) -> list[str]:
    with closing(found.open()) as stream:
        return stream.read().decode().splitlines()


def test_messages_of_all_streams(aws_server: str, group: Callable[..., None]) -> None:
    """The messages of all streams come as lines, again for each reader."""
    group(FORMAT)
    (found,) = _list(aws_server)
    assert (found.uri, found.size, found.format) == ("cloudwatch:flows", None, FORMAT)
    assert found.flow_log is not None
    assert found.flow_log.startswith("fl-")
    lines = ["eni-1-all 0", "eni-1-all 2", "eni-1-all 4", "eni-2-all 1", "eni-2-all 3"]
    assert (sorted(_lines(found)), sorted(_lines(found))) == (lines, lines)


def test_time_is_asked_with_a_slot_more(aws_server: str, group: Callable[..., None]) -> None:
    """Only events of the time, and of one slot around it, are asked for."""
    since = START + timedelta(minutes=13)
    (found,) = _list(aws_server, since=since, format=FORMAT)
    assert sorted(line[-1] for line in _lines(found)) == ["3", "4"]


def test_empty_pages_are_passed_over(proxy: Any, group: Callable[..., None]) -> None:
    """A page without events but with a token is not the end."""
    for token in ("first", "second"):
        empty = f'{{"events": [], "nextToken": "{token}"}}'
        proxy.spoil("FilterLogEvents", body=empty)
    proxy.spoil("FilterLogEvents", body='{"events": [{"message": "2 a"}, {"message": "2 b"}]}')
    (found,) = _list(proxy.url, format=FORMAT)
    proxy.requests.clear()
    assert _lines(found) == ["2 a", "2 b"]
    assert len(proxy.requests) == 3


def test_throttling_is_waited_for(proxy: Any, group: Callable[..., None]) -> None:
    """A throttled call is tried again."""
    busy = '{"__type": "ThrottlingException", "message": "Rate exceeded"}'
    proxy.spoil("FilterLogEvents", status=400, body=busy)
    (found,) = _list(proxy.url, format=FORMAT)
    assert len(_lines(found)) == 5


def test_equal_formats_are_one(aws_server: str, group: Callable[..., None]) -> None:
    """Several flow logs with one format give that format and no single id."""
    group(FORMAT, FORMAT)
    (found,) = _list(aws_server)
    assert (found.flow_log, found.format) == (None, FORMAT)


def test_different_formats_must_be_chosen(aws_server: str, group: Callable[..., None]) -> None:
    """Flow logs that differ in format are named, with their formats; --format settles it."""
    group(FORMAT, "${version} ${bytes}")
    with pytest.raises(InputError, match="differ in format") as error:
        _list(aws_server)
    assert FORMAT in str(error.value)
    assert str(error.value).count("fl-") == 2
    (found,) = _list(aws_server, format="${version} ${bytes}")
    assert found.format == "${version} ${bytes}"


def test_unknown_format_is_an_assumption(proxy: Any, group: Callable[..., None]) -> None:
    """Without a flow log, or with the look-up denied, version 2 is assumed and it is said."""
    notes: list[str] = []
    (found,) = _list(proxy.url, note=notes.append)
    assert (found.flow_log, found.format) == (None, None)
    proxy.spoil("DescribeFlowLogs", status=403, body=DENIED)
    (found,) = _list(proxy.url, note=notes.append)
    assert found.format is None
    assert [note[:59] for note in notes] == [
        "cloudwatch:flows: the default format (version 2) is assumed"
    ] * 2
    assert "no flow log of this account" in notes[0]
    assert "allow ec2:DescribeFlowLogs on *" in notes[1]


def test_missing_group_and_permission(proxy: Any, group: Callable[..., None]) -> None:
    """A group that is not there, and one that may not be read, are named when it is opened."""
    (found,) = _list(proxy.url, "cloudwatch:/vpc/none", format=FORMAT)
    with pytest.raises(InputError, match="cloudwatch:/vpc/none: there is no such log group"):
        found.open()
    refused = '{"__type": "AccessDeniedException", "message": "no"}'
    proxy.spoil("FilterLogEvents", status=400, body=refused)
    (found,) = _list(proxy.url, format=FORMAT)
    with pytest.raises(AccessError, match="allow logs:FilterLogEvents on log group flows"):
        found.open()
    with pytest.raises(InputError, match="no log group named"):
        _list(proxy.url, "cloudwatch:")


def test_missing_region(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region the error says how to give one."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(AccessError, match=r"no AWS region for logs; give --region"):
        _list(aws_server, format=FORMAT)
