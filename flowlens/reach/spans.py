"""Ranges of addresses as numbers, and in the words of prefixes."""

from collections.abc import Iterable, Iterator

from flowlens.expected.prefixes import WIDTH, shown

__all__ = ["Span", "blocks", "merged", "size", "within", "words"]

#: Family, first address, the one after the last.
Span = tuple[int, int, int]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, joined where they touch or overlap.

    >>> merged([(4, 5, 9), (4, 0, 5), (6, 0, 1)])
    [(4, 0, 9), (6, 0, 1)]
    """
    found: list[Span] = []
    for family, first, end in sorted(spans):
        if found and found[-1][0] == family and first <= found[-1][2]:
            found[-1] = (family, found[-1][1], max(found[-1][2], end))
        else:
            found.append((family, first, end))
    return found


def within(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Return the parts of spans that lie in others as well.

    >>> within([(4, 0, 9)], [(4, 5, 12), (6, 0, 9)])
    [(4, 5, 9)]
    """
    kept = list(others)
    parts = (
        (family, max(first, low), min(end, high))
        for family, first, end in spans
        for kind, low, high in kept
        if kind == family
    )
    return merged(part for part in parts if part[1] < part[2])


def size(spans: Iterable[Span], family: int) -> float:
    """Return how many addresses of a family spans hold; they do not overlap."""
    return float(sum(end - first for kind, first, end in spans if kind == family))


def prefixes(span: Span) -> Iterator[int]:
    """Yield the keys (see `expected.prefixes`) of the fewest prefixes that make up a span."""
    family, first, end = span
    while first < end:
        room = (end - first).bit_length() - 1
        free = min(room, (first & -first).bit_length() - 1 if first else WIDTH[family])
        yield first << 8 | WIDTH[family] - free
        first += 1 << free


def blocks(spans: Iterable[Span]) -> list[str]:
    """Return the fewest prefixes that make up spans, single addresses without their length.

    >>> blocks([(4, 0, 2**32)]), blocks([(4, 1, 4)]), blocks([(6, 0, 2**128)])
    (['0.0.0.0/0'], ['0.0.0.1', '0.0.0.2/31'], ['::/0'])
    """
    return [shown(span[0], key) for span in merged(spans) for key in prefixes(span)]


def words(spans: Iterable[Span]) -> str:
    """Return spans as few words: prefixes, or a prefix without the parts that are not meant.

    >>> words([(4, 0, 10 << 24), (4, 11 << 24, 2**32)])
    '0.0.0.0/0 except 10.0.0.0/8'
    >>> words([(4, 5, 6), (4, 8, 9)]), words([])
    ('0.0.0.5, 0.0.0.8', 'nothing')
    """
    whole = merged(spans)
    texts = [_family([span for span in whole if span[0] == family]) for family in WIDTH]
    return "; ".join(filter(None, texts)) or "nothing"


def _family(whole: list[Span]) -> str:
    """Return the spans of one family in the shorter of two wordings."""
    if not whole:
        return ""
    around = _hull(whole)
    without = list(_beside(around, whole))
    if sum(map(_count, without)) + 1 < sum(map(_count, whole)):
        return f"{blocks([around])[0]} except {', '.join(blocks(without))}"
    return ", ".join(blocks(whole))


def _count(span: Span) -> int:
    """Return how many prefixes make up a span."""
    return sum(1 for _ in prefixes(span))


def _hull(whole: list[Span]) -> Span:
    """Return the narrowest prefix that holds all spans."""
    family, first, last = whole[0][0], whole[0][1], whole[-1][2] - 1
    bits = (first ^ last).bit_length()
    low = first >> bits << bits
    return family, low, low + (1 << bits)


def _beside(around: Span, whole: list[Span]) -> Iterator[Span]:
    """Yield the parts of a span that no other holds."""
    family, at, end = around
    for _, first, stop in whole:
        if at < first:
            yield family, at, first
        at = stop
    if at < end:
        yield family, at, end
