"""Sections on a terminal, in Markdown, and an investigation as JSON."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from flowlens import words
from flowlens.output.flat import escape, instants
from flowlens.output.investigation import Section
from flowlens.output.text import MARKDOWN_LIMIT, cell, fence

if TYPE_CHECKING:
    from rich.console import Console

    from flowlens.investigation import Investigation

__all__ = ["document", "markdown", "terminal"]

GAP = 2
#: Columns that may be cut, and how far; the others are whole or not there.
LEAST = 14
ELASTIC = frozenset(
    {"peer", "destination", "name", "owner", "addresses", "groups", "by", "route", "who", "verdict"}
)
RIGHT = frozenset({"sent", "got", "rejected", "answers"})
LABELS = {"as_": "", "first_seen": "first seen", "last_seen": "last seen"}
STYLES = {"◆": "bold red"}


def terminal(title: str, text: str, parts: Sequence[Section], stream: TextIO) -> None:
    """Print sections; text from data cannot steer the terminal, and long cells are cut."""
    from rich.console import Console
    from rich.text import Text

    plain = None if os.environ.get("NO_COLOR") else "auto"
    console = Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        color_system=plain,  # type: ignore[arg-type]
    )
    console.print(Text(escape(title), style="bold"))
    console.print(Text(escape(text)))
    for part in parts:
        head = Text(f"\n{part.title.upper()}", style="bold")
        remark = f"  {part.remark}" if part.remark and not part.points else ""
        console.print(head.append(escape(remark), style="not bold dim"))
        lines, hidden = _table(part.table, console.width)
        for line in lines:
            console.print(_styled(line), soft_wrap=True)
        if hidden:
            console.print(Text(f"no room for: {', '.join(hidden)}", style="dim"))
        for line in part.code:
            console.print(Text(escape(line)), soft_wrap=True)
        for point in part.points:
            _point(console, escape(point))
        if part.more:
            console.print(Text(f"… {words.count(part.more)} more", style="dim"))


def _styled(line: str) -> Any:
    """Colour the sign and what follows it; the sign alone says as much."""
    from rich.text import Text

    text = Text(line, no_wrap=True)
    for sign, style in STYLES.items():
        at = line.find(sign)
        if at >= 0:
            word = line[at:].partition("  ")[0].partition(",")[0]
            text.stylize(style, at, at + len(word))
    return text


def _point(console: "Console", point: str) -> None:
    """Print a sentence with its lines below each other."""
    from rich.text import Text

    lines = Text(point).wrap(console, max(LEAST, console.width - 2))
    for at, line in enumerate(lines):
        console.print(Text("– " if not at else "  ").append(line), soft_wrap=True)


def _table(table: Mapping[str, Sequence[str]], room: int) -> tuple[list[str], list[str]]:
    """Lay a table out in the room there is, and say which columns have none.

    The last columns go first; then the widest of those that may be cut are.
    """
    from rich.cells import cell_len, set_cell_size

    cells = {name: [escape(value) for value in values] for name, values in table.items()}
    widths = {name: max(map(cell_len, [_label(name), *values])) for name, values in cells.items()}
    least = {name: min(w, LEAST) if name in ELASTIC else w for name, w in widths.items()}
    kept = list(widths)
    while len(kept) > 1 and sum(least[name] + GAP for name in kept) - GAP > room:
        kept.pop()
    while sum(widths[name] + GAP for name in kept) - GAP > room:
        spare = [name for name in kept if widths[name] > least[name]]
        if not spare:
            break
        widths[max(spare, key=lambda name: widths[name])] -= 1

    def fit(name: str, value: str) -> str:
        width = widths[name]
        if cell_len(value) > width:
            return set_cell_size(value, width - 1) + "…"
        pad = " " * (width - cell_len(value))
        return pad + value if name in RIGHT else value + pad

    rows = [
        [_label(name).upper() for name in kept],
        *zip(*(cells[name] for name in kept), strict=True),
    ]
    lines = [(" " * GAP).join(map(fit, kept, row)).rstrip() for row in rows]
    return (lines if table else []), [_label(name) for name in widths if name not in kept]


def _label(name: str) -> str:
    return LABELS.get(name, name)


def markdown(title: str, text: str, parts: Sequence[Section]) -> str:
    """Write sections for a ticket, at most 60,000 characters long."""
    found = [f"## {cell(escape(title))}\n\n{cell(escape(text))}\n"]
    room = MARKDOWN_LIMIT - len(found[0]) - 100
    for part in parts:
        written = f"\n### {part.title}\n\n{''.join(_marked(part))}"
        room -= len(written)
        if room < 0:
            found.append("\n*What follows has no room here.*\n")
            break
        found.append(written)
    return "".join(found)


def _marked(part: Section) -> Iterator[str]:
    """Yield one section in Markdown."""
    if part.remark and not part.points:
        yield f"{cell(escape(part.remark[0].upper() + part.remark[1:]))}.\n\n"
    if part.table:
        names = list(part.table)
        yield f"| {' | '.join(_label(name) for name in names)} |\n"
        yield f"|{''.join(' --: |' if name in RIGHT else ' --- |' for name in names)}\n"
        for row in zip(*part.table.values(), strict=True):
            yield f"| {' | '.join(cell(escape(value)) for value in row)} |\n"
    if part.more:
        yield f"\n*{part.more:,} more*\n"
    if part.code:
        yield fence(part.code, part.language)
    yield from (f"- {cell(escape(point))}\n" for point in part.points)


def document(found: "Investigation", read: Mapping[str, Any], commands: Sequence[str]) -> str:
    """Write an investigation as one JSON object, ``flowlens.investigation/1``, all rows in it."""
    head = {
        "schema": "flowlens.investigation/1",
        "subject": {
            "name": found.subject.said,
            "kind": found.subject.kind,
            "addresses": found.subject.addresses,
            "interfaces": found.subject.interfaces,
            "similar": found.subject.kin,
        },
        "text": found.text,
        "pivot": None if found.pivot is None else f"{found.pivot:%Y-%m-%dT%H:%M:%SZ}",
        "read": read,
        "caveats": found.caveats,
        "next": commands,
    }
    lines = [json.dumps(head, ensure_ascii=False)[:-1]]
    for name, frame in found.tables.items():
        rows = instants(frame.lazy()).collect().write_json()
        lines.append(f',"{name}":{rows}')
    return "\n".join([*lines, "}", ""])
