"""Words of 64 bits: what the kernels of this room have in common.

Nothing imports this module but other kernels.
"""

import numpy as np
from numba import njit

__all__ = ["HALF", "MIX", "NONE", "NULL", "STIR", "I", "U", "inlined", "stir", "swapped"]

U, I = np.uint64, np.int64

#: A call costs as much as what most of these functions do.
inlined = njit(forceinline=True)

HALF = U(32)
NULL = U(0xFFFFFFFF)  # the code of nothing
NONE = U(0xFFFFFFFFFFFFFFFF)
MIX, STIR = U(0x9E3779B97F4A7C15), U(0xC2B2AE3D27D4EB4F)  # odd constants of xxHash


@inlined
def stir(hash, word):
    """Return the hash after one word more."""
    hash = (hash ^ word) * STIR
    return hash ^ (hash >> U(29))


@inlined
def swapped(word):
    """Return the halves of a word the other way round."""
    return (word >> HALF) | (word << HALF)
