"""How the numbers were made, and what no flow log can show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from flowlens.report.facts import Facts
from flowlens.words import moment, noun, share, size

__all__ = ["NEVER", "Note", "coverage", "method"]

#: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-limitations.html
NEVER = (
    "DNS queries to the VPC's own resolver: DNS tunnelling through it is invisible here",
    "instance metadata (169.254.169.254) and the time service (169.254.169.123)",
    "DHCP and ARP",
    "licence activation of Windows instances",
    "the reserved address of a subnet's default router",
    "the source side of mirrored traffic",
    "traffic between an endpoint interface and a Network Load Balancer interface",
)

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Note:
    """A heading with its lines."""

    title: str
    lines: tuple[str, ...]


def coverage(told: Mapping[str, Any]) -> tuple[Note, ...]:
    """Return what is missing from this input, counted.

    Args:
        told: what `flowlens.coverage.summary` returned.
    """
    notes = [Note("Lines", (_lines(told),))]
    reasons = tuple(f"{noun(n, 'line')}: {reason}" for reason, n in told["reasons"].items())
    notes.append(Note("Unreadable lines", reasons or ("none",)))
    notes.append(Note("Windows AWS skipped (SKIPDATA)", _windows(told["skipped"], "none")))
    silent = told["silent"]
    hours = sum(window["seconds"] for window in silent) / 3600
    quiet = (
        f"{noun(len(silent), 'interface')} silent for {hours:,.1f} hours in all, which is normal"
    )
    notes.append(Note("Windows without traffic (NODATA)", (quiet if silent else "none",)))
    if told["other"]:
        notes.append(Note("Windows with a status nobody knows", _windows(told["other"], "none")))
    gaps = tuple(f"{_when(start)} – {_when(end)}" for start, end in told["gaps"][:SHOWN])
    notes.append(Note("Hours about which no interface said anything", _cut(gaps, told["gaps"])))
    if told["lost"]:
        broken = tuple(f"{row['source']}: {row['reason']}" for row in told["lost"][:SHOWN])
        notes.append(Note("Objects not read to their end", _cut(broken, told["lost"])))
    worst = [row for row in told["sources"] if row["rejects"]]
    worst.sort(key=lambda row: (-row["rejects"], row["source"]))
    if worst:
        objects = tuple(
            f"{row['source']}: {row['rejects']:,} of {noun(row['lines'], 'line')}"
            for row in worst[:SHOWN]
        )
        notes.append(Note("Objects with unreadable lines", _cut(objects, worst)))
    return tuple(notes)


def _lines(told: Mapping[str, Any]) -> str:
    """Return the sum that must add up."""
    if not told["lines"]:
        return "no count was kept"
    outside = f"{told['outside']:,} of another time + " if told["outside"] else ""
    return (
        f"{noun(told['lines'], 'line')} in {noun(len(told['sources']), 'object')} = "
        f"{noun(told['records'], 'record')} + {outside}{told['coverage']:,} NODATA or SKIPDATA + "
        f"{told['rejects']:,} unreadable"
    )


def _windows(rows: list[dict[str, Any]], none: str) -> tuple[str, ...]:
    """Return the windows of the observers that miss most."""
    ordered = sorted(rows, key=lambda row: (-row["seconds"], row["observer"] or ""))
    lines = tuple(
        f"{row['observer'] or 'unknown interface'}: {noun(row['lines'], 'window')}, "
        f"{row['seconds'] / 60:,.0f} min, the first from {_when(row['windows'][0][0])}"
        for row in ordered[:SHOWN]
    )
    return _cut(lines, rows) if lines else (none,)


def _cut(lines: tuple[str, ...], whole: list[Any]) -> tuple[str, ...]:
    """Return lines, and how many are not shown."""
    rest = len(whole) - len(lines)
    return (*lines, f"and {rest:,} more, in coverage.json") if rest else lines or ("none",)


def _when(iso: str | None) -> str:
    """Return an ISO time to the minute."""
    return iso[:16].replace("T", " ") if iso else "unknown"


def method(edges: pl.DataFrame, told: Mapping[str, Any], facts: Facts) -> tuple[Note, ...]:
    """Return how the numbers were made.

    Args:
        edges: shaped edges.
        told: what `flowlens.coverage.summary` returned.
        facts: where the numbers come from.
    """
    notes = [
        Note("Client and server", (_oriented(edges),)),
        Note("Counted once", _once(edges)),
        Note("Accepted and rejected", (_actions(told),)),
        Note("Expected", (_expected(facts),)),
        Note("Names", _names(edges, facts)),
        Note("Owners", _owners(facts)),
        Note("Never in a flow log", NEVER),
    ]
    if facts.unknown:
        fields = f"kept as text: {', '.join(facts.unknown)}"
        notes.append(Note("Fields nobody knows", (fields,)))
    if facts.notes:
        notes.append(Note("Also", facts.notes))
    return tuple(notes)


def _oriented(edges: pl.DataFrame) -> str:
    """Return how sure the roles are."""
    whole = int(edges["records"].sum())
    parts = []
    for word in ("certain", "likely", "guess"):
        records = edges.filter(pl.col("orientation") == word)["records"].sum()
        parts.append(f"{word} {share(int(records), whole)}")
    return (
        f"By share of records: {', '.join(parts)}. Certain rests on TCP flags or an unbroken "
        "history of the 5-tuple; likely on ports and history; a guess may have both ends swapped."
    )


def _once(edges: pl.DataFrame) -> tuple[str, ...]:
    """Return how double counting was avoided, and where it was not."""
    seen = edges.filter(pl.col("observers").list.len() > 1).height
    lines = [
        f"{noun(seen, 'conversation')} of {edges.height:,} were written down by several "
        "interfaces; each is counted at one: the client's own, else the server's, else one "
        "between.",
        "A try that one end let out and the other refused is one here, and refused; edges.parquet "
        "has both halves.",
    ]
    halves = edges.filter(pl.col("leg").is_not_null())
    if halves.height:
        sent = size(int(halves["bytes_out"].sum()))
        lines.append(
            f"{noun(halves.height, 'conversation')} ({sent}) are one side of a NAT gateway whose "
            "other side could not be linked: this traffic may be in the sums twice."
        )
    return tuple(lines)


def _actions(told: Mapping[str, Any]) -> str:
    """Return what kinds of action the log holds, and what that hides."""
    actions = told["actions"]
    found = ", ".join(f"{noun(n, 'record')} {action}" for action, n in actions.items())
    kinds = set(actions)
    if not actions:
        return "No record was read."
    if kinds == {"REJECT"}:
        return f"{found}. The log holds rejected traffic only: what was accepted cannot be seen."
    if kinds == {"ACCEPT"}:
        return f"{found}. None was rejected, or the log was set to leave rejected traffic out."
    if "unknown" in kinds:
        return f"{found}. Unknown: that log (a transit gateway's) does not carry an action."
    return f"{found}."


def _expected(facts: Facts) -> str:
    """Return what traffic was judged by."""
    if facts.document:
        return f"Judged by the document {facts.document}; what it does not hold is unexpected."
    if facts.learn_until:
        return (
            f"Judged by the baseline: what was seen before {moment(facts.learn_until)} UTC is "
            "expected. An intruder who came earlier is in the baseline."
        )
    return "Unknown: neither an expected document (-e) nor a baseline (--learn-until) was given."


def _names(edges: pl.DataFrame, facts: Facts) -> tuple[str, ...]:
    """Return where names come from."""
    read = edges["domains"].is_not_null().any()
    dns = facts.dns or ("resolver query logs" if read else None)
    lines = [
        f"Domain names from {dns}, ranked by probability; a cached answer is not logged again."
        if dns
        else "No resolver query log was read: no domain name is known, a missing one means nothing."
    ]
    ranges = facts.ranges or "unknown list"
    lines.append(f"AWS services and regions from {ranges}.")
    return tuple(lines)


def _owners(facts: Facts) -> tuple[str, ...]:
    """Return which captures owners come from, and what is missing from them."""
    if not facts.captures:
        return ("Unknown: no inventory was given (-i).",)
    times = [f"{moment(time)} UTC" for time in facts.captures]
    when = times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"
    lines = [
        f"{noun(len(times), 'capture')} of the inventory, {when}. An address that changed hands "
        "between two captures has no known owner in between.",
        "Lambda functions with the same subnet and security groups share interfaces: the owner is "
        "the whole set.",
    ]
    absent = [f"Missing, so unknown: {each}" for each in facts.missing]
    return (*lines, *_cut(tuple(absent[:SHOWN]), absent)) if absent else tuple(lines)
