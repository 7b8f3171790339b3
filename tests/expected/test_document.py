from datetime import UTC, datetime
from pathlib import Path

import pytest

from flowlens.errors import DocumentError
from flowlens.expected import Document, Entry, Port, Rule, Subject, load, parse

WHOLE = """version: 1
names:                       # your own words for address ranges
  payment gateway: [34.110.5.8/29]
egress:
  - from: {function: payments}
    to:
      - {cidr: 34.110.5.8/29, ports: [tcp/443], why: card payments}
      - {aws_service: S3, region: us-east-1, ports: [tcp/443]}
      - {security_group: sg-0abc, ports: [tcp/5432]}
      - {prefix_list: pl-63a5400a, ports: [tcp/443]}
      - {domain: "*.PayGW.example.", ports: tcp/8000-8100}
      - {endpoint: vpce-0b7d, ports: [tcp/443], until: 2027-01-01}
      - {name: payment gateway, ports: [icmp], until: 2027-01-01T10:00:00+02:00}
  - from: [{security_group: sg-1}, {subnet: subnet-1}, {instance: [i-1, i-2]}, {cidr: 10.0.0.1}]
    to:
      - any
  - from: any
    to: []
"""
HTTPS = {"ports": (Port(6, 443, 443),), "said": ("tcp/443",)}


def test_whole_document() -> None:
    """Every kind of subject and destination is read, with its line, ports, reason and end."""
    year = datetime(2027, 1, 1, tzinfo=UTC)
    entries = (
        Entry(7, "cidr", ("34.110.5.8/29",), why="card payments", **HTTPS),  # type: ignore[arg-type]
        Entry(8, "aws_service", ("S3",), region="us-east-1", **HTTPS),  # type: ignore[arg-type]
        Entry(9, "security_group", ("sg-0abc",), ports=(Port(6, 5432, 5432),), said=("tcp/5432",)),
        Entry(10, "prefix_list", ("pl-63a5400a",), **HTTPS),  # type: ignore[arg-type]
        Entry(
            11,
            "domain",
            ("*.paygw.example",),
            ports=(Port(6, 8000, 8100),),
            said=("tcp/8000-8100",),
        ),
        Entry(12, "endpoint", ("vpce-0b7d",), until=year, **HTTPS),  # type: ignore[arg-type]
        Entry(
            13,
            "name",
            ("payment gateway",),
            ports=(Port(1), Port(58)),
            said=("icmp",),
            until=year.replace(hour=8),
        ),
    )
    several = (
        Subject("security_group", "sg-1"),
        Subject("subnet", "subnet-1"),
        Subject("instance", "i-1"),
        Subject("instance", "i-2"),
        Subject("cidr", "10.0.0.1/32"),
    )
    assert parse(WHOLE, "e.yaml") == Document(
        "e.yaml",
        {"payment gateway": ("34.110.5.8/29",)},
        (
            Rule(5, (Subject("function", "payments"),), entries),
            Rule(14, several, (Entry(16, "any", ("any",)),)),
            Rule(17, (Subject("any", "any"),), ()),
        ),
    )


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(text, "e.yaml")
    return str(caught.value).splitlines()


def entry(text: str) -> str:
    return f"version: 1\nnames: {{office: [10.0.0.0/8]}}\negress:\n- from: any\n  to:\n  - {text}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "{cidr: 34.110.5.9/29}",
            "cidr '34.110.5.9/29' has host bits set; expected the first address of the range; "
            "try 34.110.5.8/29",
        ),
        (
            "{cidr: 300.1.1.1/8}",
            "cidr '300.1.1.1/8' is no address range; expected a prefix; "
            "try 10.0.0.0/8 or 2001:db8::/32",
        ),
        (
            "{cidr: 10.0.0.0/8, ports: [443]}",
            "ports 443; expected tcp/443, udp/53, tcp/8000-8100, icmp or all; try tcp/443",
        ),
        (
            "{cidr: 10.0.0.0/8, ports: [tcp/90-80]}",
            "ports 'tcp/90-80'; expected ports 0 to 65535 of tcp, udp or sctp, the lower first; "
            "try tcp/443, udp/53, tcp/8000-8100, icmp or all",
        ),
        (
            "{cidr: 10.0.0.0/8, prots: [all]}",
            "unknown key 'prots' in a member of `to`; did you mean 'ports'?",
        ),
        ("{name: ofice}", "name 'ofice' is not defined; did you mean 'office'?"),
        (
            "{domain: 'a.*.example'}",
            "domain 'a.*.example' is no domain; expected a name or *.name; try '*.example.com'",
        ),
        ("{security_group: web}", "security_group 'web'; expected an id that begins with sg-"),
        (
            "{aws_service: S3, region: virginia}",
            "region 'virginia' is no Region; expected a code; try us-east-1",
        ),
        (
            "{cidr: 10.0.0.0/8, region: us-east-1}",
            "`region` beside cidr; expected it beside aws_service only",
        ),
        ("{cidr: 10.0.0.0/8, until: soon}", "until 'soon'; expected a date; try until: 2027-01-01"),
        ("{cidr: []}", "`cidr` is empty; expected at least one value"),
        ("{cidr: 10.0.0.0/8, why: [a]}", "`why` is a list; expected one value"),
        (
            "{ports: [all]}",
            "a member of `to` has no key of that kind; expected exactly one of cidr, aws_service, "
            "security_group, prefix_list, domain, endpoint, name, owner, any",
        ),
        (
            "10.0.0.0/8",
            "a member of `to` is '10.0.0.0/8'; expected a mapping of cidr, aws_service, "
            "security_group, prefix_list, domain, endpoint, name, owner, any, region, ports, why, "
            "until",
        ),
    ],
)
def test_problem_names_its_line(text: str, problem: str) -> None:
    """Each break of the schema is told with file, line, value and the way out."""
    assert problems(entry(text)) == [f"e.yaml:6: {problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: the document is empty; expected a mapping of version, names, egress"),
        ("- a", "1: the document is a list; expected a mapping of version, names, egress"),
        ("version: 1", "1: no `egress`; expected a list of `from` and `to`; try egress: []"),
        ("version: 2\negress: []", "1: version 2; expected version: 1"),
        ("egress: []\nversion: true", "2: version True; expected version: 1"),
        ("version: 1\negress: 5", "2: `egress` is 5; expected a list"),
        ("version: 1\nnames: 5\negress: []", "2: `names` is 5; expected name: [prefix]"),
        (
            "version: 1\negress:\n- to: []",
            "3: no `from`; expected `from` (workloads) and `to` (destinations)",
        ),
        (
            "version: 1\negress:\n- {from: [], to: [any]}",
            "3: `from` is empty; expected at least one value",
        ),
        ("version: 1\nversion: 1\negress: []", "2: not YAML (found duplicate key"),
        ("version: 1\negress: [", "2: not YAML ("),
        ("version: 1\negress: \x00", "1: not YAML ("),
    ],
)
def test_broken_document_names_its_line(text: str, problem: str) -> None:
    """A document that is none, or no YAML, is refused with a line."""
    told = problems(text)
    assert len(told) == 1
    assert told[0].startswith(f"e.yaml:{problem}")


def test_problems_are_told_together() -> None:
    """All problems come at once in the order of the file, but no more than ten."""
    wrong = "\n".join(f"  - {{cidr: 10.0.0.{i}/24}}" for i in range(1, 13))
    told = problems(f"version: 1\negress:\n- from: any\n  to:\n{wrong}\n")
    assert [line.split(":")[1] for line in told[:10]] == [str(i) for i in range(5, 15)]
    assert told[10:] == ["e.yaml: 2 more problems"]


def test_file_is_read_and_named(tmp_path: Path) -> None:
    """A file is read with or without a byte order mark, and its problems carry its path."""
    path = tmp_path / "should.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.encode())
    assert load(path).source == str(path)
    path.write_bytes(b"version: \xff")
    with pytest.raises(DocumentError, match=r"should.yaml: not UTF-8 text \(byte 9\)"):
        load(path)
    with pytest.raises(DocumentError, match="No such file"):
        load(tmp_path / "none.yaml")


def test_notes_name_what_is_probably_not_meant() -> None:
    """Names that nothing uses and entries said twice are noted, not refused."""
    text = """version: 1
names: {dc: [10.0.0.0/8], hq: [192.0.2.0/24]}
egress:
  - from: any
    to:
      - {name: dc, ports: [tcp/443]}
      - {name: dc, ports: [tcp/443], why: again}
"""
    assert parse(text, "e.yaml").check() == (
        "e.yaml: name 'hq' is never used",
        "e.yaml:7: repeats line 6",
    )
