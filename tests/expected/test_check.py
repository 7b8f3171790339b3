from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flowlens.cli import main
from flowlens.errors import UsageError
from flowlens.expected import check, parse
from flowlens.expected.quotas import QUOTAS, WEIGHTS
from flowlens.inventory import Capture, Inventory, load

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def problems(text: str, **how: Any) -> list[tuple[int, str, str, str]]:
    """Line, level, kind and text of each problem of a document."""
    return check(parse("version: 1\n" + text, "e.yaml"), now=NOW, **how).rows()


def many(count: int, *others: str, who: str = "{function: pay}") -> str:
    """A document with so many IPv4 addresses, a line each from line 5 on, then other entries."""
    lines = [f"{{cidr: 10.0.{n // 256}.{n % 256}, ports: [tcp/443]}}" for n in range(count)]
    to = "".join(f"      - {line}\n" for line in (*lines, *others))
    return f"egress:\n  - from: {who}\n    to:\n{to}"


@pytest.fixture
def lists(tmp_path: Path) -> Inventory:
    """An inventory with the prefix list of S3 and two of the account's own."""
    known = [
        ("pl-aa", "com.amazonaws.us-east-1.s3", "IPv4", None),
        ("pl-bb", "partners", "IPv4", 57),
        ("pl-cc", "partners 6", "IPv6", 20),
    ]
    names = ("PrefixListId", "PrefixListName", "AddressFamily", "MaxEntries")
    answer = {"PrefixLists": [dict(zip(names, values, strict=True)) for values in known]}
    calls = {"ec2.describe_managed_prefix_lists": answer}
    capture = {
        "captured_at": "2026-11-22T00:00:00Z",
        "account_id": "123456789010",
        "region": "us-east-1",
        "calls": calls,
        "errors": {},
    }
    path = tmp_path / "inventory.json"
    path.write_bytes(msgspec.json.encode(capture))
    return load(path)


def test_nothing_is_wrong() -> None:
    """Sixty rules fit into a group; what ends later than now is no problem."""
    assert problems(many(59, "{cidr: 192.168.0.0/16, ports: [udp/53], until: 2026-11-24}")) == []


def test_rules_of_a_group_are_counted() -> None:
    """The 61st rule is told with its line; ports multiply, IPv6 and ICMPv6 count apart."""
    text = "function pay needs 61 IPv4 egress rules; a security group has 60; "
    text += "ask AWS for more (up to 200 with 5 groups) or take fewer prefixes"
    assert problems(many(61)) == [(65, "error", "quota", text)]
    ports = "{cidr: 192.168.0.1, ports: [tcp/1, tcp/2, udp/1]}"
    assert problems(many(57, ports)) == []
    assert [p[:3] for p in problems(many(58, ports))] == [(63, "error", "quota")]
    six = [f"{{cidr: 2001:db8::{n:x}, ports: [tcp/443]}}" for n in range(60)]
    assert problems(many(60, *six)) == []
    assert problems(many(59, *six[:59], "{endpoint: vpce-1, ports: [icmp]}")) == []
    assert [p[0] for p in problems(many(60, *six, "{security_group: sg-1}"))] == [125, 125]
    assert "take fewer prefixes, another group or domains" in problems(many(201))[0][3]


def test_same_rule_counts_once() -> None:
    """What several rules say about one workload is one group, and said twice it is one rule."""
    text = many(60) + "  - from: any\n    to: [{cidr: 10.0.0.7, ports: [tcp/443]}]\n"
    assert [p[2] for p in problems(text)] == ["overlap"]


def test_limits_of_the_account() -> None:
    """An account with larger quotas says so."""
    assert problems(many(100), limits={"group_rules": 100}) == []
    assert len(problems(many(101), limits={"group_rules": 100})) == 1


def test_prefix_lists_count_by_size(lists: Inventory) -> None:
    """An own list counts its MaxEntries in its family, one of AWS its weight in both."""
    listed = "{prefix_list: [pl-bb, pl-aa, pl-cc], ports: [tcp/443]}"
    assert problems(many(2, listed), inventory=lists) == []
    (over,) = problems(many(3, listed), inventory=lists)
    assert over[:3] == (8, "error", "quota")
    assert over[3].startswith("function pay needs 61 IPv4 egress rules;")


def test_unknown_sizes_are_told() -> None:
    """What a list holds that no inventory shows is not counted, and that is said."""
    listed = "{prefix_list: pl-bb, ports: [tcp/443]}"
    text = "function pay: 1 destination not counted, first line 5: prefix_list pl-bb"
    assert problems(many(0, listed)) == [(5, "note", "quota", text)]
    (over,) = problems(many(61, listed))
    assert "needs 61 IPv4 egress rules (not counted: line 66: prefix_list pl-bb)" in over[3]


def test_subnets_mean_network_acls() -> None:
    """A network ACL has 20 rules with its default deny, so 19 fit."""
    subnet = "{subnet: subnet-1}"
    assert problems(many(19, who=subnet)) == []
    (over,) = problems(many(20, who=subnet))
    assert over[:3] == (24, "warning", "quota")
    assert "subnet-1 as a network ACL needs 21 IPv4 egress rules; it has 20, and 40" in over[3]


def test_lists_and_domains_have_limits() -> None:
    """A name of too many prefixes, a domain that is too long, and too many of them."""
    label = "a" * 63
    long = ".".join([label] * 4) + ".example"
    text = (
        f"names: {{shops: [10.0.0.1, 10.0.0.2]}}\n{many(0, '{name: shops}', f'{{domain: {long}}}')}"
    )
    few = {"list_entries": 1, "dns_domains": 0}
    assert [p[:3] for p in problems(text, limits=few)] == [
        (1, "error", "quota"),
        (7, "error", "quota"),
        (7, "error", "quota"),
    ]


def test_forbidden_space() -> None:
    """What admits a forbidden address is told, and the metadata service always is forbidden."""
    text = many(
        0,
        "{cidr: 169.254.0.0/16}",
        "{cidr: 10.9.0.0/16}",
        "{name: shop}",
        "{cidr: 'fd00:ec2::254'}",
    )
    names = "names: {shop: [10.0.0.0/29]}\n"
    assert [
        p for p in problems(names + text, forbidden=["10.9.3.0/24"]) if p[2] == "forbidden"
    ] == [
        (6, "error", "forbidden", "169.254.0.0/16 admits 169.254.169.254, which is forbidden"),
        (7, "error", "forbidden", "10.9.0.0/16 admits 10.9.3.0/24, which is forbidden"),
        (9, "error", "forbidden", "fd00:ec2::254/128 admits fd00:ec2::254, which is forbidden"),
    ]
    assert [p[0] for p in problems(many(0, "any"))] == [5, 5]
    with pytest.raises(UsageError, match="forbidden 'x' is none"):
        problems(many(1), forbidden=["x"])


def test_expired() -> None:
    """An entry counts until its end, which is not in."""
    ended = "{cidr: 10.9.0.0/16, until: 2026-11-23T09:00:00}"
    text = "cidr 10.9.0.0/16 all ended 2026-11-23 09:00 UTC; drop it or give it a later until"
    assert problems(many(0, ended)) == [(5, "warning", "expired", text)]


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        ("{cidr: 10.0.0.0/8}", "{cidr: 10.1.0.0/16}", "10.1.0.0/16 is within 10.0.0.0/8 of line 5"),
        ("{cidr: 10.0.0.0/8}", "{name: shop}", "10.0.0.0/29 is within 10.0.0.0/8 of line 5"),
        ("{cidr: 10.0.0.0/8, ports: [tcp/443]}", "{cidr: 10.0.0.0/8, ports: [tcp/80]}", None),
        (
            "{cidr: 10.0.0.0/8, ports: [tcp/80-90]}",
            "{cidr: 10.0.0.0/8, ports: [tcp/85, tcp/80-81]}",
            "10.0.0.0/8 is within 10.0.0.0/8 of line 5",
        ),
        ("{cidr: 10.0.0.0/8, until: 2027-01-01}", "{cidr: 10.0.0.0/9}", None),
        ("{cidr: 0.0.0.0/1}", "{cidr: '::1'}", None),
        (
            "{domain: '*.b.example'}",
            "{domain: a.b.example}",
            "domain a.b.example is within domain *.b.example of line 5",
        ),
        ("{domain: '*.b.example'}", "{domain: b.example}", None),
        (
            "{security_group: sg-1}",
            "{security_group: sg-1}",
            "security_group sg-1 is within security_group sg-1 of line 5",
        ),
        ("{aws_service: S3, region: us-east-1}", "{aws_service: S3}", None),
        (
            "{aws_service: S3}",
            "{aws_service: S3, region: us-east-1}",
            "aws_service S3 is within aws_service S3 of line 5",
        ),
    ],
)
def test_overlaps(one: str, two: str, told: str | None) -> None:
    """An entry is told if another has all its destinations and ports, and lasts as long."""
    names = "names: {shop: [10.0.0.0/29]}\n"
    found = [p for p in problems(many(0, one, two) + names) if p[2] == "overlap"]
    assert found == ([(6, "warning", "overlap", told)] if told else [])


def test_overlaps_are_by_workload() -> None:
    """Entries of different workloads have nothing to do with each other; those of all have."""
    rule = "  - {from: {function: ship}, to: [{cidr: 10.0.0.0}]}\n"
    assert problems(many(1) + rule) == []
    every = "  - {from: any, to: [{cidr: 10.0.0.0/24}]}\n"
    assert [p[0] for p in problems(many(1) + every)] == [5]


def test_unused_names_are_told() -> None:
    """A name that no entry uses was probably meant to be used."""
    (note,) = problems(f"names: {{shop: [10.0.0.0/29]}}\n{many(1)}")
    assert note == (1, "note", "unused", "name 'shop' is never used")


def test_every_quota_has_its_source() -> None:
    """Every limit names the page it is from, and no raise ends below the default."""
    for quota in QUOTAS.values():
        assert quota.source.startswith("https://")
        assert quota.most is None or quota.most > quota.default
    assert min(WEIGHTS.values()) == 1


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the table, says how many problems there are, and fails when asked to."""
    path = tmp_path / "expected.yaml"
    path.write_text("version: 1\n" + many(1, "{cidr: 169.254.169.254}"))
    assert main(["allowlist", "check", str(path), "--as", "tsv"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split("\t") == ["line", "level", "kind", "text"]
    assert out.splitlines()[1].startswith("6\terror\tforbidden\t169.254.169.254/32 admits")
    assert err == f"{path}: 1 problem in 2 entries\n"
    assert main(["allowlist", "check", str(path), "--fail-on", "error"]) == 10
    path.write_text("version: 2\n")
    assert main(["allowlist", "check", str(path)]) == 4
    assert ":1: version 2; expected version: 1" in capsys.readouterr().err


def fires(text: str, **limits: int) -> list[tuple[int, str]]:
    """Line and text of warnings and notes about firewalls."""
    return [p[::3] for p in problems(text, limits=limits) if p[1] != "error" and p[2] == "quota"]


def test_suricata_rules_have_limits() -> None:
    """The rule that is too long, and the lines at which text and number become too much."""
    names = "".join(f"      - {{domain: a{n}.example, ports: [tcp/443]}}\n" for n in range(3))
    text = f"egress:\n  - from: {{cidr: 10.0.0.0/8}}\n    to:\n{names}"
    assert fires(text) == []
    (long, *_) = fires(text, firewall_rule=100)
    assert long == (
        5,
        "a Suricata rule of 205 characters; Network Firewall takes 100; shorten `why`",
    )
    size = "Suricata rules of 618 bytes; bytes of the rules of a stateful group: 400"
    assert fires(text, firewall_text=400) == [(6, f"{size}; divide the document")]
    number = "3 Suricata rules; capacity of a stateful rule group: 1; divide the document"
    assert (6, number) in fires(text, firewall_capacity=1)


def test_sets_of_a_rule_group() -> None:
    """A rule group refers to five lists; the sixth is told, the same one twice is one."""
    lists = "".join(f"      - {{prefix_list: pl-{n % 5}}}\n" for n in range(10))
    text = f"egress:\n  - from: any\n    to:\n{lists}"
    assert not [p for p in fires(text) if "IP set" in p[1]]
    found = [p for p in fires(f"{text}      - {{aws_service: S3}}\n") if "IP set" in p[1]]
    assert found[0][0] == 15
    assert found[0][1].startswith("6 prefix lists; IP set references of a stateful rule group: 5;")


def test_lists_of_dns_firewall() -> None:
    """Workloads with domains have a rule and a list each, beside the last for everything else."""
    rules = "".join(
        f"  - from: {{function: f{n}}}\n    to: [{{domain: a.example}}]\n" for n in range(100)
    )
    assert fires("egress:\n" + rules.partition("  - from: {function: f99}")[0]) == []
    ((line, text),) = fires("egress:\n" + rules)
    assert line == 202
    assert "100 workloads with domains" in text
    assert "rules of a DNS Firewall rule group: 100;" in text
    few = "egress: [{from: any, to: [{domain: [a.example, b.example]}]}]\n"
    assert fires(few, dns_file=1) == [(2, "2 domains of one workload; domains of a file in S3: 1")]


def acl(*rules: tuple[int, str, str, str, tuple[int, int] | None]) -> Inventory:
    """An inventory whose subnet-1 has a network ACL with these ingress rules."""
    inward = [
        {
            "RuleNumber": number,
            "RuleAction": action,
            "Protocol": protocol,
            "Egress": False,
            "CidrBlock": block,
            **({"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}),
        }
        for number, action, protocol, block, ports in rules
    ]
    held = {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": False, "Entries": inward}
    held["Associations"] = [{"SubnetId": "subnet-1"}]
    calls = {"ec2.describe_network_acls": {"NetworkAcls": [held]}}
    return Inventory.of([Capture(NOW, "1", "us-east-1", calls)])


LAST = (32767, "deny", "-1", "0.0.0.0/0", None)
WIDE = (100, "allow", "6", "0.0.0.0/0", (1024, 65535))


@pytest.mark.parametrize(
    ("rules", "ports", "told"),
    [
        ([WIDE, LAST], "tcp/443", None),
        ([WIDE, LAST], "udp/53", "(udp 1024-65535, its last rule)"),
        ([WIDE, LAST], "all", "(all, its last rule)"),
        ([(100, "allow", "-1", "0.0.0.0/0", None), LAST], "all", None),
        ([(100, "allow", "6", "0.0.0.0/0", (32768, 60999)), LAST], "tcp/443", "its last rule"),
        ([(90, "deny", "6", "10.0.7.0/24", (0, 65535)), WIDE, LAST], "tcp/443", "rule 90"),
        ([(90, "deny", "6", "10.0.7.0/24", (22, 22)), WIDE, LAST], "tcp/443", None),
        ([(90, "deny", "6", "192.168.0.0/16", None), WIDE, LAST], "tcp/443", None),
        ([(90, "allow", "6", "10.0.7.0/24", (1024, 65535)), LAST], "tcp/443", "its last rule"),
        ([(110, "deny", "-1", "10.0.0.0/8", None), WIDE, LAST], "tcp/443", None),
    ],
)
def test_answers_need_a_rule(rules: list[Any], ports: str, told: str | None) -> None:
    """An entry from a subnet is told if the subnet's ACL refuses answers, by rule number."""
    text = (
        f"egress: [{{from: {{subnet: subnet-1}}, to: [{{cidr: 10.0.0.0/16, ports: [{ports}]}}]}}]"
    )
    ordered = sorted(rules, key=lambda rule: -rule[0])  # AWS answers in any order
    found = [p for p in problems(text, inventory=acl(*ordered)) if p[2] == "answers"]
    assert [p[:2] for p in found] == ([(2, "warning")] if told else [])
    assert all(told and told in p[3] and "acl-1" in p[3] for p in found)


def test_answers_take_room() -> None:
    """Rules for answers count beside those that the ACL has."""
    some = [(n, "allow", "6", f"192.168.{n}.0/24", None) for n in range(1, 19)]
    text = many(2, who="{subnet: subnet-1}")
    found = [p for p in problems(text, inventory=acl(*some, LAST)) if p[2] == "answers"]
    assert [p[0] for p in found] == [5, 6, 6]
    assert found[1][3].startswith("acl-1 would have 21 IPv4 ingress rules") or found[2][
        3
    ].startswith("acl-1 would have 21 IPv4 ingress rules")
