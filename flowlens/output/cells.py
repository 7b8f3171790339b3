"""How the values of an investigation are written in the cells of its tables."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flowlens import words

__all__ = [
    "count",
    "edge",
    "listed",
    "moment",
    "named",
    "reason",
    "service",
    "size",
    "some",
    "verdict",
]

Row = dict[str, Any]

#: Values of a list that are told one by one.
FEW = 3
#: Times in tables; the year stands in the sentence and under the chart.
CLOCK = "%m-%d %H:%M"
LAYERS = {"sg": "security group", "far_sg": "the peer's security group"}
SIGNS = {"no": "◆ unexpected", "yes": "expected", "unknown": "not judged"}


def moment(name: str) -> Callable[[Row], str]:
    """Return what writes a time of a row."""
    return lambda row: f"{row[name]:{CLOCK}}" if row[name] else "–"


def size(name: str) -> Callable[[Row], str]:
    """Return what writes bytes of a row."""
    return lambda row: words.size(row[name])


def count(name: str) -> Callable[[Row], str]:
    """Return what writes a number of a row."""
    return lambda row: words.count(row[name])


def service(row: Row) -> str:
    """Write the protocol and port of a row."""
    return words.service(row["protocol"], row["server_port"])


def listed(values: Sequence[str] | None, none: str = "–") -> str:
    """List values, or say that there are none."""
    return ", ".join(values) if values else none


def some(values: Sequence[str]) -> str:
    """List a few, and say how many there are besides."""
    rest = len(values) - FEW
    return listed(values[:FEW]) + (f" and {rest:,} more" if rest > 0 else "")


def named(row: Row) -> str:
    """Name a peer with its address, or with how many it has."""
    name, count = row["name"] or "unknown", row["addresses"]
    if count > 1:
        return f"{name} ({words.noun(count, 'address', 'addresses')})"
    return name if row.get("peer") in {None, name} else f"{name} ({row['peer']})"


def edge(time: datetime, beyond: datetime | None) -> str:
    """Write the first or last capture of a run; with dots where none was made beyond."""
    return f"{words.moment(time)}{'' if beyond else ' …'}"


def verdict(row: Row) -> str:
    """Say whether a peer is expected, new or gone, and how many records were refused."""
    told = [SIGNS.get(row["expected"] or "", "")]
    told += ["new"] if row["new"] else []
    told += ["gone"] if row["gone"] else []
    told += [f"{row['rejected']:,} rejected"] if row["rejected"] else []
    return ", ".join(one for one in told if one) or "–"


def reason(row: Row) -> str:
    """Say which layers refuse, else which rules let it through, else what is not known."""
    layers = [LAYERS.get(one, one.replace("_", " ")) for one in row["blocked_by"] or []]
    return listed(layers or row["rules"] or row["notes"])
