"""What was learned, in words: the document, the table of its entries, and notes."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from flowlens.destinations.paths import private
from flowlens.expected import draft, merge
from flowlens.expected.document import Document, Entry, Subject
from flowlens.expected.evidence import REASONS
from flowlens.expected.items import grouped, items, listed, reason
from flowlens.expected.prior import Prior
from flowlens.words import moment, noun, span

__all__ = ["notes", "rows", "text"]

_LAST = re.compile(r"\bto (\d{4}-\d\d-\d\d) \d\d:\d\d UTC: ")
_SHORT = 7 * 24  # hours below which a document is told to be young


def text(
    frame: pl.DataFrame,
    called: Sequence[tuple[Subject, ...]],
    every: pl.DataFrame,
    prior: Prior,
    existing: str | None,
) -> str:
    """Return the document.

    Args:
        frame: What `spread.spread` returns.
        called: The workloads by number.
        every: All edges with `left`.
        prior: The document before.
        existing: Its text; null where there was none.
    """
    made = [item for item, _ in items(frame, called)]
    about = _about(frame, called)
    if existing is None or prior.document is None:
        lines = [*draft.comment(_header(every), 0), "version: 1", ""]
        lines.append("egress:" if made else "egress: []")
        for n, who in enumerate(dict.fromkeys(item.subjects for item in made)):
            own = [item for item in made if item.subjects == who]
            lines += [""] * bool(n) + draft.rule(who, about.get(who, ""), own)
        return "\n".join(lines) + "\n"
    unseen = _unseen(existing.split("\n"), prior, every["first_seen"].min())
    entries = prior.entries
    seen = [entries[n].line for n in prior.seen]
    mark = "\ufeff" if existing.startswith("\ufeff") else ""
    bare = existing.removeprefix("\ufeff")
    return mark + merge.merged(bare, prior.document, made, about, unseen, seen)


def _unseen(lines: Sequence[str], prior: Prior, start: object) -> dict[int, str]:
    """Return the day from which on entries were not seen, by the line that each has for itself."""
    if prior.document is None or not isinstance(start, datetime):
        return {}
    shared = Counter(entry.line for entry in prior.entries)
    shared.update(rule.line for rule in prior.document.rules)
    return {
        entry.line: max(f"{start:%Y-%m-%d}", _last(lines, entry.line))
        for n, entry in enumerate(prior.entries)
        if n not in prior.seen
        and shared[entry.line] == 1
        and (entry.until is None or entry.until > start)
    }


def _last(lines: Sequence[str], line: int) -> str:
    """Return the last day in the evidence above an entry; empty where there is none."""
    place, days = line - 2, [""]
    while place >= 0 and lines[place].lstrip().startswith("#"):
        days += _LAST.findall(lines[place])
        place -= 1
    return max(days)


def _about(
    frame: pl.DataFrame, called: Sequence[tuple[Subject, ...]]
) -> dict[tuple[Subject, ...], str]:
    """Return who is behind each workload, where its name does not say it."""
    people = frame.select("workload", who="client_owner").explode("who", empty_as_null=True)
    found = people.drop_nulls().unique().group_by("workload").agg(pl.col("who").sort())
    return {
        called[number]: listed(owners)
        for number, owners in found.iter_rows()
        if owners != [each.value for each in called[number]]
    }


def _header(every: pl.DataFrame) -> str:
    learned = every.filter(pl.col("left").is_null())
    if learned.is_empty():
        return "Nothing was learned: these logs hold nothing to learn from."
    first, last = learned["first_seen"].min(), learned["last_seen"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    counts = noun(learned.height, "conversation")
    return f"What {counts} {span(first, last)} reached. Whoever reviews it allows it."


def rows(
    frame: pl.DataFrame,
    kept: pl.DataFrame,
    called: Sequence[tuple[Subject, ...]],
    prior: Prior,
    document: Document,
) -> list[dict[str, Any]]:
    """Return the entries of the document with what was seen of them, in its order."""
    new = {
        (item.subjects, item.kind, item.value, item.region): row
        for item, row in items(frame, called)
    }
    held = (
        {row["settled"]: row for row in grouped(kept, ["settled"]).to_dicts()}
        if prior.entries
        else {}
    )
    rules = prior.document.rules if prior.document else ()
    before = enumerate((each.subjects, entry) for each in rules for entry in each.entries)
    number, old = next(before, (0, None))
    found = []
    for rule in document.rules:
        for entry in rule.entries:
            row: Mapping[str, Any] = {}
            if old is not None and old[0] == rule.subjects and _same(entry, old[1]):
                row, seen = held.get(number, {}), number in prior.seen
                state = "kept" if seen else "unseen"
                number, old = next(before, (0, None))
            else:
                row, state = new[rule.subjects, entry.kind, entry.values[0], entry.region], "new"
            found.append(_row(rule.subjects, entry, state, row))
    return found


def _same(entry: Entry, old: Entry) -> bool:
    """Say whether two entries differ in their line only."""
    parts = ("kind", "values", "region", "said", "why", "until")
    return all(getattr(entry, part) == getattr(old, part) for part in parts)


def _row(
    subjects: tuple[Subject, ...], entry: Entry, state: str, row: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **row,
        "state": state,
        "line": entry.line,
        "workload": ", ".join(f"{each.kind} {each.value}" for each in subjects),
        "kind": entry.kind,
        "value": ", ".join(entry.values),
        "ports": list(entry.said),
        "why": entry.why,
        "reason": reason(row) if state == "new" else None,
    }


def notes(frame: pl.DataFrame, prior: Prior, coverage: pl.DataFrame | None) -> Iterator[str]:
    """Yield what a reader of the document should know of the traffic it was learned from."""
    if frame.is_empty():
        yield "nothing to learn from: the logs hold no conversation"
    counts = dict(frame["left"].drop_nulls().value_counts().iter_rows())
    for why, words in REASONS.items():
        if why in counts:
            yield f"not learned: {noun(counts[why], 'conversation')} {words}"
    if counts.get("rejected") and (frame["action"] == "REJECT").all():
        yield (
            "every record was refused traffic: a flow log of REJECT only cannot teach; "
            "expected one of all traffic (traffic type ALL)"
        )
    yield from _about_time(frame.filter(pl.col("left").is_null()), coverage)
    for entry, count in prior.ended:
        needed = noun(count, "conversation")
        yield f"line {entry.line}: {entry} has ended, and {needed} still need it"
    unseen = len(prior.entries) - len(prior.seen)
    if unseen:
        yield f"{noun(unseen, 'entry', 'entries')} of the document were not seen in these logs"


def _about_time(learned: pl.DataFrame, coverage: pl.DataFrame | None) -> Iterator[str]:
    first, last = learned["first_seen"].min(), learned["last_seen"].max()
    if isinstance(first, datetime) and isinstance(last, datetime):
        hours = round((last - first).total_seconds() / 3600)
        if hours < _SHORT:
            rare = "what happens less often is not in it"
            yield f"learned from {noun(max(1, hours), 'hour')} of traffic: {rare}"
    public = learned.filter(~private(pl.col("server")), pl.col("server_owner").is_null())
    if public.height and public["domains"].is_null().all():
        yield "no resolver log (--dns): addresses are learned also where names would stay longer"
    if learned.height and learned["client_owner"].is_null().all():
        yield "no owner is known (-i): workloads are learned by their addresses"
    lost = coverage.filter(pl.col("status") == "SKIPDATA") if coverage is not None else None
    if lost is not None and lost.height:
        faces = listed(lost["observer"].drop_nulls().unique().sort().to_list())
        at = moment(lost["start"].min()) if lost["start"].count() else "an unknown time"  # type: ignore[arg-type]
        yield (
            f"AWS skipped {noun(lost.height, 'window')} (SKIPDATA) of {faces}, first at {at}: "
            "what happened only then is not learned and would be blocked"
        )
