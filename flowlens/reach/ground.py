"""What can be told apart by a configuration: addresses and ports, and senders that are alike.

A *cell* is a stretch of addresses times a stretch of ports between which no rule, network ACL,
route or interface makes a difference to one sender, so that one flow of each cell stands for all.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.reach.account import Row
from flowlens.reach.acls import rule as entry
from flowlens.reach.atlas import Atlas, Ints, block
from flowlens.reach.bits import Bools
from flowlens.reach.cuts import held, listed, network, ruled
from flowlens.reach.keys import Zone
from flowlens.reach.meet import End
from flowlens.reach.ports import Bounds
from flowlens.reach.rulebook import Rule
from flowlens.reach.seats import Seats
from flowlens.reach.spans import Span, blocks
from flowlens.reach.subjects import Face

__all__ = ["Cells", "Ground", "Sender"]

_WIDE = 1 << 32  # more than there are kinds of places of one stretch


@dataclass(frozen=True, slots=True)
class Sender:
    """An address of an interface, and which other interfaces and addresses are like it."""

    face: Face
    address: str | None
    family: int
    alike: tuple[str, ...]
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a sender: ``frame`` has `place`, `first`, `last`, `protocol`, `dst`.

    ``kinds`` has the number of the kind of each place of the atlas; -1 where it was not asked.
    """

    sender: Sender
    frame: pl.DataFrame
    kinds: Ints


class Ground:
    """Everything that some accounts tell apart.

    Args:
        ends: the accounts: several that speak at the same time, or before and after a change.
        faces: all interfaces, with a row for each of `ends`.
        spans: the addresses that are asked about; None: all.
        deep: tell apart what the rules of interfaces at the other end do; else only what they are
            to the sender's own rules.
    """

    def __init__(
        self,
        ends: Sequence[End],
        faces: Sequence[Face],
        spans: Sequence[Span] | None,
        *,
        deep: bool,
    ) -> None:
        self._ends, self.deep = ends, deep
        views = [end.account.view for end in ends]
        fixed = [*chain.from_iterable(map(network, views)), *self._routed()]
        fixed = sorted({*fixed, *_translated(fixed)})
        rules = {text for view in views for text in (*ruled(view), *listed(view))}
        seats = {text for view in views for text in held(view)}
        asked = blocks(spans or ())
        self.atlas = Atlas([*fixed, *rules, *seats, *asked])
        self._base = self._mark([*fixed, *asked])
        self._seams = np.cumsum(self._base | self._mark(rules), dtype=np.int64)[:-1]
        whole = np.ones(self.atlas.size, bool)
        self._wanted = whole if spans is None else Zone(self.atlas, asked).places
        entries = (entry(row, self.atlas) for view in views for row in view.rows("nacls"))
        self._edges = Bounds.of(entries)
        self._seats = Seats(ends, faces, self.atlas, self._seams)
        self._inward = [
            self._bounds(each if deep else (), egress=False) for each in self._seats.faces
        ]

    def _routed(self) -> Iterator[str]:
        """Yield the entries of prefix lists that routes name."""
        for end in self._ends:
            names = {row["prefix_list_id"] for row in end.account.view.rows("routes")}
            for name in names - {None}:
                yield from end.groups.lists.blocks.get(name, ())

    def _mark(self, texts: Iterable[str]) -> Bools:
        """Return before which places any of some blocks begins or has ended."""
        marks = np.zeros(self.atlas.size + 1, bool)
        runs = [run for text in texts if (run := self.atlas.run(text))]
        marks[[edge for run in runs for edge in run]] = True
        marks[self.atlas.four] = True
        return marks

    @cached_property
    def _rules(self) -> list[dict[tuple[str, bool], list[Row]]]:
        """The rules of each group and direction, for each account."""
        found: list[dict[tuple[str, bool], list[Row]]] = []
        for end in self._ends:
            sides: dict[tuple[str, bool], list[Row]] = {}
            for row in end.groups.rows:
                sides.setdefault((row["group_id"], bool(row["egress"])), []).append(row)
            found.append(sides)
        return found

    def _of(self, face: Face, *, egress: bool) -> Iterator[tuple[End, Row]]:
        """Yield the rules of an interface's groups."""
        for end, row, sides in zip(self._ends, face.rows, self._rules, strict=True):
            for group in (row["groups"] or ()) if row else ():
                yield from ((end, each) for each in sides.get((group, egress), ()))

    def _bounds(self, faces: Iterable[Face], *, egress: bool) -> Bounds:
        rows = [row for face in faces for _, row in self._of(face, egress=egress)]
        return Bounds.of(Rule.of(row) for row in rows)

    def senders(self, faces: Sequence[Face]) -> list[Sender]:
        """Return the addresses from which interfaces send; those that are alike are one."""
        alike: dict[object, list[tuple[Face, str | None, int]]] = {}
        for face in faces:
            held: list[str | None] = [*face.addresses]
            for text in held or [None]:
                for family in (4, 6) if text is None else (6 if ":" in text else 4,):
                    run = self.atlas.run(text)
                    seam = int(self._seams[run[0]]) if run else -1
                    key = (face.owner, face.kind, family, seam, self._seats.like(face, text))
                    alike.setdefault(key, []).append((face, text, family))
        return [
            Sender(
                *found[0],
                tuple(sorted({face.id for face, _, _ in found})),
                tuple(sorted({text for _, text, _ in found if text})),
            )
            for found in alike.values()
        ]

    def cells(self, sender: Sender) -> Cells:
        """Return the cells of a sender."""
        own = list(self._of(sender.face, egress=True))
        marks = self._base | self._mark(_texts(own))
        classes = told = self._seats.numbers
        if not self.deep:
            told = self._seats.told(frozenset(row["referenced_group"] for _, row in own))[classes]
        keys = np.cumsum(marks)[:-1] * _WIDE + told
        four = np.arange(self.atlas.size) < self.atlas.four
        asked = np.flatnonzero(self._wanted & (four == (sender.family == 4)))
        kinds, at, inverse = np.unique(keys[asked], return_index=True, return_inverse=True)
        numbers = np.full(self.atlas.size, -1, np.int64)
        numbers[asked] = inverse
        places = pl.DataFrame(
            {
                "place": np.arange(len(kinds), dtype=np.int64),
                "class": classes[asked[at]],
                "dst": [self.sample(int(place)) for place in asked[at]],
            },
            schema={"place": pl.Int64, "class": pl.Int64, "dst": pl.String},
        )
        mine = self._edges | Bounds.of(Rule.of(row) for _, row in own)
        stretches = self._stretches(mine, np.unique(classes[asked[at]]), sender.family)
        frame = places.join(stretches, on="class", maintain_order="left")
        return Cells(sender, frame, numbers)

    def _stretches(self, mine: Bounds, classes: NDArray[np.int64], family: int) -> pl.DataFrame:
        """Return the stretches of ports towards each number of a place."""
        tables: dict[object, pl.DataFrame] = {}
        found = []
        for number in classes.tolist():
            both = mine | self._inward[number]
            key = frozenset(both.cuts.items())
            if key not in tables:
                tables[key] = both.stretches().filter(pl.col("family") == family).drop("family")
            found.append(tables[key].with_columns(pl.lit(number, pl.Int64).alias("class")))
        return (
            pl.concat(found)
            if found
            else Bounds().stretches().clear().with_columns(pl.lit(0, pl.Int64).alias("class"))
        )

    def at(self, cells: Cells) -> pl.Series:
        """Return the interface endpoint that has the address of each cell; null for others."""
        return self._seats.endpoints.gather(cells.frame["class"])

    @cached_property
    def rest(self) -> int:
        """A protocol that nothing in the accounts names."""
        rows = (row for end in self._ends for row in end.groups.rows)
        return (Bounds.of(map(Rule.of, rows)) | self._edges).rest

    def sample(self, place: int) -> str:
        """Return an address of a place: none that a router or DNS server usually has."""
        family, first, end = self.atlas.bounds(place)
        number = next((n for n in range(first, min(end, first + 4)) if n & 15 not in (1, 2)), first)
        return str(IPv4Address(number) if family == 4 else IPv6Address(number))

    def spans(self, places: Ints) -> list[Span]:
        """Return places of the atlas as spans."""
        return [self.atlas.bounds(place) for place in places.tolist()]


def _texts(rules: Iterable[tuple[End, Row]]) -> Iterator[str]:
    """Yield the blocks that rules name, by themselves or by a prefix list."""
    for end, row in rules:
        if row["cidr"]:
            yield row["cidr"]
        yield from end.groups.lists.blocks.get(row["prefix_list_id"], ())


def _translated(texts: Iterable[str]) -> Iterator[str]:
    """Yield IPv4 blocks as NAT64 writes them (RFC 6052): a NAT gateway sees the inner address."""
    for text in texts:
        found = block(text)
        if found and found[0] == 4:
            base = 0x64FF9B << 96
            yield from blocks([(6, base + found[1], base + found[2])])
