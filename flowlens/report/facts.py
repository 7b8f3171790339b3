"""What a report says about its own making: sources, window, inputs, command."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """Where the numbers of a report come from. What is not given is called unknown.

    Args:
        sources: what was read, as the user wrote it.
        accounts: AWS account ids seen in the records.
        regions: AWS regions, where known.
        since: start of the window asked for; None is from the first record on.
        until: end of the window asked for, not in it.
        command: the command line that makes this report again.
        arguments: SRC and the options that other verbs need to read the same records.
        document: name of the expected document.
        learn_until: end of the baseline, where one was learnt.
        dns: what the names come from.
        ranges: which list of AWS ranges was used, with its date.
        captures: when the inventory was captured, oldest first.
        missing: inventory calls that failed or are absent, each with the reason.
        unknown: flow-log fields nobody knows.
        notes: anything else a reader must know.
        version: version of flowlens.
    """

    sources: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    command: str = ""
    arguments: str = "SRC"
    document: str | None = None
    learn_until: datetime | None = None
    dns: str | None = None
    ranges: str | None = None
    captures: tuple[datetime, ...] = ()
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    version: str = ""
