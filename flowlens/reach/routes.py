"""Route tables: which route a packet takes.

Semantics: user guide of VPC, "Route priority"; the longest prefix wins, except that the local
route beats propagated ones, and equal prefixes go static, prefix list, propagated.
"""

from dataclasses import dataclass

import numpy as np

from flowlens.reach.account import Account, Row
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import Bools
from flowlens.reach.cuts import PRIVATE, RESERVED
from flowlens.reach.keys import NOBODY, SEVERAL, Zone, lookup, single
from flowlens.reach.notes import Notes
from flowlens.reach.permits import Lists
from flowlens.reach.rulebook import parts

__all__ = ["AMBIGUOUS", "NOWHERE", "UNKNOWN", "Route", "Routes"]

_CALL = "ec2.describe_route_tables"
#: No route; a route that is not known; several, of which AWS picks one.
NOWHERE, UNKNOWN, AMBIGUOUS = -1, -2, -3
_PROPAGATED, _LISTED, _STATIC = 0, 1, 2
#: Origins of routes that a gateway or a route server announces.
_ANNOUNCED = ("EnableVgwRoutePropagation", "Advertisement")
#: Targets to which a route more specific than the local one may lead.
_INNER = ("eni-", "i-", "nat-", "vpce-")


@dataclass(frozen=True, slots=True)
class Route:
    """One route, or one block of a prefix list in one."""

    name: str  # the block or prefix list, as the table shows it
    target: str | None
    state: str | None
    run: tuple[int, int]
    length: int
    rank: int
    local: bool


class Routes:
    """The route tables of an account.

    Args:
        account: the account.
    """

    def __init__(self, account: Account) -> None:
        self._account, self._atlas, view = account, account.atlas, account.view
        self._lists = Lists(view)
        rows = view.rows("tables")
        self.names = [row["route_table_id"] for row in rows]
        self._index = {name: n for n, name in enumerate(self.names)}
        nets = account.networks
        self._own = single(
            (nets.subnets.add(subnet), n) for n, row in enumerate(rows) for subnet in row["subnets"]
        )
        self._main = single(
            (nets.vpcs.add(row["vpc_id"]), n) for n, row in enumerate(rows) if row["main"]
        )
        self.routes: list[Route] = []
        self._tables: dict[int, list[int]] = {}
        self._unread: dict[int, list[Row]] = {}
        for row in view.rows("routes"):
            self._add(self._index[row["route_table_id"]], row)
        self._private, self._reserved = (Zone(self._atlas, each) for each in (PRIVATE, RESERVED))

    def _add(self, table: int, row: Row) -> None:
        name = row["cidr"]
        blocks: list[str] | None = [row["cidr"]]
        rank = _PROPAGATED if row["origin"] in _ANNOUNCED else _STATIC
        if row["prefix_list_id"]:
            name, rank = row["prefix_list_id"], _LISTED
            blocks = self._lists.blocks.get(name)
        if blocks is None or any(not self._atlas.run(text) for text in blocks):
            self._unread.setdefault(table, []).append(row)
            return
        for text in blocks:
            run = self._atlas.run(text)
            assert run is not None
            local = row["target"] == "local"
            self._tables.setdefault(table, []).append(len(self.routes))
            self.routes.append(
                Route(name, row["target"], row["state"], run, self._atlas.length(text), rank, local)
            )

    def table(self, subnet: Ints, vpc: Ints) -> Ints:
        """Return the route table of each subnet: its own, else the main one of its VPC."""
        found = lookup(self._own, subnet)
        return np.where((found == NOBODY) & (subnet >= 0), lookup(self._main, vpc), found)

    def find(self, name: str | None) -> int:
        """Return the number of a route table by its id."""
        return self._index.get(name or "", NOBODY)

    def choose(self, table: Ints, place: Ints, row: Ints, notes: Notes) -> Ints:
        """Return the route that each packet takes.

        Args:
            table: the route table of each packet, from `table`.
            place: the destination.
            row: numbers of the flows.
            notes: takes what is not known.

        Returns:
            Places in `routes`; `NOWHERE` without a route, `UNKNOWN`, or `AMBIGUOUS`.
        """
        found = np.full(len(table), UNKNOWN, np.int64)
        why = f"the route table of the subnet is not known; {self._account.view.lack(_CALL)}"
        notes.say(why, row, table == NOBODY)
        notes.say("several route tables claim the subnet", row, table == SEVERAL)
        for number, rows in parts(table, len(table) or 1):
            if number < 0:
                continue
            at = place[rows]
            chosen, local = self._painted(number)
            found[rows] = chosen[at]
            never = self._reserved.has(at)
            found[rows[never]] = NOWHERE
            for unread in self._unread.get(number, ()):
                unsure = self._may(unread, at, chosen[at], local[at]) & ~never
                notes.say(self._unreadable(unread), row[rows], unsure)
                found[rows[unsure]] = UNKNOWN
        several = "several routes for the same block: AWS picks one at random"
        notes.say(several, row, found == AMBIGUOUS)
        return found

    def _painted(self, table: int) -> tuple[Ints, Bools]:
        """Return the route for every place of the atlas, and which places are local."""
        size = self._atlas.size
        local = np.zeros(size, bool)
        numbers = self._tables.get(table, [])
        for n in numbers:
            if self.routes[n].local:
                local[slice(*self.routes[n].run)] = True
        chosen = np.full(size, NOWHERE, np.int64)
        order = sorted(numbers, key=lambda n: (self.routes[n].length, self.routes[n].rank, n))
        held = np.full(size, NOWHERE, np.int64)  # the route that came last, even of several
        strength = np.full(size, -1, np.int64)
        for n in order:
            route = self.routes[n]
            span = slice(*route.run)
            takes = ~local[span] if route.rank == _PROPAGATED else np.ones_like(local[span])
            weight = route.length * 4 + route.rank
            rival = takes & (strength[span] == weight) & (held[span] >= 0)
            other = rival & self._differ(held[span], n)
            chosen[span] = np.where(takes, np.where(rival, chosen[span], n), chosen[span])
            chosen[span] = np.where(other, AMBIGUOUS, chosen[span])
            held[span] = np.where(takes, n, held[span])
            strength[span] = np.where(takes, weight, strength[span])
        return chosen, local

    def _differ(self, held: Ints, n: int) -> Bools:
        """Say where the route held leads somewhere else than route `n`."""
        same = [m for m in np.unique(held).tolist() if self._like(m, n)]
        return ~np.isin(held, same)

    def _like(self, one: int, other: int) -> bool:
        if one < 0:
            return False
        here, there = self.routes[one], self.routes[other]
        return (here.target, here.state) == (there.target, there.state)

    def _may(self, row: Row, place: Ints, chosen: Ints, local: Bools) -> Bools:
        """Say where a route whose blocks could not be read may be the one that counts."""
        known = [self._atlas.run(text) for text in self._lists.span(row["prefix_list_id"])]
        may = np.zeros(len(place), bool)
        for run in known:
            if run:
                may |= (place >= run[0]) & (place < run[1])
        target = row["target"] or ""
        if row["prefix_list_id"] in self._lists.public or self._gateway(target):
            may &= ~self._private.has(place)
        if not target.startswith(_INNER) or self._gateway(target):
            may &= ~local
        sure = np.array([self._certain(n) for n in range(len(self.routes))], bool)
        end = (row["target"], row["state"])
        same = np.array([(route.target, route.state) == end for route in self.routes], bool)
        if len(self.routes):
            may &= ~((chosen >= 0) & (sure | same)[np.maximum(chosen, 0)])
        return may

    def _gateway(self, target: str) -> bool:
        """Say whether a target is a gateway endpoint, whose lists hold public addresses only."""
        rows = self._account.view.rows("endpoints")
        return any(row["endpoint_id"] == target and row["type"] == "Gateway" for row in rows)

    def _certain(self, n: int) -> bool:
        """Say whether nothing can beat a route: a static one for a single address."""
        route = self.routes[n]
        whole = 32 if route.run[1] <= self._atlas.four else 128
        return route.rank == _STATIC and route.length == whole

    def _unreadable(self, row: Row) -> str:
        if row["prefix_list_id"]:
            return self._lists.unread(row["prefix_list_id"])
        return f"{row['route_table_id']}: the block {row['cidr']!r:.50} cannot be read"
