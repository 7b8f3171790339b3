"""What every picture and graph needs of an edge table, whatever columns it came with."""

import polars as pl

__all__ = ["BETWEEN", "CLASSES", "INTERNET", "network", "prepare", "private"]

TIME = pl.Datetime("ms", "UTC")

#: The classes of destinations, in the order in which they are shown.
CLASSES = ("unexpected", "inside", "aws", "known", "rest")

#: What stands between candidates of which one is the owner.
BETWEEN = " | "

#: The source row of clients outside the account, where there are too many to name.
INTERNET = "internet addresses"

#: Columns without which there is nothing to draw.
REQUIRED = ("client", "server", "bytes_out")

#: Columns that are used where they are there; a missing one counts as unknown.
OPTIONAL: dict[str, pl.DataType] = {
    "hour": TIME,
    "observer": pl.String(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "action": pl.String(),
    "packets_out": pl.UInt64(),
    "bytes_in": pl.UInt64(),
    "packets_in": pl.UInt64(),
    "records": pl.UInt64(),
    "connections": pl.UInt64(),
    "first_seen": TIME,
    "last_seen": TIME,
    "orientation": pl.String(),
    "leg": pl.String(),
    "aws_service": pl.String(),
    "client_owner": pl.List(pl.String),
    "client_kind": pl.String(),
    "server_owner": pl.List(pl.String),
    "server_kind": pl.String(),
    "destination": pl.String(),
    "destination_kind": pl.String(),
    "region": pl.String(),
    "domains": pl.List(pl.Struct({"name": pl.String, "probability": pl.Float64})),
    "path": pl.String(),
    "expected": pl.String(),
    "why": pl.String(),
    "rule": pl.String(),
}

#: RFC 1918, RFC 6598 and RFC 4193 addresses, and link-local ones.
PRIVATE = (
    r"^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\."
    r"|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe[89ab])"
)


def prepare(edges: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    """Return the edges with every column there and four more that say what is drawn.

    `source` is who sent: the owner, the candidates joined by " | " where an interface is shared,
    or the client's address where nobody is known. `candidates` is that list. `target` is the
    destination's owner inside, written like a source, else its name, else its address. `class` is
    one of `CLASSES`.

    Args:
        edges: An edge table, or any frame with at least client, server and bytes_out.

    Returns:
        The frame with the derived columns; rows are as they were.

    Raises:
        ValueError: If one of the columns client, server or bytes_out is missing.
    """
    lazy = edges.lazy()
    types = lazy.collect_schema()
    names = types.names()
    if missing := [name for name in REQUIRED if name not in names]:
        msg = f"The edges lack the columns {missing}; they have {names}."
        raise ValueError(msg)
    fill = [
        pl.lit(None, t).alias(n) for n, t in OPTIONAL.items() if types.get(n, pl.Null) == pl.Null
    ]
    return (
        lazy.with_columns(fill)
        .select(*REQUIRED, *OPTIONAL)
        .with_columns(
            owners("client_owner").alias("candidates"),
            target().alias("target"),
            pl.col("expected").fill_null("unknown"),
        )
        .with_columns(source().alias("source"), kind().alias("class"))
    )


def owners(column: str) -> pl.Expr:
    """The candidates of an owner column: distinct, sorted; empty or null where nobody is known."""
    return pl.col(column).list.drop_nulls().list.unique().list.sort()


def joined(candidates: pl.Expr) -> pl.Expr:
    """The candidates in one text; null where there are none."""
    return pl.when(candidates.list.len() > 0).then(candidates.list.join(BETWEEN))


def source() -> pl.Expr:
    """Who sent: the candidates in one text, else the client's address."""
    return pl.coalesce(joined(pl.col("candidates")), "client").fill_null("unknown")


def target() -> pl.Expr:
    """Who answered: inside the owner, so that it is the same node when it sends; else the name."""
    inside = pl.when(pl.col("destination_kind") == "inside").then(joined(owners("server_owner")))
    return pl.coalesce(inside, "destination", "server").fill_null("unknown")


def kind() -> pl.Expr:
    """The class of a row: unexpected where it was judged so, else after its kind."""
    given = pl.col("destination_kind")
    return (
        pl.when(pl.col("expected") == "no")
        .then(pl.lit("unexpected"))
        .when(given == "inside")
        .then(pl.lit("inside"))
        .when(given.is_in(["aws", "endpoint"]))
        .then(pl.lit("aws"))
        .when(given.is_in(["named", "domain"]))
        .then(pl.lit("known"))
        .otherwise(pl.lit("rest"))
    )


def network(column: str) -> pl.Expr:
    """The /24 of an IPv4 address, the /32 of an IPv6 address; other text as it is."""
    text = pl.col(column)
    four = text.str.extract(r"^(\d+\.\d+\.\d+)\.\d+$") + ".0/24"
    six = text.str.extract(r"^([0-9a-f]{1,4}:[0-9a-f]{1,4}):") + "::/32"
    return pl.coalesce(four, six, text)


def private(column: str) -> pl.Expr:
    """Whether an address is one that the internet does not route."""
    return pl.col(column).str.contains(PRIVATE)
