"""The three values that every source speaks: where AWS is, what time is asked, what was found."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

__all__ = ["LATE", "SLOT", "Aws", "Lost", "Object", "Window"]

#: The longest capture window. A record that starts in one slot may end, and so be filed, in the
#: next (https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-basics.html).
SLOT = timedelta(minutes=10)

#: How long after its slot a record may still arrive. Delivery is best effort; AWS speaks of hours.
LATE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Aws:
    """How to reach AWS, as the three options of the AWS CLI with these names.

    Args:
        profile: Name of a profile in the shared configuration; None for the default chain.
        region: Region code; None for the profile's or environment's region.
        endpoint_url: Address of another endpoint than AWS's own.
    """

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The asked time: records that start at or after `since` and before `until`.

    A record is one line; its own start decides. The name of an object says only in which slot its
    records *end*, and records come late, so objects are taken from one slot (`SLOT`) before to one
    slot and one day (`LATE`) after, and folders of whole days from one day more.

    Args:
        since: First moment inside, UTC; None for no lower bound.
        until: First moment outside, UTC; None for no upper bound.
    """

    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Take a time without a zone as UTC, as flow logs do."""
        for name in ("since", "until"):
            value: datetime | None = getattr(self, name)
            if value is not None:
                zoned = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
                object.__setattr__(self, name, zoned)

    @property
    def bounded(self) -> bool:
        """Whether either bound is set."""
        return self.since is not None or self.until is not None

    def holds(self, slot: datetime | None) -> bool:
        """Say whether an object named after `slot` may hold records of this time.

        An object without a time in its name may hold anything.

        >>> window = Window(datetime(2026, 7, 14, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC))
        >>> window.holds(datetime(2026, 7, 13, 23, 50, tzinfo=UTC)), window.holds(None)
        (True, True)
        >>> window.holds(datetime(2026, 7, 13, 23, 45, tzinfo=UTC))
        False
        """
        if slot is None:
            return True
        early = self.since is not None and slot < self.since - SLOT
        late = self.until is not None and slot > self.until + LATE + SLOT
        return not (early or late)

    def days(self) -> tuple[datetime | None, datetime | None]:
        """Return the first and the last day whose folders may hold records of this time."""
        first = None if self.since is None else self.since - LATE
        last = None if self.until is None else self.until + LATE + SLOT
        return first, last


@dataclass(frozen=True, slots=True)
class Object:
    """One file, S3 object or log group: its identity, and how to read it from the beginning.

    Args:
        uri: What names it in rejects and evidence, in the spelling of the source.
        open: Returns a new stream of its bytes; raises `Lost` if it is gone or refused.
        size: Bytes as stored; None where only reading tells.
        etag: Version of the bytes; None where the source has none.
        modified: Last change, UTC.
        flow_log: Id of the flow log that wrote it (`fl-…`), from its name; None if unknown.
        format: Log format as AWS writes it, where the source knows it; None if the content tells.
        remote: Whether reading crosses a network, so that fetching ahead pays.
    """

    uri: str
    open: Callable[[], BinaryIO] = field(compare=False, repr=False)
    size: int | None = None
    etag: str | None = None
    modified: datetime | None = None
    flow_log: str | None = None
    format: str | None = None
    remote: bool = False


class Lost(Exception):
    """One object could not be read to its end; the others can.

    Args:
        text: What the other side said.
        reason: One of `vanished`, `denied`, `changed`, `archived`, `unreadable`.
    """

    def __init__(self, text: str, reason: str = "unreadable") -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason
