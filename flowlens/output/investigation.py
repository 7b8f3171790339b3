"""An investigation for people: one list of sections, shown on a terminal or written as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens import words
from flowlens.output.timeline import timeline

if TYPE_CHECKING:
    from flowlens.investigation import Investigation

__all__ = ["Section", "sections"]

#: Rows of a section; the tables in JSON have all of them.
ROWS = 12
FEW = 3
#: Times in tables; the year stands in the sentence and under the chart.
CLOCK = "%m-%d %H:%M"
LAYERS = {"sg": "security group", "far_sg": "the peer's security group"}
SIGNS = {"no": "◆ unexpected", "yes": "expected", "unknown": "not judged"}


@dataclass(frozen=True, slots=True)
class Section:
    """One part: a title, a remark, and a table, a chart, points or lines of code."""

    title: str
    remark: str = ""
    table: dict[str, list[str]] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    language: str = ""
    more: int = 0


def sections(
    found: "Investigation", read: str = "", commands: Sequence[str] = (), rows: int = ROWS
) -> list[Section]:
    """Return the parts that have something to say.

    Args:
        found: the investigation.
        read: how much was read.
        commands: what to type next.
        rows: of each table, at most.
    """
    parts = [
        _owners(found, rows),
        _when(found),
        _findings(found, rows),
        _peers(found, rows),
        _rejects(found, rows),
        _kin(found, rows),
        _may(found, rows),
        _names(found, rows),
        Section("Raw lines", code=tuple(_quoted(found.lines))),
        Section("What this cannot show", points=(*found.caveats, *([read] if read else []))),
        Section("Next", code=tuple(commands), language="sh"),
    ]
    return [one for one in parts if one.table or one.code or one.points]


def _table(frame: pl.DataFrame, rows: int, **columns: Any) -> tuple[dict[str, list[str]], int]:
    """Return the first rows, each column by a function of a row, and how many more there are."""
    shown = frame.head(rows).to_dicts()
    table = {name: [make(row) for row in shown] for name, make in columns.items()} if shown else {}
    return table, max(0, frame.height - rows)


def _moment(name: str) -> Any:
    return lambda row: f"{row[name]:{CLOCK}}" if row[name] else "–"


def _size(name: str) -> Any:
    return lambda row: words.size(row[name])


def _count(name: str) -> Any:
    return lambda row: words.count(row[name])


def _service(row: dict[str, Any]) -> str:
    return words.service(row["protocol"], row["server_port"])


def _listed(values: Sequence[str] | None, none: str = "–") -> str:
    return ", ".join(values) if values else none


def _some(values: Sequence[str]) -> str:
    """List a few, and say how many there are besides."""
    rest = len(values) - FEW
    return _listed(values[:FEW]) + (f" and {rest:,} more" if rest > 0 else "")


def _named(row: dict[str, Any]) -> str:
    """Name a peer with its address, or with how many it has."""
    name, count = row["name"] or "unknown", row["addresses"]
    if count > 1:
        return f"{name} ({words.noun(count, 'address', 'addresses')})"
    return name if row.get("peer") in {None, name} else f"{name} ({row['peer']})"


def _owners(found: "Investigation", rows: int) -> Section:
    table, more = _table(
        found.owners,
        rows,
        address=lambda row: row["address"],
        owner=lambda row: _listed(row["owner"], row["certainty"] or "unknown"),
        since=lambda row: _edge(row["since"], row["after"]),
        until=lambda row: _edge(row["until"], row["before"]),
        interface=lambda row: row["interface"],
        kind=lambda row: row["kind"] or "unknown",
        groups=lambda row: _listed(row["groups"]),
    )
    remark = "by the captures of the inventory; … means the nearest capture speaks for the rest"
    return Section("Who it was", remark, table, more=more)


def _edge(time: datetime, beyond: datetime | None) -> str:
    """Write the first or last capture of a run; with dots where none was made beyond."""
    return f"{words.moment(time)}{'' if beyond else ' …'}"


def _when(found: "Investigation") -> Section:
    """Draw bytes an hour, and the hours in which new peers came."""
    lines, step = timeline(found.timeline, found.pivot)
    each = "an hour" if step == 1 else f"in {step} hours"
    return Section("When", f"bytes {each}, UTC; · nothing recorded", code=tuple(lines))


def _findings(found: "Investigation", rows: int) -> Section:
    table, more = _table(
        found.findings,
        rows,
        severity=lambda row: (
            f"{'◆' if row['severity'] in {'high', 'critical'} else '◇'} {row['severity']}"
        ),
        id=lambda row: row["id"],
        destination=lambda row: row["destination"] or row["server"] or "–",
        service=_service,
        first_seen=_moment("first_seen"),
        kind=lambda row: row["kind"],
    )
    return Section("Findings", "in its own traffic", table, more=more)


def _peers(found: "Investigation", rows: int) -> Section:
    table, more = _table(
        found.peers,
        rows,
        peer=_named,
        as_=lambda row: {"client": "to", "server": "from"}.get(row["role"], "through"),
        service=_service,
        sent=_size("bytes_out"),
        got=_size("bytes_in"),
        first_seen=_moment("first_seen"),
        verdict=_verdict,
        last_seen=_moment("last_seen"),
    )
    since = (
        f"new: first met {words.moment(found.pivot)} or later"
        if found.pivot
        else ("seen for less than a day, so nothing is called new")
    )
    return Section("Peers", f"unexpected, then new, then heavy ones; {since}", table, more=more)


def _verdict(row: dict[str, Any]) -> str:
    """Say whether a peer is expected, new or gone, and how many records were refused."""
    told = [SIGNS.get(row["expected"] or "", "")]
    told += ["new"] if row["new"] else []
    told += ["gone"] if row["gone"] else []
    told += [f"{row['rejected']:,} rejected"] if row["rejected"] else []
    return ", ".join(one for one in told if one) or "–"


def _rejects(found: "Investigation", rows: int) -> Section:
    table, more = _table(
        found.rejects,
        rows,
        peer=_named,
        service=_service,
        rejected=_count("rejected"),
        accepted=lambda row: f"{row['accepted_before']:,} before, {row['accepted_after']:,} after",
        first_seen=_moment("first_seen"),
        last_seen=_moment("last_seen"),
    )
    return Section("Refused", "records, and accepted ones of the same service", table, more=more)


def _kin(found: "Investigation", rows: int) -> Section:
    kinds = sorted(set(found.subject.kin.values()))
    count = words.noun(len(found.subject.kin), "interface")
    # Another function of the VPC has its own work: that it goes elsewhere is no sign.
    sign = "" if kinds == ["same kind in the same VPC"] else "◆ "
    table, more = _table(
        found.kin,
        rows,
        destination=lambda row: row["name"],
        service=_service,
        sent=_size("bytes_out"),
        who=lambda row: (
            "none was seen"
            if row["only"] is None
            else f"{sign}only the subject"
            if row["only"]
            else f"also {_listed(row['kin'])}"
        ),
    )
    return Section("Similar workloads", f"{count} of the {_listed(kinds)}", table, more=more)


def _may(found: "Investigation", rows: int) -> Section:
    odd = (pl.col("end_to_end") != "allow").fill_null(value=True)
    frame = found.may.sort(odd, descending=True, maintain_order=True)
    table, more = _table(
        frame,
        rows,
        peer=_named,
        service=_service,
        may=lambda row: row["end_to_end"],
        did=lambda row: f"{row['accepted']:,} accepted, {row['rejected']:,} rejected",
        by=_reason,
        route=lambda row: row["route_target"] or "–",
    )
    return Section("What the configuration lets through", "as of the last record", table, more=more)


def _reason(row: dict[str, Any]) -> str:
    """Say which layers refuse, else which rules let it through, else what is not known."""
    layers = [LAYERS.get(one, one.replace("_", " ")) for one in row["blocked_by"] or []]
    return _listed(layers or row["rules"] or row["notes"])


def _names(found: "Investigation", rows: int) -> Section:
    table, more = _table(
        found.names,
        rows,
        relation=lambda row: {"asked": "it asked for", "called": "it is called"}[row["relation"]],
        name=lambda row: row["name"],
        answers=_count("count"),
        first_seen=_moment("first_seen"),
        last_seen=_moment("last_seen"),
        used=lambda row: "used" if row["used"] else "no traffic",
        addresses=lambda row: _some(row["addresses"]),
    )
    return Section("Names", "by the resolver's query log", table, more=more)


def _quoted(lines: pl.DataFrame) -> Iterator[str]:
    """Yield the quoted records under the names of their objects."""
    before = None
    for row in lines.iter_rows(named=True):
        if row["source"] != before:
            before = row["source"]
            yield f"# {before}"
        yield f"{row['line']}: {row['text']}"
