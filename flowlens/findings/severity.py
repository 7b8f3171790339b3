"""Severity = base × evidence × exposure, with the reason in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowlens.findings.context import Context

__all__ = ["LEVELS", "Grade", "grade"]

#: From the least to the worst.
LEVELS = ("info", "low", "medium", "high", "critical")

#: The least score of each level, worst first.
STEPS = ((1.0, "critical"), (0.6, "high"), (0.2, "medium"), (0.03, "low"), (0.0, "info"))

#: How exposed data is at a destination of each kind, and why.
KINDS = {
    "address": (1.0, "the address has no name and no AWS owner"),
    "network": (1.0, "only the network's owner is known"),
    "domain": (0.8, "the destination is known by DNS alone"),
    "named": (0.6, "the destination has a name in the document"),
    "aws": (0.5, "the destination is an AWS service"),
    "endpoint": (0.3, "the destination is a VPC endpoint"),
    "inside": (0.5, "the destination is inside"),
}

#: Factors of a detection, each with its reason.
Factors = Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Grade:
    """A level, the score behind it and the reason in words."""

    level: str
    score: float
    why: str


def grade(
    row: Mapping[str, Any],
    context: Context,
    *,
    base: float = 1.0,
    evidence: tuple[float, str] | None = None,
    amount: bool = True,
    kind: bool = True,
    factors: Factors = (),
) -> Grade:
    """Grade one merged row.

    The score is the product of three factors between 0 and 1. *base* is how bad the kind of
    finding is, *evidence* how sure it is that data went there (accepted and answered, only
    accepted, only rejected; less where the client is a guess), *exposure* how much was sent and
    how little is known of the destination. A detection adds what speaks for and against it.

    Args:
        row: `accepted`, `rejected`, `unsaid` (records by action; unsaid: the log has none),
            `bytes_out`, `bytes_in`, `oriented` (certain, likely, guess) and `destination_kind`.
        context: the byte limits.
        base: the factor of the detection.
        evidence: what takes the place of the records' outcome, with its words.
        amount: whether bytes sent count; a beacon or a scan needs few.
        kind: whether it counts who the destination is.
        factors: what the detection adds, with its reasons; one without words is not said.

    >>> row = {"accepted": 9, "rejected": 0, "unsaid": 0, "bytes_out": 2_900_000, "bytes_in": 1,
    ...        "oriented": "certain", "destination_kind": "address"}
    >>> grade(row, Context()).level, grade(row | {"accepted": 0, "rejected": 9}, Context()).level
    ('high', 'low')
    """
    parts = [evidence or _evidence(row)]
    if amount:
        parts.append(_amount(row["bytes_out"], context))
    if kind:
        parts.append(KINDS.get(row["destination_kind"], KINDS["address"]))
    parts += factors
    doubt, role = (
        (0.5, ", though who opened it is a guess") if row["oriented"] == "guess" else (1.0, "")
    )
    score = base * doubt
    for factor, _ in parts:
        score *= factor
    level = next(name for least, name in STEPS if score >= least)
    said = [words for _, words in parts if words]
    reason = f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]
    return Grade(level, score, f"it was {reason}{role}")


def _evidence(row: Mapping[str, Any]) -> tuple[float, str]:
    """Return how sure it is that data went there, and the words for it."""
    if not row["accepted"] and not row["unsaid"]:
        return 0.15, "rejected every time"
    verb = "accepted" if row["accepted"] else "seen on its way"
    if row["bytes_in"]:
        return 1.0, f"{verb} and answered"
    return 0.5, f"{verb} but never answered"


def _amount(sent: int, context: Context) -> tuple[float, str]:
    """Return the factor of the bytes sent, and the words for it."""
    limits = context.limits
    if sent >= limits.huge:
        return 1.0, "a very large amount was sent"
    if sent >= limits.much:
        return 0.8, "much was sent"
    if sent >= limits.little:
        return 0.45, "a moderate amount was sent"
    return 0.25, "little was sent"
