"""How a conversation left its interface.

What the log shows comes first: the egress path code of the client's interface (VPC user guide,
"Flow log records", traffic-path) and the interfaces on the way that wrote the traffic down too.
Where the log is silent, the owners of both ends and then the route tables of the inventory say it.
Code 1 ("another resource in the same VPC") is also what a NAT gateway, a transit gateway or a load
balancer on the way looks like, so it proves a local path only for a server in the same VPC; code 2
may be an internet gateway or a gateway endpoint, so it proves neither for S3 and DynamoDB.
"""

import polars as pl

from flowlens.destinations.known import Known
from flowlens.destinations.recognise import ENDPOINTS

__all__ = ["path", "private"]

_CODES = {
    3: "virtual private gateway",
    4: "peering",
    5: "inter-region peering",
    6: "local zone",
    7: "gateway endpoint",
    8: "internet gateway",
}
_LOCAL, _MERGED = 1, 2
#: Services that have gateway endpoints (VPC user guide, "Gateway endpoints").
_GATED = ("DYNAMODB", "S3", "S3EXPRESS")
_PRIVATE = (
    r"^(?:10\.|127\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|"
    r"100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)"
)
_TARGETS = (
    ("local", "local"),
    ("nat-", "nat"),
    ("igw-", "internet gateway"),
    ("eigw-", "internet gateway"),
    ("tgw-", "transit gateway"),
    ("pcx-", "peering"),
    ("vgw-", "virtual private gateway"),
)


def private(address: pl.Expr) -> pl.Expr:
    """Return whether an address means something else in every network.

    RFC 1918, RFC 6598, RFC 4193, link-local and loopback.

    >>> frame = pl.DataFrame({"a": ["172.31.0.1", "172.32.0.1", "fd00::1", "2001:db8::1"]})
    >>> frame.select(private(pl.col("a"))).to_series().to_list()
    [True, False, True, False]
    """
    return address.str.contains(_PRIVATE)


def path(frame: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Add `path`, one of `flowlens.tables.PATHS`, or null where nothing says it.

    Args:
        frame: Conversations with owners of both ends, `route` and `route_target` (`recognise`
            and `flowlens.reach.along` ran before).
        known: What is known about addresses.
    """
    on_way = pl.col("observers")
    nats = _interfaces(known, "nat_gateway")
    transits = _interfaces(known, "transit_gateway")
    inside = pl.col("server_owner").is_not_null() | private(pl.col("server"))
    by_nat = _passes(on_way, nats, "nat-") & (pl.col("client_kind") != "nat_gateway").fill_null(
        value=True
    )
    code = pl.col("traffic_path")
    cases = [
        (pl.col("server_kind").is_in(ENDPOINTS), pl.lit("interface endpoint")),
        (by_nat & ~inside, pl.lit("nat")),
        (_passes(on_way, transits, "tgw-"), pl.lit("transit gateway")),
        (pl.col("server_kind") == "nat_gateway", pl.lit("nat")),
        (pl.lit(value=True), code.replace_strict(_CODES, default=None, return_dtype=pl.String)),
        ((code == _MERGED) & ~inside & ~_gated(), pl.lit("internet gateway")),
        (_local(known), pl.lit("local")),
        (pl.lit(value=True), _between(known)),
        (pl.lit(value=True), _routed(known)),
    ]
    chosen = pl.coalesce(pl.when(test).then(value) for test, value in cases)
    return frame.with_columns(path=chosen)


def _interfaces(known: Known, kind: str) -> list[str]:
    return known.middle.filter(pl.col("kind") == kind)["interface_id"].drop_nulls().to_list()


def _passes(on_way: pl.Expr, interfaces: list[str], prefix: str) -> pl.Expr:
    """Return whether a middlebox is among the observers."""
    by_id = on_way.list.eval(pl.element().is_in(interfaces)).list.any()
    by_name = on_way.list.eval(pl.element().str.starts_with(prefix)).list.any()
    return (by_id | by_name).fill_null(value=False)


def _gated() -> pl.Expr:
    """Return whether the server may stand behind a gateway endpoint, as far as is known."""
    hit = pl.col("services").list.eval(pl.element().is_in(_GATED)).list.any()
    return hit.fill_null(value=False)


def _local(known: Known) -> pl.Expr:
    """Return whether the server is in the client's VPC."""
    same = (pl.col("client_vpc") == pl.col("server_vpc")).fill_null(value=False)
    if known.blocks is not None:
        return same
    # Without an inventory, path code 1 to a private address is what is known.
    return same | ((pl.col("traffic_path") == _LOCAL) & private(pl.col("server")))


def _between(known: Known) -> pl.Expr:
    """Return the path between two VPCs where there is only one kind of link between them."""
    pairs = [f"{one} {other}" for one, other in known.peerings.select("one", "other").rows()]
    transit = bool(_interfaces(known, "transit_gateway"))
    differ = pl.col("client_vpc") != pl.col("server_vpc")
    peered = pl.format("{} {}", "client_vpc", "server_vpc").is_in(pairs)
    return (
        pl.when(differ & peered & pl.lit(value=not transit))
        .then(pl.lit("peering"))
        .when(differ & ~peered & pl.lit(transit))
        .then(pl.lit("transit gateway"))
    )


def _routed(known: Known) -> pl.Expr:
    """Return what the route table of the client's subnet does with it, by the route's target."""
    target = pl.col("route_target")
    # A route of a plain prefix to an endpoint leads to a Gateway Load Balancer, which is no path of
    # its own; one of a prefix list may.
    balancers = known.endpoints.filter(pl.col("type") == "GatewayLoadBalancer")["endpoint"]
    listed = pl.col("route").str.starts_with("pl-") & ~target.is_in(balancers.implode())
    return pl.coalesce(
        *(pl.when(target.str.starts_with(prefix)).then(pl.lit(name)) for prefix, name in _TARGETS),
        pl.when(target.str.starts_with("vpce-") & listed).then(pl.lit("gateway endpoint")),
    )
