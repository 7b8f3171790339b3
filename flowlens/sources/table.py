"""A table of flow logs as a catalog describes it, and its rows in words of flow logs.

No value of a log ever becomes part of the SQL; names of columns are quoted.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flowlens.conversations.flows import IDENTIFYING, LATER, MIDDLE
from flowlens.sources.base import Window
from flowlens.sources.partitions import Partition, conditions, literal, name
from flowlens_parsers import aliases
from flowlens_parsers.fields import OBSERVERS, SCHEMA, TIME
from flowlens_parsers.values import SECONDS

__all__ = ["HELD", "Table", "fields", "listed", "rows", "unused"]

INTEGERS = ("tinyint", "smallint", "int", "integer", "bigint")
DECIMALS = ("float", "real", "double", "decimal")
TEXTS = ("string", "varchar", "char")
MOMENTS = ("timestamp",)

#: What an interface has whatever it records: one value stands for all.
HELD = ("account_id", "vpc_id", "subnet_id", "instance_id", "region", "az_id", "interface_type")

#: Fields that the result keeps, under their names and in the order of AWS.
KEPT = frozenset(
    {
        *OBSERVERS,
        *HELD,
        *IDENTIFYING,
        *("version", "srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr", "protocol", "bytes"),
        *("action", "log_status", "tcp_flags", "flow_direction", "traffic_path"),
        *("pkt_src_aws_service", "pkt_dst_aws_service"),
    }
)


@dataclass(frozen=True, slots=True)
class Table:
    """What the catalog knows about a table.

    Args:
        database: Its database.
        table: Its name.
        columns: Column -> type as the catalog spells it, in order; partition columns are in.
        partitions: The partition columns.
        path: Whether rows know the object they came from (`"$path"`): not in a view.
    """

    database: str
    table: str
    columns: Mapping[str, str]
    partitions: Mapping[str, Partition] = field(default_factory=dict)
    path: bool = True


def unused(table: Table) -> list[str]:
    """Return the columns of the table that the SQL does not read, partitions aside."""
    read = {column for column, _ in fields(table).values()}
    return [given for given in table.columns if given not in {*read, *table.partitions}]


def fields(table: Table) -> dict[str, tuple[str, str]]:
    """Return field -> (column, kind of its type) for the columns that the SQL can use."""
    given = list(table.columns)
    found = dict(zip(aliases.columns(given), given, strict=True))
    kinds = {column: _kind(table.columns[column]) for column in given}
    return {
        known: (found[known], kind)
        for known in SCHEMA
        if known in KEPT and known in found and (kind := kinds[found[known]])
        if kind != "moment" or SCHEMA[known] == TIME
    }


def _kind(dtype: str) -> str | None:
    """Return what a type is to us; None for what no field of a flow log can be.

    >>> _kind("bigint"), _kind("varchar(20)"), _kind("timestamp"), _kind("array<string>")
    ('whole', 'text', 'moment', None)
    """
    base = re.split(r"[( ]", dtype.lower().strip())[0]
    kinds = {"whole": INTEGERS, "broken": DECIMALS, "text": TEXTS, "moment": MOMENTS}
    return next((kind for kind, types in kinds.items() if base in types), None)


def _text(column: str, kind: str) -> str:
    plain = name(column) if kind == "text" else f"CAST({name(column)} AS varchar)"
    return f"nullif({plain}, '-')"


def _number(column: str, kind: str) -> str:
    if kind == "moment":
        return f"CAST(floor(to_unixtime({name(column)})) AS bigint)"
    if kind == "text":
        return f"TRY_CAST({name(column)} AS bigint)"
    return f"CAST({name(column)} AS bigint)"


def _expressions(found: Mapping[str, tuple[str, str]]) -> Callable[[str], str]:
    """Return a function that gives a field's expression, a typed NULL where it is missing."""

    def get(known: str) -> str:
        text = str(SCHEMA[known]) == "String"
        if known not in found:
            return f"CAST(NULL AS {'varchar' if text else 'bigint'})"
        column, kind = found[known]
        if text:
            return _text(column, kind)
        number = _number(column, kind)
        if SCHEMA[known] != TIME or kind == "moment":
            return number
        # Other people met milliseconds; integers are divided so that no engine makes fractions.
        less = f"CAST(({number} - {number} % 1000) / 1000 AS bigint)"
        return f"CASE WHEN {number} > {SECONDS} THEN {less} ELSE {number} END"

    return get


def _unreadable(found: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return expressions that give the text which should be a number and is none.

    It takes the place of an address, so that the reader rejects the row and quotes it.
    """
    texts = [
        name(column)
        for known, (column, kind) in found.items()
        if kind == "text" and str(SCHEMA[known]) != "String"
    ]
    return [
        f"CASE WHEN {text} NOT IN ('-', '') AND TRY_CAST({text} AS bigint) IS NULL "
        f"THEN substr({text}, 1, 40) END"
        for text in texts
    ]


def rows(table: Table, found: Mapping[str, tuple[str, str]], window: Window) -> str:
    """Return the query for one row a record, with every fact under its own name.

    Args:
        table: What the catalog knows.
        found: What `fields` returns for it.
        window: The asked time.
    """
    get = _expressions(found)
    log = """nullif(regexp_extract("$path", '_(fl-[0-9a-z]+)_', 1), '')"""
    log = log if table.path else "CAST(NULL AS varchar)"
    # Two formats are two flow logs, where no name of an object tells: as in `flows`.
    kind = get("version") if LATER & found.keys() else "CAST(NULL AS bigint)"
    columns = {
        **{known: get(known) for known in (*OBSERVERS, *HELD, "action", "version")},
        "flow_log": log,
        "kind": f"CASE WHEN {log} IS NULL THEN {kind} END",
        **_ends(get, _unreadable(found)),
        **_facts(get),
    }
    wanted = [*conditions(table.partitions, window), *_within(get, window)]
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    whole = f"{name(table.database)}.{name(table.table)}"
    return f"SELECT {listed(columns)} FROM {whole}{where}"  # noqa: S608 - names are quoted


def _ends(get: Callable[[str], str], bad: Sequence[str]) -> dict[str, str]:
    """Return the packet's own addresses, and what stood in for them."""
    src, dst = ((get(f"pkt_{end}addr"), get(f"{end}addr")) for end in ("src", "dst"))
    return {
        "src": f"coalesce({', '.join([*bad, *src])})",
        "dst": f"coalesce({', '.join(dst)})",
        **{
            f"raw_{end}": f"CASE WHEN {raw} <> {packet} THEN {raw} END"
            for end, (packet, raw) in (("src", src), ("dst", dst))
        },
    }


def _facts(get: Callable[[str], str]) -> dict[str, str]:
    """Return what a record says of itself; see `conversations.flows`."""
    flags, way, holder = (get(n) for n in ("tcp_flags", "flow_direction", "interface_type"))
    status = get("log_status")
    numbers = {"first": "start", "last": "end"}
    numbers |= {known: known for known in ("srcport", "dstport", "protocol", "bytes", "packets")}
    return {
        "status": f"CASE WHEN {status} <> 'OK' THEN {status} END",
        **{fact: f"coalesce({get(known)}, 0)" for fact, known in numbers.items()},
        "syn": f"bitwise_and({flags}, 18) = 2",
        "syn_ack": f"bitwise_and({flags}, 16) = 16",
        "flagged": f"{flags} IS NOT NULL",
        "egress": f"{way} = 'egress'",
        "ingress": f"{way} = 'ingress'",
        "path": get("traffic_path"),
        "src_service": get("pkt_src_aws_service"),
        "dst_service": get("pkt_dst_aws_service"),
        "between": f"CASE WHEN {holder} IN ({', '.join(map(literal, MIDDLE))}) THEN {holder} END",
    }


def _within(get: Callable[[str], str], window: Window) -> list[str]:
    """Return the conditions of the asked time; a record without any time is kept.

    What is no record (NODATA, SKIPDATA) counts where its own time overlaps the asked one.
    """
    start, end, status = get("start"), get("end"), get("log_status")
    when = f"coalesce({start}, {end})"
    wanted = []
    if window.since is not None:
        since = math.ceil(window.since.timestamp())
        silent = f"({status} <> 'OK' AND {end} >= {since})"
        wanted.append(f"({when} >= {since} OR {silent} OR {when} IS NULL)")
    if window.until is not None:
        until = math.ceil(window.until.timestamp())
        wanted.append(f"({when} < {until} OR {when} IS NULL)")
    return wanted


def listed(columns: Mapping[str, str]) -> str:
    """Return columns as a SELECT lists them.

    >>> listed({"a": "max(b)", "c": "c"})
    'max(b) AS "a", c AS "c"'
    """
    return ", ".join(f"{value} AS {name(column)}" for column, value in columns.items())
