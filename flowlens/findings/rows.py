"""Edges merged into one row an incident, and such rows made into findings."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import polars as pl

from flowlens.findings import evidence
from flowlens.findings.identity import identity
from flowlens.findings.severity import Grade
from flowlens.findings.sides import about
from flowlens.small import collect, ready
from flowlens.tables import DESTINATION_KINDS, FINDINGS, empty

__all__ = ["SERVICE", "finding", "incidents", "matched", "merge", "table", "whole", "whose"]

#: Who, where, and how: what one incident is about, as a rule.
SERVICE = ("about", "destination", "server_port", "protocol")

ORIENTATIONS = ["guess", "likely", "certain"]  # from the weakest to the strongest
SUMS = ("bytes_out", "bytes_in", "packets_out", "packets_in", "records", "connections")
LISTS = ("clients", "servers", "ports", "destinations", "seen")
FIRST = ("client_owner", "client_kind", "client", "server", "domains", "bytes_first")

#: Addresses or ports up to which a filter names them one by one.
NAMED = 40


def merge(edges: pl.LazyFrame, by: Sequence[str] = SERVICE) -> pl.LazyFrame:
    """Merge edges into one row for each value of `by`, in their order.

    Args:
        edges: a table of schema EDGES.
        by: columns, and ``about`` for the owner set (or the client without an owner).

    Returns:
        What a finding needs: sums, first and last, lists of addresses and ports, records by
        outcome, and ``views``: the hours of each observer and action.
    """
    parts = about(edges).group_by([*by, "observer", "action"]).agg(*_part(by))
    return parts.group_by(by).agg(*_whole(by)).sort(by)


def incidents(
    edges: pl.LazyFrame, by: Sequence[str] = SERVICE, *, several: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield merged rows as findings are made of.

    Args:
        edges: a table of schema EDGES.
        by: as in `merge`.
        several: destinations of one workload, port and protocol beyond which they are one row,
            whose `destination` is null.
    """
    held = ready(edges)
    if held is not None:
        if held.is_empty():
            return iter(())
        edges = held.lazy()
    if several is not None:
        many = pl.col("destination").n_unique() > several
        crowds = about(edges).group_by("about", "server_port", "protocol").agg(crowd=many)
        crowded = crowds.filter("crowd").pipe(collect)
        if not crowded.is_empty():
            keys = ["about", "server_port", "protocol"]
            within = about(edges).join(crowded.lazy(), on=keys, how="left", nulls_equal=True)
            one = pl.when(pl.col("crowd").is_null()).then("destination")
            edges = within.with_columns(destination=one).drop("crowd", "about")
    merged = merge(edges, by).pipe(collect)
    return (whole(row) for row in merged.iter_rows(named=True))


def matched(
    edges: pl.LazyFrame, found: pl.DataFrame, by: Sequence[str] = SERVICE
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield merged rows as findings are made of, each with what was found out of it.

    Args:
        edges: a table of schema EDGES, with ``about`` if that is among `by`.
        found: `by` and what was found out, a row each.
        by: as in `merge`.
    """
    if found.is_empty():
        return
    known = {tuple(row[key] for key in by): row for row in found.iter_rows(named=True)}
    within = edges.join(found.lazy().select(by), on=by, how="semi", nulls_equal=True)
    for row in incidents(within, by):
        yield row, known[tuple(row[key] for key in by)]


def _part(by: Sequence[str]) -> tuple[pl.Expr, ...]:
    """Return what is kept of the rows of one observer and action."""
    early = ["first_seen", "bytes_out", "client", "server"]
    first = pl.col(name for name in FIRST[:-1] if name not in by)
    ranks = range(len(DESTINATION_KINDS))
    kind = pl.col("destination_kind").replace_strict(
        DESTINATION_KINDS, ranks, default=len(DESTINATION_KINDS) - 1, return_dtype=pl.UInt8
    )
    return (
        first.sort_by(early, descending=[False, True, False, False]).first(),
        pl.col("first_seen").min(),
        pl.col("bytes_out").sort_by(early, descending=[False, True, False, False]).first()
        .alias("bytes_first"),
        pl.col("last_seen").max(),
        pl.col("client").drop_nulls().unique().alias("clients"),
        pl.col("server").drop_nulls().unique().alias("servers"),
        pl.col("server_port").drop_nulls().unique().alias("ports"),
        pl.col("destination").drop_nulls().unique().alias("destinations"),
        pl.col("hour").unique().alias("seen"),
        pl.col("rule").drop_nulls().unique().alias("rules"),
        kind.max().alias("rank"),
        (pl.col("expected") == "no").any().alias("undeclared"),
        (pl.col("expected") == "yes").all().alias("declared"),
        pl.col("orientation").cast(pl.Enum(ORIENTATIONS)).max().alias("oriented"),
        *(pl.col(name).sum() for name in SUMS),
    )  # fmt: skip


def _whole(by: Sequence[str]) -> tuple[pl.Expr, ...]:
    """Return what is kept of all observers and actions."""
    early = ["first_seen", "bytes_first", "client", "server"]
    records, action = pl.col("records"), pl.col("action")
    least, most = pl.col("seen").list.min(), pl.col("seen").list.max()
    view = pl.struct("observer", "action", since=least, until=most, clients=pl.col("clients"))
    lists = (pl.col(name).list.explode(empty_as_null=False).unique().sort() for name in LISTS)
    return (
        pl.col(name for name in FIRST if name not in by)
        .sort_by(early, descending=[False, True, False, False])
        .first(),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
        *lists,
        view.sort_by("observer", "action").alias("views"),
        pl.col("rank").max(),
        pl.col("undeclared").any(),
        pl.col("declared").fill_null(value=False).all(),
        pl.col("oriented").max().cast(pl.String),
        *(
            pl.col("rules").filter(action == of).list.explode(empty_as_null=False).unique().sort()
            .alias(name)
            for of, name in (("ACCEPT", "let_by"), ("REJECT", "refused_by"))
        ),
        records.filter(action == "ACCEPT").sum().alias("accepted"),
        records.filter(action == "REJECT").sum().alias("rejected"),
        records.filter(action.is_null()).sum().alias("unsaid"),
        *(pl.col(name).sum() for name in SUMS),
    )  # fmt: skip


def whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a merged row with what its sentence, grade and evidence ask for."""
    views = row["views"]
    seen = [hour for hour in row["seen"] if hour is not None]
    watched = [view["observer"] for view in views]
    unwatched = any(name is None for name in watched)
    return {
        "server_port": None,
        "protocol": None,
        "destination": None,
        **row,
        "destination_kind": DESTINATION_KINDS[row["rank"]],
        "observers": [] if unwatched else sorted(set(watched)),
        "actions": [] if row["unsaid"] else sorted({view["action"] for view in views}),
        "since": min(seen, default=None),
        "until": max(seen, default=None),
        "hours": len(row["seen"]),
        "views": _twice(views),
    }


def _twice(views: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the views if one client has several observers: then each needs its own clause."""
    known = all(
        (view["observer"] or "").startswith("eni-") and view["action"] and view["since"]
        for view in views
    )
    seen: dict[str, str] = {}
    for view in views:
        for client in view["clients"]:
            if seen.setdefault(client, view["observer"]) != view["observer"]:
                return list(views) if known else []
    return []


def finding(
    kind: str,
    row: Mapping[str, Any],
    text: str,
    grade: Grade,
    technique: str | None,
    *,
    key: Sequence[object] | None = None,
    numbers: Mapping[str, float | None] | None = None,
) -> dict[str, Any]:
    """Return one row of FINDINGS.

    Args:
        kind: the detection's name.
        row: what `whole` returns.
        text: the sentence, without its grade.
        grade: how bad it is, and why.
        technique: of ATT&CK.
        key: what the id is made of; the owners (or the client), destination, port and protocol
            without it.
        numbers: what the text says beyond the sums.
    """
    named = key or (whose(row), row["destination"], row["server_port"], row["protocol"])
    counts = {"servers": "servers", "ports": "ports", "clients": "clients"}
    known = {name: len(row[many]) for name, many in counts.items()}
    figures = {**row, **known, **(numbers or {})}
    fields = FINDINGS["numbers"]
    assert isinstance(fields, pl.Struct)
    return {
        **{name: row[name] for name in FINDINGS if name in row},
        "id": identity(kind, *named),
        "kind": kind,
        "severity": grade.level,
        "owner": sorted(row["client_owner"] or []) or None,
        "numbers": {field.name: figures.get(field.name) for field in fields.fields},
        "text": f"{text}; {grade.level} because {grade.why}.",
        "technique": technique,
        "evidence": {"filter": evidence.records(_opened(row)), "lines": []},
    }


def whose(row: Mapping[str, Any]) -> list[str] | str:
    """Return whom an id is about: the owners, or the client that nobody is known for."""
    return sorted(row["client_owner"] or []) or row["client"]


def _opened(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row as its filter sees it: ports in words only where one port says too little.

    Where it is about whole networks of clients, all that passed between them and us is meant.
    """
    if "networks" in row:
        whole = {"clients": row["networks"], "servers": [], "server_port": None, "protocol": None}
        return {key: value for key, value in row.items() if key != "ports"} | whole
    if row["server_port"] is not None or len(row["ports"]) <= 1 or "open" in row:
        return {key: value for key, value in row.items() if key != "ports" or "open" in row}
    return row


def table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a table of schema FINDINGS."""
    return pl.DataFrame(rows, schema=FINDINGS, orient="row") if rows else _none().clone()


@cache
def _none() -> pl.DataFrame:
    """Return no findings: most detections find nothing, and the nested types are dear to make."""
    return empty(FINDINGS)
