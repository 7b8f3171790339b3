"""Conversations as cases: the distinct questions among them, and the entries that answer each."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from flowlens.destinations.known import Known
from flowlens.expected import subjects, targets
from flowlens.expected.document import Document
from flowlens.expected.names import claim

__all__ = ["CASE", "Asked", "ask", "hits"]

#: What the verdict depends on; `era` counts the ends of entries that have passed.
CASE = ["workload", "target", "server_port", "protocol", "era"]
_PORTS = {
    "entry": pl.UInt32(),
    "rule": pl.UInt32(),
    "spoken": pl.UInt8(),
    "first": pl.UInt16(),
    "last": pl.UInt16(),
    "ends": pl.UInt32(),
    "text": pl.String(),
    "until": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Conversations, and the distinct workloads, destinations and cases among them.

    Attributes:
        frame: The conversations with `workload`, `target` and `era`.
        workloads: Rows of `subjects.COLUMNS`.
        reached: Rows of `targets.COLUMNS`.
        cases: What the verdict depends on.
        ends: When entries end, in order.
    """

    frame: pl.DataFrame
    workloads: pl.DataFrame
    reached: pl.DataFrame
    cases: pl.DataFrame
    ends: list[datetime]


def ask(frame: pl.DataFrame, document: Document) -> Asked:
    """Number the workloads, destinations and cases of conversations."""
    ends = sorted({e.until for r in document.rules for e in r.entries if e.until is not None})
    frame = claim(frame, document)
    who, what = list(subjects.COLUMNS), list(targets.COLUMNS)
    workloads = frame.select(who).unique(maintain_order=True).with_row_index("workload")
    reached = frame.select(what).unique(maintain_order=True).with_row_index("target")
    passed = [(pl.col("first_seen") >= end).cast(pl.UInt32) for end in ends]
    numbered = (
        frame.join(workloads, on=who, how="left", nulls_equal=True, maintain_order="left")
        .join(reached, on=what, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(era=pl.sum_horizontal(pl.lit(0, pl.UInt32), *passed).cast(pl.UInt32))
    )
    cases = numbered.select(CASE).unique(maintain_order=True).with_row_index("case")
    return Asked(numbered, workloads, reached, cases, ends)


def _table(document: Document, ends: list[datetime]) -> pl.DataFrame:
    """Return the entries with a row per port range; `ends` is the era in which they are over."""
    every = [(n, e) for n, r in enumerate(document.rules) for e in r.entries]
    rows = [
        (
            i,
            rule,
            port.protocol,
            port.first,
            port.last,
            ends.index(entry.until) + 1 if entry.until else None,
            f"{document.source}:{entry.line} {entry}",
            f"{entry.until:%Y-%m-%d %H:%M} UTC" if entry.until else None,
        )
        for i, (rule, entry) in enumerate(every)
        for port in entry.ports
    ]
    return pl.DataFrame(rows, schema=_PORTS, orient="row")


def hits(asked: Asked, about: pl.DataFrame, document: Document, known: Known) -> pl.DataFrame:
    """Return the entries that cover, or may cover, a case for one candidate.

    Protocol and port must fit; `live` tells whether the entry still counted, `doubt` what is not
    known.
    """
    port = pl.col("server_port").fill_null(0)
    covered = targets.covered(asked.reached, document, known)
    return (
        asked.cases.lazy()
        .join(covered.lazy(), on="target")
        .join(_table(document, asked.ends).lazy(), on="entry")
        .filter(
            pl.col("spoken").is_null() | (pl.col("spoken") == pl.col("protocol")),
            port.is_between(pl.col("first"), pl.col("last")),
        )
        .join(about.lazy(), on=["workload", "rule"], suffix="_client")
        .select(
            "case",
            "candidate",
            "entry",
            "text",
            "until",
            doubt=pl.coalesce("doubt_client", "doubt"),
            live=(pl.col("era") < pl.col("ends")).fill_null(value=True),
        )
        .unique(["case", "candidate", "entry"], keep="first")
        .sort("case", "candidate", "entry")
        .collect()
    )
