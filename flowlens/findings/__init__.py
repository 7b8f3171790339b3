"""Findings: what an investigator must be shown, with numbers, severity and evidence."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from flowlens.findings.attempts import once
from flowlens.findings.beacon import beacons
from flowlens.findings.brute import brute_force
from flowlens.findings.bypass import bypass
from flowlens.findings.context import Context
from flowlens.findings.doors import doors
from flowlens.findings.exposed import exposed
from flowlens.findings.floods import floods
from flowlens.findings.incidents import merged
from flowlens.findings.lasting import long_connections, mining
from flowlens.findings.lateral import lateral
from flowlens.findings.limits import Limits
from flowlens.findings.novel import new_ports
from flowlens.findings.outsiders import probed
from flowlens.findings.quote import quote
from flowlens.findings.refusals import breakage, let_in
from flowlens.findings.regions import regions
from flowlens.findings.scans import claimed, found, scanned, scans
from flowlens.findings.schedule import off_schedule
from flowlens.findings.services import cleartext, foreign_dns, odd_protocols, spam
from flowlens.findings.severity import LEVELS
from flowlens.findings.silence import silence
from flowlens.findings.threats import threats
from flowlens.findings.unexpected import unexpected
from flowlens.findings.volume import exfiltration, hoarding, volume
from flowlens.small import ready, sized
from flowlens.tables import FINDINGS, empty

__all__ = ["DETECTIONS", "LEVELS", "Context", "Limits", "findings", "quote"]

Detection = Callable[[pl.LazyFrame, Context], pl.DataFrame]

#: Every detection: a plain function of (edges, context) that returns rows of FINDINGS.
DETECTIONS: tuple[Detection, ...] = (
    scans,
    unexpected,
    new_ports,
    doors,
    regions,
    exfiltration,
    volume,
    hoarding,
    beacons,
    long_connections,
    mining,
    brute_force,
    lateral,
    let_in,
    breakage,
    exposed,
    probed,
    threats,
    foreign_dns,
    bypass,
    cleartext,
    spam,
    odd_protocols,
    floods,
    off_schedule,
    silence,
)

#: Kinds that look at every edge, also at those that a scan explains.
WHOLE: frozenset[Detection] = frozenset({silence, threats})


def findings(edges: pl.DataFrame | pl.LazyFrame, context: Context | None = None) -> pl.DataFrame:
    """Run every detection over `edges`.

    A finding is one incident in one sentence: rows that are about the same owner, destination,
    port and protocol are merged over hours and addresses, and so is what several detections say
    of them. What a scan tried is part of the scan.

    Args:
        edges: a table of schema EDGES; a lazy one that takes more than reading is computed once,
            into a temporary file.
        context: the settings of the detections and what else they may look at.

    Returns:
        A table of schema FINDINGS, worst first (severity, bytes sent, id), the same whatever the
        order of `edges`. `evidence.lines` is empty until `quote` fills it.
    """
    plan, settings = edges.lazy(), context or Context()
    if plan.explain(optimized=False).startswith(("DF ", "Parquet SCAN ")):
        return _sized(plan, settings)
    with TemporaryDirectory(prefix="flowlens-") as folder:
        path = Path(folder) / "edges.parquet"
        plan.sink_parquet(path)
        return _sized(pl.scan_parquet(path), settings)


def _sized(edges: pl.LazyFrame, settings: Context) -> pl.DataFrame:
    """Return what is found in edges that every detection can read; few of them are held."""
    rows = edges.select(pl.len()).collect(engine="in-memory").item()
    with sized(rows):
        held = ready(edges)
        return _found(edges if held is None else held.lazy(), settings)


def _found(edges: pl.LazyFrame, settings: Context) -> pl.DataFrame:
    """Return what all detections find."""
    tries = once(edges)
    scanning = scanned(tries, settings)
    rest = claimed(tries, scanning)
    rows = [found(tries, scanning, settings)]
    for detection in DETECTIONS[1:]:
        rows.append(detection(tries if detection in WHOLE else rest, settings))
    ranks = pl.col("severity").cast(pl.Enum(LEVELS)).to_physical()
    return (
        merged(pl.concat([empty(FINDINGS), *rows]))
        .sort(
            ranks, pl.col("numbers").struct.field("bytes_out"), "id", descending=[True, True, False]
        )
        .select(list(FINDINGS))
    )
