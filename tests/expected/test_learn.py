"""Learning from edges with everything known about their ends."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from flowlens.cli import main
from flowlens.destinations.known import Known, gather
from flowlens.edges import edges
from flowlens.errors import DocumentError, UsageError
from flowlens.expected import Bounds, Learned, holdout, judge, learn
from flowlens.expected.evidence import COLUMNS, sift, whole, within
from flowlens.expected.holdout import split
from flowlens.expected.learn import LEARNED
from flowlens.expected.ranges import fit
from flowlens.inventory import Capture, Inventory
from flowlens.tables import CONVERSATIONS, COVERAGE
from tests.reach.worlds import REMOTE, world

Row = dict[str, Any]
BEGIN = datetime(2026, 11, 2, tzinfo=UTC)
#: Accounts in a run of the suite; FLOWLENS_LEARN_ACCOUNTS=200 takes minutes.
ACCOUNTS = int(os.environ.get("FLOWLENS_LEARN_ACCOUNTS", "1"))
KNOWN = Known(blocks=("10.0.0.0/16",))


def edge(**changes: Any) -> Row:
    """A connection of the function pay to TCP 443 of 192.0.2.1 in the first hour."""
    known: Row = {
        "client": "10.0.1.5",
        "client_owner": ["pay"],
        "client_kind": "lambda",
        "client_groups": ["sg-1"],
        "server": "192.0.2.1",
        "server_port": 443,
        "protocol": 6,
        "action": "ACCEPT",
        "orientation": "certain",
        "connections": 2,
        "records": 2,
        "bytes_out": 100,
        "bytes_in": 10,
        "domains": [],
    }
    hour = BEGIN + timedelta(hours=changes.pop("at", 0))
    times = {"hour": hour, "first_seen": hour, "last_seen": hour + timedelta(minutes=5)}
    return known | times | changes


def table(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS)


def name(text: str, probability: float = 0.9) -> list[Row]:
    return [{"name": text, "probability": probability}]


def lines(found: Learned) -> list[str]:
    """The entries without comments, reasons and indent."""
    plain = (line.strip().removeprefix("- ") for line in found.text.splitlines())
    kept = [line for line in plain if line.startswith("{") or line.startswith("from")]
    return [line.partition(", why:")[0] for line in kept]


def taught(*rows: Row, **how: Any) -> list[str]:
    return lines(learn(table(*rows), known=KNOWN, **how))


def test_document() -> None:
    """The whole text: evidence in comments, workload and destination in entries."""
    seen = [edge(at=n, server=f"192.0.2.{n % 2}", domains=name("api.example")) for n in range(4)]
    inside = edge(server="10.0.2.9", server_owner=["db"], server_groups=["sg-9"], path="local")
    found = learn(table(*seen, inside | {"server_port": 5432}), known=KNOWN)
    assert (
        found.text
        == """\
# What 5 conversations between 2026-11-02 00:00 and 03:05 UTC reached. Whoever reviews it allows
# it.
version: 1

egress:
  - from: {function: pay}
    to:
      # 2026-11-02 00:00 to 2026-11-02 00:05 UTC: 2 flows in 1 hour, 100 B out, 10 B in
      # 1 address; interfaces with this group
      - {security_group: sg-9, ports: [tcp/5432], why: db}
      # 2026-11-02 00:00 to 2026-11-02 03:05 UTC: 8 flows in 4 hours, 400 B out, 40 B in
      # 2 addresses; the addresses of the name stay
      - {cidr: 192.0.2.0/31, ports: [tcp/443], why: api.example}
"""
    )
    assert dict(found.entries.schema) == LEARNED
    row = found.entries.row(1, named=True)
    assert (row["line"], row["flows"], row["hours"], row["addresses"]) == (13, 8, 4, 2)
    assert (row["state"], row["names"], row["owners"]) == ("new", ["api.example"], [])


INSIDE: Row = {"server_groups": ["sg-9"], "server": "10.0.2.9"}
INSTRUMENTS: list[tuple[Row, str]] = [
    (INSIDE | {"path": "local"}, "security_group: sg-9"),
    (INSIDE | {"path": "transit gateway"}, "cidr: 10.0.2.9/32"),
    ({"server_groups": ["sg-9"], "path": "local"}, "cidr: 192.0.2.1/32"),
    ({"endpoint": "vpce-1", "path": "interface endpoint"}, "endpoint: vpce-1"),
    ({"services": ["S3"], "region": "us-east-1"}, "aws_service: S3, region: us-east-1"),
    ({"services": ["AMAZON", "EC2"], "region": "us-east-1"}, "cidr: 192.0.2.1/32"),
    ({"domains": name("a.example")}, "domain: a.example"),
    ({"domains": name("b.example", 0.4)}, "cidr: 192.0.2.1/32"),
    ({"domains": name("not a name")}, "cidr: 192.0.2.1/32"),
    ({"domains": name("c.example"), "protocol": 47, "server_port": 0}, "cidr: 192.0.2.1/32"),
    ({"server": "2001:db8::1"}, "cidr: 2001:db8::1/128"),
]  # fmt: skip


def test_instrument() -> None:
    """The narrowest word that stays true: a group near by, an endpoint, a service, a name."""
    rows = [
        edge(client_owner=[f"f{n:02}"], client_groups=None, **changes)
        for n, (changes, _) in enumerate(INSTRUMENTS)
    ]
    told = [line for line in taught(*rows) if line.startswith("{")]
    assert told == [
        f"{{{entry}, ports: [{'gre' if 'protocol' in changes else 'tcp/443'}]"
        for changes, entry in INSTRUMENTS
    ]


def test_a_name_whose_addresses_change_stands_for_them() -> None:
    """Addresses seen again and again are settled; as long as new ones come, the name is learned."""
    settled = [edge(at=n, server=f"192.0.2.{n % 4}", domains=name("a.example")) for n in range(40)]
    moving = [edge(at=n, server=f"192.0.2.{n}", domains=name("a.example")) for n in range(40)]
    assert taught(*settled)[1] == "{cidr: 192.0.2.0/30, ports: [tcp/443]"
    assert taught(*moving)[1] == "{domain: a.example, ports: [tcp/443]"
    other = edge(client_owner=["other"], server="192.0.2.9", domains=name("a.example"))
    assert taught(*settled, other)[3] == "{domain: a.example, ports: [tcp/443]"


def test_workload() -> None:
    """A workload is called by what stays: its function, its group, else its name or address."""
    bare: Row = {"client_kind": "ec2", "client_groups": None}
    rows = (
        edge(client_owner=["a", "b"], client_groups=["sg-2"]),
        edge(client_owner=["c", "d"], client_groups=None),
        edge(client_owner=["web"], client_kind="ec2"),
        edge(client_owner=["vm"], **bare),
        edge(client_owner=["w*"], **bare, client="10.0.1.7"),
        edge(client_owner=None, client_kind=None, client_groups=None, client="10.0.1.8"),
    )
    assert [line[6:] for line in taught(*rows) if line.startswith("from")] == [
        "{cidr: 10.0.1.7/32}",
        "{cidr: 10.0.1.8/32}",
        "[{function: c}, {function: d}]",
        "{owner: vm}",
        "{security_group: sg-1}",
        "{security_group: sg-2}",
    ]


def test_functions_that_share_a_group_with_others_are_named() -> None:
    """A group that somebody else has says too much about functions behind one interface."""
    other = edge(client_owner=["c"], client="10.0.1.6")
    assert taught(edge(client_owner=["a", "b"]), other)[0] == "from: [{function: a}, {function: b}]"


def test_what_is_not_learned_is_counted() -> None:
    """Refused, guessed, inbound, carried and forbidden traffic teaches nothing, and is told."""
    knock = edge(server="10.0.2.9", server_port=22, bytes_in=0)
    found = learn(
        table(
            edge(action="REJECT"),
            *(knock, knock | {"action": "REJECT"}),
            edge(orientation="guess"),
            edge(client="198.51.100.1", client_owner=None, client_kind=None),
            edge(client_kind="nat_gateway"),
            edge(server=None),
            edge(server="169.254.169.254", server_port=80),
            edge(server="203.0.113.9"),
        ),
        known=KNOWN,
        bounds=Bounds(("203.0.113.0/24",)),
    )
    assert dict(found.left) == {
        "carried": 1, "forbidden": 2, "guess": 1, "inbound": 1, "nowhere": 1, "rejected": 3,
    }  # fmt: skip
    assert (found.learned, lines(found)) == (0, [])
    assert "not learned: 3 conversations refused by the network" in found.notes
    assert "egress: []" in found.text


def test_words_that_admit_forbidden_space_are_not_used() -> None:
    """A group, a service or a name that reaches forbidden space gives way to addresses."""
    inside = {"path": "local", "server_groups": ["sg-9"]}
    rows = (
        edge(server="10.0.2.9", **inside),
        edge(server="10.0.2.66", **inside),
        edge(domains=name("a.example")),
        edge(server="203.0.113.9", domains=name("a.example")),
    )
    bounds = Bounds(("203.0.113.0/24", "10.0.2.64/26"))
    assert taught(*rows, bounds=bounds)[1:] == [
        "{cidr: 10.0.2.9/32, ports: [tcp/443]",
        "{cidr: 192.0.2.1/32, ports: [tcp/443]",
    ]
    with pytest.raises(UsageError, match="forbidden 'x' is none"):
        taught(*rows, bounds=Bounds(("x",)))


def test_quota() -> None:
    """Under a quota the least is admitted besides; rare addresses are left out only if asked."""
    rows = [edge(server=f"192.0.2.{n}") for n in (0, 1, 3, 8)]
    rare = edge(server="198.51.100.1", connections=1)
    two = Bounds(limits={"group_rules": 2})
    found = learn(table(*rows), known=KNOWN, bounds=two)
    assert lines(found)[1:] == [
        "{cidr: 192.0.2.0/30, ports: [tcp/443]",
        "{cidr: 192.0.2.8/32, ports: [tcp/443]",
    ]
    assert any("2 prefixes in 2 IPv4 rules left of 2 admit 1 foreign addresses" in n
               for n in found.notes)  # fmt: skip
    cheap = Bounds(limits={"group_rules": 2}, worth=2.0)
    found = learn(table(*rows, rare), known=KNOWN, bounds=cheap)
    assert "198.51.100.1" not in found.text
    assert any("1 rare address left out" in note for note in found.notes)


def test_prefixes_are_told_to_be_the_wrong_instrument() -> None:
    """Names take the place of addresses that no prefixes hold; without names the quota gives."""
    spread = [f"{n}.0.0.1" for n in (20, 40, 80, 160)]
    two = Bounds(limits={"group_rules": 2}, foreign=100)
    again = [edge(at=n, server=s, domains=name("cdn.example")) for s in spread for n in range(9)]
    found = learn(table(*again), known=KNOWN, bounds=two)
    assert lines(found)[1:] == ["{domain: cdn.example, ports: [tcp/443]"]
    assert any("wrong instrument here; 1 name took the place" in note for note in found.notes)
    found = learn(table(*(edge(server=s) for s in spread)), known=KNOWN, bounds=two)
    assert len(lines(found)) == 5
    assert any("4 IPv4 prefixes do not fit into 2 IPv4 rules" in note for note in found.notes)


def test_fit_keeps_ports_apart() -> None:
    """Each port has its own prefixes, and they share the quota."""
    found = fit({(6, 443): ["10.0.0.0", "10.0.0.3"], (6, 80): ["10.0.0.9"]}, 4, 2)
    assert found.prefixes == {(6, 80): ("10.0.0.9/32",), (6, 443): ("10.0.0.0/30",)}
    assert (found.foreign, found.over) == (2, False)
    assert fit({(6, 443): ["2001:db8::1"]}, 4, 0).prefixes == {}


EXISTING = """\
# Reviewed.
version: 1
names: {hq: [192.0.2.0/30]}

egress:
- from:   {function: pay}
  to:
  - cidr: 198.51.100.0/24   # the old bank
    why: "cards"
  - {name: hq, ports: [tcp/443]}
  # not seen since 2026-10-01
  - {cidr: 203.0.113.7, ports: [tcp/443]}

- {from: any, to: [{cidr: 10.0.0.53, ports: [udp/53]}]}
# the end
"""


def test_an_existing_document_stays_as_it_is() -> None:
    """Lines stay byte for byte; what is new goes behind, what was not seen is marked once."""
    rows = [edge(), edge(server="203.0.113.7"), edge(server="203.0.113.8"),
            edge(client_owner=["new"], client_groups=None)]  # fmt: skip
    found = learn(table(*rows), known=KNOWN, existing=EXISTING)
    head = "# 2026-11-02 00:00 to 2026-11-02 00:05 UTC: 2 flows in 1 hour, 100 B out, 10 B in"
    why, rest = "1 address; no word that says it better", "ports: [tcp/443], why: no name known}"
    wanted = EXISTING.replace("  - cidr: 198", "  # not seen since 2026-11-02\n  - cidr: 198")
    wanted = wanted.replace("  # not seen since 2026-10-01\n", "")
    added = f"  {head}\n  # {why}\n  - {{cidr: 203.0.113.8/32, {rest}"
    wanted = wanted.replace("\n\n- {from", f"\n{added}\n\n- {{from")
    rule = f"- from: {{function: new}}\n  to:\n    {head}\n    # {why}\n"
    rule += f"    - {{cidr: 192.0.2.1/32, {rest}\n"
    wanted = wanted.replace("# the end", f"\n{rule}# the end")
    assert found.text == wanted
    assert found.entries["state"].to_list() == ["unseen", "kept", "kept", "new", "unseen", "new"]
    assert found.entries["flows"].to_list() == [None, 2, 2, 2, None, 2]
    assert learn(table(), known=KNOWN, existing=EXISTING).text == EXISTING


def test_line_ends_and_marks_of_a_file_stay() -> None:
    """What Windows wrote stays as Windows wrote it."""
    text = "version: 1\negress:\n- from: {function: pay}\n  to:\n  - {cidr: 203.0.113.8}\n# end"
    rows = table(edge())
    plain = learn(rows, known=KNOWN, existing=text).text
    written = "\ufeff" + text.replace("\n", "\r\n")
    found = learn(rows, known=KNOWN, existing=written).text
    assert found == "\ufeff" + plain.replace("\n", "\r\n")
    assert plain.endswith("no name known}\n# end")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\negress: []", None),
        ("version: 1\negress:\n", None),
        ("egress: []\nversion: 1\n", None),
        (
            "version: 1\negress: [{from: any, to: [{cidr: 10.0.0.0/8}]}]\n",
            "e.yaml:2: `egress` is a",
        ),
        ("{version: 1, egress: []}\n", "e.yaml:1: `egress` is a list in brackets"),
        ("version: 1\negress:\n- from: any\n  to: [{cidr: 10.0.0.1/8}]\n", "host bits set"),
    ],
)
def test_documents_that_are_short_or_wrong(text: str, told: str | None) -> None:
    """A first rule goes into an empty list; what cannot be read or added to is told by line."""
    if told is None:
        found = learn(table(edge()), known=KNOWN, existing=text)
        assert lines(found) == ["from: {function: pay}", "{cidr: 192.0.2.1/32, ports: [tcp/443]"]
        return
    with pytest.raises(DocumentError, match=told.replace("[", r"\[")):
        learn(table(edge()), known=KNOWN, existing=text, source="e.yaml")


def test_an_entry_that_ended_is_not_learned_again() -> None:
    """Its owner wanted it to end; that traffic still needs it is told."""
    text = "version: 1\negress:\n- from: any\n  to:\n  - {cidr: 192.0.2.1, until: 2026-11-01}\n"
    found = learn(table(edge()), known=KNOWN, existing=text)
    assert found.text == text
    assert dict(found.left) == {"ended": 1}
    assert (
        "line 5: cidr 192.0.2.1/32 all has ended, and 1 conversation still need it" in found.notes
    )


def test_what_an_entry_may_cover_is_not_learned_again() -> None:
    """Without a resolver log a domain may be any address."""
    text = "version: 1\negress:\n- from: {function: pay}\n  to:\n  - {domain: a.example}\n"
    found = learn(table(edge(domains=None)), known=KNOWN, existing=text)
    assert (found.text, dict(found.left)) == (text, {"doubtful": 1})


def test_notes() -> None:
    """Empty logs, logs of refused traffic only and skipped windows are told with their effect."""
    assert learn(table()).notes == ("nothing to learn from: the logs hold no conversation",)
    refused = learn(table(edge(action="REJECT"))).notes
    assert any("REJECT only cannot teach" in note for note in refused)
    skipped = {"start": BEGIN, "end": BEGIN, "observer": "eni-1", "status": "SKIPDATA"}
    coverage = pl.DataFrame([skipped], schema=COVERAGE)
    told = learn(table(edge()), coverage=coverage).notes
    assert any("AWS skipped 1 window (SKIPDATA) of eni-1" in note for note in told)


def test_hostile_names_stay_in_their_place() -> None:
    """A name with line ends and YAML in it neither leaves its comment nor its value."""
    evil = "x\n  - {any: true}\n#"
    row = edge(server="10.0.2.9", server_owner=[evil], domains=name(evil), server_port=1,
               client_owner=["ok"], path="local", server_groups=["sg-9"])  # fmt: skip
    found = learn(table(row, edge(client_owner=[evil], client_groups=None)), known=KNOWN)
    kinds = [entry.kind for rule in found.document.rules for entry in rule.entries]
    assert kinds == ["cidr", "security_group"]
    assert all(line.lstrip()[:1] in ("#", "-", "t", "") for line in found.text.splitlines()[5:])


def test_order_does_not_matter() -> None:
    """The same traffic in another order or in smaller pieces gives the same bytes."""
    rows = [
        edge(at=n % 30, server=f"192.0.{n % 7}.{n % 40}", domains=name(f"n{n % 5}.example"),
             client_owner=[f"f{n % 3}"], server_port=443 + n % 2)
        for n in range(120)
    ]  # fmt: skip
    bounds = Bounds(limits={"group_rules": 9})
    found = learn(table(*rows), known=KNOWN, bounds=bounds)
    Random(1).shuffle(rows)
    pieces = pl.concat([table(row) for row in rows], rechunk=False)
    again = learn(pieces, known=KNOWN, bounds=bounds)
    assert (again.text, again.notes) == (found.text, found.notes)
    assert again.entries.equals(found.entries)


def test_holdout() -> None:
    """Learn from the first day, try the second: one of eleven destinations is new then."""
    old = [edge(at=n, server=f"192.0.2.{n % 10}") for n in range(40)]
    new = edge(at=30, server="203.0.113.5", connections=4)
    stranger = edge(at=31, client_owner=["later"], client_groups=None)
    found = holdout(table(*old, new, stranger), BEGIN + timedelta(hours=24), known=KNOWN)
    assert (found.blocked, found.flows, found.undeclared, found.unknown) == (4, 36, 2, 0)
    assert found.rate == 4 / 36
    assert found.bound is not None
    # 3.89 is the 90 % upper bound of a Poisson count of which one was seen.
    assert found.bound == pytest.approx(3.8897 * 4 / 36, abs=1e-4)
    verdicts = found.replay.select("verdict", "destination", "workload").rows()
    assert verdicts == [("blocked", "203.0.113.5", "pay"), ("undeclared", "192.0.2.1", "later")]
    assert split(table(*old), 0.7) == BEGIN + timedelta(hours=39 * 0.7)
    with pytest.raises(UsageError, match="leaves nothing on one side"):
        split(table(*old), BEGIN)
    with pytest.raises(UsageError, match="no conversation"):
        split(table(), 0.5)


def traffic(dice: Random, calls: dict[str, Any]) -> pl.DataFrame:
    """Conversations between interfaces of an account and everything around it."""
    listed = calls.get("ec2.describe_network_interfaces", {"NetworkInterfaces": []})
    own = [
        (each["NetworkInterfaceId"], each["PrivateIpAddresses"][0]["PrivateIpAddress"])
        for each in listed["NetworkInterfaces"]
    ] or [("eni-x", "10.0.1.10")]
    pool = [*REMOTE, *(a for _, a in own), *(f"203.0.113.{dice.randrange(256)}" for _ in range(30))]
    rows = []
    for _ in range(50):
        face, client = dice.choice(own)
        at = BEGIN + timedelta(hours=dice.randrange(48))
        rows.append(
            edge(client=client, server=dice.choice(pool), protocol=dice.choice((6, 6, 17, 1)))
            | {"hour": at, "first_seen": at, "last_seen": at, "observer": face}
            | {"observers": [face], "vantage": "client", "server_port": dice.choice((53, 443))}
            | {"action": dice.choice(("ACCEPT", "ACCEPT", "REJECT"))}
            | {"traffic_path": dice.choice((None, 1, 8))}
        )
    return pl.DataFrame(rows, schema=CONVERSATIONS)


def test_round_trip() -> None:
    """On random accounts all that was learned is admitted, and forbidden space never is."""
    for seed in range(ACCOUNTS):
        dice = Random(seed)
        calls = world(dice)
        inventory = Inventory.of([Capture(BEGIN, "1", "us-east-1", calls)])
        known = gather(inventory)
        names = [name(f"{dice.choice('ab')}.example", dice.choice((0.9, 0.4))) for _ in range(50)]
        frame = edges(traffic(dice, calls).lazy(), inventory, whole=True).collect()
        frame = frame.with_columns(pl.Series("domains", names, COLUMNS["domains"]))
        banned = ("169.254.169.254", "203.0.113.0/26", "52.216.0.0/15", "10.1.1.0/24")
        bounds = Bounds(banned, {"group_rules": dice.choice((4, 60))}, dice.choice((0, 10**6)))
        found = learn(frame, inventory, known=known, bounds=bounds)
        teaching = sift(whole(frame), known, banned)["left"].is_null()
        judged = judge(frame, found.document, inventory, known=known)
        assert set(judged.filter(teaching)["expected"]) <= {"yes"}, seed
        assert "yes" not in judged.filter(within(judged["server"], banned))["expected"], seed
        again = learn(frame, inventory, existing=found.text, known=known, bounds=bounds)
        assert again.text == found.text, seed


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The document goes to standard output or a file, its entries into a table; all else aside."""
    log = tmp_path / "log.txt"
    head = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
    row = "2 1 eni-1 10.0.1.5 192.0.2.1 40000 443 6 10 900 1793000000 1793000050 ACCEPT OK\n"
    back = "2 1 eni-1 192.0.2.1 10.0.1.5 443 40000 6 10 900 1793000000 1793000050 ACCEPT OK\n"
    log.write_text(f"{head}start end action log-status\n{row}{back}")
    assert main(["allowlist", "learn", str(log)]) == 0
    out, err = capsys.readouterr()
    assert "- {cidr: 192.0.2.1/32, ports: [tcp/443], why: no name known}" in out
    assert err.splitlines()[-1] == "learned 1 entry from 1 conversation (1 new)"
    path = tmp_path / "expected.yaml"
    path.write_text(out)
    assert main(["allowlist", "learn", str(log), "-e", str(path), "-o", str(path)]) == 0
    assert path.read_text() == out
    capsys.readouterr()
    assert main(["allowlist", "learn", str(log), "-e", str(path), "--as", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("kept,10,cidr 10.0.1.5/32,cidr,")
    assert main(["allowlist", "learn", str(log), "--redact", "ips"]) == 2
