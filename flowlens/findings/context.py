"""The settings of all detections, in one place."""

from dataclasses import dataclass

__all__ = ["Context"]


@dataclass(frozen=True, slots=True)
class Context:
    """What detections need beside the edges.

    Args:
        little: bytes sent below which a transfer is little more than a greeting.
        much: bytes sent from which a transfer can carry a document store's worth of secrets.
        huge: bytes sent from which a transfer is exfiltration by volume alone; the hourly
            volume that Slips documents for one address is the same 100 MB.
    """

    little: int = 10_000
    much: int = 1_000_000
    huge: int = 100_000_000
