"""What can be wrong with bytes: reasons for single lines, exceptions for callers.

::

    ParserError                   base of everything this package raises on purpose
    ├── FormatError               a log format given by the caller has no usable field names
    └── BrokenError               a stream ends or turns unreadable before its end; has a reason

A line that cannot be read is never an exception: it becomes a row of `rejects` with one of the
reasons below, the whole fixed vocabulary.
"""

__all__ = [
    "DAMAGED",
    "LONG",
    "MESSAGE",
    "MISSING",
    "NOT_ADDRESS",
    "NOT_JSON",
    "NOT_NUMBER",
    "NOT_TIME",
    "NOT_UTF8",
    "RANGE",
    "REASONS",
    "RESOLVER",
    "TRUNCATED",
    "UNKNOWN",
    "VALUES",
    "BrokenError",
    "FormatError",
    "ParserError",
]

VALUES = "wrong number of values"
NOT_NUMBER = "not a number"
RANGE = "out of range"
NOT_ADDRESS = "not an address"
NOT_TIME = "not a time"
NOT_UTF8 = "not utf-8"
NOT_JSON = "not json"
MESSAGE = "no message"
MISSING = "missing value"
LONG = "line too long"
TRUNCATED = "truncated"
DAMAGED = "damaged"
UNKNOWN = "unknown format"
RESOLVER = "resolver query log: give it with --dns"

REASONS: tuple[str, ...] = (
    VALUES,
    NOT_NUMBER,
    RANGE,
    NOT_ADDRESS,
    NOT_TIME,
    NOT_UTF8,
    NOT_JSON,
    MESSAGE,
    MISSING,
    LONG,
    TRUNCATED,
    DAMAGED,
    UNKNOWN,
    RESOLVER,
)


class ParserError(Exception):
    """An expected failure of reading: its text is one line."""


class FormatError(ParserError, ValueError):
    """A log format given by the caller names no field."""


class BrokenError(ParserError, OSError):
    """A compressed stream stops or is damaged; `reason` is `TRUNCATED` or `DAMAGED`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
