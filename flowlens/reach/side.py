"""The rules of one security group in one direction, as columns of numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowlens.reach.account import Ids, Row
from flowlens.reach.atlas import Atlas, Ints
from flowlens.reach.bits import Bools
from flowlens.reach.packets import TCP, UDP
from flowlens.reach.permits import Permits
from flowlens.reach.points import PORTS
from flowlens.reach.rulebook import ANY, Rule, Rulebook

__all__ = ["Side"]

_EVERYWHERE = {"0.0.0.0/0": 4, "::/0": 6}


@dataclass(frozen=True, slots=True)
class Side:
    """Rules as columns.

    ``numbers`` are their places in `Permits.rows`. ``lists`` has the prefix list, of those that
    were read, which a column names, ``group`` the group (-1: none). ``wide`` rules are for every
    address; ``open`` has the families and protocols of which such rules let every port through.
    """

    book: Rulebook
    numbers: Ints
    lists: Mapping[int, str]
    group: Ints
    wide: Bools
    never: Bools
    public: Bools
    doubts: tuple[str | None, ...]
    open: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, permits: Permits, atlas: Atlas, groups: Ids, numbers: Sequence[int]) -> "Side":
        """Return some rules of an account.

        Args:
            permits: its rules.
            atlas: its places.
            groups: the numbers of its groups.
            numbers: which rules, by their places in `permits`.
        """
        rows = [permits.rows[n] for n in numbers]
        lists = enumerate(row["prefix_list_id"] for row in rows)
        return cls(
            book=Rulebook(_rule(row, permits, atlas) for row in rows),
            numbers=np.array(numbers, np.int64),
            lists={n: name for n, name in lists if name in permits.lists.blocks},
            group=np.array([groups.add(row["referenced_group"]) for row in rows], np.int64),
            wide=np.array([row["cidr"] in _EVERYWHERE for row in rows], bool),
            never=np.array([permits.stale(row) for row in rows], bool),
            public=np.array([row["prefix_list_id"] in permits.lists.public for row in rows], bool),
            doubts=tuple(permits.doubt(row) for row in rows),
            open=frozenset(pair for row in rows for pair in _open(row)),
        )


def _rule(row: Row, permits: Permits, atlas: Atlas) -> Rule:
    """Return a rule with the run in which all it may let through lies."""
    run = atlas.run(row["cidr"])
    if run is None and row["prefix_list_id"]:
        spans = [atlas.run(text) for text in permits.lists.span(row["prefix_list_id"])]
        known = [each for each in spans if each]
        run = (known[0][0], known[-1][1])
    return Rule.of(row, run or (0, atlas.size))


def _open(row: Row) -> Iterator[tuple[int, int]]:
    """Yield families and protocols that a rule lets through for every address and port."""
    rule = Rule.of(row)
    if row["cidr"] in _EVERYWHERE and rule.a[0] == 0 and rule.a[1] >= PORTS:
        for number in (TCP, UDP):
            if rule.protocol in (number, ANY):
                yield _EVERYWHERE[row["cidr"]], number
