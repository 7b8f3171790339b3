"""Entries that say nothing new: what they cover, another one covers for longer."""

from collections.abc import Iterator

from flowlens.expected.budget import entries
from flowlens.expected.document import Document, Entry, Port
from flowlens.expected.prefixes import end, key

__all__ = ["overlaps"]


def overlaps(document: Document) -> Iterator[tuple[int, str]]:
    """Yield line and text of entries that lie within another one for the same workload."""
    told: set[tuple[int, str]] = set()
    for subject in dict.fromkeys(each for rule in document.rules for each in rule.subjects):
        some = list(entries(document, subject))
        for found in (*_spaces(some, document), *_names(some)):
            if found not in told:
                told.add(found)
                yield found


def _spaces(some: list[Entry], document: Document) -> Iterator[tuple[int, str]]:
    """Yield prefixes within others."""
    every = [
        (*key(text), place, text)
        for place, entry in enumerate(some)
        if entry.kind in ("cidr", "name")
        for value in entry.values
        for text in (document.names[value] if entry.kind == "name" else (value,))
    ]
    around: list[tuple[int, int, int, str]] = []  # family, end, entry, text
    for family, code, place, text in sorted(every):
        around = [each for each in around if each[0] == family and each[1] > code >> 8]
        for _, _, outer, wide in around:
            if _holds(some[outer], some[place]):
                yield some[place].line, f"{text} is within {wide} of line {some[outer].line}"
                break
        around.append((family, end(family, code), place, text))


def _names(some: list[Entry]) -> Iterator[tuple[int, str]]:
    """Yield other destinations that are named before, or are among those of a wider name."""
    holders: dict[tuple[str, str], list[int]] = {}
    for place, entry in enumerate(some):
        for value in entry.values:
            holders.setdefault((entry.kind, value), []).append(place)
    for (kind, value), places in holders.items():
        for place in places:
            before = [] if kind in ("cidr", "name") else [p for p in places if p < place]
            wider = [p for parent in _parents(kind, value) for p in holders.get(parent, ())]
            for outer in (*before, *wider):
                if _holds(some[outer], some[place]):
                    what = value if kind == "any" else f"{kind} {value}"
                    yield some[place].line, f"{what} is within {_said(some[outer])}"
                    break


def _parents(kind: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield the destinations that hold one, without itself.

    >>> list(_parents("domain", "*.b.example"))
    [('domain', '*.example'), ('any', 'any')]
    """
    if kind == "domain":
        labels = value.removeprefix("*.").split(".")
        yield from (("domain", ".".join(["*", *labels[n:]])) for n in range(1, len(labels)))
    if kind != "any":
        yield "any", "any"


def _said(entry: Entry) -> str:
    target = "any" if entry.kind == "any" else f"{entry.kind} {','.join(entry.values)}"
    return f"{target} of line {entry.line}"


def _holds(outer: Entry, inner: Entry) -> bool:
    """Say whether an entry counts for as long, as wide a Region and as many ports."""
    lasts = outer.until is None or (inner.until is not None and inner.until <= outer.until)
    wide = outer.region in (None, inner.region)
    return lasts and wide and all(any(_within(a, b) for b in outer.ports) for a in inner.ports)


def _within(port: Port, other: Port) -> bool:
    spoken = other.protocol in (None, port.protocol)
    return spoken and other.first <= port.first and port.last <= other.last
