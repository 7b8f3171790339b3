"""Entries and rules as YAML lines: one entry a line, its evidence in a comment above.

Names come from logs and tags, so they are hostile: control characters are written as what they
are, and whatever YAML might read in another way is quoted.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowlens.expected.document import Subject

__all__ = ["Item", "comment", "entry", "quoted", "rule"]

#: Text that YAML reads as itself also inside braces.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(?:[ /][A-Za-z0-9_.-]+)*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_ADDRESS = re.compile(r"[0-9a-f.:]+/\d+")
_WIDTH = 98


@dataclass(frozen=True, slots=True)
class Item:
    """One entry to be written.

    Attributes:
        subjects: The workload.
        kind: One of `flowlens.expected.document.TARGETS`.
        value: The destination.
        region: Of an AWS service.
        ports: In the words of a document.
        why: The reason.
        evidence: What was seen, for the comment.
    """

    subjects: tuple[Subject, ...]
    kind: str
    value: str
    region: str | None
    ports: tuple[str, ...]
    why: str
    evidence: str


def quoted(text: str) -> str:
    r"""Return a text as a YAML scalar that stands for itself, whatever is in it.

    >>> print(quoted("card payments"), quoted("*.x.example"), quoted("a\nb: c"), quoted("yes"))
    card payments "*.x.example" "a\\nb: c" "yes"
    """
    plain = visible(text)
    if _PLAIN.fullmatch(plain) and plain.lower() not in _WORDS:
        return plain
    return plain if _ADDRESS.fullmatch(plain) else json.dumps(plain, ensure_ascii=False)


def visible(text: str) -> str:
    r"""Return a text with control characters written as what they are.

    >>> print(visible("a\x1b[2J"))
    a\x1b[2J
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def entry(item: Item) -> str:
    """Return an entry as a mapping on one line.

    >>> own = (Subject("function", "pay"),)
    >>> entry(Item(own, "domain", "*.x.example", None, ("tcp/443",), "a: b", ""))
    '{domain: "*.x.example", ports: [tcp/443], why: "a: b"}'
    """
    region = f"region: {item.region}, " if item.region else ""
    ports = ", ".join(item.ports)
    return (
        f"{{{item.kind}: {quoted(item.value)}, {region}ports: [{ports}], why: {quoted(item.why)}}}"
    )


def comment(text: str, indent: int) -> list[str]:
    """Return a text as comment lines of at most 98 characters where its words allow."""
    lines: list[str] = []
    for part in text.split("\n"):
        fresh = True
        for word in visible(part).split():
            if not fresh and len(lines[-1]) + 1 + len(word) <= _WIDTH - indent - 2:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
            fresh = False
    return [f"{' ' * indent}# {line}" for line in lines]


def rule(
    subjects: Sequence[Subject], about: str, items: Iterable[Item], indent: int = 2
) -> list[str]:
    """Return a rule as lines, its dash `indent` columns in."""
    who = [f"{{{each.kind}: {quoted(each.value)}}}" for each in subjects]
    said = who[0] if len(who) == 1 else f"[{', '.join(who)}]"
    pad = " " * indent
    lines = [*comment(about, indent), f"{pad}- from: {said}", f"{pad}  to:"]
    for item in items:
        lines += entries([item], indent + 4)
    return lines


def entries(items: Iterable[Item], indent: int) -> list[str]:
    """Return entries as lines, each below its evidence."""
    lines = []
    for item in items:
        lines += [*comment(item.evidence, indent), f"{' ' * indent}- {entry(item)}"]
    return lines
