"""What holds a place of the atlas, so far as any configuration makes a difference to it."""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from flowlens.reach.atlas import Atlas, Ints
from flowlens.reach.meet import End
from flowlens.reach.subjects import Face

__all__ = ["Seats"]

#: What an interface is, for each account (None: it is not there): its groups, and all else.
_Like = tuple[tuple[frozenset[str] | None, object] | None, ...]
#: What holds a place: an interface, whether by a public address, and the endpoint that it is of.
_Seat = tuple[_Like, bool, str | None]
_Kind = tuple[_Seat, ...]


class Seats:
    """The places that interfaces hold, numbered by what holds them, 0 for all others.

    Args:
        ends: the accounts.
        faces: all interfaces, with a row for each of `ends`.
        atlas: the places.
        seams: the number of the stretch that each place is in.
    """

    def __init__(
        self, ends: Sequence[End], faces: Sequence[Face], atlas: Atlas, seams: Ints
    ) -> None:
        self._ends, self._atlas, self._seams = ends, atlas, seams
        rows = (row for end in ends for row in end.account.view.rows("routes"))
        targets = {row["target"] or "" for row in rows}
        #: The interfaces and instances to which routes lead.
        self._named = {each for each in targets if each.startswith(("eni-", "i-"))}
        self.numbers = np.zeros(atlas.size, np.int64)
        #: What holds places of a number, and interfaces that do.
        self._kinds: list[_Kind] = [()]
        self.faces: list[list[Face]] = [[]]
        found: dict[_Kind, int] = {}
        for place, held in sorted(self._held(faces).items()):
            key = tuple(sorted((seat for seat, _ in held), key=_rank))
            if key not in found:
                found[key] = len(self._kinds)
                self._kinds.append(key)
                self.faces.append([face for _, face in held])
            self.numbers[place] = found[key]

    def _held(self, faces: Iterable[Face]) -> dict[int, list[tuple[_Seat, Face]]]:
        """Return who holds which places."""
        held: dict[int, list[tuple[_Seat, Face]]] = {}
        for face in faces:
            for text in (*face.addresses, *face.public):
                run = self._atlas.run(text)
                seat = (self.like(face, text), text in face.public, _endpoint(face))
                for place in range(*run) if run else ():
                    held.setdefault(place, []).append((seat, face))
        return held

    def like(self, face: Face, address: str | None) -> _Like:
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
        return int(self._seams[self._atlas.place(family, first)])

    def told(self, named: frozenset[str | None]) -> Ints:
        """Number the numbers by what of their places rules that name some groups tell apart."""
        found: dict[object, int] = {}
        return np.array(
            [found.setdefault(_coarse(each, named), len(found)) for each in self._kinds]
        )

    @property
    def endpoints(self) -> pl.Series:
        """The interface endpoint that has the places of each number; null for others."""
        names = [next((each[2] for each in kind if each[2]), None) for kind in self._kinds]
        return pl.Series("at", names, dtype=pl.String)


def _coarse(kind: _Kind, named: frozenset[str | None]) -> object:
    """Return a kind with no other groups than those that are named."""
    return tuple(
        (
            tuple(
                each and (each[0] if each[0] is None else each[0] & named, each[1]) for each in like
            ),
            *rest,
        )
        for like, *rest in kind
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
