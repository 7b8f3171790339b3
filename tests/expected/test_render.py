"""The table of rules: where they go, what they are called, and what is told about them."""

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flowlens.cli import main
from flowlens.expected import load, parse
from flowlens.expected.render import TO, Plan, changes, plan, render
from flowlens.inventory import Capture, Inventory
from flowlens.inventory import load as inventories

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
Item = dict[str, Any]


def function(name: str, *groups: str, vpc: str = "vpc-1", subnet: str = "subnet-1") -> Item:
    network = {"VpcId": vpc, "SubnetIds": [subnet], "SecurityGroupIds": list(groups)}
    arn = f"arn:aws:lambda:us-east-1:1:function:{name}"
    held = network if groups else {"VpcId": "", "SubnetIds": [], "SecurityGroupIds": []}
    return {"FunctionName": name, "FunctionArn": arn, "Version": "$LATEST", "VpcConfig": held}


def face(name: str, address: str, *groups: str, **parts: Any) -> Item:
    return {
        "NetworkInterfaceId": name,
        "InterfaceType": "interface",
        "Description": "",
        "VpcId": "vpc-1",
        "SubnetId": "subnet-1",
        "Groups": [{"GroupId": each} for each in groups],
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{"PrivateIpAddress": address}],
        "Ipv6Addresses": [],
        "Attachment": {"InstanceId": f"i-{name}", "InstanceOwnerId": "1"},
        **parts,
    }


def rule(name: str, group: str, **parts: Any) -> Item:
    plain = {"IsEgress": True, "IpProtocol": "-1", "FromPort": -1, "ToPort": -1}
    peer = parts or {"CidrIpv4": "0.0.0.0/0"}
    return {"SecurityGroupRuleId": name, "GroupId": group, **plain, **peer}


@cache
def plain() -> Inventory:
    return inventory()


def inventory(**changed: Any) -> Inventory:
    """Functions a (sg-1), b (sg-1, sg-2), c (none), an instance (sg-3), an endpoint, S3's list."""
    named = {"InterfaceType": "lambda", "Description": "AWS Lambda VPC ENI-a-00000000"}
    endpoint = {"InterfaceType": "vpc_endpoint", "Attachment": {"InstanceOwnerId": "amazon-aws"}}
    calls: Item = {
        "ec2.describe_network_interfaces": {
            "NetworkInterfaces": [
                face("eni-a", "10.0.1.5", "sg-1", **named),
                face("eni-i", "10.0.1.9", "sg-3"),
                face("eni-e", "10.0.1.60", "sg-9", **endpoint),
            ]
        },
        "ec2.describe_instances": {
            "Reservations": [
                {
                    "Instances": [
                        {"InstanceId": "i-eni-i", "Tags": [{"Key": "Name", "Value": "batch"}]}
                    ]
                }
            ]
        },
        "lambda.list_functions": {
            "Functions": [function("a", "sg-1"), function("b", "sg-1", "sg-2"), function("c")]
        },
        "ec2.describe_security_groups": {
            "SecurityGroups": [{"GroupId": f"sg-{n}", "VpcId": "vpc-1"} for n in (1, 2, 3, 9)]
        },
        "ec2.describe_security_group_rules": {
            "SecurityGroupRules": [
                rule("sgr-1", "sg-1"),
                rule("sgr-2", "sg-1", CidrIpv6="::/0"),
                rule("sgr-3", "sg-2", PrefixListId="pl-9"),
                rule("sgr-4", "sg-2"),
                rule(
                    "sgr-5",
                    "sg-3",
                    IpProtocol="tcp",
                    FromPort=443,
                    ToPort=443,
                    CidrIpv4="192.0.2.0/24",
                ),
            ]
        },
        "ec2.describe_subnets": {
            "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}]
        },
        "ec2.describe_managed_prefix_lists": {
            "PrefixLists": [
                {
                    "PrefixListId": "pl-a1",
                    "PrefixListName": "com.amazonaws.us-east-1.s3",
                    "AddressFamily": "IPv4",
                }
            ]
        },
        "ec2.get_managed_prefix_list_entries": {"pl-a1": {"Entries": [{"Cidr": "52.216.0.0/15"}]}},
        "ec2.describe_vpc_endpoints": {
            "VpcEndpoints": [
                {
                    "VpcEndpointId": "vpce-1",
                    "VpcEndpointType": "Interface",
                    "ServiceName": "com.amazonaws.us-east-1.sqs",
                    "NetworkInterfaceIds": ["eni-e"],
                },
                {
                    "VpcEndpointId": "vpce-2",
                    "VpcEndpointType": "Gateway",
                    "ServiceName": "com.amazonaws.us-east-1.s3",
                },
            ]
        },
    }
    calls |= {name.replace("__", "."): answer for name, answer in changed.items()}
    kept = {name: answer for name, answer in calls.items() if answer is not None}
    return Inventory.of([Capture(NOW, "1", "us-east-1", kept)])


def planned(text: str, known: Inventory | None = None) -> Plan:
    names = "version: 1\nnames: {shop: [192.0.2.0/29, '2001:db8::/32']}\negress:\n"
    return plan(parse(names + text, "e.yaml"), known, now=NOW)


def unsaid(text: str, to: str = "awscli", known: Inventory | None = None) -> list[str]:
    told = render(planned(text, known), to).unsaid
    return [f"{'left' if each.left else 'note'} {each.line}: {each.text}" for each in told]


TCP = ("tcp", 443, 443)


#: Entries, and what sg-1 gets of them.
DESTINATIONS = {
    "{cidr: 10.0.0.0/8, ports: [tcp/443]}": [(*TCP, "ipv4", "10.0.0.0/8")],
    "{name: shop, ports: [tcp/443]}": [
        (*TCP, "ipv4", "192.0.2.0/29"),
        (*TCP, "ipv6", "2001:db8::/32"),
    ],
    "{aws_service: S3, ports: [tcp/443]}": [(*TCP, "list", "pl-a1")],
    "{aws_service: S3, region: eu-west-1}": [],
    "{endpoint: vpce-1, ports: [tcp/443]}": [(*TCP, "ipv4", "10.0.1.60/32")],
    "{endpoint: vpce-2, ports: [tcp/443]}": [(*TCP, "list", "pl-a1")],
    "{owner: batch, ports: [tcp/443]}": [(*TCP, "ipv4", "10.0.1.9/32")],
    "{security_group: sg-3, ports: [tcp/443]}": [(*TCP, "group", "sg-3")],
    "{domain: x.example, ports: [tcp/443]}": [(*TCP, "domain", "x.example")],
    "{any: true, ports: [icmp]}": [
        ("icmp", None, None, "ipv4", "0.0.0.0/0"),
        ("icmpv6", None, None, "ipv6", "::/0"),
    ],
    "{cidr: 10.0.0.0/8, ports: [all]}": [("all", None, None, "ipv4", "10.0.0.0/8")],
    "{cidr: 10.0.0.0/8, ports: [tcp/443], until: 2026-11-23}": [],
    "{cidr: 10.0.0.0/8, ports: [tcp/443], until: 2026-11-24}": [(*TCP, "ipv4", "10.0.0.0/8")],
}


def test_destinations() -> None:
    """Every kind of entry becomes what its group can be told, at the time of the rendering."""
    text = "".join(f"- {{from: {{security_group: sg-1}}, to: [{to}]}}\n" for to in DESTINATIONS)
    columns = ("protocol", "from_port", "to_port", "kind", "destination")
    table = planned(text, plain()).table()
    for line, (to, expected) in enumerate(DESTINATIONS.items(), 4):
        assert table.filter(line=line).select(columns).rows() == expected, to


#: Workloads, and the groups that get their rules.
GROUPS: dict[str, list[str | None]] = {
    "function: a": ["sg-1"],
    "function: b": ["sg-2"],
    "function: '*'": ["sg-1"],
    "function: c": [None],
    "function: nobody": [None],
    "instance: batch": ["sg-3"],
    "instance: i-eni-i": ["sg-3"],
    "subnet: subnet-1": ["sg-1", "sg-3", "sg-9"],
    "cidr: 10.0.1.8/29": ["sg-3"],
    "security_group: sg-2": ["sg-2"],
    "security_group: sg-7": [None],
}


def test_groups() -> None:
    """A workload's rules go into the one of its groups that the fewest others carry."""
    text = "".join(f"- {{from: {{{who}}}, to: [{{cidr: 10.0.0.0/8}}]}}\n" for who in GROUPS)
    table = planned(text, plain()).table()
    for line, (who, groups) in enumerate(GROUPS.items(), 4):
        assert table.filter(line=line)["group"].to_list() == groups, who


def test_said_about_groups() -> None:
    """Who shares a group is told; so is who has none, and a group that is not there."""
    told = {
        "function: a": ["note 4: from function a: sg-1 lets b do the same"],
        "function: b": [],
        "function: c": ["left 6: from function c: c: no security group filters it"],
        "function: x": ["left 7: from function x: nothing in the inventory is meant by it"],
        "security_group: sg-7": ["left 8: from security_group sg-7: sg-7 is not in the inventory"],
    }
    text = "".join(f"- {{from: {{{who}}}, to: [{{cidr: 10.0.0.0/8}}]}}\n" for who in told)
    assert sorted(unsaid(text, known=plain())) == sorted(t for some in told.values() for t in some)


def test_several_groups_serve_once() -> None:
    """One group serves all that carry it, and a rule that is said twice is one, the longest."""
    text = """
- {from: [{function: a}, {function: b}], to: [{cidr: 10.0.0.0/8, until: 2027-01-01, why: x}]}
- {from: {security_group: sg-1}, to: [{cidr: 10.0.0.0/8, until: 2028-01-01, why: y}]}
"""
    made = planned(text, plain())
    assert [place.groups for place in made.places] == [("sg-1",), ("sg-1",)]
    lines = [line for line in render(made, "terraform").text.splitlines() if "10.0.0.0/8" in line]
    assert len(lines) == 1
    assert "# e.yaml:5, 6 x, y; until 2028-01-01" in render(made, "terraform").text


#: Target, entry, and what is told about it.
STRANGE = (
    (
        "awscli",
        "{domain: x.example}",
        "left domain x.example: a security group knows no names",
    ),
    (
        "awscli",
        "{cidr: 10.0.0.0/8, ports: [sctp/5000]}",
        "left sctp/5000-5000 to 10.0.0.0/8: a security group knows no ports of this protocol",
    ),
    ("awscli", "{cidr: 10.0.0.0/8, until: 2026-11-01}", "note cidr 10.0.0.0/8 all ended"),
    (
        "awscli",
        "{aws_service: SQS}",
        "left aws_service SQS: the inventory has no prefix list",
    ),
    (
        "awscli",
        "{aws_service: S3}",
        "note aws_service S3: every Region is meant, rules have",
    ),
    ("awscli", "{endpoint: vpce-9}", "left endpoint vpce-9: its addresses are not known"),
    ("awscli", "{owner: nobody}", "left owner nobody: its addresses are not known"),
    (
        "suricata",
        "{security_group: sg-3}",
        "left security_group sg-3: Suricata knows no group",
    ),
    ("suricata", "{prefix_list: pl-9}", "left prefix_list pl-9: its entries are not known"),
    (
        "suricata",
        "{cidr: '2001:db8::/32'}",
        "left from function b: no IPv6 address is known",
    ),
    (
        "suricata",
        "{domain: x.example, ports: [udp/443]}",
        "left domain x.example over 17: names are told by TLS and HTTP over TCP only",
    ),
    ("nfw-domains", "{cidr: 10.0.0.0/8}", "left 10.0.0.0/8: a domain list holds names only"),
    (
        "nfw-domains",
        "{domain: '*.x.example'}",
        "note domain *.x.example: the list lets x.exam",
    ),
    ("dns-firewall", "{name: shop}", "left shop: DNS Firewall holds names only"),
    ("k8s", "{domain: x.example}", "left x.example: a NetworkPolicy knows no names"),
    ("k8s", "{cidr: 10.0.0.0/8, ports: [icmp]}", "left icmp to 10.0.0.0/8: a NetworkPolicy"),
)


@pytest.mark.parametrize("to", sorted({case[0] for case in STRANGE}))
def test_what_cannot_be_said(to: str) -> None:
    """What a target cannot say is told with its line, there and in the head of the file."""
    cases = [case[1:] for case in STRANGE if case[0] == to]
    text = "".join(f"- {{from: {{function: b}}, to: [{entry}]}}\n" for entry, _ in cases)
    made = render(planned(text, plain()), to)
    for line, (_, told) in enumerate(cases, 4):
        kind, _, words = told.partition(" ")
        found = [u for u in made.unsaid if u.line == line and u.left == (kind == "left")]
        assert any(each.text.startswith(words) for each in found), (words, found)
        assert f"#   line {line}: {words}" in made.text


def test_names_are_stable() -> None:
    """A rule keeps its name and its number whatever is added before it."""
    last = "{cidr: 10.0.0.0/8, ports: [tcp/443]}"
    alone = planned(f"- {{from: {{security_group: sg-1}}, to: [{last}]}}")
    more = f"- {{from: {{security_group: sg-1}}, to: [{{cidr: 10.9.0.0/16}}, {last}]}}"
    among = planned(more)
    for to in ("terraform", "cloudformation", "cdk", "suricata"):
        few, many = (render(each, to).text.splitlines() for each in (alone, among))
        named = [line for line in few if "gress" in line or "sid:" in line][1:]
        assert named
        assert set(named) <= set(many)


def test_order_of_captures_decides_nothing() -> None:
    """The same answers in another order give the same bytes."""
    text = "- {from: {function: '*'}, to: [{owner: batch}, {aws_service: S3}, {name: shop}]}"
    known = plain()
    calls = dict(known.captures[0].calls)
    faces = calls["ec2.describe_network_interfaces"]["NetworkInterfaces"]
    functions = calls["lambda.list_functions"]["Functions"]
    turned = inventory(
        ec2__describe_network_interfaces={"NetworkInterfaces": faces[::-1]},
        lambda__list_functions={"Functions": functions[::-1]},
    )
    one, other = planned(text, known), planned(text, turned)
    for to in TO:
        assert render(one, to) == render(other, to)


def test_difference() -> None:
    """What is missing is added, what is too much revoked, what lets everything through last."""
    text = """
- {from: {function: b}, to: [{cidr: 10.0.0.0/8, ports: [tcp/443]}]}
- {from: {security_group: sg-3}, to: [{cidr: 192.0.2.0/24, ports: [tcp/443]}]}
"""
    known = plain()
    change = changes(planned(text, known), known)
    columns = ("change", "group", "rule_id", "protocol", "from_port", "destination", "line")
    assert change.table().select(columns).rows() == [
        ("add", "sg-2", None, "tcp", 443, "10.0.0.0/8", 5),
        ("revoke", "sg-2", "sgr-3", "all", None, "pl-9", None),
        ("revoke", "sg-1", "sgr-1", "all", None, "0.0.0.0/0", None),
        ("revoke", "sg-1", "sgr-2", "all", None, "::/0", None),
        ("revoke", "sg-2", "sgr-4", "all", None, "0.0.0.0/0", None),
    ]
    (note,) = [each.text for each in change.unsaid if "nothing is declared" in each.text]
    assert note.startswith("sg-1 is carried by a, for which nothing is declared")


def test_a_group_that_lacks_something_keeps_its_rules() -> None:
    """Rules are not revoked from workloads that need a name, which no rule can let through."""
    text = "- {from: {function: b}, to: [{domain: x.example, ports: [tcp/443]}]}"
    known = plain()
    change = changes(planned(text, known), known)
    kept = change.table().select("change", "rule_id", "line").rows()
    assert kept == [("keep", name, 4) for name in ("sgr-3", "sgr-1", "sgr-2", "sgr-4")]


def test_difference_without_ids() -> None:
    """Older captures hold rules without ids; these are revoked by what they say."""
    groups = [
        {
            "GroupId": "sg-1",
            "VpcId": "vpc-1",
            "IpPermissions": [],
            "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        }
    ]
    known = inventory(
        ec2__describe_security_group_rules=None,
        ec2__describe_security_groups={"SecurityGroups": groups},
    )
    text = "- {from: {security_group: sg-1}, to: []}"
    change = changes(planned(text, known), known)
    assert [row["cidr"] for row in change.revoke] == ["0.0.0.0/0"]


def test_lists_of_other_regions() -> None:
    """A group cannot name a prefix list of another Region; that is told."""
    near, far = plain(), plain().captures[0].calls
    there = {
        "ec2.describe_managed_prefix_lists": {
            "PrefixLists": [
                {"PrefixListId": "pl-b2", "PrefixListName": "com.amazonaws.eu-west-1.s3"}
            ]
        }
    }
    del far
    both = Inventory.of([*near.captures, Capture(NOW, "1", "eu-west-1", there)])
    text = "- {{from: {{security_group: sg-1}}, to: [{{aws_service: S3{}}}]}}"
    here = render(planned(text.format(""), both), "terraform")
    assert "pl-a1" in here.text
    assert '"pl-b2"' not in here.text
    away = planned(text.format(", region: eu-west-1"), both)
    assert [each.text for each in render(away, "terraform").left] == [
        "com.amazonaws.eu-west-1.s3: sg-1 is in another Region"
    ]


def test_command(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The verb writes a file or a table, tells what is left out, and fails if that must not be."""
    path, out = tmp_path / "e.yaml", tmp_path / "main.tf"
    path.write_text(
        "version: 1\negress:\n- from: {security_group: sg-1}\n  to:\n"
        "  - {cidr: 10.0.0.0/8}\n  - {domain: x.example}\n"
    )
    call = ["allowlist", "render", str(path)]
    assert main([*call, "--to", "terraform", "-o", str(out)]) == 0
    assert out.read_text().startswith(f"# Egress rules of {path}, by flowlens.")
    assert capsys.readouterr().err.splitlines() == [
        f"left out: {path}:6: domain x.example: a security group knows no names",
        f"{path}: 1 thing cannot be said in terraform",
    ]
    assert main([*call, "--to", "terraform", "--strict"]) == 4
    assert "1 thing of" in capsys.readouterr().err
    assert main([*call, "--as", "tsv"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("name\tgroup\tdirection")
    for wrong, told in {
        ("--to", "tf"): "'tf' is nothing to render to; use one of terraform,",
        ("--to", "cdk", "--as", "csv"): "--as and -n are for tables",
        ("--to", "cdk", "--diff"): "--diff is a table, or commands with --to awscli",
        ("--diff",): "--diff compares with the rules that are there; try -i INVENTORY",
        ("-o", "x.tf"): "'x.tf' does not say its format",
    }.items():
        assert main([*call, *wrong]) == 2
        assert told in capsys.readouterr().err
    path.write_text("version: 1\negress: [{from: {function: f}, to: [{cidr: 10.0.0.0/8}]}]\n")
    assert main([*call, "--to", "sam"]) == 2
    assert "which security groups that has, the inventory says" in capsys.readouterr().err
    path.write_text("version: 2\n")
    assert main([*call, "--to", "sam"]) == 4


def test_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the page on rendering shows is in what its commands print."""
    page = (ROOT / "docs" / "render.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "pay.yaml").write_text(text)
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1796000000")
    shown = re.findall(r"```console\n\$ flowlens (.*?)\n(.*?)```", page, re.DOTALL)
    targets = {command.partition("--to ")[2] for command, _ in shown} - {""}
    assert targets | {"prefix-list"} == set(TO)
    made = plan(load("pay.yaml"), inventories("data/case/inventory"), now=NOW)
    for command, output in shown:
        to = command.partition("--to ")[2]
        printed = render(made, to).text if to else ""
        if not to:
            assert main(command.split()) == 0
            printed = capsys.readouterr().out
        assert output in printed, command
