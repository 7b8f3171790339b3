"""D16 and D17: addresses that somebody listed."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.destinations.prefixes import longest
from flowlens.findings.context import Context
from flowlens.findings.lists import Listed
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.rows import finding, incidents, table
from flowlens.findings.severity import grade
from flowlens.findings.sides import ANSWERED, OURS
from flowlens.small import collect
from flowlens.words import service, size

__all__ = ["KIND", "threats"]

KIND = "threat"


def threats(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find conversations with addresses that a given list holds.

    A set join of both ends with the lists in the context; the day of the list is said. What ours
    opened counts whatever became of it; what a listed address opened counts where it was
    accepted and answered, because the rest is the noise of the Internet.

    Technique: T1071 (application layer protocol); T1090.003 (multi-hop proxy) for lists of Tor.

    It cannot see what no list holds, and believes a list whatever its age: addresses change
    hands, and one of shared hosting stands for many names.

    Args:
        edges: a table of schema EDGES.
        context: the lists.

    Returns:
        Rows of FINDINGS.
    """
    if context.threats is None:
        return table([])
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for listed in context.threats.lists:
        for end, kept in (("server", OURS), ("client", ~OURS & ANSWERED)):
            hits = _hits(edges, listed, end)
            if not hits:
                continue
            these = edges.filter(kept, pl.col(end).is_in(hits))
            made = [_finding(row, listed, end, context) for row in incidents(these)]
            rows += [row for row in made if row["id"] not in seen]
            seen |= {row["id"] for row in rows}
    return table(rows)


def _hits(edges: pl.LazyFrame, listed: Listed, end: str) -> list[str]:
    """Return the addresses at one end that the list holds."""
    addresses = edges.select(pl.col(end).drop_nulls().unique()).pipe(collect)
    held = longest(addresses[end], list(listed.networks))
    return sorted(set(held["address"]))


def _finding(row: Mapping[str, Any], listed: Listed, end: str, context: Context) -> dict[str, Any]:
    """Return one finding."""
    day = f"of {listed.date}" if listed.date else "without a date"
    source = f"the list {listed.name} ({day}) holds it"
    if end == "server":
        doing = "tried to send" if not row["accepted"] and not row["unsaid"] else "sent"
        text = (
            f"{whom(row)} {doing} {size(row['bytes_out'])} to {where(row)} {when(row)}, "
            f"{outcome(row)}"
        )
    else:
        port = service(row["protocol"], row["server_port"])
        text = (
            f"{row['client']} called {row['destination'] or row['server']} {port} and was answered "
            f"{size(row['bytes_in'])} {when(row)}"
        )
    factors = [(1.0 if end == "server" else 0.4, f"on a list: {source.replace(';', ',')}")]
    graded = grade(row, context, amount=False, kind=False, factors=factors)
    return finding(KIND, row, text, graded, "T1090.003" if listed.tor else "T1071")
