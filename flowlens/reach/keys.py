"""What belongs to an owner at a place of the atlas, and which places blocks hold."""

from collections.abc import Iterable, Mapping

import numpy as np

from flowlens.reach.atlas import Atlas, Ints
from flowlens.reach.bits import Bools

__all__ = ["NOBODY", "SEVERAL", "Holders", "Runs", "Zone", "among", "lookup", "single"]

NOBODY, SEVERAL = -1, -2


def single(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return what belongs to each key; `SEVERAL` where that is not one thing.

    >>> single([(1, 5), (1, 5), (2, 6), (2, 7)])
    {1: 5, 2: -2}
    """
    found: dict[int, int] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            found[key] = SEVERAL
    return found


def lookup(table: Mapping[int, int], keys: Ints) -> Ints:
    """Return what belongs to each key; `NOBODY` where there is nothing, or the key is negative.

    >>> lookup({1: 5}, np.array([1, 2, -1])).tolist()
    [5, -1, -1]
    """
    found = np.full(max(table, default=-1) + 2, NOBODY, np.int64)
    found[list(table)] = list(table.values())
    return found[np.where((keys >= 0) & (keys < len(found)), keys, -1)]


def among(keys: Ints, held: Ints) -> Bools:
    """Say which keys are held; `held` is sorted.

    >>> among(np.array([1, 2]), np.array([2, 5])).tolist()
    [False, True]
    """
    if not len(held):
        return np.zeros(keys.shape, bool)
    found: Bools = held[np.minimum(np.searchsorted(held, keys), len(held) - 1)] == keys
    return found


class Zone:
    """The places of some blocks.

    Args:
        atlas: the places of an account.
        blocks: their texts; unreadable ones have no places.
    """

    def __init__(self, atlas: Atlas, blocks: Iterable[str]) -> None:
        self.places = np.zeros(atlas.size, bool)
        for text in blocks:
            if run := atlas.run(text):
                self.places[slice(*run)] = True

    def has(self, place: Ints) -> Bools:
        """Say which places belong to it; an unknown one (negative) does not."""
        found: Bools = self.places[place] & (place >= 0)
        return found


class Runs:
    """Which places belong to an owner.

    Args:
        size: places of the atlas.
        runs: owner, first place, and the one after the last; they may overlap.
    """

    def __init__(self, size: int, runs: Iterable[tuple[int, int, int]]) -> None:
        self._size = size
        starts: list[int] = []
        ends: list[int] = []
        for owner, low, high in sorted(set(runs)):
            first, end = owner * size + low, owner * size + high
            if ends and first < ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(first)
                ends.append(end)
        self._starts, self._ends = np.array(starts, np.int64), np.array(ends, np.int64)
        self._owners = np.unique(self._starts // size) if size else self._starts

    def has(self, owner: Ints, place: Ints) -> Bools:
        """Say whether a place belongs to its owner; an unknown one (negative) belongs to none."""
        if not len(self._starts):
            return np.zeros(len(owner), bool)
        key = owner * self._size + place
        at = np.searchsorted(self._starts, key, "right") - 1
        found: Bools = (at >= 0) & (key < self._ends[at]) & (owner >= 0) & (place >= 0)
        return found

    def knows(self, owner: Ints) -> Bools:
        """Say whether anything belongs to the owner."""
        return np.isin(owner, self._owners)


class Holders:
    """Which one thing an owner has at a place; `SEVERAL` where they contradict each other.

    Args:
        size: places of the atlas.
        held: owner, first place, the one after the last, and the thing.
    """

    def __init__(self, size: int, held: Iterable[tuple[int, int, int, int]]) -> None:
        self._size = size
        found: dict[int, int] = {}
        for owner, low, high, thing in held:
            for key in range(owner * size + low, owner * size + high):
                if found.setdefault(key, thing) != thing:
                    found[key] = SEVERAL
        order = sorted(found)
        self._keys = np.array(order, np.int64)
        self._things = np.array([found[key] for key in order], np.int64)

    def at(self, owner: Ints, place: Ints) -> Ints:
        """Return the thing at each place, `NOBODY` where there is none."""
        if not len(self._keys):
            return np.full(len(owner), NOBODY, np.int64)
        key = owner * self._size + place
        at = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        there = (self._keys[at] == key) & (owner >= 0) & (place >= 0)
        return np.where(there, self._things[at], NOBODY)
