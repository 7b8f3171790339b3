"""What detections are given beside the edges."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import polars as pl

from flowlens.findings.limits import Limits

if TYPE_CHECKING:
    from flowlens.findings.lists import Threats
    from flowlens.inventory import Inventory

__all__ = ["Context"]


@dataclass(frozen=True, slots=True)
class Context:
    """What detections need beside the edges; whatever is missing is not judged.

    Args:
        limits: every threshold.
        records: typed records, of which the starts of connections are read: beacons and the
            success of a brute force need them, because edges are hours wide.
        coverage: rows of schema COVERAGE; None if they are not known.
        inventory: AWS's configuration: who is alike, which endpoints there are, and whether what
            fell silent is still there.
        threats: addresses that somebody listed.
        learn_until: the end of the time in which what is seen is usual.
        beacon: "own", or "rita" for RITA's score over all pairs, whatever was expected of them.
    """

    limits: Limits = field(default_factory=Limits)
    records: pl.LazyFrame | None = None
    coverage: pl.DataFrame | None = None
    inventory: "Inventory | None" = None
    threats: "Threats | None" = None
    learn_until: datetime | None = None
    beacon: Literal["own", "rita"] = "own"
