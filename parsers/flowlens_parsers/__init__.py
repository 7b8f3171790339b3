"""Bytes to typed Polars frames: flow logs in every delivery, and resolver query logs.

What reads is loaded when it is first used, so that a question to a store does not pay for it.
"""

from typing import TYPE_CHECKING, Any

from flowlens_parsers.batch import ANSWERS, COVERAGE, REJECTS, Batch, Layout
from flowlens_parsers.errors import BrokenError, FormatError, ParserError
from flowlens_parsers.fields import DEFAULT, FIELDS, SCHEMA, TIME, Field

if TYPE_CHECKING:
    from flowlens_parsers.reading import peek, read, read_resolver

__all__ = [
    "ANSWERS",
    "COVERAGE",
    "DEFAULT",
    "FIELDS",
    "REJECTS",
    "SCHEMA",
    "TIME",
    "Batch",
    "BrokenError",
    "Field",
    "FormatError",
    "Layout",
    "ParserError",
    "peek",
    "read",
    "read_resolver",
]


def __getattr__(name: str) -> Any:
    if name not in {"peek", "read", "read_resolver"}:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from flowlens_parsers import reading

    return getattr(reading, name)
