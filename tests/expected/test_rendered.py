"""Every rendering is read by what people read it with: none may refuse, or be led astray by, it."""

import ast
import re
import shutil
import subprocess
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import msgspec
import pytest
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from ruamel.yaml import YAML

from flowlens.expected.render import TO, Rendering, render
from tests.expected.rendered import commands, resources
from tests.expected.test_render import plain, planned

#: Reasons and names that each target could take for something of its own.
HOSTILE = (
    'a"b\\c',
    "it's `id` $(id)",
    "${var.x} %{ if x }",
    "!Sub ${AWS::Region} {{resolve:ssm:x}}",
    "x; sid:1; ) pass ip any any -> any any (",
    "one\ntwo\r\nresource {}\u2028three\u0085four",
    "${Token[TOKEN.1]}",
    "*/ --> ]]> # é ✓ \x1b[2J",
    "w" * 300,
)
ENTRIES = (
    *("{cidr: 10.0.0.0/8, ports: [tcp/443, 'udp/1000-2000', icmp, gre]}", "{any: true}"),
    *("{cidr: '2001:db8::/32', ports: [tcp/443]}", "{security_group: sg-3, ports: [tcp/5432]}"),
    *("{aws_service: S3, region: us-east-1, ports: [tcp/443]}", "{prefix_list: pl-a1}"),
    *("{domain: '*.x.example', ports: [tcp/443]}", "{domain: y.example}"),
    *("{domain: z.example, ports: [tcp/80], until: 2027-01-01}", "{endpoint: vpce-1}"),
)
MANY = ", ".join(f"10.{n // 200}.{n % 200}.0/24" for n in range(230))
#: https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/vpc_security_group_egress_rule
TERRAFORM = {
    *("security_group_id", "ip_protocol", "from_port", "to_port", "description", "tags"),
    *("cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id", "region"),
}
#: https://docs.aws.amazon.com/cdk/api/v2/python/aws_cdk.aws_ec2/CfnSecurityGroupEgress.html
CDK = {
    *("group_id", "ip_protocol", "cidr_ip", "cidr_ipv6", "description", "from_port", "to_port"),
    *("destination_prefix_list_id", "destination_security_group_id"),
}
#: https://docs.suricata.io/en/latest/rules/intro.html
RULE = re.compile(
    r"pass (?:tcp|udp|icmp|ip|tls|http) \S+ any -> \S+ (?:any|\d+(?::\d+)?) "
    r"\((?P<options>(?:[^;\"\\]|\\.|\"(?:[^\"\\;]|\\.)*\"|; ?)+;)\)"
)
OPTION = re.compile(r"([a-z_.]+)(?::((?:[^;\\\"]|\\.|\"(?:[^\"\\;]|\\.)*\")+))?; ?")
OPTIONS = {
    *("msg", "tls.sni", "http.host", "content", "startswith", "endswith", "nocase", "flow"),
    *("metadata", "sid", "rev", "ip_proto"),
}


@cache
def rendered() -> dict[str, Rendering]:
    """A document of everything, with hostile names and reasons, in the words of every target."""
    reasons = [msgspec.json.encode(text).decode() for text in HOSTILE]
    to = [f"{entry[:-1]}, why: {reasons[n % len(reasons)]}}}" for n, entry in enumerate(ENTRIES)]
    to += [f"{{cidr: 192.0.{n}.0/24, why: {reason}}}" for n, reason in enumerate(reasons)]
    hostile = ", ".join(f"{{function: {reason}}}" for reason in reasons)
    text = (
        f"- {{from: [{{function: b}}, {{security_group: sg-1}}, {hostile}], to: [{', '.join(to)}]}}"
    )
    text += f"\n- {{from: any, to: [{to[0]}]}}\n- {{from: {{cidr: 10.0.1.8/29}}, to: [{to[1]}]}}"
    made = planned(text, plain())
    made = type(made)("odd\nname'.yaml", made.places, made.grants, made.known, made.unsaid)
    return {name: render(made, name) for name in TO}


def test_nothing_breaks_its_line() -> None:
    """No sign that steers a terminal or ends a line gets into any file."""
    for to, each in rendered().items():
        signs = each.text.replace("\n", "")
        assert signs.isprintable(), to
        for line in each.text.splitlines():
            assert not line.startswith(("two", "resource {}", "three", "four", "name'")), to


def test_terraform() -> None:
    """Terraform's language reads it; the provider knows every argument; nothing is a template."""
    text = rendered()["terraform"].text
    found = resources(text)
    assert len(found) > 20
    for name, block in found.items():
        assert name.startswith("aws_vpc_security_group_egress_rule.egress_")
        assert block.keys() <= TERRAFORM
        assert len({"cidr_ipv4", "cidr_ipv6", "prefix_list_id"} & block.keys()) <= 1
        described(block.get("description", ""))
        assert (block["ip_protocol"] in ("-1", "47")) == ("from_port" not in block)
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert not re.search(r"[$%]\{", code)


def described(text: str) -> None:
    """AWS takes this as the description of a rule."""
    assert re.fullmatch(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}", text), text
    assert not re.search(r"\$\{|\{\{", text)


def test_templates() -> None:
    """cfn-lint finds nothing in the templates, and the translator of SAM takes the one for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their own making
        from cfnlint.api import lint
        from samtranslator.parser.parser import Parser
        from samtranslator.translator.translator import Translator

        for to in ("cloudformation", "sam"):
            # Ids of tests are short, those of AWS have seventeen digits.
            full = re.sub(r'"(sg|vpc|pl)-(\w+)"', _whole, rendered()[to].text)
            assert lint(full) == [], to
        template = YAML(typ="safe")
        read = template.load(rendered()["sam"].text)
        session = boto3.Session(region_name="us-east-1")
        out = Translator({}, Parser(), boto_session=session).translate(read, {})
    groups = [
        each for each in out["Resources"].values() if each["Type"] == "AWS::EC2::SecurityGroup"
    ]
    assert len(groups) > 1
    for group in groups:
        for rule in group["Properties"]["SecurityGroupEgress"]:
            described(rule.get("Description", ""))


def _whole(found: re.Match[str]) -> str:
    return f'"{found[1]}-{found[2]:0>17}"'


def test_cdk() -> None:
    """Python reads it, the construct has every argument, ids differ."""
    calls = [
        node
        for node in ast.walk(ast.parse(rendered()["cdk"].text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    made = [node for node in calls if ast.unparse(node.func) == "ec2.CfnSecurityGroupEgress"]
    assert {each.arg for node in made for each in node.keywords} == CDK
    names = [ast.unparse(node.args[1]) for node in made]
    assert len(set(names)) == len(names) > 20


SCRIPTS = ("awscli", "prefix-list", "nfw-domains", "dns-firewall")


@pytest.mark.parametrize("to", SCRIPTS)
def test_commands(to: str) -> None:
    """The service's own model takes every request; a shell reads the script to its end."""
    session, checked = botocore.session.Session(), 0
    for service, verb, asked in commands(rendered()[to].text):
        model = session.get_service_model(service)
        name = next(n for n in model.operation_names if botocore.xform_name(n, "-") == verb)
        shape = model.operation_model(name).input_shape
        request = msgspec.json.decode(asked, type=dict[str, Any])
        assert not ParamValidator().validate(request, shape).has_errors()
        within(request, shape)
        create_serializer(model.resolved_protocol).serialize_to_request(
            request, model.operation_model(name)
        )
        checked += 1
    assert checked
    # Nothing but AWS is left out of the run: an unset variable or a stray word would end it.
    shell = "aws() { echo create-complete; }; VPC=vpc-1; " + rendered()[to].text
    ran = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert set(ran.stdout.split()) <= {"create-complete"}


def within(value: Any, shape: Any) -> None:
    """Lengths, patterns and words that the model states and its validator does not check."""
    if shape.type_name == "structure":
        for name, each in value.items():
            within(each, shape.members[name])
    elif shape.type_name == "list":
        for each in value:
            within(each, shape.member)
    elif shape.type_name == "string" and "$" not in value:
        assert len(value) <= shape.metadata.get("max", len(value)), value
        assert value in shape.enum or not shape.enum
        pattern = shape.metadata.get("pattern")
        assert not pattern or re.search(pattern, value), value


def test_prefix_lists() -> None:
    """A list is filled a hundred entries at a time, in versions that follow each other."""
    many = f"- {{from: {{security_group: sg-1}}, to: [{{cidr: [{MANY}], ports: [tcp/443]}}]}}"
    text = render(planned(many), "prefix-list").text
    asked = [(verb, msgspec.json.decode(a, type=dict[str, Any])) for _, verb, a in commands(text)]
    made = [request for verb, request in asked if verb == "create-managed-prefix-list"]
    big = next(request for request in made if request["MaxEntries"] == 230)
    at = asked.index(("create-managed-prefix-list", big))
    changes = [request for _, request in asked[at + 1 : at + 3]]
    assert len(big["Entries"]) == 100
    assert [len(each["AddEntries"]) for each in changes] == [100, 30]
    assert [each["CurrentVersion"] for each in changes] == [1, 2]
    every = [*big["Entries"], *(e for each in changes for e in each["AddEntries"])]
    assert len({each["Cidr"] for each in every}) == 230


def test_suricata(tmp_path: Path) -> None:
    """Rules keep to the grammar, each with its own number; Suricata takes them if it is here."""
    text = rendered()["suricata"].text
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    numbers = []
    for line in lines:
        found = RULE.fullmatch(line)
        assert found, line
        options = OPTION.findall(found["options"])
        assert "".join(_joined(*each) for each in options) == found["options"] + " "
        assert {name for name, _ in options} <= OPTIONS
        assert [name for name, _ in options][-2:] == ["sid", "rev"]
        numbers += [int(value) for name, value in options if name == "sid"]
        assert len(line) <= 8192
    assert len(set(numbers)) == len(numbers) > 20
    assert all(1_000_000 <= number < 1 << 32 for number in numbers)
    assert 'tls.sni; content:".x.example"; endswith; nocase;' in text
    assert 'http.host; content:"z.example"; startswith; endswith; flow:to_server;' in text
    if shutil.which("suricata"):
        path = tmp_path / "own.rules"
        path.write_text(text)
        tried = ["suricata", "-T", "-S", str(path), "-l", str(tmp_path)]
        subprocess.run(tried, check=True, capture_output=True)


def _joined(name: str, value: str) -> str:
    return f"{name}:{value}; " if value else f"{name}; "


def test_kubernetes() -> None:
    """The schema of the API takes every policy, strictly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kubernetes_validate

    found = list(YAML(typ="safe").load_all(rendered()["k8s"].text))
    assert len(found) == 3
    for policy in found:
        kubernetes_validate.validate(policy, "1.30", strict=True)
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", policy["metadata"]["name"])
        selector = policy["spec"]["podSelector"]
        some = [e for each in selector.get("matchExpressions", ()) for e in each["values"]]
        for value in (*some, *selector.get("matchLabels", {}).values()):
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)
