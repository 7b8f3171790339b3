"""Log groups of CloudWatch Logs: messages in order, and the format looked up."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO

from flowlens.errors import AccessError, InputError
from flowlens.sources.base import SLOT, Object, Window
from flowlens.sources.session import code, guarded

__all__ = ["list_cloudwatch"]


@dataclass(frozen=True, slots=True)
class Found:
    """What EC2 knows about the flow logs that write to a log group.

    Args:
        flow_log: Their id, where there is one only.
        format: Their log format, where they agree; None where nobody knows.
    """

    flow_log: str | None = None
    format: str | None = None


def list_cloudwatch(
    clients: Callable[[str], Any],
    uri: str,
    window: Window,
    format: str | None,
    note: Callable[[str], None],
) -> Iterator[Object]:
    """Yield the log group of `cloudwatch:LOG-GROUP` as one object of lines without a header.

    Args:
        clients: Makes the client of a service: `logs`, and `ec2` where the format is unknown.
        uri: Name or ARN of the group behind `cloudwatch:`.
        window: The asked time; events are stamped with the start of their record.
        format: Log format given by the user; None looks it up.
        note: Told what had to be assumed.

    Raises:
        AccessError: Credentials are missing.
        InputError: The flow logs of this group differ in format and none was given.
    """
    group = uri.removeprefix("cloudwatch:")
    if not group:
        msg = f"{uri}: no log group named; write cloudwatch:LOG-GROUP"
        raise InputError(msg)
    found = Found(format=format) if format else _look_up(clients("ec2"), group, note)
    query = _query(group, window)
    yield Object(
        uri=uri,
        open=partial(_open, clients("logs"), group, query),
        flow_log=found.flow_log,
        format=found.format,
        remote=True,
    )


def _query(group: str, window: Window) -> dict[str, Any]:
    name = "logGroupIdentifier" if group.startswith("arn:") else "logGroupName"
    query: dict[str, Any] = {name: group}
    if window.since is not None:
        query["startTime"] = _milliseconds(window.since - SLOT)
    if window.until is not None:
        query["endTime"] = _milliseconds(window.until + SLOT)
    return query


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _look_up(ec2: Any, group: str, note: Callable[[str], None]) -> Found:
    """Return the format that the flow logs of a group agree on.

    A denied call or an unknown flow log leaves the default format (version 2) as an assumption,
    which is noted; formats that differ cannot be told apart line by line, which is an error.
    """
    name = group.rsplit("log-group:", 1)[-1].removesuffix(":*")
    assumed = (
        f"cloudwatch:{group}: the default format (version 2) is assumed; --format sets another"
    )
    try:
        logs = _flow_logs(ec2, name)
    except AccessError as error:
        note(f"{assumed} ({error})")
        return Found()
    formats = {log["FlowLogId"]: log.get("LogFormat") or None for log in logs}
    if not formats:
        note(f"{assumed} (no flow log of this account and region writes to it)")
        return Found()
    if len(set(formats.values())) > 1:
        shown = "; ".join(f"{key}: {json.dumps(value)}" for key, value in sorted(formats.items()))
        msg = f"cloudwatch:{group}: its flow logs differ in format ({shown}); give one by --format"
        raise InputError(msg)
    flow_log = next(iter(formats)) if len(formats) == 1 else None
    return Found(flow_log, next(iter(formats.values())))


def _flow_logs(ec2: Any, name: str) -> list[dict[str, Any]]:
    pager = ec2.get_paginator("describe_flow_logs")
    query = [{"Name": "log-group-name", "Values": [name]}]
    with guarded("ec2:DescribeFlowLogs", "*"):
        return [log for page in pager.paginate(Filters=query) for log in page["FlowLogs"]]


def _open(logs: Any, group: str, query: dict[str, Any]) -> BinaryIO:
    stream = Messages(_pages(logs, group, query))
    stream.fill()  # so that a missing group or permission is said here, not in the reader
    return io.BufferedReader(stream, 1 << 18)


def _pages(logs: Any, group: str, query: dict[str, Any]) -> Iterator[bytes]:
    """Yield the messages of each page as lines; a page without events is normal."""
    try:
        with guarded("logs:FilterLogEvents", f"log group {group}"):
            for page in logs.get_paginator("filter_log_events").paginate(**query):
                yield b"".join(_line(event["message"]) for event in page.get("events", ()))
    except InputError as error:
        if code(error.__cause__) != "ResourceNotFoundException":
            raise
        msg = f"cloudwatch:{group}: there is no such log group here; check its name and --region"
        raise InputError(msg) from error


def _line(message: str) -> bytes:
    r"""Return a message as one line, whatever it holds: one message is one record.

    >>> _line("2 123 eni-1\n2 forged")
    b'2 123 eni-1 2 forged\n'
    """
    return " ".join(message.splitlines()).encode("utf-8", "replace") + b"\n"


class Messages(io.RawIOBase):
    """Pages of bytes as one stream; a page is fetched when the one before is used up."""

    def __init__(self, pages: Iterator[bytes]) -> None:
        super().__init__()
        self._pages = pages
        self._rest = memoryview(b"")

    def fill(self) -> bool:
        """Get the next page that has bytes, unless some are left; False at the end."""
        while not self._rest:
            page = next(self._pages, None)
            if page is None:
                return False
            self._rest = memoryview(page)
        return True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: Buffer
        if not self.fill():
            return 0
        block, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(block)] = block
        return len(block)
