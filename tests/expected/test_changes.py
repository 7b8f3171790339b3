from flowlens.expected import changes, parse

OLD = """version: 1
names: {hq: [192.0.2.0/25]}
egress:
  - from: [{function: pay}, {function: ship}]
    to:
      - {cidr: [10.0.0.0/8, 10.1.0.0/16], ports: [tcp/443, tcp/80]}
      - {name: hq}
"""
NEW = """version: 1
names: {hq: [192.0.2.0/24]}
egress:
  - from: {function: ship}
    to:
      - {cidr: 10.1.0.0/16, ports: [tcp/80, tcp/443]}
      - {cidr: 10.0.0.0/8, ports: [tcp/443]}
  - from: {function: pay}
    to: [{name: hq}, {aws_service: S3, region: us-east-1, until: 2027-01-01}]
"""


def test_changes() -> None:
    """New, gone and changed entries by workload and destination; order and lists do not count."""
    rows = changes(parse(OLD), parse(NEW)).rows()
    assert rows == [
        ("changed", None, "names", "hq", "192.0.2.0/25", "192.0.2.0/24", None, None),
        ("new", "function pay", "aws_service", "S3 in us-east-1", None,
         "all until 2027-01-01 00:00 UTC", None, 9),
        ("gone", "function pay", "cidr", "10.0.0.0/8", "tcp/443,tcp/80", None, 6, None),
        ("gone", "function pay", "cidr", "10.1.0.0/16", "tcp/443,tcp/80", None, 6, None),
        ("changed", "function ship", "cidr", "10.0.0.0/8", "tcp/443,tcp/80", "tcp/443", 6, 7),
        ("gone", "function ship", "name", "hq", "all", None, 7, None),
    ]  # fmt: skip
    assert changes(parse(OLD), parse(OLD)).is_empty()
