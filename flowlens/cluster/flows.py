"""A scan into flows, by the workers of a scheduler."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
import polars as pl

from flowlens.cluster.blobs import known, load, recoded
from flowlens.cluster.engine import Cluster, Engine
from flowlens.cluster.portable import groups, portable
from flowlens.cluster.spread import Piece, Plan, merge, spread
from flowlens.conversations.codes import WORD
from flowlens.conversations.packed import framed
from flowlens.conversations.shelf import FLOW
from flowlens.errors import StrictError
from flowlens.ledger import Ledger
from flowlens.reading import refuse
from flowlens.records import Scan
from flowlens_parsers.packing import Words

__all__ = ["flows"]

TASKS = 4  # groups of objects for each thread, so that a slow one is made up for
PART = 8 << 20  # bytes of compressed text that make one part, about
INNER = 1 << 20  # … and one of the pieces in which a worker merges it
MOST = 10  # parts are 2 ** this at most, because each is asked for of each file

#: Where a flow has codes: two ends above 24 bits, then words of two halves.
ENDS, HALVES = (0, 1), (2, 3, 12, 13)
WHAT = 3  # the hour in the upper half is no code
LOW, HALF, END = np.uint64(WORD - 1), np.uint64(32), np.uint64(24)


def flows(
    engine: Engine, scan: Scan, words: pl.Categorical, columns: frozenset[str]
) -> pl.DataFrame:
    """Read a scan into flows, the same as `flowlens.conversations.packed.merged`.

    Args:
        engine: Where the workers are.
        scan: What to read; its ledger gets the account of all workers.
        words: The dictionary of the codes.
        columns: Fields of the records, over all formats.

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
        answers = cluster.each(spread, ((plan, group) for group in tasks))
        pieces = _booked(scan, answers)
        names = cluster.each(merge, ((plan, pieces[part]) for part in sorted(pieces)))
        found = [_taken(cluster, name, words) for name in names]
    whole = np.concatenate([np.empty((0, FLOW), np.uint64), *found])
    return framed(whole, columns, words)


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


def _booked(scan: Scan, answers: Iterable[tuple[Ledger, list[Piece]]]) -> dict[int, list[Piece]]:
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


def _taken(cluster: Cluster, name: str, words: pl.Categorical) -> Words:
    """Return the flows of one part, in the codes of a dictionary."""
    texts, rows = load(cluster.scratch.read(name))
    codes = known(words, texts)
    for at in ENDS:
        rows[:, at] = (recoded(rows[:, at] >> END, codes) << END) | (rows[:, at] & (2**24 - 1))
    for at in HALVES:
        high = rows[:, at] >> HALF
        high = high if at == WHAT else recoded(high, codes)
        rows[:, at] = recoded(rows[:, at] & LOW, codes) | (high << HALF)
    return rows
