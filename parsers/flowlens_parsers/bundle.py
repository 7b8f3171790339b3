"""What blocks of text gave packed, kept until it is worth being handed on.

Blocks are small, so that text and rows stay in the processor's caches; but what is done once for
a batch costs as much for a thousand rows as for a hundred thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flowlens_parsers.headers import header
from flowlens_parsers.quiet import Silence, silences
from flowlens_parsers.streams import Block

if TYPE_CHECKING:
    from flowlens_parsers.packing import Packer

__all__ = ["BLOCK", "Bundle"]

#: Bytes of text that are packed at once; with half as many the calls of Python cost a twentieth.
BLOCK = 1 << 20

#: Rows that are handed on at once, about.
ROWS = 1 << 16

#: Lines that a block may leave to the tolerant parser, whatever its length.
ODD = 64


@dataclass(slots=True)
class Bundle:
    """Records in the packer's memory, and the other lines of the same blocks, of one layout."""

    packer: "Packer"
    said: list[Silence] = field(default_factory=list)
    left: list[tuple[int, bytes]] = field(default_factory=list)  # lines to judge, and their numbers

    @property
    def full(self) -> bool:
        """Whether there is enough to be handed on."""
        return self.packer.height >= ROWS or len(self.left) >= ROWS

    def take(self, block: Block, names: Sequence[str], line: int) -> int:
        """Add whole lines and return how many, 0 where packing is not the way to read them.

        Args:
            block: text.
            names: its columns.
            line: number of its first line.
        """
        before = self.packer.height
        found = self.packer.pack(block, names)
        raw = [bytes(block[at : block.index(b"\n", at)]) for at, _ in found.odd]
        said, others = silences(raw, names)
        if len(raw) > max(ODD, found.lines // 4) or any(
            header(raw[at].decode("utf-8", "replace")) not in (None, names) for at in others
        ):
            self.packer.drop(before)
            return 0
        self.said += said
        self.left += [(line + found.odd[at][1], raw[at]) for at in others]
        return found.lines

    def clear(self) -> None:
        """Begin anew."""
        self.packer.drop()
        self.said, self.left = [], []
