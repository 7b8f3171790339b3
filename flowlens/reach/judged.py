"""From the bits of layers to the columns that people read; and what several views agree on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from flowlens.reach.atlas import Ints
from flowlens.reach.bits import ALLOW, DENY, UNSURE, VERDICTS, Bits, Bools, chain
from flowlens.reach.notes import Notes
from flowlens.reach.onward import LAYERS
from flowlens.reach.schema import REACH

__all__ = ["HERE", "Judged", "merge"]

#: Layers of the interface's own end, as `blocked_by` names them.
HERE = ("sg", "nacl_out", "nacl_in", "route", "interface")
_LOGS = ("UNKNOWN", "ACCEPT", "REJECT", "UNLOGGED")
UNKNOWN, ACCEPT, REJECT, UNLOGGED = range(4)


@dataclass(frozen=True, slots=True)
class Judged:
    """What one view says about flows, a place in every array for each.

    ``layers`` has the bits of `HERE` and of `onward.LAYERS`. ``out`` tells flows whose own packet
    leaves, ``reply`` those that are answers, ``exempt`` those outside all layers, ``blocked`` those
    that Block Public Access refuses, ``silent`` those that nobody answers. ``numbers`` are those of
    deciding entries, ``words`` the route's block and target, the network ACL and
    the groups, a line each.
    """

    layers: Mapping[str, Bits]
    out: Bools
    reply: Bools
    exempt: Bools
    blocked: Bools
    silent: Bools
    tracked: Ints
    numbers: Mapping[str, Ints]
    words: Mapping[str, pl.Series]
    rules: tuple[Ints, Ints, Sequence[str]]
    notes: Notes

    def table(self) -> pl.DataFrame:
        """Return the columns of `schema.REACH`."""
        sg, nacls = self.layers["sg"], (self.layers["nacl_out"], self.layers["nacl_in"])
        size = len(sg)
        here = chain(*(self.layers[name] for name in HERE))
        forward, reply = self._logs(sg, *nacls)
        usable, words = self.layers["route"], dict(self.words)
        groups = words.pop("groups").to_frame("g")
        some = pl.when(pl.col("g") == "").then([]).otherwise(pl.col("g").str.split("\n"))
        columns: dict[str, pl.Series] = {
            "verdict": _words(here),
            "end_to_end": _words(chain(here, *(self.layers[name] for name in LAYERS))),
            "forward": pl.Series(_LOGS).gather(forward),
            "reply": pl.Series(_LOGS).gather(reply),
            **{name: _words(self.layers[name]) for name in HERE[:3]},
            **{f"{name}_rule": _known(number) for name, number in self.numbers.items()},
            **words,
            "groups": groups.select(pl.when(pl.col("g").is_not_null()).then(some)).to_series(),
            "route_usable": _flags(usable == ALLOW, (usable == ALLOW) | (usable == DENY)),
            "tracked": _flags(
                self.tracked == 1,
                (self.tracked >= 0) & ((sg & ALLOW) > 0) & (sg < UNSURE) & ~self.exempt,
            ),
            "sg_rules": _lists(size, *self.rules, ordered=True),
            "blocked_by": self._blocks(here),
            "notes": _lists(size, *self.notes.pairs(), self.notes.texts, ordered=False),
        }
        return pl.DataFrame(
            [columns[name].cast(dtype).alias(name) for name, dtype in REACH.items()]
        )

    def _logs(self, sg: Bits, outward: Bits, inward: Bits) -> tuple[Ints, Ints]:
        """Return what the log says of the flow's own packet and of the one the other way.

        The groups judge the packet that opens a connection; the answer passes by state. Nobody
        answers a refused packet.
        """
        own, other = np.where(self.out, outward, inward), np.where(self.out, inward, outward)
        forward = _log(chain(sg, own))
        forward = np.where(self.blocked & ~self.reply, REJECT, forward)
        back = np.where(self.reply, _log(chain(sg, other)), _log(other))
        back = np.where(self.reply & self.blocked, REJECT, back)
        gone = ~self.reply & ((forward == REJECT) | (self.silent & (forward == ACCEPT)))
        back = np.where(gone, UNLOGGED, np.where(~self.reply & (forward == UNKNOWN), UNKNOWN, back))
        hidden = self.exempt
        return np.where(hidden, UNLOGGED, forward), np.where(hidden, UNLOGGED, back)

    def _blocks(self, here: Bits) -> pl.Series:
        """Name the layers that refuse: the own end's, and where it lets pass, those beyond it."""
        names = [*HERE, *LAYERS, "bpa"]
        rows, which = [], []
        for n, name in enumerate([*HERE, *LAYERS]):
            refused = self.layers[name] == DENY
            if name in LAYERS:
                refused = refused & (here != DENY)
            at = np.flatnonzero(refused)
            rows.append(at)
            public = self.blocked[at] & (name == "route")
            which.append(np.where(public, len(names) - 1, n))
        return _lists(len(here), np.concatenate(rows), np.concatenate(which), names, ordered=True)


def _words(bits: Bits) -> pl.Series:
    return pl.Series(VERDICTS).gather(bits)


def _log(bits: Bits) -> Ints:
    return np.where(bits == ALLOW, ACCEPT, np.where(bits == DENY, REJECT, UNKNOWN))


def _known(numbers: Ints) -> pl.Series:
    column = pl.Series("n", numbers)
    return pl.select(pl.when(column >= 0).then(column)).to_series()


def _flags(yes: Bools, known: Bools) -> pl.Series:
    flag, told = pl.Series(yes), pl.Series(known)
    return pl.select(pl.when(told).then(flag)).to_series()


def _lists(
    size: int, rows: Ints, numbers: Ints, texts: Sequence[str], *, ordered: bool
) -> pl.Series:
    """Return the texts said about each row: in the order of their numbers, or of the alphabet."""
    order = sorted(range(len(texts)), key=lambda n: n if ordered else texts[n])
    rank = np.empty(len(texts), np.int64)
    rank[order] = np.arange(len(texts))
    names = pl.Series([texts[n] for n in order], dtype=pl.String)
    key = np.sort(rows * max(1, len(texts)) + rank[numbers])
    key = key[np.append(True, key[1:] != key[:-1])] if len(key) else key
    at, number = np.divmod(key, max(1, len(texts)))
    counts = np.bincount(at, minlength=size)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return _nested(names.gather(number), offsets)


def _nested(texts: pl.Series, offsets: Ints) -> pl.Series:
    """Return a list for each row: `texts` cut at `offsets`."""
    import pyarrow as pa

    # Not `pa.array(offsets)`, which asks pandas about an array of numpy, nor `pl.from_arrow`, which
    # asks pyarrow.compute: to import them takes longer than to judge thousands of flows.
    cuts, values = pl.Series(offsets).to_arrow(), texts.to_arrow()
    lists = pa.LargeListArray.from_arrays(cuts, values)
    return pl.DataFrame(pa.RecordBatch.from_arrays([lists], ["texts"])).to_series()


def merge(views: Sequence[Judged], times: str) -> Judged:
    """Return what several views agree on; what they do not is unknown.

    Args:
        views: of the same flows.
        times: the sentence that says what lies between them.
    """
    first = views[0]
    if len(views) == 1:
        return first
    rest = views[1:]
    odd = np.logical_or.reduce([view.exempt != first.exempt for view in rest])
    layers, split = {}, odd
    for name, bits in first.layers.items():
        differs = np.logical_or.reduce([view.layers[name] != bits for view in rest]) | odd
        layers[name] = np.where(differs, UNSURE, bits).astype(np.uint8)
        split = split | differs
    notes = Notes()
    for view in views:
        notes.take(view.notes, "")
    notes.say(times, np.flatnonzero(split))
    return Judged(
        layers=layers,
        out=first.out,
        reply=first.reply,
        exempt=first.exempt & ~odd,
        blocked=np.logical_and.reduce([view.blocked for view in views]),
        silent=first.silent,
        tracked=_agreed([view.tracked for view in views]),
        numbers={name: _agreed([view.numbers[name] for view in views]) for name in first.numbers},
        words={name: _same([view.words[name] for view in views]) for name in first.words},
        rules=_together([view.rules for view in views]),
        notes=notes,
    )


def _agreed(columns: Sequence[Ints]) -> Ints:
    same = np.logical_and.reduce([column == columns[0] for column in columns])
    return np.where(same, columns[0], -1)


def _same(columns: Sequence[pl.Series]) -> pl.Series:
    frame = pl.DataFrame([column.alias(str(n)) for n, column in enumerate(columns)])
    same = pl.all_horizontal(pl.col("0").eq_missing(pl.col(name)) for name in frame.columns)
    return frame.select(pl.when(same).then("0")).to_series()


def _together(rules: Sequence[tuple[Ints, Ints, Sequence[str]]]) -> tuple[Ints, Ints, list[str]]:
    """Return the rules of all views: those of the first in their order, then further ones."""
    names = list(dict.fromkeys(name for _, _, texts in rules for name in texts))
    place = {name: n for n, name in enumerate(names)}
    numbers = [
        np.array([place[name] for name in texts], np.int64)[found] for _, found, texts in rules
    ]
    return np.concatenate([rows for rows, _, _ in rules]), np.concatenate(numbers), names
