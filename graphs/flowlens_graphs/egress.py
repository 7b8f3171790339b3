"""The egress graph: who sends to where, as a plain networkx graph."""

import networkx as nx
import polars as pl

from flowlens_graphs.frame import prepare

__all__ = ["egress_graph", "unexpected"]

#: What makes an edge: rows that agree in these are one edge.
KEY = ("source", "target", "server_port", "protocol", "action", "expected")

SUMS = ("bytes_out", "bytes_in", "packets_out", "packets_in", "records", "connections")

#: From the best to the worst; the attribute of an edge or node is the worst of its rows.
ORIENTATION = ("certain", "likely", "guess")
EXPECTED = ("yes", "unknown", "no")
KINDS = ("inside", "endpoint", "aws", "named", "domain", "network", "address")

NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6"}


def egress_graph(edges: pl.DataFrame | pl.LazyFrame) -> nx.MultiDiGraph:
    """Return the graph of workloads and the destinations they send to.

    A node is an owner (a set of candidates that share an interface is one node, "a | b"; a client
    without known owner is its address) or a destination. A destination outside that bears the name
    of an owner is kept apart as "name (kind)". An edge joins what one source sent to one
    destination on one port and protocol with one action and one verdict; its numbers are exact
    sums over the rows, `connections` a sum of hourly lower bounds.

    Args:
        edges: An edge table; columns beyond client, server and bytes_out may be missing.

    Returns:
        Nodes with `label`, `kind` (of the owner, else of the destination), `destination_kind`,
        `role` (source, destination, both), `expected` (the worst of what arrives), `candidates`;
        edges keyed "tcp/443 ACCEPT yes". Bytes and counts are integers, times ISO 8601 text in
        UTC. What is unknown is absent. Order of nodes and edges does not depend on the order of
        the rows.

    Raises:
        ValueError: If one of the columns client, server or bytes_out is missing.

    >>> G = egress_graph(pl.DataFrame({"client": ["10.0.0.5"], "server": ["192.0.2.7"],
    ...     "server_port": [443], "protocol": [6], "bytes_out": [1200]}))
    >>> list(G.edges(keys=True))
    [('10.0.0.5', '192.0.2.7', 'tcp/443')]
    """
    named = apart(prepare(edges))
    nodes, links = pl.collect_all([_nodes(named), _edges(named)])
    G = nx.MultiDiGraph(name="egress")
    G.add_nodes_from((row.pop("node"), _known(row)) for row in nodes.iter_rows(named=True))
    for row in links.iter_rows(named=True):
        tail, head = row.pop("source"), row.pop("target")
        G.add_edge(tail, head, key=key(row), **_known(row))
    return G


def unexpected(G: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """Return the graph of the edges that were judged unexpected, and their nodes.

    >>> G = nx.MultiDiGraph([("a", "b", {"expected": "no"}), ("a", "c", {"expected": "yes"})])
    >>> sorted(unexpected(G))
    ['a', 'b']
    """
    found = [(u, v, k) for u, v, k, e in G.edges(keys=True, data="expected") if e == "no"]
    return G.edge_subgraph(found).copy()


def key(row: dict[str, object]) -> str:
    """Return the key of an edge: service, action and verdict, as far as they are known.

    >>> key({"protocol": 6, "server_port": 443, "action": "REJECT", "expected": "no"})
    'tcp/443 REJECT no'
    """
    judged = row["expected"] if row["expected"] != "unknown" else None
    parts = (service(row["protocol"], row["server_port"]), row["action"], judged)
    return " ".join(str(part) for part in parts if part)


def service(protocol: object, port: object) -> str:
    """Return protocol and port as people write them.

    >>> service(6, 443), service(1, None), service(132, 9), service(None, None)
    ('tcp/443', 'icmp', '132/9', '')
    """
    if protocol is None:
        return "" if port is None else str(port)
    name = NAMES.get(protocol, str(protocol)) if isinstance(protocol, int) else str(protocol)
    return name if port is None or name in ("icmp", "icmpv6") else f"{name}/{port}"


def apart(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Rename outside destinations that bear the name of a source: they are not the same thing."""
    outside = pl.col("destination_kind").is_in(["aws", "named", "domain", "network"])
    owners = frame.select(pl.col("source").alias("target")).unique().with_columns(owner=True)
    name = pl.format("{} ({})", "target", "destination_kind")
    return frame.join(owners, on="target", how="left", maintain_order="left").with_columns(
        pl.when(pl.col("owner") & outside).then(name).otherwise("target").alias("target"),
        pl.col("target").alias("label"),
    )


def worst(name: str, scale: tuple[str, ...]) -> pl.Expr:
    """The worst value of a group on a scale; values that are not on it are left out."""
    rank = pl.col(name).replace_strict(scale, range(len(scale)), default=None, return_dtype=pl.Int8)
    return rank.max().replace_strict(range(len(scale)), scale, return_dtype=pl.String).alias(name)


def total(name: str) -> pl.Expr:
    """The sum of a group; null where nothing is known."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


def several(name: str, alias: str) -> pl.Expr:
    """The distinct known values of a group, sorted."""
    return pl.col(name).drop_nulls().unique().sort().alias(alias)


def moment(expr: pl.Expr) -> pl.Expr:
    """A time as ISO 8601 text in UTC; milliseconds only where there are some."""
    return expr.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").str.replace(".000Z", "Z", literal=True)


def _edges(frame: pl.LazyFrame) -> pl.LazyFrame:
    names = pl.col("domains").list.eval(pl.element().struct.field("name"))
    return (
        frame.group_by(KEY)
        .agg(
            *(total(name) for name in SUMS),
            pl.len().alias("conversations"),
            pl.col("hour").drop_nulls().n_unique().alias("hours"),
            pl.col("client").n_unique().alias("clients"),
            pl.col("server").n_unique().alias("servers"),
            moment(pl.col("first_seen").min()),
            moment(pl.col("last_seen").max()),
            worst("orientation", ORIENTATION),
            several("path", "paths"),
            several("region", "regions"),
            names.list.explode(keep_nulls=False, empty_as_null=False)
            .drop_nulls()
            .unique()
            .sort()
            .alias("domains"),
            several("why", "why"),
            several("rule", "rules"),
            several("leg", "legs"),
        )
        .sort(KEY, nulls_last=True)
    )


def _nodes(frame: pl.LazyFrame) -> pl.LazyFrame:
    senders = frame.group_by(pl.col("source").alias("node")).agg(
        pl.col("candidates").sort_by("candidates").drop_nulls().first(),
        pl.col("client_kind").drop_nulls().min(),
    )
    takers = frame.group_by(pl.col("target").alias("node")).agg(
        pl.col("label").min(),
        pl.col("server_kind").drop_nulls().min(),
        worst("destination_kind", KINDS[::-1]),
        worst("expected", EXPECTED),
        several("region", "regions"),
    )
    both = pl.col("role").is_not_null() & pl.col("taken")
    return (
        senders.with_columns(role=pl.lit("source"))
        .join(takers.with_columns(taken=True), on="node", how="full", coalesce=True)
        .select(
            "node",
            pl.coalesce("label", "node").alias("label"),
            pl.coalesce("client_kind", "server_kind", "destination_kind").alias("kind"),
            "destination_kind",
            pl.when(both)
            .then(pl.lit("both"))
            .otherwise(pl.coalesce("role", pl.lit("destination")))
            .alias("role"),
            "expected",
            "candidates",
            "regions",
        )
        .sort("node")
    )


def _known(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value is not None and value != []}
