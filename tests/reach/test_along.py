from typing import Any

import polars as pl

from flowlens.inventory import Inventory
from flowlens.reach.along import along
from tests.reach.accounts import AT, World, entry

SCHEMA: dict[str, Any] = {
    "observer": pl.String,
    "vantage": pl.String,
    "client": pl.String,
    "client_interface": pl.String,
    "server": pl.String,
    "server_interface": pl.String,
    "server_port": pl.UInt16,
    "protocol": pl.UInt8,
    "action": pl.String,
    "packets_out": pl.UInt64,
    "packets_in": pl.UInt64,
    "first_seen": pl.Datetime("ms", "UTC"),
}
NAMES = {"10.0.1.10": "eni-a", "10.0.2.10": "eni-b", "10.0.0.10": "eni-p"}


def talk(
    observer: str, client: str, server: str, action: str | None = "ACCEPT", **parts: Any
) -> Any:
    ends = {"client_interface": NAMES.get(client), "server_interface": NAMES.get(server)}
    whole = {
        "observer": observer,
        "vantage": "unknown",
        "client": client,
        "server": server,
        "server_port": 443,
        "protocol": 6,
        "action": action,
        "packets_out": 3,
        "packets_in": 2,
        "first_seen": AT,
    }
    return whole | ends | parts


def test_conversations_have_their_rule_and_their_route(world: World) -> None:
    """The end that was captured gives the rule, the client's end the route, as evaluate has it."""
    world.acl(entry(100, "allow"), entry(90, "deny", "17", out=True), subnets=("sub-2",))
    a, b, outside = "10.0.1.10", "10.0.2.10", "203.0.113.5"
    refused = {"packets_out": 0, "packets_in": 1}
    asked = [
        (talk("eni-a", a, b), "sgr-a, acl-vpc-a:egress:100", "local"),
        (talk("eni-b", a, b), "sgr-b, acl-own:ingress:100", "local"),
        (talk("eni-b", a, b, "REJECT", server_port=22), "no rule of sg-b", "local"),
        # The answers are refused, not what they answer.
        (talk("eni-b", a, b, "REJECT", **refused), "acl-own:egress:*", "local"),
        (talk("eni-b", a, b, server_port=22), "drift: no rule of sg-b", "local"),
        (talk("eni-a", a, b, "REJECT"), "late packets, or drift", "local"),
        (talk("eni-a", a, outside), "sgr-a, acl-vpc-a:egress:100", "nat-1"),
        # Caught at the gateway: its own ACL, and the client's route.
        (talk("eni-nat", a, outside, vantage="middle"), "acl-vpc-a:ingress:100", "nat-1"),
        (talk("eni-a", a, "52.216.0.1"), "sgr-a, acl-vpc-a:egress:100", "vpce-s3"),
        (talk("eni-zz", outside, "203.0.113.6"), None, None),
        (talk("eni-a", a, b, None, packets_out=None), None, "local"),
    ]
    frame = pl.DataFrame([row for row, _, _ in asked], schema=SCHEMA)
    found = along(frame, Inventory.of([world.capture()]))
    assert found.drop("rule", "route", "route_target").equals(frame)
    assert found.select("rule", "route_target").rows() == [row[1:] for row in asked]
    bare = along(frame, None)
    assert bare["rule"].null_count() == bare["route_target"].null_count() == len(asked)
