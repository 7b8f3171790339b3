"""An existing document with lines added: every line that was there stays as it was.

New entries go behind the last entry of the rule with the same workload. Where that rule is not
written as a list of lines, and for workloads without a rule, a rule is added at the end; rules are
additive, so both mean the same.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowlens.errors import DocumentError
from flowlens.expected.document import Document, Subject
from flowlens.expected.draft import Item, entries, rule
from flowlens.expected.tree import at, tree

__all__ = ["MARK", "merged"]

#: Says that nothing needed the entry below from a day on.
MARK = "not seen since"
_MARKED = re.compile(rf"^\s*# {MARK} \d{{4}}-\d\d-\d\d\s*$")
_REST = re.compile(r"\s*(#.*)?")


def merged(
    text: str,
    document: Document,
    items: Sequence[Item],
    about: Mapping[Any, str],
    unseen: Mapping[int, str],
    seen: Iterable[int],
) -> str:
    """Return a document's text with entries added and marked.

    Args:
        text: The document.
        document: What it says.
        items: What to add, in order.
        about: A comment for each new rule, by workload.
        unseen: Line -> day from which on the entry of that line was not seen.
        seen: Lines of entries that were seen: a mark above them goes.

    Raises:
        DocumentError: `egress` is written in brackets, where no line can be added.
    """
    end = "\r" if "\r\n" in text else ""
    lines = text.split("\n")  # as YAML counts them
    node: Any = tree(text, document.source)
    added, rest = _inside(node, document, lines, items)
    added.setdefault(_end(node, lines, document.source), []).extend(_rules(node, rest, about))
    gone = {place for line in seen for place in _marks(lines, line)}
    written: list[str] = []
    for place, line in enumerate(lines):
        written += [each + end for each in added.get(place, [])]
        day = unseen.get(place + 1)
        if day and _alone(line) and not list(_marks(lines, place + 1)):
            written.append(f"{line[: len(line) - len(line.lstrip())]}# {MARK} {day}{end}")
        if place not in gone:
            written.append(line)
    if len(lines) in added:  # the file does not end with a line feed
        written += [end + each for each in added[len(lines)]]
    if rest and not node["egress"]:
        place = at(node, "egress") - 1
        written[place] = re.sub(r"egress\s*:.*", "egress:", lines[place]) + end
    return "\n".join(written)


def _alone(line: str) -> bool:
    """Say whether an entry has its line for itself, so that one can be put above it."""
    return line.lstrip().startswith("- ")


def _marks(lines: list[str], line: int) -> Iterable[int]:
    """Yield the places of marks above an entry's line."""
    place = line - 2
    while place >= 0 and lines[place].lstrip().startswith("#"):
        if _MARKED.match(lines[place]):
            yield place
        place -= 1


def _inside(
    node: Any, document: Document, lines: list[str], items: Sequence[Item]
) -> tuple[dict[int, list[str]], list[Item]]:
    """Return lines to add by place for rules that take them, and the items that are left."""
    added: dict[int, list[str]] = {}
    rest: list[Item] = []
    places: dict[frozenset[Subject], tuple[int, int]] = {}
    for position, known in enumerate(document.rules):
        spot = _spot(node, position, lines)
        if spot is not None:
            places.setdefault(frozenset(known.subjects), spot)
    for item in items:
        spot = places.get(frozenset(item.subjects))
        if spot is None:
            rest.append(item)
        else:
            added.setdefault(spot[0], []).extend(entries([item], spot[1]))
    return added, rest


def _spot(node: Any, position: int, lines: list[str]) -> tuple[int, int] | None:
    """Return where entries can be added to a rule, and how far in; null where they cannot."""
    fields: Any = node["egress"][position]
    to: Any = fields["to"]
    listed = isinstance(to, list) and bool(to)
    if not listed or to.fa.flow_style() or fields.fa.flow_style():
        return None
    starts = [at(to, n) for n in range(len(to))]
    first = lines[starts[0] - 1]
    if not _alone(first) or len(set(starts)) != len(starts):
        return None
    borders = [at(fields, key) for key in fields if at(fields, key) > starts[-1]]
    borders += _borders(node, starts[-1])
    last = min(borders, default=len(lines) + 1) - 1
    return _behind(lines, last), len(first) - len(first.lstrip())


def _borders(node: Any, line: int) -> list[int]:
    """Return the lines on which other rules and keys of the document begin, behind one."""
    every = [at(node["egress"], n) for n in range(len(node["egress"]))]
    return [each for each in (*every, *(at(node, key) for key in node)) if each > line]


def _behind(lines: list[str], last: int) -> int:
    """Return the place behind the last line with content, up to a line."""
    while last > 0 and _REST.fullmatch(lines[last - 1]):
        last -= 1
    return last


def _end(node: Any, lines: list[str], source: str) -> int:
    """Return the place behind the last rule."""
    rules = node["egress"]
    start = at(node, "egress")
    if node.fa.flow_style() or (rules and rules.fa.flow_style()):
        msg = f"{source}:{start}: `egress` is a list in brackets; expected a line for each rule, "
        msg += "to which rules can be added; try `egress:` and `- from: …` below it"
        raise DocumentError(msg)
    behind = [at(node, key) for key in node if at(node, key) > start]
    return max(start, _behind(lines, min(behind, default=len(lines) + 1) - 1))


def _rules(node: Any, items: list[Item], about: Mapping[Any, str]) -> list[str]:
    """Return new rules as lines, in as far as those that are there."""
    rules = node["egress"]
    indent = max(0, rules.lc.col) if rules else 2
    lines: list[str] = []
    for subjects in dict.fromkeys(item.subjects for item in items):
        own = [item for item in items if item.subjects == subjects]
        lines += ["", *rule(subjects, about.get(subjects, ""), own, indent)]
    return lines
