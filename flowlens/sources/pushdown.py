"""A table of flow logs in Athena to SQL that does what `conversations.flows` does.

::

    read    one row a record: fields under their names, numbers as numbers, '-' as NULL
    once    one row a record: exact duplicates count once, and all of them speak
    sums    one row a 5-tuple and direction, observer, flow log, hour and action
    told    the same, as flow-log records again: sums, first start, last end, and `merged`

The four are nested and not named by WITH, which UNLOAD does not promise to take. A row of the
result has one value of `tcp_flags` and of `flow_direction`. Where its records had a SYN and a
SYN-ACK, or both directions, a second row says the other one, with nothing to count.

No value of a log ever becomes part of the SQL; names of columns are quoted.
"""

from collections.abc import Mapping

from flowlens.conversations.flows import IDENTIFYING
from flowlens.errors import UsageError
from flowlens.sources.base import Window
from flowlens.sources.partitions import literal, name
from flowlens.sources.table import HELD, Table, fields, listed, rows
from flowlens_parsers.fields import OBSERVERS

__all__ = ["select", "unload"]

#: What tells a row of the result from another, besides the hour.
KEYS = (
    *OBSERVERS,
    *("flow_log", "kind", "src", "dst", "srcport", "dstport", "protocol", "action", "status"),
)

#: Facts that are merged -> how.
FACTS = {
    **dict.fromkeys(("syn", "syn_ack", "flagged", "egress", "ingress"), "bool_or"),
    **dict.fromkeys(("raw_src", "raw_dst", "src_service", "dst_service", "version"), "min"),
    **dict.fromkeys((*HELD, "between"), "min"),
    "path": "max",
}


def unload(query: str, place: str) -> str:
    """Return the statement that writes the answer of a query as Parquet files.

    Args:
        query: A SELECT.
        place: `s3://BUCKET/FOLDER/`, where nothing lies yet.

    >>> unload("SELECT 1 AS a", "s3://b/c/")
    "UNLOAD (SELECT 1 AS a) TO 's3://b/c/' WITH (format = 'PARQUET', compression = 'ZSTD')"
    """
    return f"UNLOAD ({query}) TO {literal(place)} WITH (format = 'PARQUET', compression = 'ZSTD')"


def select(table: Table, window: Window) -> str:
    """Return the query whose rows stand for all records of a time.

    Args:
        table: What the catalog knows.
        window: The asked time: a record's own start decides, as everywhere.

    Raises:
        UsageError: The table has no source or no destination address.
    """
    found = fields(table)
    for end in ("src", "dst"):
        if not found.keys() & {f"{end}addr", f"pkt_{end}addr"}:
            msg = (
                f"athena:{table.database}.{table.table} has no column for {end}addr: "
                f"it has {', '.join(table.columns) or 'none'}; name the table of the flow logs"
            )
            raise UsageError(msg)
    part = rows(table, found, window)
    if found.keys() >= IDENTIFYING:
        part = _once(part)
    return _told(_sums(part), found, path=table.path)


def _once(part: str) -> str:
    """Let one of each exact duplicate count, and all of them speak."""
    same = (*KEYS, "first", "last", "bytes", "packets")
    return _grouped(part, {key: name(key) for key in same}, _merged())


def _sums(part: str) -> str:
    """Add up by 5-tuple, direction, observer, flow log, hour and action.

    What is no record keeps its own times, or silence of minutes would become one of an hour.
    """
    first, last = name("first"), name("last")
    keys = {
        **{key: name(key) for key in KEYS},
        "hour": f"{first} - {first} % 3600",
        "since": f"CASE WHEN {name('status')} IS NOT NULL THEN {first} END",
        "until": f"CASE WHEN {name('status')} IS NOT NULL THEN {last} END",
    }
    sums = {known: f"CAST(sum({name(known)}) AS bigint)" for known in ("bytes", "packets")}
    times = {"first": f"min({first})", "last": f"max({last})", "merged": "count(*)"}
    return _grouped(part, keys, {**sums, **times, **_merged()})


def _merged() -> dict[str, str]:
    def call(fact: str, how: str) -> str:
        merged = f"{how}({name(fact)})"
        return f"coalesce({merged}, false)" if how == "bool_or" else merged

    return {fact: call(fact, how) for fact, how in FACTS.items()}


def _told(part: str, found: Mapping[str, tuple[str, str]], *, path: bool) -> str:
    """Say the sums in the words of flow logs, in a second row where one has not enough words."""
    later = "turn = 2"
    flags = (
        f"CASE WHEN {later} AND syn THEN 2 WHEN syn_ack THEN 18 WHEN syn THEN 2 "
        "WHEN flagged THEN 0 END"
    )
    direction = (
        f"CASE WHEN {later} AND ingress THEN 'ingress' WHEN egress THEN 'egress' "
        "WHEN ingress THEN 'ingress' END"
    )
    count = "CASE WHEN turn = 1 THEN {} ELSE 0 END".format
    spoken = {
        "interface_type": f"coalesce({name('between')}, {name('interface_type')})",
        **{f"{end}addr": f"coalesce(raw_{end}, {end})" for end in ("src", "dst")},
        **{f"pkt_{end}addr": end for end in ("src", "dst")},
        **{f"pkt_{end}_aws_service": f"{end}_service" for end in ("src", "dst")},
        "packets": count(name("packets")),
        "bytes": count(name("bytes")),
        "start": f"nullif({name('first')}, 0)",
        "end": f"nullif({name('last')}, 0)",
        "log_status": f"coalesce({name('status')}, 'OK')",
        "tcp_flags": flags,
        "flow_direction": direction,
        "traffic_path": name("path"),
    }
    columns = {known: spoken.get(known, name(known)) for known in found}
    if path:
        columns["flow_log"] = name("flow_log")
    columns["merged"] = count(name("merged"))
    twice = "(syn AND syn_ack) OR (egress AND ingress)"
    turns = f"CROSS JOIN (VALUES 1, 2) AS turns (turn) WHERE turn = 1 OR {twice}"
    return f"SELECT {listed(columns)} FROM ({part}) AS sums {turns}"  # noqa: S608


def _grouped(part: str, keys: Mapping[str, str], values: Mapping[str, str]) -> str:
    """Return `part` grouped by `keys`, which come first, so that their places name them."""
    places = ", ".join(str(place) for place in range(1, len(keys) + 1))
    columns = listed({**keys, **values})
    return f"SELECT {columns} FROM ({part}) AS part GROUP BY {places}"  # noqa: S608
