"""Edges made ready for the report: one label for who, one word for expected."""

from collections.abc import Sequence

import polars as pl

from flowlens.destinations.paths import private

__all__ = ["OUTSIDE", "crowd", "shape", "subject"]

#: Traffic to these kinds of destination left the network; the others stay in it.
OUTSIDE = ("aws", "named", "domain", "network", "address")

SHOWN = 3


def shape(edges: pl.DataFrame) -> pl.DataFrame:
    """Add `key` (owner set or client), `who` (its label), `ours`, `state` and `outside`, and sort.

    A client is `ours` where it has an owner, its own interface wrote the records, or its address
    is private: whoever merely knocks from outside is no workload.

    Candidates are joined by "or"; beyond a few the rest is counted. The order is total, so that
    equal tables give equal reports.

    Args:
        edges: a table of schema EDGES.
    """
    owners = pl.col("client_owner").list.sort()
    size = owners.list.len().fill_null(0)
    named = pl.when(size > 0)
    more = pl.format("{} or {} more", owners.list.head(SHOWN).list.join(", "), size - SHOWN)
    label = pl.when(size > SHOWN + 1).then(more).otherwise(owners.list.join(" or "))
    state = pl.col("expected").replace_strict(
        {"no": "unexpected", "yes": "expected"}, default="unknown", return_dtype=pl.String
    )
    owned = (size > 0) | pl.col("client_kind").is_not_null() | (pl.col("vantage") == "client")
    plain = [name for name, dtype in edges.schema.items() if not dtype.is_nested()]
    return edges.with_columns(
        key=named.then(owners.list.join("\x1f")).otherwise(pl.col("client")).fill_null("unknown"),
        who=named.then(label).otherwise(pl.col("client")).fill_null("unknown"),
        candidates=size,
        ours=owned.fill_null(value=False) | private(pl.col("client")).fill_null(value=True),
        destination=pl.coalesce("destination", "server", pl.lit("unknown")),
        state=state,
        outside=pl.col("destination_kind").is_in(OUTSIDE).fill_null(value=True),
    ).sort(*plain, nulls_last=True)


def subject() -> pl.Expr:
    """Return who a finding is about: the owners, or the client; null where it is nobody."""
    return pl.coalesce(pl.col("owner").list.join("\x1f"), "client")


def crowd(owners: Sequence[str] | None, client: str | None) -> str:
    """Return the label that `shape` gives to candidates.

    >>> crowd(["a", "b"], None), crowd(list("abcde"), None), crowd(None, "10.0.0.1")
    ('a or b', 'a, b, c or 2 more', '10.0.0.1')
    """
    if not owners:
        return client or "unknown"
    if len(owners) > SHOWN + 1:
        return f"{', '.join(owners[:SHOWN])} or {len(owners) - SHOWN} more"
    return " or ".join(owners)
