"""The first screen: who, where, how much, how sure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from flowlens.report.facts import Facts
from flowlens.report.shape import subject
from flowlens.report.strip import Number, numbers
from flowlens.words import moment, noun, share, size

__all__ = ["Verdict", "verdict"]

#: How sure an orientation is, in words.
ROLES = {"certain": "certain", "likely": "likely", "guess": "a guess"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first screen: `strong` is the part of the headline that stands out."""

    scope: str
    strong: str
    rest: str
    bad: bool
    text: str
    sure: tuple[str, ...]
    numbers: tuple[Number, ...]


def verdict(
    edges: pl.DataFrame, findings: pl.DataFrame, told: Mapping[str, Any], facts: Facts
) -> Verdict:
    """Return the first screen for shaped edges.

    Args:
        edges: shaped edges.
        findings: a table of schema FINDINGS, worst first.
        told: what `flowlens.coverage.summary` returned.
        facts: where the numbers come from.
    """
    strong, rest, bad = _headline(edges, findings, facts)
    return Verdict(
        scope=_scope(told, facts),
        strong=strong,
        rest=rest,
        bad=bad,
        text=_text(edges, findings, facts),
        sure=_sure(edges, told, facts),
        numbers=numbers(edges, findings, told),
    )


def _headline(edges: pl.DataFrame, findings: pl.DataFrame, facts: Facts) -> tuple[str, str, bool]:
    """Return the headline in two parts, and whether it is bad news."""
    if edges.is_empty():
        return "Nothing to judge", ": no flow record was read.", False
    told = findings.filter(subject().is_not_null())  # what the logs lost is about nobody
    places = edges.filter(pl.col("state") == "unexpected")["destination"].n_unique()
    if places and not told.is_empty():
        strong = noun(places, "unexpected destination")
        return strong, f", reached by {_reachers(told)}.", True
    if not told.is_empty():
        return noun(told.height, "finding"), f", about {_reachers(told)}.", True
    judged = edges.filter(pl.col("state") != "unknown").height
    workloads = noun(edges.filter("ours")["key"].n_unique(), "workload")
    where = noun(edges["destination"].n_unique(), "destination")
    if not judged:
        return "Expected or not: unknown", f". {workloads} reached {where}.", False
    if judged < edges.height:
        return "Nothing unexpected", " in what could be judged; the rest is unknown.", False
    return "Nothing unexpected", f": {workloads} kept to {where} that {_yardstick(facts)}.", False


def _reachers(findings: pl.DataFrame) -> str:
    """Return how many workloads, shared interfaces and unknown addresses findings are about."""
    size = pl.col("owner").list.len().fill_null(0)
    found = findings.select(key=subject(), size=size).unique()
    counts = (
        (found.filter(pl.col("size") == 1).height, "workload", "workloads"),
        (found.filter(pl.col("size") > 1).height, "shared interface", "shared interfaces"),
        (found.filter(pl.col("size") == 0).height, "unknown address", "unknown addresses"),
    )  # fmt: skip
    words = [noun(count, *forms) for count, *forms in counts if count]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _yardstick(facts: Facts) -> str:
    """Return what traffic was judged by, as "that …"."""
    if facts.document:
        return f"{Path(facts.document).name} declares"
    if facts.learn_until:
        return f"the baseline until {moment(facts.learn_until)} UTC knows"
    return "nobody declared"


def _text(edges: pl.DataFrame, findings: pl.DataFrame, facts: Facts) -> str:
    """Return the paragraph: how much of what left was unexpected, and the worst of it."""
    if edges.is_empty():
        return "The sources held no flow record in this window; see Coverage."
    left = _sent(edges.filter("outside"))
    kept = _sent(edges.filter(~pl.col("outside")))
    both = f"{size(left)} left for addresses outside, {size(kept)} stayed inside."
    if findings.is_empty():
        if facts.document or facts.learn_until:
            return both
        return (
            f"{both} No expected document and no baseline was given, so nothing can be called "
            "unexpected."
        )
    lost = _sent(edges.filter(pl.col("state") == "unexpected"))
    worst = findings.row(0, named=True)["text"].rpartition("; ")[0]
    total = left + kept
    return (
        f"{size(lost)} of {size(total)} ({share(lost, total)}) went where {_against(facts)}"
        f"{_stopped(edges, lost)}. The worst: {worst}."
    )


def _stopped(edges: pl.DataFrame, lost: int) -> str:
    """Return how much of the unexpected traffic was rejected."""
    refused = _sent(edges.filter(state="unexpected", action="REJECT"))
    if refused == lost:
        return "; all of it was rejected"
    return f"; {size(refused)} of it was rejected" if refused else "; none of it was rejected"


def _against(facts: Facts) -> str:
    """Return what unexpected traffic is outside of."""
    if facts.document:
        return f"{Path(facts.document).name} allows nothing"
    if facts.learn_until:
        return f"nothing went before {moment(facts.learn_until)} UTC"
    return "nothing was expected"


def _sure(edges: pl.DataFrame, told: Mapping[str, Any], facts: Facts) -> tuple[str, ...]:
    """Return what the sentence rests on, and what it cannot know."""
    if edges.is_empty():
        return ()
    role, candidates = pl.col("orientation"), pl.col("candidates")
    roles = {word: role == name for name, word in ROLES.items()}
    owned = {"exact": candidates == 1, "one of several": candidates > 1, "unknown": candidates == 0}
    lines = [
        f"Who opened the connection is {_shares(edges, roles)} of records.",
        f"The owner is {_shares(edges, owned)}.",
    ]
    records = int(edges["records"].sum())
    unknown = int(edges.filter(pl.col("state") == "unknown")["records"].sum())
    if unknown and (facts.document or facts.learn_until):
        lines.append(f"Whether it was expected is unknown for {share(unknown, records)}.")
    if told["lost"] or (told["usable"] is not None and told["usable"] < 1):
        lines.append("Some lines are missing from the logs; see Coverage.")
    return tuple(lines)


def _shares(edges: pl.DataFrame, cases: Mapping[str, pl.Expr]) -> str:
    """Return the share of records of each case that there is."""
    whole = int(edges["records"].sum())
    counts = {word: int(edges.filter(case)["records"].sum()) for word, case in cases.items()}
    return ", ".join(f"{word} for {share(n, whole)}" for word, n in counts.items() if n)


def _scope(told: Mapping[str, Any], facts: Facts) -> str:
    """Return accounts, regions, sources and window as one line."""
    accounts = ", ".join(facts.accounts[:3]) + (" …" if len(facts.accounts) > 3 else "")
    sources = ", ".join(facts.sources[:2])
    if len(facts.sources) > 2:
        sources += f" and {len(facts.sources) - 2} more"
    first = moment(facts.since) if facts.since else _day(told.get("first"))
    last = moment(facts.until) if facts.until else _day(told.get("last"))
    parts = (
        accounts or "account unknown",
        ", ".join(facts.regions),
        sources,
        f"{first} – {last} UTC",
    )
    return " · ".join(part for part in parts if part)


def _day(iso: str | None) -> str:
    """Return an ISO time to the minute."""
    return iso[:16].replace("T", " ") if iso else "unknown"


def _sent(edges: pl.DataFrame) -> int:
    """Return the bytes clients sent."""
    return int(edges["bytes_out"].sum())
