"""What can be told apart by a configuration: addresses, ports, and interfaces that are alike.

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

from flowlens.reach.account import Row, held, listed, network, ruled
from flowlens.reach.acls import rule as entry
from flowlens.reach.atlas import Atlas, Ints, block
from flowlens.reach.bits import Bools
from flowlens.reach.meet import End
from flowlens.reach.ports import Bounds
from flowlens.reach.rulebook import Rule, protocol
from flowlens.reach.spans import Span, blocks
from flowlens.reach.subjects import Face

__all__ = ["Cells", "Ground", "Sender"]

_WIDE = 1 << 32  # more than there are kinds of places of one stretch

#: What an interface is, for each account (None: it is not there): its groups, and all else.
_Like = tuple[tuple[frozenset[str] | None, object] | None, ...]
#: What holds a place: an interface, whether by a public address, and the endpoint that it is of.
_Seat = tuple[_Like, bool, str | None]
_Seats = tuple[_Seat, ...]


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
        self._ends, self._faces, self.deep = ends, faces, deep
        views = [end.account.view for end in ends]
        fixed = [*chain.from_iterable(map(network, views)), *self._routed()]
        fixed = sorted({*fixed, *_translated(fixed)})
        rules = {text for view in views for text in (*ruled(view), *listed(view))}
        seats = {text for view in views for text in held(view)}
        asked = blocks(spans or ())
        self.atlas = Atlas([*fixed, *rules, *seats, *asked])
        self._base = self._mark([*fixed, *asked])
        self._seams = np.cumsum(self._base | self._mark(rules))[:-1]
        self._wanted = self._inside(spans)
        self._edges = self._entries
        self._classes, self._inward, self._seats = self._far()

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

    def _inside(self, spans: Sequence[Span] | None) -> Bools:
        if spans is None:
            return np.ones(self.atlas.size, bool)
        inside = np.zeros(self.atlas.size, bool)
        for text in blocks(spans):
            if run := self.atlas.run(text):
                inside[slice(*run)] = True
        return inside

    @property
    def _entries(self) -> Bounds:
        """The bounds of all network ACLs."""
        rows = (row for end in self._ends for row in end.account.view.rows("nacls"))
        return Bounds.of(entry(row, self.atlas) for row in rows)

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

    @cached_property
    def _named(self) -> frozenset[str]:
        """The interfaces and instances to which routes lead."""
        rows = (row for end in self._ends for row in end.account.view.rows("routes"))
        targets = {row["target"] or "" for row in rows}
        return frozenset(each for each in targets if each.startswith(("eni-", "i-")))

    def _like(self, face: Face, address: str | None) -> _Like:
        """Return what of an interface and its address makes a difference, for each account."""
        found: list[tuple[frozenset[str] | None, object] | None] = []
        for end, row in zip(self._ends, face.rows, strict=True):
            if row is None:
                found.append(None)
                continue
            names = {row["interface_id"], row["instance_id"]} & self._named
            groups = None if row["groups"] is None else frozenset(row["groups"])
            where = (row["vpc_id"], row["subnet_id"], row["kind"])
            gates = (row["shut"], row["source_dest_check"], tuple(sorted(names)))
            found.append((groups, (where, gates, self._met(end, face.id, address))))
        return tuple(found)

    def _met(self, end: End, name: str, address: str | None) -> int:
        """Return the stretch of the public address of an interface's address; -1 if it has none."""
        faces, atlas = end.account.faces, end.account.atlas
        run = atlas.run(address)
        if not run:
            return -1
        one, other = np.array([faces.ids.get(name)]), np.array([run[0]])
        place = int(faces.mapped.at(one, other)[0])
        if place < 0:
            return place
        family, first, _ = atlas.bounds(place)
        return int(self._seams[self.atlas.place(family, first)])

    def _far(self) -> tuple[Ints, list[Bounds], list[_Seats]]:
        """Number the places that interfaces hold by what holds them, 0 for all others.

        Returns:
            The numbers; the bounds of the rules of each number; what holds places of a number.
        """
        held: dict[int, list[tuple[_Seat, Face]]] = {}
        for face in self._faces:
            for text in (*face.addresses, *face.public):
                run = self.atlas.run(text)
                seat = (self._like(face, text), text in face.public, _endpoint(face))
                for place in range(*run) if run else ():
                    held.setdefault(place, []).append((seat, face))
        numbers: dict[_Seats, int] = {}
        classes = np.zeros(self.atlas.size, np.int64)
        bounds: list[Bounds] = [Bounds()]
        seats: list[_Seats] = [()]
        for place, found in sorted(held.items()):
            key = tuple(sorted((seat for seat, _ in found), key=_rank))
            if key not in numbers:
                numbers[key] = len(bounds)
                faces = [face for _, face in found] if self.deep else []
                bounds.append(self._bounds(faces, egress=False))
                seats.append(key)
            classes[place] = numbers[key]
        return classes, bounds, seats

    def _told(self, rules: Iterable[Row]) -> Ints:
        """Number the classes by what of them a sender's own rules tell apart."""
        if self.deep:
            return np.arange(len(self._seats))
        named = frozenset(row["referenced_group"] for row in rules)
        numbers: dict[object, int] = {}
        return np.array([numbers.setdefault(_coarse(e, named), len(numbers)) for e in self._seats])

    def _bounds(self, faces: Iterable[Face], *, egress: bool) -> Bounds:
        rows = [row for face in faces for _, row in self._of(face, egress=egress)]
        return Bounds.of(_ported(row) for row in rows)

    def senders(self, faces: Sequence[Face]) -> list[Sender]:
        """Return the addresses from which interfaces send; those that are alike are one."""
        alike: dict[object, list[tuple[Face, str | None, int]]] = {}
        for face in faces:
            held: list[str | None] = [*face.addresses]
            for text in held or [None]:
                for family in (4, 6) if text is None else (6 if ":" in text else 4,):
                    run = self.atlas.run(text)
                    seam = int(self._seams[run[0]]) if run else -1
                    key = (face.owner, face.kind, family, seam, self._like(face, text))
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
        told = self._told(row for _, row in own)
        keys = np.cumsum(marks)[:-1] * _WIDE + told[self._classes]
        four = np.arange(self.atlas.size) < self.atlas.four
        asked = np.flatnonzero(self._wanted & (four == (sender.family == 4)))
        kinds, at, inverse = np.unique(keys[asked], return_index=True, return_inverse=True)
        numbers = np.full(self.atlas.size, -1, np.int64)
        numbers[asked] = inverse
        places = pl.DataFrame(
            {
                "place": np.arange(len(kinds), dtype=np.int64),
                "class": self._classes[asked[at]],
                "dst": [self.sample(int(place)) for place in asked[at]],
            },
            schema={"place": pl.Int64, "class": pl.Int64, "dst": pl.String},
        )
        mine = self._edges | Bounds.of(_ported(row) for _, row in own)
        stretches = self._stretches(mine, np.unique(self._classes[asked[at]]), sender.family)
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
        names = [next((seat[2] for seat in seats if seat[2]), None) for seats in self._seats]
        return pl.Series("at", names, dtype=pl.String).gather(cells.frame["class"])

    @cached_property
    def rest(self) -> int:
        """A protocol that nothing in the accounts names."""
        rows = (row for end in self._ends for row in end.groups.rows)
        return (Bounds.of(map(_ported, rows)) | self._edges).rest

    def sample(self, place: int) -> str:
        """Return an address of a place: none that a router or DNS server usually has."""
        family, first, end = self.atlas.bounds(place)
        number = next((n for n in range(first, min(end, first + 4)) if n & 15 not in (1, 2)), first)
        return str(IPv4Address(number) if family == 4 else IPv6Address(number))

    def spans(self, places: Ints) -> list[Span]:
        """Return places of the atlas as spans."""
        return [self.atlas.bounds(place) for place in places.tolist()]


def _coarse(seats: _Seats, named: frozenset[str | None]) -> object:
    """Return seats with no other groups than those that are named."""
    return tuple(
        (
            tuple(
                each and (each[0] if each[0] is None else each[0] & named, each[1]) for each in like
            ),
            *rest,
        )
        for like, *rest in seats
    )


def _rank(seat: _Seat) -> str:
    """Return what sorts seats, whatever the order of groups in a set."""
    like = [each and (each[0] and sorted(each[0]), each[1]) for each in seat[0]]
    return repr((like, seat[1:]))


def _endpoint(face: Face) -> str | None:
    """Return the id of the interface endpoint that an interface is of."""
    if face.kind != "vpc_endpoint":
        return None
    return next((name for name in face.owner or () if name.startswith("vpce-")), face.id)


def _texts(rules: Iterable[tuple[End, Row]]) -> Iterator[str]:
    """Yield the blocks that rules name, by themselves or by a prefix list."""
    for end, row in rules:
        if row["cidr"]:
            yield row["cidr"]
        yield from end.groups.lists.blocks.get(row["prefix_list_id"], ())


def _ported(row: Row) -> Rule:
    return Rule.ported(protocol(row["protocol"]), (row["from_port"], row["to_port"]), (0, 0))


def _translated(texts: Iterable[str]) -> Iterator[str]:
    """Yield IPv4 blocks as NAT64 writes them (RFC 6052): a NAT gateway sees the inner address."""
    for text in texts:
        found = block(text)
        if found and found[0] == 4:
            base = 0x64FF9B << 96
            yield from blocks([(6, base + found[1], base + found[2])])
