"""The account of these tests.

VPC 10.0.0.0/16. Lambda interfaces: eni-shared 10.0.1.10 (orders, payments), eni-reports 10.0.1.11
(reports). eni-web 10.0.2.5 is instance i-web. eni-nat 10.0.0.4 is a NAT gateway, eni-secrets
10.0.1.50 an interface endpoint; S3 has a gateway endpoint and a prefix list.
"""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowlens.destinations import Ranges
from flowlens.edges import edges
from flowlens.expected import Document, parse
from flowlens.inventory import Inventory, load
from flowlens.tables import CONVERSATIONS, EDGES

Row = dict[str, Any]

DOCUMENT = """version: 1
names:
  payment gateway: [34.110.5.8/29]
egress:
  - from: {function: payments}
    to:
      - {name: payment gateway, ports: [tcp/443], why: card payments}
  - from: [{function: payments}, {function: orders}]
    to:
      - {aws_service: S3, region: us-east-1, ports: [tcp/443]}
      - {endpoint: vpce-5ec, ports: [tcp/443]}
  - from: {function: reports}
    to:
      - {domain: "*.mail.example", ports: [tcp/587]}
      - {cidr: 198.51.100.0/24, ports: [tcp/443], until: 2026-11-03T11:00:00Z}
  - from: {security_group: sg-web}
    to:
      - {owner: orders-db, ports: [tcp/5432]}
      - {prefix_list: pl-none, ports: [tcp/8443]}
"""


def clock(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 3, hour, minute, tzinfo=UTC)


def conversation(**changes: Any) -> Row:
    row: Row = {
        "hour": None,
        "observer": "eni-reports",
        "client": "10.0.1.11",
        "server": "203.0.113.9",
        "server_port": 443,
        "protocol": 6,
        "action": "ACCEPT",
        "bytes_out": 100,
        "packets_out": 2,
        "bytes_in": 200,
        "packets_in": 3,
        "records": 2,
        "connections": 1,
        "first_seen": clock(10, 5),
        "last_seen": clock(10, 6),
        "orientation": "certain",
        "observers": ["eni-reports"],
        "leg": None,
        "vantage": "client",
        "aws_service": None,
        "traffic_path": None,
    }
    row |= changes
    row["hour"] = row["first_seen"].replace(minute=0)
    return row


def frame(*rows: Row) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=CONVERSATIONS)


def shared(**changes: Any) -> Row:
    here: Row = {"observer": "eni-shared", "client": "10.0.1.10", "observers": ["eni-shared"]}
    return conversation(**here | changes)


def web(**changes: Any) -> Row:
    here: Row = {"observer": "eni-web", "client": "10.0.2.5", "observers": ["eni-web"]}
    return conversation(**here | changes)


def face(name: str, address: str, group: str | None, **parts: Any) -> Row:
    return {
        "NetworkInterfaceId": name,
        "InterfaceType": "interface",
        "Description": "",
        "VpcId": "vpc-a",
        "SubnetId": "subnet-a",
        "RequesterManaged": False,
        "Groups": [{"GroupId": group}] if group else [],
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True}],
        "TagSet": [],
    } | parts


def function(name: str, group: str) -> Row:
    return {
        "FunctionName": name,
        "FunctionArn": f"arn:aws:lambda:us-east-1:111122223333:function:{name}:$LATEST",
        "Version": "$LATEST",
        "VpcConfig": {"VpcId": "vpc-a", "SubnetIds": ["subnet-a"], "SecurityGroupIds": [group]},
    }


def answers() -> Row:
    hyper = {"InterfaceType": "lambda", "Description": "AWS Lambda VPC ENI-orders-0eabb672"}
    nat = {
        "InterfaceType": "nat_gateway",
        "Description": "Interface for NAT Gateway nat-0a",
        "RequesterManaged": True,
        "SubnetId": "subnet-public",
    }
    endpoint = {
        "InterfaceType": "vpc_endpoint",
        "Description": "VPC Endpoint Interface vpce-5ec",
        "RequesterManaged": True,
    }
    instance = {"Attachment": {"AttachmentId": "a", "InstanceId": "i-web", "InstanceOwnerId": "1"}}
    routes = [
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
        {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-0a", "State": "active"},
    ]
    return {
        "ec2.describe_network_interfaces": {
            "NetworkInterfaces": [
                face("eni-shared", "10.0.1.10", "sg-shared", **hyper),
                face("eni-reports", "10.0.1.11", "sg-reports", **hyper),
                face("eni-nat", "10.0.0.4", None, **nat),
                face("eni-secrets", "10.0.1.50", "sg-endpoint", **endpoint),
                face("eni-web", "10.0.2.5", "sg-web", SubnetId="subnet-web", **instance),
            ]
        },
        "ec2.describe_vpcs": {"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.0.0.0/16"}]},
        "ec2.describe_instances": {
            "Reservations": [{"Instances": [{"InstanceId": "i-web", "VpcId": "vpc-a"}]}]
        },
        "lambda.list_functions": {
            "Functions": [
                function("orders", "sg-shared"),
                function("payments", "sg-shared"),
                function("reports", "sg-reports"),
            ]
        },
        "ec2.describe_vpc_endpoints": {
            "VpcEndpoints": [
                {
                    "VpcEndpointId": "vpce-5ec",
                    "VpcEndpointType": "Interface",
                    "VpcId": "vpc-a",
                    "ServiceName": "com.amazonaws.us-east-1.secretsmanager",
                    "NetworkInterfaceIds": ["eni-secrets"],
                },
                {
                    "VpcEndpointId": "vpce-53",
                    "VpcEndpointType": "Gateway",
                    "VpcId": "vpc-a",
                    "ServiceName": "com.amazonaws.us-east-1.s3",
                    "NetworkInterfaceIds": [],
                },
            ]
        },
        "ec2.describe_managed_prefix_lists": {
            "PrefixLists": [
                {"PrefixListId": "pl-53", "PrefixListName": "com.amazonaws.us-east-1.s3"}
            ]
        },
        "ec2.get_managed_prefix_list_entries": {"pl-53": {"Entries": [{"Cidr": "52.216.0.0/15"}]}},
        "ec2.describe_route_tables": {
            "RouteTables": [
                {
                    "RouteTableId": "rtb-a",
                    "VpcId": "vpc-a",
                    "Associations": [{"SubnetId": "subnet-web", "Main": False}],
                    "Routes": routes,
                }
            ]
        },
    }


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    document = {
        "captured_at": clock(9).isoformat(),
        "account_id": "111122223333",
        "region": "us-east-1",
        "calls": answers(),
        "errors": {},
    }
    path = tmp_path_factory.mktemp("account") / "inventory.json"
    path.write_text(json.dumps(document))
    return load(path)


@pytest.fixture
def document() -> Document:
    return parse(DOCUMENT)


def one(result: pl.LazyFrame, *columns: str) -> tuple[Any, ...]:
    found = result.select(columns).collect()
    assert found.height == 1
    return found.row(0)


def test_schema_is_exact_with_and_without_everything(
    account: Inventory, document: Document
) -> None:
    """The table has the columns and types of its schema, also for no rows and no inventory."""
    rows = frame(conversation(), shared())
    for given in (rows, frame()):
        for result in (edges(given), edges(given, account, document), edges(given, account)):
            assert dict(result.collect().schema) == EDGES
            assert dict(result.collect_schema()) == EDGES


def test_unknown_without_anything() -> None:
    """Without inventory, document and baseline nothing is judged and no owner is invented."""
    row = one(
        edges(frame(conversation())),
        "client_owner",
        "destination",
        "destination_kind",
        "domains",
        "path",
        "expected",
    )
    assert row == (None, "203.0.113.9", "address", None, None, "unknown")


def test_order_does_not_depend_on_input(account: Inventory, document: Document) -> None:
    """The same conversations in another order give the same table."""
    rows = [conversation(server=f"203.0.113.{i}", first_seen=clock(10 + i % 2)) for i in range(20)]
    rows += [shared(server="52.216.0.1"), web(server="10.0.1.50")]
    first = edges(frame(*rows), account, document).collect()
    for seed in range(3):
        mixed = random.Random(seed).sample(rows, len(rows))
        assert edges(frame(*mixed), account, document).collect().equals(first)


def test_owner_inside_names_the_destination(account: Inventory) -> None:
    """A server with an owner is named by it, with all candidates of a shared interface."""
    columns = ("client_owner", "server_owner", "destination", "destination_kind", "path")
    assert one(edges(frame(web(server="10.0.1.10")), account), *columns) == (
        ["i-web"],
        ["orders", "payments"],
        "orders, payments",
        "inside",
        "local",
    )


def test_interface_endpoint_is_named_by_its_service(account: Inventory) -> None:
    """Traffic to an endpoint's interface goes to the service behind it."""
    result = edges(frame(shared(server="10.0.1.50")), account)
    assert one(result, "destination", "destination_kind", "region", "path") == (
        "com.amazonaws.us-east-1.secretsmanager",
        "endpoint",
        "us-east-1",
        "interface endpoint",
    )


def test_gateway_endpoint_needs_its_path_code(account: Inventory) -> None:
    """An S3 address is the endpoint on path 7, and the service by any other way."""
    rows = frame(
        shared(server="52.216.0.1", traffic_path=7),
        shared(server="52.217.0.1", traffic_path=8),
    )
    result = edges(rows, account).select(
        "server", "destination", "destination_kind", "region", "path"
    )
    assert result.collect().rows() == [
        ("52.216.0.1", "com.amazonaws.us-east-1.s3", "endpoint", "us-east-1", "gateway endpoint"),
        ("52.217.0.1", "S3", "aws", "us-east-1", "internet gateway"),
    ]


def test_nat_on_the_way_is_the_path(account: Inventory) -> None:
    """A conversation that a NAT gateway wrote down too went through it."""
    seen = conversation(observers=["eni-nat", "eni-reports"], traffic_path=1)
    assert one(edges(frame(seen), account), "path") == ("nat",)
    named = conversation(observers=["eni-reports", "nat-0a"])
    assert one(edges(frame(named)), "path") == ("nat",)


def test_route_table_fills_in_where_the_log_is_silent(account: Inventory) -> None:
    """Without path code and observers, the route of the client's subnet says the path."""
    assert one(edges(frame(web()), account), "path") == ("nat",)
    # subnet-a has no route table here, so nothing is known.
    assert one(edges(frame(conversation()), account), "path") == (None,)


def test_path_code_two_proves_nothing_for_s3(account: Inventory) -> None:
    """Code 2 is an internet gateway or a gateway endpoint: for S3 it may be either."""
    rows = frame(
        conversation(server="52.216.0.1", traffic_path=2),
        conversation(server="203.0.113.9", traffic_path=2),
    )
    assert edges(rows, account).collect()["path"].to_list() == ["internet gateway", None]


def test_name_wins_over_space_that_aws_lets(account: Inventory) -> None:
    """A name says more than EC2 does, and less than S3 does."""
    table = {
        "prefix": ["3.0.0.0/8", "52.216.0.0/15"],
        "service": ["EC2", "S3"],
        "region": ["us-east-1", "us-east-1"],
    }
    known = Ranges(None, pl.DataFrame(table))
    answered = [("3.0.0.1", "api.vendor.example"), ("52.216.0.1", "b.s3.amazonaws.com")]
    dns = pl.LazyFrame(
        {
            "time": [clock(10, 4)] * 2,
            "srcaddr": ["10.0.1.11"] * 2,
            "vpc_id": ["vpc-a"] * 2,
            "name": [name for _, name in answered],
            "answers": [[{"type": "A", "rdata": address}] for address, _ in answered],
        }
    )
    rows = frame(*(conversation(server=s) for s in ("3.0.0.1", "3.0.0.2", "52.216.0.1")))
    result = edges(rows, account, dns=dns, aws_ranges=known)
    assert result.select("server", "destination", "destination_kind").collect().rows() == [
        ("3.0.0.1", "api.vendor.example", "domain"),
        ("3.0.0.2", "EC2", "aws"),
        ("52.216.0.1", "S3", "aws"),
    ]
    assert result.collect()["domains"].list.len().to_list() == [1, 0, 1]


def verdict(account: Inventory, document: Document, row: Row) -> tuple[str, str]:
    expected, why = one(edges(frame(row), account, document), "expected", "why")
    return expected, why


def test_shared_interface_is_expected_only_if_every_candidate_is(
    account: Inventory, document: Document
) -> None:
    """What one candidate of two may do is unknown, what both may do is expected."""
    assert verdict(account, document, shared(server="10.0.1.50")) == (
        "yes",
        "expected.yaml:11 endpoint vpce-5ec tcp/443",
    )
    assert verdict(account, document, shared(server="34.110.5.9")) == (
        "unknown",
        "expected.yaml:7 name payment gateway tcp/443 (card payments) covers it for payments "
        "only, the client may be any of orders, payments",
    )
    assert verdict(account, document, shared(server="34.110.5.9", server_port=80)) == (
        "no",
        "expected.yaml: no entry for orders, payments covers it",
    )


def test_prefix_list_makes_a_service_known(account: Inventory, document: Document) -> None:
    """With the service's prefix list in the inventory, other addresses are not the service."""
    assert verdict(account, document, shared(server="52.216.0.1"))[0] == "yes"
    assert verdict(account, document, shared(server="203.0.113.9"))[0] == "no"


def test_entry_ends(account: Inventory, document: Document) -> None:
    """An entry counts for what began before its end, and is named after it."""
    before = conversation(server="198.51.100.1", first_seen=clock(10, 59))
    after = conversation(server="198.51.100.1", first_seen=clock(11))
    assert verdict(account, document, before)[0] == "yes"
    assert verdict(account, document, after) == (
        "no",
        "expected.yaml: no entry for reports covers it; "
        "expected.yaml:15 cidr 198.51.100.0/24 tcp/443 ended 2026-11-03 11:00 UTC",
    )


def test_domain_without_resolver_log_is_unknown(account: Inventory, document: Document) -> None:
    """Where a domain entry may cover a destination and no name is known, nothing is claimed."""
    assert verdict(account, document, conversation(server_port=587)) == (
        "unknown",
        "expected.yaml:14 domain *.mail.example tcp/587 may cover it: no resolver log",
    )
    empty = pl.LazyFrame(
        schema={
            "time": pl.Datetime("ms", "UTC"),
            "srcaddr": pl.String,
            "vpc_id": pl.String,
            "name": pl.String,
            "answers": pl.List(pl.Struct({"type": pl.String, "rdata": pl.String})),
        }
    )
    read = edges(frame(conversation(server_port=587)), account, document, empty)
    assert one(read, "expected", "domains") == ("no", [])


def test_unknown_prefix_list_is_unknown(account: Inventory, document: Document) -> None:
    """A prefix list whose entries are not in the inventory may cover anything on its port."""
    assert verdict(account, document, web(server_port=8443)) == (
        "unknown",
        "expected.yaml:19 prefix_list pl-none tcp/8443 may cover it: "
        "the entries of pl-none are not in the inventory",
    )


def test_undeclared_workload_is_not_expected(account: Inventory) -> None:
    """A workload that no rule is about has nothing declared, and the text says that."""
    short = parse("{version: 1, egress: [{from: {function: payments}, to: [any]}]}")
    assert verdict(account, short, conversation()) == (
        "no",
        "expected.yaml: nothing is declared for reports",
    )


def test_carriers_are_not_blamed(account: Inventory, document: Document) -> None:
    """The outer leg of a NAT gateway is somebody else's traffic."""
    leg = conversation(
        client="10.0.0.4", observer="eni-nat", observers=["eni-nat"], leg="nat outer"
    )
    assert verdict(account, document, leg) == ("unknown", "nat-0a carries the traffic of others")


def test_arriving_traffic_is_not_judged(account: Inventory, document: Document) -> None:
    """What an outside client opened is not egress, nor is it unexpected."""
    row = conversation(client="203.0.113.9", server="10.0.2.5", vantage="server")
    assert verdict(account, document, row) == ("unknown", "not egress: the client is outside")


def test_refused_traffic_is_judged(account: Inventory, document: Document) -> None:
    """A refused attempt at an unexpected destination is still unexpected."""
    assert verdict(account, document, conversation(action="REJECT"))[0] == "no"


def test_baseline_is_learnt_by_destination(account: Inventory) -> None:
    """With a baseline, what the workload did before is expected and what is new is not."""
    rows = frame(
        conversation(first_seen=clock(8)),
        conversation(first_seen=clock(10)),
        conversation(first_seen=clock(10), server="203.0.113.10"),
        conversation(first_seen=clock(8), server="203.0.113.11", action="REJECT"),
        conversation(first_seen=clock(10), server="203.0.113.11"),
        shared(first_seen=clock(10)),
    )
    result = edges(rows, account, learn_until=clock(9)).select(
        "first_seen", "client", "server", "expected", "why"
    )
    start = "part of the baseline before 2026-11-03 09:00 UTC"
    known = "first seen 2026-11-03 08:00 UTC in the baseline"
    new = "not seen before 2026-11-03 09:00 UTC"
    assert result.collect().rows() == [
        (clock(8), "10.0.1.11", "203.0.113.11", "yes", start),
        (clock(8), "10.0.1.11", "203.0.113.9", "yes", start),
        (clock(10), "10.0.1.10", "203.0.113.9", "no", new),
        (clock(10), "10.0.1.11", "203.0.113.10", "no", new),
        (clock(10), "10.0.1.11", "203.0.113.11", "no", new),
        (clock(10), "10.0.1.11", "203.0.113.9", "yes", known),
    ]


def test_empty_baseline_says_nothing(account: Inventory) -> None:
    """Where the logs hold nothing from before, nothing is unexpected."""
    result = edges(frame(conversation()), account, learn_until=clock(9))
    assert one(result, "expected", "why") == (
        "unknown",
        "the logs hold nothing from before 2026-11-03 09:00 UTC",
    )


def test_owner_unknown_leaves_function_entries_open(document: Document) -> None:
    """Without an inventory an entry for a function may be about any client."""
    result = edges(frame(shared(server="34.110.5.9")), expected=document)
    assert one(result, "expected", "why") == (
        "unknown",
        "expected.yaml:7 name payment gateway tcp/443 (card payments) may cover it: "
        "the function behind 10.0.1.10 is not known",
    )


def test_files_are_taken_as_well_as_objects(tmp_path: Path) -> None:
    """The document and the ranges may be given by their files."""
    paper, published = tmp_path / "expected.yaml", tmp_path / "ip-ranges.json"
    paper.write_text("{version: 1, egress: [{from: any, to: [{aws_service: S3}]}]}")
    prefix = {"ip_prefix": "52.216.0.0/15", "region": "us-east-1", "service": "S3"}
    published.write_text(
        json.dumps({"createDate": "2026-11-01-00-00-00", "prefixes": [prefix], "ipv6_prefixes": []})
    )
    rows = frame(conversation(server="52.216.0.1"), conversation(server="203.0.113.9"))
    result = edges(rows, expected=paper, aws_ranges=published).collect()
    assert result.select("server", "destination", "expected").rows() == [
        ("203.0.113.9", "203.0.113.9", "no"),
        ("52.216.0.1", "S3", "yes"),
    ]
