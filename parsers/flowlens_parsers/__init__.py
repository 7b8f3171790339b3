"""Bytes to typed Polars frames: flow logs in every delivery, and resolver query logs."""

from flowlens_parsers.batch import ANSWERS, COVERAGE, REJECTS, Batch, Layout
from flowlens_parsers.errors import BrokenError, FormatError, ParserError
from flowlens_parsers.fields import DEFAULT, FIELDS, SCHEMA, TIME, Field
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
