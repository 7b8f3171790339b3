"""How far each workload may go, in a word: none, VPC only, endpoints, …, unbounded."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from flowlens.reach.atlas import block
from flowlens.reach.cuts import PRIVATE, RESERVED
from flowlens.reach.schema import OUTLOOK
from flowlens.reach.spans import Span, merged, size, within

__all__ = ["REACHES", "outlook", "service"]

#: How far a way leads, the least first.
REACHES = ("none", "VPC only", "endpoints", "private networks", "nat", "unbounded")
_FAR = {
    "none": "none",
    "hypervisor": "none",
    "local": "VPC only",
    "interface endpoint": "endpoints",
    "gateway endpoint": "endpoints",
    "nat": "nat",
    "internet gateway": "unbounded",
}
_OUTSIDE = ("nat", "internet gateway")


def outlook(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each workload: how far it may go, and by which ways.

    ``reach`` is the farthest of its ways: *none*; *VPC only*; *endpoints* of AWS's services;
    *private networks* over peerings, gateways and appliances; *nat*, the internet behind a NAT
    gateway; *unbounded*, the internet straight through an internet gateway. It is *unknown* where
    something that could lead farther is not known.

    Args:
        rows: from `may`, without a target.

    Returns:
        The columns of `schema.OUTLOOK`.
    """
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        key = (" | ".join(row["source"] or row["interfaces"]), row["kind"] or "")
        found.setdefault(key, []).append(row)
    table = [_row(found[key]) for key in sorted(found)]
    return pl.DataFrame(table, schema=OUTLOOK)


def _row(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    let = [row for row in rows if row["verdict"] in ("allow", "partial")]
    dim = [row for row in rows if row["verdict"] == "unknown"]
    ways = {row["way"]: None for row in let if row["way"] not in (None, "none", "hypervisor")}
    outside = [row for row in let if row["way"] in _OUTSIDE]
    spans = merged(_spans(each for row in outside for each in row["blocks"]))
    private = merged(_spans((*PRIVATE, *RESERVED)))
    far = max((REACHES.index(_FAR.get(way, REACHES[3])) for way in ways), default=0)
    unsure = bool(dim) and REACHES[far] != "unbounded"
    return {
        "source": rows[0]["source"],
        "kind": rows[0]["kind"],
        "interfaces": len({name for row in rows for name in row["interfaces"]}),
        "reach": "unknown" if unsure else REACHES[far],
        "ways": list(ways),
        **{
            f"addresses{family}": size(spans, family) - size(within(spans, private), family)
            for family in (4, 6)
        },
        "ports": ", ".join(dict.fromkeys(map(service, outside))) or None,
        "rules": sorted({each for row in outside for each in row["rules"]}),
        "notes": sorted({each for row in dim or rows for each in row["notes"]} if unsure else ()),
    }


def _spans(texts: Iterable[str]) -> Iterable[Span]:
    return (span for text in texts if (span := block(text)))


def service(row: dict[str, Any]) -> str:
    """Return protocol and ports of a row as one word.

    >>> service({"protocol": "tcp", "first_port": 443, "last_port": 443})
    'tcp/443'
    >>> service({"protocol": "udp", "first_port": 1, "last_port": 9})
    'udp/1-9'
    >>> service({"protocol": "all", "first_port": None, "last_port": None})
    'all'
    """
    first, last = row["first_port"], row["last_port"]
    if first is None:
        return str(row["protocol"])
    return f"{row['protocol']}/{first}" + (f"-{last}" if last != first else "")
