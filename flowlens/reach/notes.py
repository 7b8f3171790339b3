"""What is to be said about flows: pairs of a flow and a text, kept as numbers."""

import numpy as np

from flowlens.reach.atlas import Ints
from flowlens.reach.bits import Bools

__all__ = ["Notes"]


class Notes:
    """Texts said about rows; a text is kept once."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        self._rows: list[Ints] = []
        self._said: list[Ints] = []

    def say(self, text: str, rows: Ints, which: Bools | None = None) -> None:
        """Say a text about rows, or about those `which` tells.

        Args:
            text: one short sentence that starts with its subject.
            rows: numbers of flows.
            which: a flag for each of `rows`.
        """
        chosen = rows if which is None else rows[which]
        if len(chosen):
            number = self._texts.setdefault(text, len(self._texts))
            self._rows.append(np.asarray(chosen, np.int64))
            self._said.append(np.full(len(chosen), number, np.int64))

    def take(self, other: "Notes", before: str) -> None:
        """Take over what other notes say, with words before it."""
        texts = other.texts
        for rows, said in zip(other._rows, other._said, strict=True):
            self.say(before + texts[int(said[0])], rows)

    @property
    def texts(self) -> list[str]:
        """The texts by number."""
        return list(self._texts)

    def pairs(self) -> tuple[Ints, Ints]:
        """Return rows and the numbers of what is said about them."""
        empty = np.empty(0, np.int64)
        return np.concatenate([empty, *self._rows]), np.concatenate([empty, *self._said])
