"""A row of blocks for a row of numbers: what a terminal and a ticket can show of a timeline."""

from collections.abc import Sequence

__all__ = ["bars", "folded"]

BLOCKS = "▁▂▃▄▅▆▇█"
#: Nothing was recorded: that is not a zero.
NOTHING = "·"


def bars(values: Sequence[int | None]) -> str:
    """Draw numbers as blocks, the greatest as a full one; more than nothing is never invisible.

    >>> bars([0, 1, 50, 100, None])
    ' ▁▄█·'
    >>> bars([90, 100])
    '▇█'
    """
    most = max((value for value in values if value), default=1)
    return "".join(_block(value, most) for value in values)


def _block(value: int | None, most: int) -> str:
    """Draw one number."""
    if value is None:
        return NOTHING
    if value == 0:
        return " "
    return BLOCKS[value * (len(BLOCKS) - 1) // most]


def folded(values: Sequence[int | None], most: int) -> tuple[list[int | None], int]:
    """Add neighbours up until there are at most so many, and say how many make one.

    >>> folded([1, None, 2, 3, None, None], 3)
    ([1, 5, None], 2)
    """
    step = -(-len(values) // most) or 1
    parts = [values[at : at + step] for at in range(0, len(values), step)]
    known = [[value for value in part if value is not None] for part in parts]
    return [sum(part) if part else None for part in known], step
