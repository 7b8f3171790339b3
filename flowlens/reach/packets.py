"""Packets as arrays: one row asks what happens to an opening packet and to its answer."""

from dataclasses import dataclass, fields, replace

import numpy as np

from flowlens.reach.atlas import Ints
from flowlens.reach.bits import Bools

__all__ = ["ANSWERS", "Packets", "answer"]

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58

#: The type that answers an ICMP type (RFC 792, RFC 4443, RFC 4861), by protocol.
ANSWERS = {ICMP: {8: 0, 13: 14, 15: 16, 17: 18}, ICMP6: {128: 129, 133: 134, 135: 136}}


@dataclass(frozen=True, slots=True)
class Packets:
    """Connections as one interface meets them, whichever of their packets was asked about.

    ``out`` tells that the opening packet leaves the interface. ``own`` and ``other`` are places
    of the interface's address and the one at the other end. ``port`` is the server's and ``back``
    the client's; ``type`` and ``code`` are those of the opening ICMP packet. -1 is unknown.
    ``row`` is the number of the flow for which the question is asked.
    """

    row: Ints
    face: Ints
    out: Bools
    own: Ints
    other: Ints
    protocol: Ints
    port: Ints
    back: Ints
    type: Ints
    code: Ints

    def take(self, which: Bools | Ints) -> "Packets":
        """Return some of the packets."""
        return Packets(*(getattr(self, each.name)[which] for each in fields(self)))

    def seen_by(self, face: Ints, own: Ints, other: Ints) -> "Packets":
        """Return the same connections as the interface at the other end meets them."""
        return replace(self, face=face, own=own, other=other, out=~self.out)

    def sent(self, *, opening: Bools) -> "Packets":
        """Return the packets themselves, opening ones or answers, with the port they are sent to.

        The type of an answer that nobody sends is -2.
        """
        typed = np.isin(self.protocol, (ICMP, ICMP6))
        kind = np.where(typed & ~opening, answer(self.protocol, self.type), self.type)
        code = np.where(opening | (kind < 0), self.code, 0)
        return replace(
            self,
            port=np.where(opening, self.port, self.back),
            type=np.where(typed, kind, -1),
            code=np.where(~opening & (kind == -1), -1, code),
        )

    def __len__(self) -> int:
        return len(self.row)


def answer(protocol: Ints, type: Ints, *, back: bool = False) -> Ints:
    """Return the ICMP type that answers another one, or with `back` the one it answers.

    A type that nothing answers gives -2, an unknown one -1.

    >>> answer(np.array([1, 58, 1]), np.array([8, 128, 3])).tolist()
    [0, 129, -2]
    """
    found = np.where(type < 0, type, -2)
    for number, pairs in ANSWERS.items():
        for asked, told in pairs.items():
            one, other = (told, asked) if back else (asked, told)
            found = np.where((protocol == number) & (type == one), other, found)
    return found
