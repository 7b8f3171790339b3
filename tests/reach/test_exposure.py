from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from flowlens.errors import InputError
from flowlens.inventory import Inventory
from flowlens.reach import EXPOSURE, exposure
from flowlens.reach.silence import Silence
from flowlens.reach.whatif import read
from flowlens.tables import CONVERSATIONS
from tests.reach.accounts import AT, World, rule

Item = dict[str, Any]
#: Logs in which everything that happened is to be seen.
WHOLE: Item = {"first": "2026-03-01T12:00:00Z", "last": "2026-03-01T18:00:00Z"}


def talk(server: str, port: int = 443, **parts: Any) -> Item:
    """A conversation of eni-a, as its own interface wrote it down."""
    return {
        "hour": AT,
        "observer": "eni-a",
        "observers": ["eni-a", "eni-b", "eni-p", "eni-f"],
        "vantage": "client",
        "client": "10.0.1.10",
        "server": server,
        "server_port": port,
        "protocol": 6,
        "action": "ACCEPT",
        "bytes_out": 100,
        "bytes_in": 900,
        "records": 2,
        "first_seen": AT,
        "last_seen": AT + timedelta(minutes=5),
    } | parts


def told(world: World, *said: Item, **coverage: Any) -> dict[str, Item]:
    frame = pl.DataFrame(said, schema=CONVERSATIONS)
    rows = exposure(frame, Inventory.of([world.capture()]), WHOLE | coverage)
    assert rows.schema == pl.Schema(EXPOSURE)
    return {row["rule"]: row for row in rows.to_dicts()}


@pytest.fixture
def narrow(world: World) -> World:
    """sg-a lets out to a /24 on 443, to everything on 443, and to a /32 on all ports."""
    world.rules(
        rule("sgr-net", "sg-a", "tcp", (443, 443), CidrIpv4="203.0.113.0/24"),
        rule("sgr-all", "sg-a", "tcp", (443, 443), CidrIpv4="0.0.0.0/0"),
        rule("sgr-one", "sg-a", "-1", CidrIpv4="192.0.2.1/32"),
        group="sg-a",
    )
    return world


def test_what_was_used(narrow: World) -> None:
    """A rule's hits are what it let out, by itself or with others; the share is of its space."""
    rows = told(
        narrow,
        talk("203.0.113.5"),
        talk("203.0.113.5"),
        talk("203.0.113.6"),
        talk("198.51.100.77"),
        talk("203.0.113.9", action="REJECT"),
    )
    net, every, one = rows["sgr-net"], rows["sgr-all"], rows["sgr-one"]
    assert (net["conversations"], net["only"], net["seen"], net["bytes"]) == (3, 0, 2, 3000)
    assert (net["used"], net["space"], net["share"]) == ("yes", 256, 2 / 256)
    assert net["last_seen"] == datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    assert (every["conversations"], every["only"], every["space"]) == (4, 1, 2**32)
    assert (one["used"], one["space"]) == ("no", 2 * 65536)
    assert one["why"] == "never from 2026-03-01T12:00:00Z to 2026-03-01T18:00:00Z"
    assert rows["sgr-p"]["workloads"] == ["i-eni-p"]


def test_covered_and_instead(narrow: World) -> None:
    """A rule within a wider one is redundant; a rule for everywhere has a smaller replacement."""
    rows = told(narrow, talk("198.51.100.4"), talk("198.51.100.5"), talk("52.216.9.9"))
    assert rows["sgr-net"]["covered_by"] == ["sgr-all"]
    assert rows["sgr-one"]["covered_by"] == rows["sgr-all"]["covered_by"] == []
    assert rows["sgr-all"]["instead"] == [
        "pl-s3 tcp/443 (com.amazonaws.us-east-1.s3)",
        "198.51.100.4/31 tcp/443",
    ]


@pytest.mark.parametrize(
    ("coverage", "why"),
    [
        ({}, None),
        ({"silent": [{"observer": "eni-c"}]}, None),
        ({"skipped": [{"observer": "eni-a", "seconds": 60}]}, "SKIPDATA: records of eni-a were"),
        ({"gaps": [["2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z"]]}, "nothing was recorded from"),
        ({"rejects": 1}, "1 line could not be read"),
        ({"lost": [{"source": "x.gz", "reason": "?"}]}, "x.gz was not read to its end"),
        ({"actions": {"REJECT": 3}}, "the logs hold refused traffic only"),
        ({"first": None}, "there are no records"),
    ],
)
def test_silence(coverage: Item, why: str | None) -> None:
    """Silence means something only where the logs would have shown what happened."""
    frame = pl.DataFrame([talk("198.51.100.4")], schema=CONVERSATIONS)
    silence = Silence(frame, WHOLE | coverage)
    seen = ["eni-a", "eni-c"] if "silent" in coverage else ["eni-a"]
    said = silence.why(seen, None)
    assert said is None if why is None else (said or "").startswith(why)
    assert silence.why(["eni-x"], None) == "the logs have no record of eni-x"
    assert silence.why(["eni-a"], "pl-1: not read") == "pl-1: not read"


def test_unknown_use(narrow: World) -> None:
    """Where the logs would not show it, whether a rule was used is unknown."""
    rows = told(narrow, talk("198.51.100.4"), rejects=1)
    assert (rows["sgr-one"]["used"], rows["sgr-all"]["used"]) == ("unknown", "yes")
    assert rows["sgr-one"]["why"] == "1 line could not be read"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "holds no rule"),
        ("{", "not JSON"),
        ('{"GroupId": "sg-a", "IpProtocol": "tcp"}', "rule 1 names 0 of CidrIpv4"),
        ('{"IpProtocol": "tcp", "CidrIpv4": "10.0.0.0/8"}', 'rule 1 has no "GroupId"'),
        ('{"GroupId": "sg-a", "IpProtocol": "tpc", "CidrIpv4": "0.0.0.0/0"}', 'rule 1 has "IpPro'),
        ('{"GroupId": "sg-a", "IpProtocol": "6", "CidrIpv4": "10/8"}', "rule 1 has 'CidrIpv4'"),
    ],
)
def test_wrong_rules(tmp_path: Any, text: str, why: str) -> None:
    """A file that holds no rules is refused with the place and what was expected."""
    path = tmp_path / "rule.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"rule\.json: {why}"):
        read(path)


def test_both_forms_of_rules(tmp_path: Any) -> None:
    """The input of authorize-security-group-egress is read as rules with an id each."""
    path = tmp_path / "rule.json"
    path.write_text(
        '{"GroupId": "sg-a", "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443'
        ', "IpRanges": [{"CidrIp": "10.0.0.0/8"}], "UserIdGroupPairs": [{"GroupId": "sg-b"}]}]}'
    )
    block, group = read(path)
    assert (block["SecurityGroupRuleId"], block["CidrIpv4"]) == ("new-1", "10.0.0.0/8")
    assert (group["SecurityGroupRuleId"], group["IsEgress"]) == ("new-2", True)
    assert group["ReferencedGroupInfo"] == {"GroupId": "sg-b"}
