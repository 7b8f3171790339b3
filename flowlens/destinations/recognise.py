"""One name for each server.

The first of these that is known names it:

1. ``inside``: the owner of the interface, or its candidates
2. ``endpoint``: the service behind an interface endpoint or a gateway endpoint
3. ``aws``: an AWS service that is a destination of its own, such as S3
4. ``named``: the owner's own word for an address range, or the name of their prefix list
5. ``domain``: the most probable name
6. ``aws`` again: space that AWS lets to its customers (`aws.TENANTS`). Everybody can be behind
   an EC2, CloudFront or API Gateway address, so a name says more than the code does; S3 and
   DynamoDB addresses in turn carry many names at once, so there the code says more
7. ``network``: the owner of the network
8. ``address``: the address itself

The AWS service comes from the flow record, then from managed prefix lists, then from the ranges.
"""

import polars as pl

from flowlens.destinations.asn import networks
from flowlens.destinations.aws import TENANTS, locate
from flowlens.destinations.known import Known, code, region
from flowlens.destinations.prefixes import covering, longest

__all__ = ["ENDPOINTS", "facts", "recognise"]

#: Kinds of owner that stand for a service behind them.
ENDPOINTS = ("gateway_load_balancer_endpoint", "gwlb_endpoint", "vpc_endpoint")
_GATEWAY = 7  # traffic-path: gateway VPC endpoint
_TEXTS = pl.List(pl.String)
#: What is looked up on the way and not told.
_SCRATCH = (
    "list_name",
    "list_service",
    "list_region",
    "range_service",
    "range_region",
    "range_services",
    "network",
    "specific",
    "tenant",
    "endpoint_service",
)
_NETWORKS = {"address": pl.String(), "network": pl.String()}
_LOCATED = {
    "address": pl.String(),
    "range_service": pl.String(),
    "range_region": pl.String(),
    "range_services": _TEXTS,
}


def facts(addresses: pl.Series, known: Known) -> pl.DataFrame:
    """Return what is known about addresses whoever talks to them.

    Returns:
        One row for each distinct address: `address`, `named`, `lists` (ids of the prefix lists
        that hold it), `list_name` (a list of the owner's own), `list_service`, `list_region`,
        `range_service`, `range_region`, `range_services`, `network`.
    """
    distinct = pl.DataFrame({"address": addresses.drop_nulls().unique().sort()})
    tables = [
        _named(distinct["address"], known),
        _listed(distinct["address"], known),
        _located(distinct["address"], known),
        networks(distinct["address"], known.asn).select(*_NETWORKS)
        if known.asn
        else pl.DataFrame(schema=_NETWORKS),
    ]
    for table in tables:
        distinct = distinct.join(table, on="address", how="left", maintain_order="left")
    return distinct


def _named(addresses: pl.Series, known: Known) -> pl.DataFrame:
    rows = [(name, cidr) for name, cidrs in known.names.items() for cidr in cidrs]
    table = pl.DataFrame(rows, schema=["named", "cidr"], orient="row").with_row_index("row")
    held = longest(addresses, [cidr for _, cidr in rows])
    return held.join(table, on="row").select("address", pl.col("named").cast(pl.String))


def _listed(addresses: pl.Series, known: Known) -> pl.DataFrame:
    lists = known.lists.drop_nulls("cidr").with_row_index("row")
    lists = lists.with_columns(service=code(pl.col("name")), region=region(pl.col("name")))
    held = covering(addresses, lists["cidr"].to_list()).join(lists, on="row")
    own = pl.col("name").filter(pl.col("service").is_null())
    return (
        held.sort("address", "prefix_list")
        .group_by("address", maintain_order=True)
        .agg(
            lists=pl.col("prefix_list").unique().sort(),
            list_name=own.first(),
            list_service=pl.col("service").drop_nulls().first(),
            list_region=pl.col("region").drop_nulls().first(),
        )
    )


def _located(addresses: pl.Series, known: Known) -> pl.DataFrame:
    if known.ranges is None:
        return pl.DataFrame(schema=_LOCATED)
    columns = {"service": "range_service", "region": "range_region", "services": "range_services"}
    return locate(addresses, known.ranges).rename(columns)


def recognise(frame: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Add the destination of each conversation.

    Args:
        frame: Conversations with `server_owner`, `server_kind`, `server_interface`, `client_vpc`
            and `domains`.
        known: What is known about addresses.

    Returns:
        `frame` with `destination`, `destination_kind` and `region`, and for the judgement
        `services`, `lists`, `named` (of the address) and `endpoint` (id).
    """
    return (
        frame.lazy()
        .join(
            facts(frame["server"], known).lazy(),
            left_on="server",
            right_on="address",
            how="left",
            maintain_order="left",
        )
        .with_columns(specific=_service(specific=True), tenant=_service(specific=False))
        .pipe(_endpoint, known)
        .with_columns(
            destination_kind=_choose(*((test, pl.lit(kind)) for test, kind, _ in _ORDER)),
            destination=_choose(*((test, label) for test, _, label in _ORDER)),
            region=_region(),
            services=_services(),
        )
        .drop(*_SCRATCH)
        .collect()
    )


def _service(*, specific: bool) -> pl.Expr:
    """Return the first service code that is (or is not) a destination of its own."""
    codes = [pl.col(name) for name in ("aws_service", "list_service", "range_service")]
    return pl.coalesce(pl.when(c.is_in(TENANTS) != pl.lit(specific)).then(c) for c in codes)


def _endpoint(frame: pl.LazyFrame, known: Known) -> pl.LazyFrame:
    """Add id and service of the endpoint that a conversation used."""
    faces, ids, gates = _endpoints(known)
    by_gateway = pl.col("traffic_path") == _GATEWAY
    guess = pl.format(
        "com.amazonaws.{}.{}",
        pl.coalesce("range_region", "list_region"),
        pl.col("specific").str.to_lowercase(),
    )
    joined = frame.with_columns(first_owner=pl.col("server_owner").list.first())
    joined = joined.join(faces, on="server_interface", how="left", maintain_order="left")
    joined = joined.join(ids, on="first_owner", how="left", maintain_order="left")
    joined = joined.join(gates, on=["client_vpc", "specific"], how="left", maintain_order="left")
    gate = pl.when(by_gateway).then(pl.col("gate"))
    behind_gate = pl.when(by_gateway).then(pl.coalesce(pl.col("gate_service"), guess))
    return joined.with_columns(
        endpoint=pl.coalesce(pl.col("face"), pl.col("id"), gate),
        endpoint_service=pl.coalesce(pl.col("face_service"), pl.col("id_service"), behind_gate),
    ).drop("first_owner", "face", "face_service", "id", "id_service", "gate", "gate_service")


def _endpoints(known: Known) -> tuple[pl.LazyFrame, pl.LazyFrame, pl.LazyFrame]:
    """Return endpoints by interface, by id, and gateway endpoints by VPC and service code."""
    table = known.endpoints.lazy()
    faces = table.drop_nulls("interface").select(
        server_interface="interface", face="endpoint", face_service="service"
    )
    ids = table.select(first_owner="endpoint", id="endpoint", id_service="service")
    gates = table.filter(pl.col("type") == "Gateway").select(
        client_vpc="vpc",
        specific=code(pl.col("service")),
        gate="endpoint",
        gate_service="service",
    )

    def one(frame: pl.LazyFrame, *keys: str) -> pl.LazyFrame:
        return frame.unique(keys, keep="first", maintain_order=True)

    return (
        one(faces, "server_interface"),
        one(ids, "first_owner"),
        one(gates, "client_vpc", "specific"),
    )


def _choose(*cases: tuple[pl.Expr, pl.Expr]) -> pl.Expr:
    """Return the value of the first case whose test holds."""
    return pl.coalesce(pl.when(test).then(value) for test, value in cases)


_OWNERS = pl.col("server_owner")
_OWNER = pl.when(_OWNERS.list.len() > 0).then(_OWNERS.list.join(", "))
_BEHIND = pl.coalesce("endpoint_service", _OWNER)
_OWN_WORD = pl.coalesce("named", "list_name")
_BEST = pl.col("domains").list.first().struct.field("name")

#: Test, kind and label, in the order in which they are tried.
_ORDER: tuple[tuple[pl.Expr, str, pl.Expr], ...] = (
    (
        pl.col("endpoint_service").is_not_null()
        | (pl.col("server_kind").is_in(ENDPOINTS) & _OWNER.is_not_null()),
        "endpoint",
        _BEHIND,
    ),
    (_OWNER.is_not_null(), "inside", _OWNER),
    (pl.col("specific").is_not_null(), "aws", pl.col("specific")),
    (_OWN_WORD.is_not_null(), "named", _OWN_WORD),
    (_BEST.is_not_null(), "domain", _BEST),
    (pl.col("tenant").is_not_null(), "aws", pl.col("tenant")),
    (pl.col("network").is_not_null(), "network", pl.col("network")),
    (pl.lit(value=True), "address", pl.col("server")),
)


def _region() -> pl.Expr:
    """Return the AWS Region of the server where its endpoint, prefix list or range names it."""
    return pl.coalesce(region(pl.col("endpoint_service")), "list_region", "range_region")


def _services() -> pl.Expr:
    """Return every service code that the address or the endpoint stands for; null: not known."""
    codes = pl.concat_list(
        "aws_service", "list_service", code(pl.col("endpoint_service"))
    ).list.drop_nulls()
    every = pl.concat_list(codes, pl.col("range_services").fill_null(pl.lit([], _TEXTS)))
    return pl.when(every.list.len() > 0).then(every.list.unique().list.sort())
