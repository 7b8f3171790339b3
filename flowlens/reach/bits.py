"""What a layer does with a packet, as bits, so that several answers are one *or*."""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ALLOW",
    "DENY",
    "UNSURE",
    "VERDICTS",
    "Bits",
    "Bools",
    "chain",
    "verdicts",
]

Bits = NDArray[np.uint8]
Bools = NDArray[np.bool_]

#: A packet that is not described to the end may be several packets, of which some pass.
ALLOW, DENY, UNSURE = np.uint8(1), np.uint8(2), np.uint8(4)

#: The word for each combination of bits; whatever holds an unsure one is unknown.
VERDICTS = ("allow", "allow", "deny", "partial", "unknown", "unknown", "unknown", "unknown")


def verdicts(*, allow: Bools, deny: Bools) -> Bits:
    """Return allow or deny, and unsure where neither is given."""
    told = np.where(allow, ALLOW, np.uint8(0)) | np.where(deny, DENY, np.uint8(0))
    return np.where(told == 0, UNSURE, told).astype(np.uint8)


def chain(*layers: Bits) -> Bits:
    """Return what layers do one after the other: a sure refusal counts, whatever else is unknown.

    >>> [VERDICTS[each] for each in chain(np.array([1, 1, 4, 3, 1], np.uint8),
    ...                                   np.array([1, 2, 2, 1, 4], np.uint8))]
    ['allow', 'deny', 'deny', 'partial', 'unknown']
    """
    whole = np.bitwise_or.reduce(np.stack(layers))
    refused = np.logical_or.reduce(np.stack([layer == DENY for layer in layers]))
    unsure = (whole & UNSURE) != 0
    told = np.where(unsure, UNSURE, np.where((whole & DENY) != 0, ALLOW | DENY, ALLOW))
    return np.where(refused, DENY, told).astype(np.uint8)
