"""Findings as they stand in the report: where, who, how much, why, evidence."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from flowlens.report.facts import Facts
from flowlens.report.shape import crowd
from flowlens.words import noun, service, size, span

__all__ = ["Card", "cards"]

#: What stands before the rules behind an action.
RULED = {"ACCEPT": "Let through", "REJECT": "Refused"}


@dataclass(frozen=True, slots=True)
class Card:
    """One finding in words."""

    id: str
    severity: str
    destination: str
    server: str
    service: str
    who: str
    owners: str
    sent: str
    verb: str
    amount: str
    back: str
    path: str
    when: str
    text: str
    reason: str
    why: tuple[str, ...]
    technique: str
    command: str
    lines: tuple[Mapping[str, Any], ...]


def cards(
    edges: pl.DataFrame, findings: pl.DataFrame, facts: Facts, *, limit: int
) -> tuple[Card, ...]:
    """Return the first `limit` findings as cards.

    Args:
        edges: shaped edges; they say why and on which path.
        findings: a table of schema FINDINGS, worst first.
        facts: the arguments of the commands.
        limit: how many findings are shown.
    """
    reasons = _reasons(edges)
    return tuple(_card(row, reasons, facts) for row in findings.head(limit).iter_rows(named=True))


def _reasons(edges: pl.DataFrame) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return what the edges say beyond a finding, by what the finding is about."""
    key = ["key", "destination", "server_port", "protocol"]
    found = (
        edges.filter(pl.col("state") == "unexpected")
        .group_by(key)
        .agg(
            pl.col("why", "path").drop_nulls().unique().sort(),
            *(_ruled(action).alias(action) for action in RULED),
            refused=pl.col("records").filter(pl.col("action") == "REJECT").sum(),
            unsaid=pl.col("action").is_null().any(),
        )
    )
    return {tuple(row[name] for name in key): row for row in found.iter_rows(named=True)}


def _card(
    row: Mapping[str, Any], reasons: Mapping[tuple[Any, ...], Mapping[str, Any]], facts: Facts
) -> Card:
    """Return one finding in words."""
    if row["client"] is None and row["server"] is None:
        return _lost(row, facts)
    owners = row["owner"] or []
    key = "\x1f".join(owners) or row["client"]
    known = reasons.get((key, row["destination"], row["server_port"], row["protocol"]), {})
    _, _, reason = row["text"].rpartition("; ")
    filter_ = row["evidence"]["filter"]
    command = f"flowlens records {facts.arguments} --where {shlex.quote(filter_)}"
    numbers = row["numbers"]
    return Card(
        id=row["id"],
        severity=row["severity"],
        destination=row["destination"] or row["server"],
        server=row["server"] if row["server"] != row["destination"] else "",
        service=service(row["protocol"], row["server_port"]),
        who=crowd(owners, row["client"]),
        owners=_owners(owners, row["client"]),
        sent=size(numbers["bytes_out"]),
        verb="tried" if numbers["rejected"] == numbers["records"] else "out",
        amount=f"{noun(numbers['records'], 'record')}, {_outcome(row, known)}",
        back=f"{size(numbers['bytes_in'])} came back",
        path=", ".join(known.get("path", [])),
        when=span(row["first_seen"], row["last_seen"]),
        text=row["text"],
        reason=reason[:1].upper() + reason[1:],
        why=_why(known),
        technique=row["technique"] or "",
        command=command,
        lines=tuple(row["evidence"]["lines"] or ()),
    )


def _owners(owners: list[str], client: str | None) -> str:
    """Return how well the owner is known."""
    if not owners:
        return "owner unknown"
    if len(owners) == 1:
        return f"from {client}"
    return f"from {client}, an interface shared by {', '.join(owners)}: the log cannot tell which"


def _lost(row: Mapping[str, Any], facts: Facts) -> Card:
    """Return a finding about what the logs do not show: it has neither ends nor traffic."""
    _, _, reason = row["text"].rpartition("; ")
    numbers = row["numbers"]
    command = f"flowlens records {facts.arguments} --where {shlex.quote(row['evidence']['filter'])}"
    return Card(
        id=row["id"],
        severity=row["severity"],
        destination=row["destination"],
        server="",
        service=row["kind"],
        who="the flow logs",
        owners="nobody is known to have done it",
        sent=noun(numbers["seconds"] or 0, "second"),
        verb="unseen",
        amount=noun(numbers["records"], "window") if numbers["records"] else "no record",
        back="",
        path="",
        when=span(row["first_seen"], row["last_seen"]),
        text=row["text"],
        reason=reason[:1].upper() + reason[1:],
        why=(),
        technique=row["technique"] or "",
        command=command,
        lines=(),
    )


def _outcome(row: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return how many records were rejected."""
    refused, records = row["numbers"]["rejected"], row["numbers"]["records"]
    if known.get("unsaid") or "the log does not say whether" in row["text"]:
        return "unknown whether accepted"
    if refused == records:
        return "all rejected"
    return f"{refused:,} of them rejected" if refused else "all accepted"


def _why(known: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why it was judged so and what let it through."""
    texts = [text[:1].upper() + text[1:] for text in known.get("why", [])[:3]]
    rules = ((word, known.get(action)) for action, word in RULED.items())
    return (*texts, *(f"{word}: {'; '.join(found[:3])}" for word, found in rules if found))


def _ruled(action: str) -> pl.Expr:
    """Return the rules behind an action."""
    return pl.col("rule").filter(pl.col("action") == action).drop_nulls().unique().sort()
