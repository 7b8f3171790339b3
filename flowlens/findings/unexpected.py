"""D1, unexpected destinations: what happened and was not declared (did − should)."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings import evidence
from flowlens.findings.context import Context
from flowlens.findings.identity import identity
from flowlens.findings.severity import grade
from flowlens.tables import DESTINATION_KINDS, FINDINGS
from flowlens.words import noun, service, size, span, who

__all__ = ["KIND", "unexpected"]

KIND = "unexpected"

ABOUT = ["about", "destination", "server_port", "protocol"]
ORIENTATIONS = ["guess", "likely", "certain"]  # from the weakest to the strongest
SUMS = ("bytes_out", "bytes_in", "packets_out", "packets_in", "records", "connections")


def unexpected(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find destinations outside the expected document or the baseline.

    An edge is unexpected where its `expected` is "no". "unknown" never makes a finding: without
    a document or a baseline nothing is known to be wrong; nor does an unknown server. Rows are
    merged by owner candidates (by client address where nobody is known), destination, port and
    protocol.

    Technique: T1048 (exfiltration over another protocol) where at least `context.much` bytes
    left and more left than came, else T1071 (application layer protocol).

    It cannot see what is never logged (DNS through the VPC's resolver, instance metadata), nor
    what a declared destination is misused for; a wrong orientation puts the server in the place
    of the client.

    Args:
        edges: a table of schema EDGES.
        context: byte limits.

    Returns:
        Rows of FINDINGS in the order of their key.
    """
    merged = merge(edges.filter(expected="no").drop_nulls("server")).collect()
    rows = [_finding(row, context) for row in merged.iter_rows(named=True)]
    return pl.DataFrame(rows, schema=FINDINGS, orient="row")


def merge(edges: pl.LazyFrame) -> pl.LazyFrame:
    """Merge edges into one row for each owner set (or client), destination, port and protocol."""
    known = (pl.col("client_owner").list.len() > 0).fill_null(value=False)
    owners = pl.col("client_owner").list.sort().list.join("\x1f")
    about = pl.when(known).then(owners).otherwise(pl.col("client"))
    return (
        edges.with_columns(about=pl.concat_str(known.cast(pl.String), about, separator="\x1f"))
        .group_by(ABOUT)
        .agg(_first(), *_extent(), *_outcomes(), *(pl.col(name).sum() for name in SUMS))
        .sort(ABOUT)
    )


def _first() -> pl.Expr:
    """Return what the earliest row says: its pair of addresses stands for the others."""
    early = ["first_seen", "bytes_out", "client", "server"]
    columns = pl.col("client_owner", "client_kind", "client", "server", "domains")
    return columns.sort_by(early, descending=[False, True, False, False]).first()


def _extent() -> tuple[pl.Expr, ...]:
    """Return which addresses, observers and hours a merged row covers."""
    return (
        pl.col("client").drop_nulls().unique().sort().alias("clients"),
        pl.col("server").unique().sort().alias("servers"),
        pl.col("observer").drop_nulls().unique().sort().alias("watchers"),
        pl.col("observer").is_null().any().alias("unwatched"),
        pl.col("action").drop_nulls().unique().sort().alias("actions"),
        *(
            pl.col("rule")
            .filter(pl.col("action") == action)
            .drop_nulls()
            .unique()
            .sort()
            .alias(name)
            for action, name in (("ACCEPT", "let_by"), ("REJECT", "refused_by"))
        ),
        pl.col("hour").min().alias("since"),
        pl.col("hour").max().alias("until"),
        pl.col("hour").n_unique().alias("hours"),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
    )


def _outcomes() -> tuple[pl.Expr, ...]:
    """Return the records by action, the least known kind and the best orientation."""
    records, action = pl.col("records"), pl.col("action")
    ranks = range(len(DESTINATION_KINDS))
    kind = pl.col("destination_kind").replace_strict(
        DESTINATION_KINDS, ranks, default=len(DESTINATION_KINDS) - 1, return_dtype=pl.UInt8
    )
    return (
        records.filter(action == "ACCEPT").sum().alias("accepted"),
        records.filter(action == "REJECT").sum().alias("rejected"),
        records.filter(action.is_null()).sum().alias("unsaid"),
        kind.max().alias("rank"),
        pl.col("orientation").cast(pl.Enum(ORIENTATIONS)).max().cast(pl.String).alias("oriented"),
    )


def _finding(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return one row of FINDINGS for a merged row."""
    known = {
        **row,
        "destination_kind": DESTINATION_KINDS[row["rank"]],
        "observers": [] if row["unwatched"] else row["watchers"],
        "actions": [] if row["unsaid"] else row["actions"],
    }
    owners = sorted(row["client_owner"] or []) or None
    about = owners or row["client"]
    graded = grade(known, context)
    stolen = row["bytes_out"] >= context.much and row["bytes_out"] > row["bytes_in"]
    numbers = FINDINGS["numbers"]
    assert isinstance(numbers, pl.Struct)
    return {
        **{name: row[name] for name in FINDINGS if name in row},
        "id": identity(KIND, about, row["destination"], row["server_port"], row["protocol"]),
        "kind": KIND,
        "severity": graded.level,
        "owner": owners,
        "numbers": {field.name: row[field.name] for field in numbers.fields},
        "text": f"{sentence(known)}; {graded.level} because {graded.why}.",
        "technique": "T1048" if stolen else "T1071",
        "evidence": {"filter": evidence.records(known), "lines": []},
    }


def sentence(row: Mapping[str, Any]) -> str:
    """Return who sent how much where and when, and whether it got through."""
    tried = not row["accepted"] and not row["unsaid"]
    subject = who(row["client_owner"], row["client"], row["client_kind"])
    verb = "tried to send" if tried else "sent"
    port = service(row["protocol"], row["server_port"])
    return (
        f"{subject} {verb} {size(row['bytes_out'])} to {_where(row)} {port} in "
        f"{noun(row['records'], 'record')} {span(row['first_seen'], row['last_seen'])}, "
        f"{_outcome(row)}{_rules(row)}"
    )


def _where(row: Mapping[str, Any]) -> str:
    """Return the destination and how its name is known."""
    server, destination = row["servers"][0], row["destination"]
    others = " and others" if len(row["servers"]) > 1 else ""
    if destination is not None and destination not in row["servers"]:
        return f"{destination} ({server}{others})"
    names = row["domains"]
    if names:
        return f"{server}{others} (perhaps {names[0]['name']})"
    reason = "no resolver log was read" if names is None else "no name known"
    return f"{server}{others} ({reason})"


def _outcome(row: Mapping[str, Any]) -> str:
    """Return what became of the records."""
    if row["unsaid"]:
        return "and the log does not say whether it was accepted"
    if not row["rejected"]:
        return "all accepted"
    return "some of them rejected" if row["accepted"] else "all rejected"


def _rules(row: Mapping[str, Any]) -> str:
    """Return the rules that refused it, or else that let it through, as far as they are known."""
    known = row["refused_by"] if row["rejected"] else row["let_by"]
    if not known:
        return ""
    first, *more = known
    others = f" and {noun(len(more), 'other')}" if more else ""
    return f" ({first}{others})"
