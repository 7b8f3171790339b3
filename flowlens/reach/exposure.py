"""May − did: what each egress rule lets through, and how much of it was ever used."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from flowlens.inventory.model import Inventory
from flowlens.reach.account import Row
from flowlens.reach.evaluate import evaluate, speaking
from flowlens.reach.instead import replacements
from flowlens.reach.meet import End
from flowlens.reach.points import PORTS
from flowlens.reach.redundant import covered, spans
from flowlens.reach.rulebook import ANY, protocol
from flowlens.reach.schema import EXPOSURE, FLOWS
from flowlens.reach.silence import Silence
from flowlens.reach.subjects import Face, People
from flowlens.reach.sweep import moment
from flowlens.words import PROTOCOLS

__all__ = ["exposure"]

_EVERYWHERE = ("0.0.0.0/0", "::/0")
_PORTED = ("tcp", "udp", "6", "17")
_KEY = ["server", "protocol", "server_port"]


def exposure(
    conversations: pl.DataFrame | pl.LazyFrame,
    inventory: Inventory,
    coverage: Mapping[str, Any],
    source: str | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """Say of each egress rule how much of what it lets through was ever used.

    A conversation *uses* every rule that lets its first packet out, by the configuration at its
    time; refused ones use none. That a rule was *never used* is said only where the logs would
    show it: every interface with the rule's group wrote something down, nothing of theirs was
    skipped, unreadable or missing, and accepted traffic was logged at all.

    Args:
        conversations: a frame of `flowlens.tables.CONVERSATIONS`, or of edges.
        inventory: from `flowlens.inventory.load`.
        coverage: of the same logs, from `flowlens.coverage.summary`.
        source: only rules of these workloads, as in `may`.
        at: the time whose rules are listed; None: that of the last capture.

    Returns:
        The columns of `schema.EXPOSURE`, a row for each egress rule: the unused ones first, then
        those of which the least is used.

    Raises:
        UsageError: nothing in the inventory is called `source`.
        InventoryError: there is no capture.
    """
    ends = speaking(inventory, moment(inventory, at))
    people = People(inventory, [end.account.view for end in ends])
    faces = people.sources(source)
    carriers = _carriers(people.faces)
    wanted = {group for face in faces for group in _groups(face)}
    rules = _rules(ends, None if source is None else wanted)
    hits = _hits(conversations, inventory, rules)
    used = {row["rule"]: row for row in _sums(hits).iter_rows(named=True)}
    groups = ends[-1].groups
    above = covered([row for _, row in rules], groups, carriers)
    instead = replacements(hits, [row for _, row in rules if row["cidr"] in _EVERYWHERE], ends)
    silence = Silence(conversations, coverage)
    table = [
        _row(end, row, used.get(row["rule_id"]), carriers, people.faces, silence)
        | {"covered_by": above.get(row["rule_id"], []), "instead": instead.get(row["rule_id"], [])}
        for end, row in rules
    ]
    frame = pl.DataFrame([{name: row[name] for name in EXPOSURE} for row in table], schema=EXPOSURE)
    rank = pl.col("used").replace_strict({"no": 0, "unknown": 1, "yes": 2})
    return frame.sort(rank, "share", "group", "rule", nulls_last=True, maintain_order=True)


def _groups(face: Face) -> set[str]:
    return {group for row in face.rows if row for group in row["groups"] or ()}


def _carriers(faces: Iterable[Face]) -> dict[str, frozenset[str]]:
    """Return the interfaces of each group."""
    found: dict[str, set[str]] = {}
    for face in faces:
        for group in _groups(face):
            found.setdefault(group, set()).add(face.id)
    return {group: frozenset(names) for group, names in sorted(found.items())}


def _rules(ends: Sequence[End], wanted: set[str] | None) -> list[tuple[End, Row]]:
    """Return the egress rules, each once, as the last account that has it shows it."""
    found = {
        row["rule_id"]: (end, row)
        for end in ends
        for row in end.groups.rows
        if row["egress"] and (wanted is None or row["group_id"] in wanted)
    }
    return [found[name] for name in sorted(found)]


def _hits(
    conversations: pl.DataFrame | pl.LazyFrame, inventory: Inventory, rules: list[tuple[End, Row]]
) -> pl.DataFrame:
    """Return the conversations that were let through, once for each rule that did so."""
    columns = [*_KEY, "client", "observer", "vantage", "action", "first_seen", "last_seen"]
    taken = (
        conversations.lazy()
        .select(*columns, "bytes_out", "bytes_in")
        .filter(pl.col("action").ne_missing("REJECT"))
        .collect(engine="streaming")
    )
    flows = taken.select(
        pl.when(pl.col("vantage") == "client").then("observer").alias("interface_id"),
        pl.lit("egress").alias("direction"),
        pl.col("client").alias("src"),
        pl.col("server").alias("dst"),
        "protocol",
        pl.col("server_port").alias("dst_port"),
        pl.col("first_seen").alias("at"),
    )
    judged = evaluate(flows.select(pl.col(n).cast(FLOWS[n]) for n in flows.columns), inventory)
    ids = [row["rule_id"] for _, row in rules]
    return (
        taken.with_columns(judged["sg_rules"].alias("rule"))
        .with_columns(alone=pl.col("rule").list.len() == 1)
        .explode("rule")
        .filter(pl.col("rule").is_in(ids))
    )


def _sums(hits: pl.DataFrame) -> pl.DataFrame:
    return hits.group_by("rule").agg(
        pl.len().alias("conversations"),
        pl.col("alone").sum().alias("only"),
        (pl.col("bytes_out") + pl.col("bytes_in")).sum().alias("bytes"),
        pl.col("last_seen").max(),
        pl.struct(_KEY).n_unique().alias("seen"),
    )


def _row(
    end: End,
    row: Row,
    used: Row | None,
    carriers: Mapping[str, frozenset[str]],
    faces: Sequence[Face],
    silence: Silence,
) -> Row:
    mine = carriers.get(row["group_id"], frozenset())
    space = _space(end, row, carriers)
    seen = used["seen"] if used else 0
    held = [text for face in faces if face.id in mine for text in face.addresses]
    six = ":" in (row["cidr"] or "") and not any(":" in text for text in held)
    why = None if used or six else silence.why(mine, end.groups.permits.doubt(row))
    never = why is None and not used
    said = "none of its interfaces has an IPv6 address" if six and mine else None
    first = None if row["from_port"] in (None, -1) else row["from_port"]
    return {
        "rule": row["rule_id"],
        "group": row["group_id"],
        "target": row["cidr"] or row["prefix_list_id"] or row["referenced_group"],
        "protocol": _protocol(row["protocol"]),
        "first_port": first,
        "last_port": None if first is None else row["to_port"],
        "workloads": sorted(
            {name for face in faces if face.id in mine for name in face.owner or (face.id,)}
        ),
        "used": "yes" if used else "no" if never else "unknown",
        **{name: used[name] if used else 0 for name in ("conversations", "only", "bytes", "seen")},
        "last_seen": used["last_seen"] if used else None,
        "space": space,
        "share": min(1.0, seen / space) if space else None,
        "why": said or silence.never(mine, row["group_id"]) if never else why,
    }


def _protocol(text: str | None) -> str:
    """Return the word for a rule's protocol as the other tables have it."""
    number = protocol(text)
    return "all" if number == ANY else PROTOCOLS.get(number, str(text))


def _space(end: End, row: Row, carriers: Mapping[str, frozenset[str]]) -> float | None:
    """Return how many addresses times ports a rule admits; None if that is not known.

    All protocols count as the ports of TCP and UDP; a protocol without ports counts as one.
    """
    if row["referenced_group"]:
        faces = end.account.view.rows("interfaces")
        names = carriers.get(row["referenced_group"], frozenset())
        held = {a for face in faces if face["interface_id"] in names for a in face["addresses"]}
        addresses: float = len(held)
    else:
        found = spans(row, end.groups)
        if found is None:
            return None
        addresses = float(sum(stop - start for _, start, stop in found))
    word = _protocol(row["protocol"])
    if word == "all":
        return addresses * 2 * (PORTS + 1)
    low, high = row["from_port"], row["to_port"]
    ranged = word in _PORTED and low not in (None, -1)
    ports = high - low + 1 if ranged else PORTS + 1 if word in _PORTED else 1
    return addresses * ports
