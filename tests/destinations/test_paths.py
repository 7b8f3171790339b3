from typing import Any

import polars as pl
import pytest

from flowlens.destinations import Known, path

SCHEMA: dict[str, Any] = {
    "client_kind": pl.String,
    "client_subnet": pl.String,
    "client_vpc": pl.String,
    "server": pl.String,
    "server_owner": pl.List(pl.String),
    "server_kind": pl.String,
    "server_vpc": pl.String,
    "observers": pl.List(pl.String),
    "traffic_path": pl.UInt8,
    "services": pl.List(pl.String),
    "route": pl.String,
    "route_target": pl.String,
}
PAIR = {"one": ["vpc-a", "vpc-b"], "other": ["vpc-b", "vpc-a"]}
PEERED = Known(peerings=pl.DataFrame(PAIR), blocks=("10.0.0.0/16", "10.1.0.0/16"))
TRANSIT = Known(
    middle=pl.DataFrame({"interface_id": ["eni-t"], "kind": ["transit_gateway"]}),
    blocks=("10.0.0.0/16",),
)
GATED = Known(
    endpoints=pl.DataFrame({"endpoint": ["vpce-2"], "type": ["GatewayLoadBalancer"]}),
    blocks=("10.0.0.0/16",),
)
TWO = {"client_vpc": "vpc-a", "server_vpc": "vpc-b", "server": "10.1.2.3"}


@pytest.mark.parametrize(
    ("known", "changes", "expected"),
    [
        (Known(), {}, None),
        (Known(), {"traffic_path": 8}, "internet gateway"),
        (Known(), {"traffic_path": 7}, "gateway endpoint"),
        (Known(), {"traffic_path": 6}, "local zone"),
        (Known(), {"traffic_path": 5}, "inter-region peering"),
        (Known(), {"traffic_path": 4}, "peering"),
        (Known(), {"traffic_path": 3}, "virtual private gateway"),
        (Known(), {"traffic_path": 2}, "internet gateway"),
        (Known(), {"traffic_path": 2, "services": ["S3"]}, None),
        (Known(), {"traffic_path": 1}, None),
        (Known(), {"traffic_path": 1, "server": "10.0.0.9"}, "local"),
        (Known(), {"observers": ["eni-1", "nat-1"]}, "nat"),
        (Known(), {"observers": ["tgw-attach-1"], "server": "10.0.0.9"}, "transit gateway"),
        (Known(), {"observers": ["nat-1", "tgw-attach-1"]}, "nat"),
        (Known(), {"observers": ["nat-1"], "client_kind": "nat_gateway"}, None),
        (Known(), {"server": "10.0.0.4", "server_kind": "nat_gateway"}, "nat"),
        (Known(), {"server": "10.0.0.5", "server_kind": "vpc_endpoint"}, "interface endpoint"),
        (PEERED, TWO, "peering"),
        (PEERED, TWO | {"server_vpc": "vpc-c"}, None),
        (PEERED, TWO | {"server_vpc": "vpc-a"}, "local"),
        (PEERED, {"traffic_path": 1, "server": "192.168.0.1"}, None),
        (TRANSIT, TWO, "transit gateway"),
        (TRANSIT, {"observers": ["eni-t"], "server": "10.9.0.1"}, "transit gateway"),
        (Known(), {"route_target": "igw-1"}, "internet gateway"),
        (Known(), {"route_target": "eigw-1"}, "internet gateway"),
        (Known(), {"route_target": "tgw-1"}, "transit gateway"),
        (Known(), {"route_target": "pcx-1"}, "peering"),
        (Known(), {"route_target": "igw-1", "traffic_path": 3}, "virtual private gateway"),
        (GATED, {"route_target": "vpce-1", "route": "pl-1"}, "gateway endpoint"),
        (GATED, {"route_target": "vpce-2", "route": "pl-1"}, None),
        (GATED, {"route_target": "vpce-1", "route": "0.0.0.0/0"}, None),
        (Known(), {"route_target": "eni-1"}, None),
    ],
)
def test_path(known: Known, changes: dict[str, Any], expected: str | None) -> None:
    """The log comes first, then the owners of both ends, then the routes; else it is unknown."""
    row = dict.fromkeys(SCHEMA) | {
        "client_vpc": "vpc-a",
        "client_subnet": "subnet-a",
        "server": "203.0.113.1",
        "observers": ["eni-1"],
    }
    frame = pl.DataFrame([row | changes], schema=SCHEMA, orient="row")
    assert path(frame, known)["path"].to_list() == [expected]
