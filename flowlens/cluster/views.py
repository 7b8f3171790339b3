"""A scan into views, by the workers of a scheduler."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.cluster.blobs import Codes, known, load, recoded, save
from flowlens.cluster.engine import Cluster, Engine
from flowlens.cluster.orient import Part, merge, near, settle
from flowlens.cluster.portable import groups, portable
from flowlens.cluster.spread import Piece, Plan, spread
from flowlens.conversations.codes import NOTHING, WORD
from flowlens.conversations.oriented import settled
from flowlens.conversations.parts import Views
from flowlens.conversations.work import TUPLE
from flowlens.errors import StrictError
from flowlens.ledger import Ledger
from flowlens.reading import refuse
from flowlens.scan import Scan
from flowlens_parsers.tokens import Words

__all__ = ["views"]

TASKS = 4  # groups of objects for each thread, so that a slow one is made up for
PART = 8 << 20  # bytes of compressed text that make one part, about
INNER = 1 << 20  # … and one of the pieces in which a worker merges it
MOST = 8  # parts are 2 ** this at most, because each is asked for of each file; more would be dear

LOW, HALF, END = np.uint64(WORD - 1), np.uint64(32), np.uint64(24)
PORT = np.uint64(2**24 - 1)

#: How codes lie in an integer: alone, above port and protocol, in the lower half, in both halves.
ALONE, ABOVE, LOWER, BOTH = range(4)
#: Where a view has codes, and where a 5-tuple and a role have them.
IN_VIEW = {0: ALONE, 1: ABOVE, 2: LOWER, 3: BOTH, 11: BOTH, 12: ALONE}
IN_TUPLE = {0: ABOVE, 1: ABOVE}

Span = tuple[str, int, int]


def views(
    engine: Engine,
    scan: Scan,
    words: pl.Categorical,
    columns: frozenset[str],
    into: Views,
) -> None:
    """Read a scan into views, the same as `flowlens.conversations.packed.seen`.

    Args:
        engine: Where the workers are.
        scan: What to read; its ledger gets the account of all workers.
        words: The dictionary of the codes.
        columns: Fields of the records, over all formats.
        into: Where they go, part by part.

    Raises:
        TooFar: A time is after 2105.
        UsageError: No scheduler is there, or workers cannot reach what they need.
        AccessError: Every object was refused.
        StrictError: Something could not be read and the scan is strict.
    """
    objects = portable(scan.objects)
    with engine.cluster(objects) as cluster:
        plan = _plan(scan, columns, cluster)
        tasks = groups(objects, TASKS * cluster.threads)
        pieces = _booked(scan, cluster.each(spread, ((plan, group) for group in tasks)))
        settle_each = ((plan, pieces[part]) for part in sorted(pieces))
        parts = list(cluster.each(settle, settle_each))
        roles = _roles(cluster, plan, parts, words)
        spans = zip(parts, roles, strict=True)
        names = cluster.each(merge, ((plan, part, span) for part, span in spans))
        for name in names:
            into.add(_taken(cluster, name, words, IN_VIEW)[0].ravel())


def _plan(scan: Scan, columns: frozenset[str], cluster: Cluster) -> Plan:
    size = scan.size or 0
    least = cluster.threads.bit_length()  # twice as many parts as threads, about
    bits = min(MOST, max(least, (size // PART).bit_length()))
    return Plan(
        scratch=cluster.theirs,
        fields=scan.fields,
        columns=columns,
        window=scan.ledger.window,
        format=scan.format,
        aws=cluster.aws,
        bits=bits,
        inner=min(8, (size // 2**bits // INNER).bit_length()),
    )


def _booked(scan: Scan, answers: Iterable[tuple[Ledger, list[Piece]]]) -> Mapping[int, list[Piece]]:
    """Book what workers read; return the pieces of each part, in the order of the objects."""
    found: dict[int, list[Piece]] = defaultdict(list)
    lost: Counter[str] = Counter()
    for ledger, pieces in answers:
        told = ledger.objects()
        lost.update(told["lost"].drop_nulls())
        scan.ledger.merge(ledger)
        for uri, size in told.select("source", "bytes").iter_rows():
            scan.ledger.tell(uri, size)
        if scan.strict:
            _strict(ledger)
        for piece in pieces:
            found[piece[0]].append(piece)
    refuse(scan.objects, lost)
    return found


def _strict(ledger: Ledger) -> None:
    for row in ledger.rejects().head(1).iter_rows(named=True):
        msg = f"{row['source']}:{row['line']}: {row['reason']}: {row['text']}"
        raise StrictError(msg)


def _roles(
    cluster: Cluster, plan: Plan, parts: Sequence[Part], words: pl.Categorical
) -> list[Span | None]:
    """Settle the open 5-tuples of all parts; return where the roles of each part are."""
    if not any(part.open for part in parts):
        return [None] * len(parts)
    place = cluster.scratch
    with place.create("open") as (open, stream):
        save(stream, _open(cluster, parts), np.empty((0, 1), np.uint64))
    names = cluster.each(near, ((plan, part, open) for part in parts))
    found, codes = zip(*(_taken(cluster, name, words, IN_TUPLE) for name in names), strict=True)
    rows = np.concatenate([np.empty((0, TUPLE), np.uint64), *found])
    roles = settled(rows, min(part.begin for part in parts), words)
    spans: list[Span | None] = []
    end = 0
    with place.create("roles") as (name, stream):
        for mine in codes:
            size = save(stream, [], _of(roles, mine))
            spans.append((name, end, size))
            end += size
    return spans


def _open(cluster: Cluster, parts: Sequence[Part]) -> pl.Series:
    """Return the texts of all addresses that have an open 5-tuple."""
    spans = [(part.name, sum(part.sizes[:-1]), part.sizes[-1]) for part in parts]
    return pl.concat([load(cluster.scratch.read(*span))[0] for span in spans]).unique()


def _of(roles: Words, codes: Codes) -> Words:
    """Return the roles whose addresses a part knows, in its own codes.

    Some may be those of another part that knows both addresses: no 5-tuple of this one asks.

    Args:
        roles: In the dictionary's codes.
        codes: The dictionary's code of each of the part's.
    """
    back = np.full(int(codes.max(initial=0)) + 1, NOTHING, np.uint32)
    back[codes] = np.arange(len(codes), dtype=np.uint32)
    mine = _changed(roles, back, IN_TUPLE)
    known_ends = [
        (mine[:, at] >> END != NOTHING) | (roles[:, at] >> END == NOTHING) for at in IN_TUPLE
    ]
    kept: Words = mine[known_ends[0] & known_ends[1]]
    return kept


def _taken(
    cluster: Cluster, name: str, words: pl.Categorical, places: Mapping[int, int]
) -> tuple[Words, Codes]:
    """Return the rows of a file in the codes of a dictionary, and the code of each of its own."""
    texts, rows = load(cluster.scratch.read(name))
    codes = known(words, texts)
    return _changed(rows, codes, places), codes


def _changed(rows: Words, codes: Codes, places: Mapping[int, int]) -> Words:
    """Return rows with other codes."""
    rows = rows.copy()
    for at, how in places.items():
        rows[:, at] = _CHANGES[how](rows[:, at], codes)
    return rows


def _above(words: NDArray[np.uint64], codes: Codes) -> NDArray[np.uint64]:
    return (recoded(words >> END, codes) << END) | (words & PORT)


def _lower(words: NDArray[np.uint64], codes: Codes) -> NDArray[np.uint64]:
    return recoded(words & LOW, codes) | (words >> HALF << HALF)


def _both(words: NDArray[np.uint64], codes: Codes) -> NDArray[np.uint64]:
    return recoded(words & LOW, codes) | (recoded(words >> HALF, codes) << HALF)


_CHANGES: dict[int, Callable[[NDArray[np.uint64], Codes], NDArray[np.uint64]]] = {
    ALONE: recoded,
    ABOVE: _above,
    LOWER: _lower,
    BOTH: _both,
}
