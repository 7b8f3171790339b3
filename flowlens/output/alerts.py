"""Findings for other systems and for people: OCSF, ASFF, and Markdown for a ticket."""

import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import polars as pl

from flowlens import words
from flowlens.findings.alert import Alert, alerts
from flowlens.output.flat import escape
from flowlens.output.text import MARKDOWN_LIMIT, cell, fence

__all__ = ["WRITERS"]


def _ocsf(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    """Write one OCSF Detection Finding a line."""
    from flowlens.findings.ocsf import events

    return _documents(events(frame.collect()), stream)


def _asff(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    """Write one request of BatchImportFindings a line, each with up to a hundred findings."""
    from flowlens.findings.asff import batches

    found = frame.collect()
    _documents(list(batches(found)), stream)
    return found.height


def _documents(rows: Iterable[dict[str, Any]], stream: BinaryIO) -> int:
    """Write JSON objects, one a line."""
    count = 0
    for row in rows:
        stream.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def _tickets(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    """Write findings as a list for a ticket, at most 60,000 characters long."""
    found = frame.collect()
    title = f"## {words.noun(found.height, 'finding')}\n"
    room, count = MARKDOWN_LIMIT - len(title) - 100, 0
    stream.write(title.encode())
    for alert in alerts(found):
        text = _ticket(alert)
        room -= len(text)
        if room < 0:
            break
        stream.write(text.encode())
        count += 1
    if count < found.height:
        stream.write(f"\n*{found.height - count:,} more findings are not shown here.*\n".encode())
    return count


def _ticket(alert: Alert) -> str:
    """Write one finding: the sentence, the numbers, how to see its records, the first of them."""
    parts = [
        f"\n### {alert.row['severity']}: {cell(escape(alert.title))}\n",
        f"\n{cell(escape(alert.row['text']))}\n\n",
        "| | |\n| --- | --- |\n",
        *(f"| {name} | {cell(escape(value))} |\n" for name, value in _facts(alert)),
    ]
    if alert.filter:
        command = f"flowlens records SRC --where {shlex.quote(alert.filter)}"
        parts += ["\nThe records behind it:\n\n", fence([command], "sh")]
    if alert.lines:
        quoted = words.noun(len(alert.lines), "of them", "of them")
        parts += [f"\nThe first {quoted}:\n\n", fence(_quoted(alert))]
    return "".join([*parts, f"\n{cell(alert.kind.advice)}\n"])


def _facts(alert: Alert) -> Iterator[tuple[str, str]]:
    """Yield what a ticket lists of a finding."""
    row, place = alert.row, alert.place
    yield "finding", alert.id
    yield "owner", words.who(row["owner"], row["client"])
    for name in ("client", "server", "destination"):
        yield name, row[name] or "unknown"
    yield "service", words.service(row["protocol"], row["server_port"])
    yield "seen", words.span(*alert.times)
    yield from ((name, place[name] or "") for name in ("account", "region") if place.get(name))
    for name, value in alert.numbers.items():
        yield name.replace("_", " "), _number(name, value)
    for one in alert.techniques:
        tactic = f" ({one.tactic.name})" if one.tactic else ""
        yield "technique", f"{one.id} {one.name or ''}".strip() + tactic


def _number(name: str, value: object) -> str:
    """Write a number as it stands in the sentence, and exactly."""
    if not isinstance(value, int):
        return str(value)
    return f"{value:,} ({words.size(value)})" if name.startswith("bytes") else f"{value:,}"


def _quoted(alert: Alert) -> Iterator[str]:
    """Yield the quoted records under the names of their objects."""
    before = None
    for line in alert.lines:
        if line["source"] != before:
            before = line["source"]
            yield f"# {before}"
        yield f"{line['line']}: {line['text']}"


WRITERS: dict[str, Callable[[pl.LazyFrame, BinaryIO, str], int]] = {
    "asff": _asff,
    "md": _tickets,
    "ocsf": _ocsf,
}
