"""Findings: what an investigator must be shown, with numbers, severity and evidence."""

import polars as pl

from flowlens.findings.attempts import once
from flowlens.findings.context import Context
from flowlens.findings.incidents import merged
from flowlens.findings.limits import Limits
from flowlens.findings.quote import quote
from flowlens.findings.severity import LEVELS
from flowlens.findings.unexpected import unexpected
from flowlens.tables import FINDINGS, empty

__all__ = ["DETECTIONS", "LEVELS", "Context", "Limits", "findings", "quote"]

#: Every detection: a plain function of (edges, context) that returns rows of FINDINGS.
DETECTIONS = (unexpected,)


def findings(edges: pl.DataFrame | pl.LazyFrame, context: Context | None = None) -> pl.DataFrame:
    """Run every detection over `edges`.

    A finding is one incident in one sentence: rows that are about the same owner, destination,
    port and protocol are merged over hours and addresses, and so is what several detections say
    of them.

    Args:
        edges: a table of schema EDGES; a lazy one is read several times.
        context: the settings of the detections and what else they may look at.

    Returns:
        A table of schema FINDINGS, worst first (severity, bytes sent, id), the same whatever the
        order of `edges`. `evidence.lines` is empty until `quote` fills it.
    """
    settings = context or Context()
    tries = once(edges.lazy())
    found = [detection(tries, settings) for detection in DETECTIONS]
    ranks = pl.col("severity").cast(pl.Enum(LEVELS)).to_physical()
    return (
        merged(pl.concat([empty(FINDINGS), *found]))
        .sort(
            ranks, pl.col("numbers").struct.field("bytes_out"), "id", descending=[True, True, False]
        )
        .select(list(FINDINGS))
    )
