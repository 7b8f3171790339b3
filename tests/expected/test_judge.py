"""The judgement alone: edges with everything known about their ends, no inventory."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from flowlens.expected import judge, parse
from flowlens.expected.targets import COLUMNS
from flowlens.tables import DOMAIN

Row = dict[str, Any]

SCHEMA = {
    "client": pl.String(),
    "client_owner": pl.List(pl.String),
    "client_kind": pl.String(),
    "client_groups": pl.List(pl.String),
    "client_subnet": pl.String(),
    "client_vpc": pl.String(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "action": pl.String(),
    "vantage": pl.String(),
    "first_seen": pl.Datetime("ms", "UTC"),
    "destination": pl.String(),
    **{name: dtype for name, dtype in COLUMNS.items() if name != "claimed"},
    "domains": pl.List(DOMAIN),
}


def edge(**changes: Any) -> Row:
    known: Row = {
        "client": "10.0.1.5",
        "client_owner": ["payments"],
        "client_kind": "lambda",
        "client_groups": ["sg-1", "sg-2"],
        "client_subnet": "subnet-1",
        "client_vpc": "vpc-1",
        "server": "192.0.2.1",
        "server_port": 443,
        "protocol": 6,
        "action": "ACCEPT",
        "first_seen": datetime(2026, 11, 3, tzinfo=UTC),
        "destination": "x",
        "domains": [],
    }
    return dict.fromkeys(SCHEMA) | known | changes


def verdicts(text: str, *rows: Row) -> list[str]:
    document = parse("version: 1\nnames: {hq: [192.0.2.0/25, 2001:db8::/32]}\negress:\n" + text)
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return judge(frame, document)["expected"].to_list()


@pytest.mark.parametrize(
    ("subject", "changes", "expected"),
    [
        ("{function: payments}", {}, "yes"),
        ("{function: pay*}", {}, "yes"),
        ("{function: pay}", {}, "no"),
        ("{function: 'pay.*'}", {}, "no"),
        ("{function: payments}", {"client_kind": "ec2"}, "no"),
        ("{function: payments}", {"client_owner": None, "client_kind": None}, "unknown"),
        ("{function: payments}", {"client_owner": None}, "unknown"),
        ("{function: payments}", {"client_owner": []}, "no"),
        ("{function: payments}", {"client_owner": None, "client_kind": "rds"}, "no"),
        ("{owner: payments}", {"client_kind": "rds"}, "yes"),
        ("{security_group: sg-2}", {}, "yes"),
        ("{security_group: sg-3}", {}, "no"),
        ("{security_group: sg-3}", {"client_groups": None, "client_kind": None}, "unknown"),
        ("{subnet: subnet-1}", {}, "yes"),
        ("{subnet: subnet-2}", {}, "no"),
        ("{subnet: subnet-2}", {"client_subnet": None}, "unknown"),
        ("{vpc: vpc-1}", {}, "yes"),
        ("{vpc: vpc-2}", {"client_vpc": None}, "unknown"),
        ("{cidr: 10.0.0.0/8}", {}, "yes"),
        ("{cidr: 10.1.0.0/16}", {}, "no"),
        ("any", {}, "yes"),
        ("{instance: i-1}", {"client_owner": ["i-1"], "client_kind": "ec2"}, "yes"),
        ("[{function: other}, {subnet: subnet-1}]", {}, "yes"),
        ("{function: [other, payments]}", {}, "yes"),
    ],
)
def test_workloads(subject: str, changes: Row, expected: str) -> None:
    """A rule is about the workloads that `from` names, and may be where they are not known."""
    text = f"- from: {subject}\n  to: [{{cidr: 192.0.2.0/24}}]"
    assert verdicts(text, edge(**changes)) == [expected]


NAMES = [{"name": "a.x.example", "probability": 0.7}, {"name": "y.example", "probability": 0.2}]


@pytest.mark.parametrize(
    ("target", "changes", "expected"),
    [
        ("cidr: 192.0.2.1", {}, "yes"),
        ("cidr: [198.51.100.0/24, 192.0.2.0/24]", {}, "yes"),
        ("cidr: 192.0.2.0/32", {}, "no"),
        ("cidr: '::/0'", {}, "no"),
        ("cidr: '2001:db8::/32'", {"server": "2001:db8::7"}, "yes"),
        ("name: hq", {}, "yes"),
        ("name: hq", {"server": "2001:db8::7"}, "yes"),
        ("name: hq", {"server": "192.0.2.200"}, "no"),
        ("any: true", {}, "yes"),
        ("aws_service: S3", {"services": ["AMAZON", "S3"]}, "yes"),
        ("aws_service: AMAZON", {"services": ["S3"]}, "yes"),
        ("aws_service: S3", {"services": ["EC2"]}, "no"),
        ("aws_service: S3", {}, "unknown"),
        ("aws_service: S3", {"server": "10.0.0.9"}, "no"),
        (
            "aws_service: S3, region: us-east-1",
            {"services": ["S3"], "region": "us-east-1"},
            "yes",
        ),
        ("aws_service: S3, region: us-east-1", {"services": ["S3"], "region": "eu-west-1"}, "no"),
        ("aws_service: S3, region: us-east-1", {"services": ["S3"]}, "unknown"),
        ("security_group: sg-9", {"server_groups": ["sg-8", "sg-9"]}, "yes"),
        ("security_group: sg-9", {"server_owner": ["db"], "server_groups": ["sg-8"]}, "no"),
        ("security_group: sg-9", {"server": "10.0.0.9"}, "unknown"),
        ("security_group: sg-9", {}, "no"),
        ("prefix_list: pl-1", {"lists": ["pl-1", "pl-2"]}, "yes"),
        ("prefix_list: pl-1", {}, "unknown"),
        ("endpoint: vpce-1", {"endpoint": "vpce-1", "server_owner": ["vpce-1"]}, "yes"),
        ("endpoint: vpce-1", {"endpoint": "vpce-2", "server_owner": ["vpce-2"]}, "no"),
        ("endpoint: vpce-1", {"server": "10.0.0.9"}, "unknown"),
        ("endpoint: vpce-1", {}, "no"),
        ("owner: 'orders-*'", {"server_owner": ["orders-db"]}, "yes"),
        ("owner: orders-db", {"server_owner": ["orders-db", "other"]}, "unknown"),
        ("owner: orders-db", {"server_owner": ["other"]}, "no"),
        ("domain: '*.x.example'", {"domains": NAMES}, "yes"),
        ("domain: a.x.example", {"domains": NAMES}, "yes"),
        ("domain: x.example", {"domains": NAMES}, "no"),
        ("domain: '*.a.x.example'", {"domains": NAMES}, "no"),
        ("domain: y.example", {"domains": NAMES}, "unknown"),
        ("domain: y.example", {}, "no"),
        ("domain: y.example", {"domains": None}, "unknown"),
        ("domain: y.example", {"domains": None, "server_owner": ["db"]}, "no"),
    ],
)
def test_destinations(target: str, changes: Row, expected: str) -> None:
    """An entry covers the destinations that it names, and may where they are not known."""
    assert verdicts(f"- from: any\n  to: [{{{target}}}]", edge(**changes)) == [expected]


@pytest.mark.parametrize(
    ("ports", "port", "protocol", "expected"),
    [
        ("tcp/443", 443, 6, "yes"),
        ("tcp/443", 443, 17, "no"),
        ("tcp/443", 80, 6, "no"),
        ("tcp/8000-8100", 8100, 6, "yes"),
        ("tcp/8000-8100", 8101, 6, "no"),
        ("udp", 53, 17, "yes"),
        ("icmp", 0, 1, "yes"),
        ("icmp", None, 58, "yes"),
        ("icmp", 0, 6, "no"),
        ("all", 0, 47, "yes"),
        ("'47'", None, 47, "yes"),
    ],
)
def test_ports(ports: str, port: int | None, protocol: int, expected: str) -> None:
    """An entry covers its protocols and ports only."""
    text = f"- from: any\n  to: [{{any: true, ports: [{ports}]}}]"
    assert verdicts(text, edge(server_port=port, protocol=protocol)) == [expected]


def test_first_sure_entry_is_the_reason() -> None:
    """An entry that covers for sure is quoted, even where one before it only may."""
    text = "- from: any\n  to:\n  - {domain: y.example}\n  - {cidr: 192.0.2.0/24, why: office}\n"
    document = parse("version: 1\negress:\n" + text, "e.yaml")
    frame = pl.DataFrame([edge(domains=None)], schema=SCHEMA, orient="row")
    judged = judge(frame, document)
    assert judged.select("expected", "why").rows() == [
        ("yes", "e.yaml:6 cidr 192.0.2.0/24 all (office)")
    ]


def test_candidates_are_judged_one_by_one() -> None:
    """A shared interface is expected if entries, also different ones, cover all candidates."""
    both = edge(client_owner=["orders", "payments"])
    one = "- from: {function: payments}\n  to: [any]\n"
    other = "- from: {function: orders}\n  to: [{cidr: 192.0.2.0/24}]\n"
    assert verdicts(one, both) == ["unknown"]
    assert verdicts(one + other, both) == ["yes"]
    assert verdicts(other, both | {"server": "198.51.100.1"}) == ["no"]


def test_rows_keep_their_order_and_columns() -> None:
    """The verdict is added to each row where it stands, and replaces an older one."""
    rows = [edge(server=f"192.0.2.{i}") for i in (9, 200, 1)]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(expected=pl.lit("no"))
    document = parse("version: 1\negress: [{from: any, to: [{cidr: 192.0.2.0/25}]}]")
    judged = judge(frame, document)
    assert judged["server"].to_list() == ["192.0.2.9", "192.0.2.200", "192.0.2.1"]
    assert judged["expected"].to_list() == ["yes", "no", "yes"]
    assert judged.drop("expected", "why").equals(frame.drop("expected"))


def test_without_document_and_baseline_everything_is_unknown() -> None:
    """Nothing to compare with never means unexpected."""
    frame = pl.DataFrame(
        [edge(), edge(client="203.0.113.1", client_owner=None, client_kind=None)],
        schema=SCHEMA,
        orient="row",
    )
    assert judge(frame)["expected"].to_list() == ["unknown", "unknown"]


def test_a_missing_server_address_is_unknown_never_unexpected() -> None:
    """A log format may hide the far address; nothing can be said against it then."""
    entry = "  - {from: {function: payments}, to: [{cidr: 192.0.2.1/32, ports: [tcp/443]}]}\n"
    assert verdicts(entry, edge(server=None, destination=None)) == ["unknown"]
