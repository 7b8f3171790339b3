"""What differs between two documents, whatever the order and the spelling of their lines."""

from collections.abc import Iterator, Mapping

import polars as pl

from flowlens.expected.document import Document, Entry

__all__ = ["CHANGES", "changes"]

CHANGES: dict[str, pl.DataType] = {
    "state": pl.String(),  # new, gone, changed
    "workload": pl.String(),  # null for names of ranges
    "kind": pl.String(),  # one of flowlens.expected.document.TARGETS; names
    "value": pl.String(),
    "was": pl.String(),  # ports, reason and end
    "now": pl.String(),
    "line_was": pl.UInt32(),
    "line_now": pl.UInt32(),
}

#: Workload, kind, value, Region.
_Key = tuple[str, str, str, str]


def changes(before: Document, after: Document) -> pl.DataFrame:
    """Return the entries that are new, gone or changed.

    Entries are compared for each workload and destination by themselves, so that a list may be
    written on one line or on several.

    Args:
        before: The older document.
        after: The newer one.

    Returns:
        A table of schema `CHANGES` in the order of workload, kind and value; empty where both
        documents say the same.

    >>> from flowlens.expected import parse
    >>> text = "{version: 1, egress: [{from: any, to: [{cidr: 10.0.0.0/8, ports: [tcp/1]}]}]}"
    >>> found = changes(parse(text), parse(text.replace("tcp/1", "tcp/2")))
    >>> found.select("state", "value", "was", "now").row(0)
    ('changed', '10.0.0.0/8', 'tcp/1', 'tcp/2')
    """
    old, new = dict(_said(before)), dict(_said(after))
    rows = []
    for key in sorted({*old, *new}):
        was, line_was = old.get(key, (None, None))
        now, line_now = new.get(key, (None, None))
        if was != now:
            state = "new" if was is None else "gone" if now is None else "changed"
            workload, kind, value, region = key
            where = f"{value} in {region}" if region else value
            rows.append((state, workload or None, kind, where, was, now, line_was, line_now))
    return pl.DataFrame(rows, schema=CHANGES, orient="row")


def _said(document: Document) -> Iterator[tuple[_Key, tuple[str, int | None]]]:
    """Yield what a document says of each workload and destination, and the first line of it."""
    for name, prefixes in document.names.items():
        yield ("", "names", name, ""), (", ".join(sorted(prefixes)), None)
    found: dict[_Key, dict[str, int]] = {}
    for rule in document.rules:
        for subject in rule.subjects:
            who = "any" if subject.kind == "any" else f"{subject.kind} {subject.value}"
            for entry in rule.entries:
                for value in entry.values:
                    key = (who, entry.kind, value, entry.region or "")
                    found.setdefault(key, {}).setdefault(_words(entry), entry.line)
    yield from ((key, _joined(said)) for key, said in found.items())


def _joined(said: Mapping[str, int]) -> tuple[str, int]:
    return "; ".join(sorted(said)), min(said.values())


def _words(entry: Entry) -> str:
    """Return what an entry says beside its destination."""
    why = [f"({entry.why})"] if entry.why else []
    until = [f"until {entry.until:%Y-%m-%d %H:%M} UTC"] if entry.until else []
    return " ".join([",".join(sorted(entry.said)), *why, *until])
