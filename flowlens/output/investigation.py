"""An investigation for people: one list of sections, shown on a terminal or written as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens import words
from flowlens.output import cells
from flowlens.output.timeline import timeline

if TYPE_CHECKING:
    from flowlens.investigation import Investigation

__all__ = ["Section", "sections"]

#: Rows of a section; the tables in JSON have all of them.
ROWS = 12


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


def _section(title: str, remark: str, frame: pl.DataFrame, most: int, /, **columns: Any) -> Section:
    """Return the first rows of a frame, each column by a function of a row."""
    shown = frame.head(most).to_dicts()
    table = {name: [make(row) for row in shown] for name, make in columns.items()} if shown else {}
    return Section(title, remark, table, more=max(0, frame.height - most))


def _owners(found: "Investigation", rows: int) -> Section:
    remark = "by the captures of the inventory; … means the nearest capture speaks for the rest"
    return _section(
        "Who it was",
        remark,
        found.owners,
        rows,
        address=lambda row: row["address"],
        owner=lambda row: cells.listed(row["owner"], row["certainty"] or "unknown"),
        since=lambda row: cells.edge(row["since"], row["after"]),
        until=lambda row: cells.edge(row["until"], row["before"]),
        interface=lambda row: row["interface"],
        kind=lambda row: row["kind"] or "unknown",
        groups=lambda row: cells.listed(row["groups"]),
    )


def _when(found: "Investigation") -> Section:
    """Draw bytes an hour, and the hours in which new peers came."""
    lines, step = timeline(found.timeline, found.pivot)
    each = "an hour" if step == 1 else f"in {step} hours"
    return Section("When", f"bytes {each}, UTC; · nothing recorded", code=tuple(lines))


def _findings(found: "Investigation", rows: int) -> Section:
    return _section(
        "Findings",
        "in its own traffic",
        found.findings,
        rows,
        severity=lambda row: (
            f"{'◆' if row['severity'] in {'high', 'critical'} else '◇'} {row['severity']}"
        ),
        id=lambda row: row["id"],
        destination=lambda row: row["destination"] or row["server"] or "–",
        service=cells.service,
        first_seen=cells.moment("first_seen"),
        kind=lambda row: row["kind"],
    )


def _peers(found: "Investigation", rows: int) -> Section:
    since = (
        f"new: first met {words.moment(found.pivot)} or later"
        if found.pivot
        else ("seen for less than a day, so nothing is called new")
    )
    return _section(
        "Peers",
        f"unexpected, then new, then heavy ones; {since}",
        found.peers,
        rows,
        peer=cells.named,
        as_=lambda row: {"client": "to", "server": "from"}.get(row["role"], "through"),
        service=cells.service,
        sent=cells.size("bytes_out"),
        got=cells.size("bytes_in"),
        first_seen=cells.moment("first_seen"),
        verdict=cells.verdict,
        last_seen=cells.moment("last_seen"),
    )


def _rejects(found: "Investigation", rows: int) -> Section:
    return _section(
        "Refused",
        "records, and accepted ones of the same service",
        found.rejects,
        rows,
        peer=cells.named,
        service=cells.service,
        rejected=cells.count("rejected"),
        accepted=lambda row: f"{row['accepted_before']:,} before, {row['accepted_after']:,} after",
        first_seen=cells.moment("first_seen"),
        last_seen=cells.moment("last_seen"),
    )


def _kin(found: "Investigation", rows: int) -> Section:
    kinds = sorted(set(found.subject.kin.values()))
    count = words.noun(len(found.subject.kin), "interface")
    # Another function of the VPC has its own work: that it goes elsewhere is no sign.
    sign = "" if kinds == ["same kind in the same VPC"] else "◆ "
    return _section(
        "Similar workloads",
        f"{count} of the {cells.listed(kinds)}",
        found.kin,
        rows,
        destination=lambda row: row["name"],
        service=cells.service,
        sent=cells.size("bytes_out"),
        who=lambda row: (
            "none was seen"
            if row["only"] is None
            else f"{sign}only the subject"
            if row["only"]
            else f"also {cells.listed(row['kin'])}"
        ),
    )


def _may(found: "Investigation", rows: int) -> Section:
    odd = (pl.col("end_to_end") != "allow").fill_null(value=True)
    frame = found.may.sort(odd, descending=True, maintain_order=True)
    return _section(
        "What the configuration lets through",
        "as of the last record",
        frame,
        rows,
        peer=cells.named,
        service=cells.service,
        may=lambda row: row["end_to_end"],
        did=lambda row: f"{row['accepted']:,} accepted, {row['rejected']:,} rejected",
        by=cells.reason,
        route=lambda row: row["route_target"] or "–",
    )


def _names(found: "Investigation", rows: int) -> Section:
    return _section(
        "Names",
        "by the resolver's query log",
        found.names,
        rows,
        relation=lambda row: {"asked": "it asked for", "called": "it is called"}[row["relation"]],
        name=lambda row: row["name"],
        answers=cells.count("count"),
        first_seen=cells.moment("first_seen"),
        last_seen=cells.moment("last_seen"),
        used=lambda row: "used" if row["used"] else "no traffic",
        addresses=lambda row: cells.some(row["addresses"]),
    )


def _quoted(lines: pl.DataFrame) -> Iterator[str]:
    """Yield the quoted records under the names of their objects."""
    before = None
    for row in lines.iter_rows(named=True):
        if row["source"] != before:
            before = row["source"]
            yield f"# {before}"
        yield f"{row['line']}: {row['text']}"
