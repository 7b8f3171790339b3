"""One capture: the answers of AWS as they came, with the time at which they came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from flowlens.errors import InventoryError
from flowlens.inventory.calls import Call, call

__all__ = ["Capture", "convert", "moment", "parts"]


@dataclass(frozen=True, slots=True)
class Capture:
    """The answers of one account and region at one time.

    ``calls`` maps the name of a call to its raw answer; ``errors`` maps the name of a call that
    was refused to ``Code: message``. A call in neither was never made. Both mean *unknown*.
    """

    captured_at: datetime
    account_id: str | None
    region: str | None
    calls: Mapping[str, Any]
    errors: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()


class _Document(msgspec.Struct):
    captured_at: str
    calls: dict[str, dict[str, Any]]
    errors: dict[str, str] = {}  # msgspec copies the default
    account_id: str | None = None
    region: str | None = None


def moment(text: str, where: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is UTC.

    Args:
        text: such as ``2026-11-03T10:00:00Z``.
        where: the file, for the message.

    Raises:
        InventoryError: the text is not a time.

    >>> moment("2026-11-03T10:00:00", "x.json")
    datetime.datetime(2026, 11, 3, 10, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{where}: captured_at is {text!r:.60}; expected a time such as 2026-11-03T10:00:00Z"
        raise InventoryError(msg) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def convert(document: object, source: str) -> Capture:
    """Read a capture out of decoded JSON.

    Args:
        document: the decoded JSON.
        source: the file it came from, for messages.

    Raises:
        InventoryError: it is not the shape of a capture; the text names file and place.
    """
    try:
        read = msgspec.convert(document, _Document)
    except msgspec.ValidationError as exc:
        msg = f"{source}: not an inventory capture: {exc}"
        raise InventoryError(msg) from None
    for name, answer in read.calls.items():
        known = call(name)
        if known:
            verify(answer, known, source)
    return Capture(
        captured_at=moment(read.captured_at, source),
        account_id=read.account_id,
        region=read.region,
        calls=read.calls,
        errors=read.errors,
        source=source,
    )


def verify(answer: object, known: Call, source: str) -> None:
    """Hold an answer to the shape its call has.

    Raises:
        InventoryError: the answer is no object, or holds no list where the call has one.
    """
    if known.key is None:
        return
    for part in parts(answer, known).values():
        items = part.get(known.key) if isinstance(part, dict) else None
        # BlockPublicAccess answers one object where the others answer a list of them.
        if not isinstance(items, list | dict):
            msg = f"{source}: {known.name} holds no list {known.key}: not an answer of that call"
            raise InventoryError(msg)


def parts(answer: Any, known: Call) -> dict[str, Any]:
    """Return an answer by item: calls that are made per item answer a mapping, others one thing.

    >>> parts({"Vpcs": []}, call("ec2.describe_vpcs"))
    {'': {'Vpcs': []}}
    >>> parts({"pl-1": {"Entries": []}}, call("ec2.get_managed_prefix_list_entries"))
    {'pl-1': {'Entries': []}}
    """
    if known.each and isinstance(answer, dict) and known.key not in answer:
        return answer
    return {"": answer}
