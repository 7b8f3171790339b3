"""The heaviest destinations, functions, ports or names, by bytes, records or connections."""

import polars as pl

from flowlens.errors import UsageError

__all__ = ["BY", "DIMENSIONS", "top"]

#: Dimension -> the columns that tell its members apart, by the name they get in the result.
#: Owners that share an interface stay together: "a | b" is one member, never two.
DIMENSIONS: dict[str, dict[str, pl.Expr]] = {
    "classes": {"class": pl.col("destination_kind")},
    "clients": {"client": pl.col("client")},
    "destinations": {"destination": pl.col("destination"), "class": pl.col("destination_kind")},
    "functions": {"function": pl.col("client_owner").list.join(" | ")},
    "hours": {"hour": pl.col("hour")},
    "names": {"name": pl.col("domains").list.first().struct.field("name")},
    "observers": {"observer": pl.col("observer")},
    "owners": {"owner": pl.col("client_owner").list.join(" | "), "kind": pl.col("client_kind")},
    "paths": {"path": pl.col("path")},
    "ports": {"server_port": pl.col("server_port"), "protocol": pl.col("protocol")},
    "regions": {"region": pl.col("region")},
    "servers": {"server": pl.col("server")},
    "services": {"service": pl.col("aws_service")},
}
#: What members are ordered by; `connections` is a lower bound.
BY: dict[str, pl.Expr] = {
    "bytes": pl.col("bytes_out").sum() + pl.col("bytes_in").sum(),
    "bytes_in": pl.col("bytes_in").sum(),
    "bytes_out": pl.col("bytes_out").sum(),
    "clients": pl.col("client").n_unique(),
    "connections": pl.col("connections").sum(),
    "hours": pl.col("hour").n_unique(),
    "packets": pl.col("packets_out").sum() + pl.col("packets_in").sum(),
    "records": pl.col("records").sum(),
}
SHOWN = ("bytes_out", "bytes_in", "records", "connections")


def top(edges: pl.LazyFrame | pl.DataFrame, dimension: str, by: str = "bytes") -> pl.LazyFrame:
    """Rank the members of a dimension, the heaviest first.

    >>> rows = {"server": ["a", "b", "a"], "bytes_out": [1, 5, 1], "bytes_in": [0, 0, 0]}
    >>> rows |= {name: [1, 1, 1] for name in ("records", "connections")}
    >>> rows |= {name: [None, None, None] for name in ("first_seen", "last_seen")}
    >>> top(pl.DataFrame(rows), "servers").select("server", "bytes", "share").collect().rows()
    [('b', 5, 0.7143), ('a', 2, 0.2857)]

    Args:
        edges: a table of schema EDGES.
        dimension: one of `DIMENSIONS`; ``functions`` counts Lambda interfaces only.
        by: one of `BY`.

    Returns:
        The member, the value, its share of the total (0..1; none for distinct counts), bytes and
        counts, the first and last sighting. A null member is traffic of which it is not known.

    Raises:
        UsageError: the dimension or the value is not known.
    """
    keys = DIMENSIONS[_known(dimension, DIMENSIONS, "dimension")]
    value = BY[_known(by, BY, "value")]
    lazy = edges.lazy()
    if dimension == "functions":
        lazy = lazy.filter(pl.col("client_kind") == "lambda")
    columns = {by: value} | {name: pl.col(name).sum() for name in SHOWN if name != by}
    seen = {"first_seen": pl.col("first_seen").min(), "last_seen": pl.col("last_seen").max()}
    ranked = (
        lazy.select(pl.all().exclude(list(keys)), **keys)
        .group_by(list(keys))
        .agg(**columns, **seen)
        .sort(pl.col(by), *keys, descending=[True] + [False] * len(keys), nulls_last=True)
    )
    if by in {"clients", "hours"}:
        return ranked
    share = (pl.col(by) / pl.col(by).sum()).round(4).fill_nan(None).alias("share")
    rest = [name for name in (*columns, *seen) if name != by]
    return ranked.select(*keys, by, share, *rest)


def _known(said: str, known: dict[str, dict[str, pl.Expr]] | dict[str, pl.Expr], what: str) -> str:
    """Insist on a known name; the singular is one too."""
    if said not in known:
        msg = f"{said!r} is not a {what}; use one of {', '.join(known)}"
        raise UsageError(msg)
    return said
