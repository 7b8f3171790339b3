"""What is done to the flows of a part: who is the client of each 5-tuple, and views.

It does what `roles` and `views` do with frames: both are held together by a property test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens.conversations.codes import NOTHING
from flowlens.conversations.pairs import ROLE, Pairs, paired
from flowlens.conversations.roles import OBVIOUS
from flowlens.conversations.room import room, table
from flowlens.conversations.rows import VIEW
from flowlens.conversations.services import weight
from flowlens.conversations.shelf import FLOW
from flowlens_parsers.machine import Kernel, load
from flowlens_parsers.tokens import Words, address

__all__ = ["TUPLE", "Work"]

TUPLE = 8  # integers of a 5-tuple
PORTS = 2**16


@dataclass(slots=True)
class Work:
    """What the parts share, and what is done to each; several threads do it.

    Args:
        ranks: place of the text of each code in the order of all texts.
    """

    ranks: NDArray[np.uint32]
    marks: NDArray[np.uint8] = field(init=False)  # a byte an address, the last for null
    begins: list[int] = field(default_factory=list)
    _weights: NDArray[np.int8] = field(init=False)
    _kernel: Mapping[str, Kernel] = field(init=False)
    _roles: Pairs = field(init=False)

    def __post_init__(self) -> None:
        self._kernel = load("flowlens.conversations.viewkernel")
        self.marks = np.zeros(len(self.ranks) + 1, np.uint8)
        ports = pl.int_range(PORTS, eager=True).cast(pl.UInt16).alias("port")
        of = pl.DataFrame([ports]).select(weight(pl.col("port")).cast(pl.Int8))
        self._weights = of.to_series().to_numpy().copy()
        self.learn(np.empty((0, ROLE), np.uint64))

    def settle(self, flows: Words) -> bool:
        """Write into flows what is clear of their 5-tuples; say whether some are open."""
        which, tuples = self._tuples(flows)
        begin = np.array([NOTHING], np.uint64)
        still = self._kernel["settle"](
            *(address(tuples), len(tuples), address(self._weights), OBVIOUS),
            *(address(self.marks), len(self.ranks), address(begin)),
        )
        self._kernel["decide"](address(flows), len(flows) // FLOW, address(which), address(tuples))
        self.begins.append(int(begin[0]))
        return still > 0

    def near(self, flows: Words) -> Words:
        """Return the 5-tuples of which an address has an open one."""
        _, tuples = self._tuples(flows)
        count = self._kernel["touching"](
            address(tuples), len(tuples), address(self.marks), len(self.ranks)
        )
        return tuples[:count].copy()

    def learn(self, roles: Words) -> None:
        """Take note of the roles of open 5-tuples."""
        self._roles = paired(roles)

    def views(self, flows: Words) -> Words:
        """Merge flows into views, `VIEW` integers each in one row, in room of this thread."""
        count = flows.size // FLOW
        empty, mask = table(count)
        out = room("views", count * VIEW, np.uint64)
        total = self._kernel["views"](
            *(address(flows), count, *self._roles.arguments),
            *(address(self.ranks), mask, address(empty), address(out)),
        )
        return out[: total * VIEW]

    def _tuples(self, flows: Words) -> tuple[NDArray[np.uint32], Words]:
        """Return the number of each flow's 5-tuple, and the 5-tuples, in room of this thread."""
        count = flows.size // FLOW
        empty, mask = table(count)
        which = room("which", count, np.uint32)
        out = room("tuples", count * TUPLE, np.uint64)
        total = self._kernel["tuples"](
            *(address(flows), count, mask, address(empty), address(which), address(out))
        )
        return which, out[: total * TUPLE].reshape(-1, TUPLE)
