"""What is known of pairs of numbers, as compiled functions look it up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowlens.conversations.room import table
from flowlens_parsers.machine import load
from flowlens_parsers.tokens import Words, address

__all__ = ["ROLE", "Pairs", "paired"]

ROLE = 3  # integers of a pair and what is known of it


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of numbers, and a hash table of them."""

    rows: Words
    table: NDArray[np.uint32]
    mask: int

    @property
    def arguments(self) -> tuple[int, int, int]:
        """What `viewkernel.role` takes: rows, mask and table."""
        return address(self.rows), self.mask, address(self.table)


def paired(rows: Words) -> Pairs:
    """Return pairs by which something is found.

    Args:
        rows: two numbers, and what is known of them, which is not 0.
    """
    empty, mask = table(len(rows), "pairs")
    learn = load("flowlens.conversations.viewkernel")["learn"]
    learn(address(rows), len(rows), mask, address(empty))
    return Pairs(rows, empty.copy(), mask)
