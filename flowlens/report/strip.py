"""The four numbers at the top of the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from flowlens.report.shape import subject
from flowlens.words import noun, share, size

__all__ = ["Number", "numbers"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the strip: value, what it counts, a note, and whether it is bad news."""

    value: str
    label: str
    note: str
    bad: bool = False


def numbers(
    edges: pl.DataFrame, findings: pl.DataFrame, told: Mapping[str, Any]
) -> tuple[Number, ...]:
    """Return the strip: findings, workloads, destinations, and how complete the data is.

    Args:
        edges: shaped edges.
        findings: a table of schema FINDINGS.
        told: what `flowlens.coverage.summary` returned.
    """
    judged = not edges.filter(pl.col("state") != "unknown").is_empty()
    flagged = findings.select(subject().drop_nulls().n_unique()).item()
    ours = edges.filter("ours")
    shared = ours.filter(pl.col("candidates") > 1)["key"].n_unique()
    nobody = ours.filter(pl.col("candidates") == 0)["key"].n_unique()
    kinds = [f"{n:,} {word}" for n, word in ((shared, "shared"), (nobody, "unknown")) if n]
    addresses = noun(edges["server"].n_unique(), "address", "addresses")
    sent = size(int(edges["bytes_out"].sum()))
    return (
        _findings(findings, judged=judged),
        _count(ours["key"], "workload", " · ".join([f"{flagged:,} with findings", *kinds])),
        _count(edges["destination"], "destination", f"{addresses} · {sent} sent"),
        _complete(told),
    )


def _findings(findings: pl.DataFrame, *, judged: bool) -> Number:
    """Return how many findings there are; unknown where nothing could be judged."""
    severities = dict(findings.group_by("severity").len().iter_rows())
    order = ("critical", "high", "medium", "low", "info")
    found = ", ".join(f"{severities[level]} {level}" for level in order if level in severities)
    note = found or ("none in this window" if judged else "nothing to judge by")
    count, label = noun(findings.height, "finding").split()
    some = findings.height > 0
    return Number(count if judged or some else "?", label, note, bad=some)


def _count(values: pl.Series, word: str, note: str) -> Number:
    """Return how many different values there are."""
    count, label = noun(values.n_unique(), word).split()
    return Number(count, label, note)


def _complete(told: Mapping[str, Any]) -> Number:
    """Return the number that says how complete the data is."""
    usable, lines = told.get("usable"), told.get("lines") or 0
    if usable is None:
        return Number("?", "lines usable", "completeness unknown")
    skips = sum(window["lines"] for window in told["skipped"])
    notes = []
    if told["rejects"]:
        notes.append(f"{told['rejects']:,} unreadable")
    if skips:
        notes.append(f"{skips:,} SKIPDATA")
    if told["lost"]:
        notes.append(f"{noun(len(told['lost']), 'object')} cut short")
    if told["gaps"]:
        notes.append(noun(len(told["gaps"]), "gap"))
    note = " · ".join(notes) or f"all of {lines:,}, no gap"
    return Number(
        share(usable * lines, lines),
        "lines usable",
        note,
        bad=usable < 0.99 or bool(told["lost"]),
    )
