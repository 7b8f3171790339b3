"""Which answers of AWS speak for a time: the ones around it, every account and call by itself.

At the time of a capture it alone speaks. Between two captures both do, and what they disagree on
is unknown; before the first and after the last the nearest one speaks. A capture that lacks an
answer does not contradict one that has it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from flowlens.inventory.capture import Capture
from flowlens.inventory.model import Inventory
from flowlens.inventory.owners import kinded
from flowlens.inventory.shapes import SHAPES

__all__ = ["View", "Views"]

Scope = tuple[str | None, str | None]
#: Of several captures that list the same thing the latest one counts, thing by thing.
_OWNERS = {
    "acls": "nacl_id",
    "blocking": None,
    "egress_only": "gateway_id",
    "elastic": "allocation_id",
    "endpoints": "endpoint_id",
    "entries": "prefix_list_id",
    "exclusions": None,
    "interfaces": "interface_id",
    "internet_gateways": "gateway_id",
    "lists": "prefix_list_id",
    "nacls": "nacl_id",
    "nat_gateways": "nat_gateway_id",
    "peerings": "peering_id",
    "permissions": "group_id",
    "routes": "route_table_id",
    "rules": "group_id",
    "security_groups": "group_id",
    "subnets": "subnet_id",
    "tables": "route_table_id",
    "vpcs": "vpc_id",
}


class View:
    """The tables of one choice of answers.

    Args:
        frames: every table of the inventory.
        captures: all captures.
        chosen: position of the capture that speaks, for each scope and call that was answered.
        scopes: accounts and regions.
    """

    def __init__(
        self,
        frames: Mapping[str, pl.DataFrame],
        captures: Sequence[Capture],
        chosen: Mapping[tuple[Scope, str], int],
        scopes: Sequence[Scope],
    ) -> None:
        self._frames, self._captures = frames, captures
        self._chosen, self._scopes = chosen, scopes
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        if name not in self._rows:
            self._rows[name] = self._read(name)
        return self._rows[name]

    def _read(self, name: str) -> list[dict[str, Any]]:
        call, owner, frame = SHAPES[name].call, _OWNERS[name], self._frames[name]
        if frame.is_empty():
            return []
        speaking = {at for (_, asked), at in self._chosen.items() if asked == call}
        frame = frame.filter(pl.col("capture").is_in(sorted(speaking)))
        if owner and len(speaking) > 1:
            frame = frame.filter(pl.col("capture") == pl.col("capture").max().over(owner))
        return frame.to_dicts()

    def answered(self, call: str, scope: Scope | None = None) -> bool:
        """Say whether a call was answered: in a scope, or in every one."""
        asked = [scope] if scope in self._scopes else self._scopes
        return all((each, call) in self._chosen for each in asked)

    def asked(self, call: str) -> bool:
        """Say whether a call was ever made, answered or not."""
        return any(call in (*each.calls, *each.errors) for each in self._captures)

    def lack(self, call: str, item: str | None = None) -> str:
        """Say why an answer, or the one for an item, is missing; or that nothing is in it."""
        part = f"{call}:{item}"
        found = [each.errors[part] for each in self._captures if part in each.errors]
        if found:
            return f"{call} is missing: {found[-1]}"
        if self.answered(call):
            return f"it is not in the answer of {call}"
        found = [each.errors[call] for each in self._captures if call in each.errors]
        return f"{call} is missing: {found[-1] if found else 'never asked'}"


class Views:
    """The views of an inventory; each is made once.

    Args:
        inventory: from `flowlens.inventory.load`.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._captures = inventory.captures
        self.times = sorted({each.captured_at for each in self._captures})
        scopes = {(each.account_id, each.region) for each in self._captures}
        self._scopes = sorted(scopes, key=lambda scope: tuple(part or "" for part in scope))
        self._frames = {
            name: kinded(inventory) if name == "interfaces" else inventory.table(name)
            for name in _OWNERS
        }
        self._told = {
            (scope, call): told
            for scope in self._scopes
            for call in sorted({SHAPES[name].call for name in _OWNERS})
            if (told := self._answers(scope, call))
        }
        self._views: dict[tuple[tuple[tuple[Scope, str], int], ...], View] = {}

    def _answers(self, scope: Scope, call: str) -> list[tuple[datetime, int]]:
        """Return when a call was answered, and by which capture; an equal answer is the same."""
        found: list[tuple[datetime, int]] = []
        for at, each in enumerate(self._captures):
            if (each.account_id, each.region) != scope or call not in each.calls:
                continue
            before = found[-1][1] if found else at
            same = found and each.calls[call] == self._captures[before].calls[call]
            found.append((each.captured_at, before if same else at))
        return found

    def around(self, slot: int | None) -> list[View]:
        """Return the views that speak in a slot.

        Args:
            slot: ``2k + 1`` is the k-th of `times`, an even one lies between two; None is an
                unknown time, for which every capture speaks.
        """
        choices = {key: self._around(told, slot) for key, told in self._told.items()}
        width = max((len(each) for each in choices.values()), default=1)
        views: dict[int, View] = {}
        for n in range(width):
            chosen = {key: each[min(n, len(each) - 1)] for key, each in choices.items()}
            mark = tuple(chosen.items())
            if mark not in self._views:
                self._views[mark] = View(self._frames, self._captures, chosen, self._scopes)
            views[id(self._views[mark])] = self._views[mark]
        return list(views.values())

    def between(self, slot: int | None) -> str:
        """Say what views of a slot disagree about."""
        if slot is None:
            return "the captures disagree, and the time of the flow is not known"
        if slot % 2:
            return f"the captures of {_text(self.times[slot // 2])} contradict each other"
        near = self.times[max(slot // 2 - 1, 0) : slot // 2 + 1]
        return f"it changed between the captures of {' and '.join(map(_text, near))}"

    def _around(self, told: list[tuple[datetime, int]], slot: int | None) -> list[int]:
        if slot is None:
            return list(dict.fromkeys(at for _, at in told))
        if slot % 2:
            time = self.times[slot // 2]
            here = [at for when, at in told if when == time]
            if here:
                return list(dict.fromkeys(here))
            before = [each for each in told if each[0] < time]
            after = [each for each in told if each[0] > time]
        else:
            edge = self.times[: slot // 2]
            before = [each for each in told if edge and each[0] <= edge[-1]]
            after = told[len(before) :]
        near = [at for when, at in before if when == before[-1][0]]
        near += [at for when, at in after if when == after[0][0]]
        return list(dict.fromkeys(near))


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
