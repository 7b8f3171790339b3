"""The account of these tests.

Instances web-1 (eni-w1, 10.0.1.11) and web-2 (eni-w2, 10.0.1.12) have the same security group.
Functions orders and payments share eni-fn, 10.0.1.20. The address 10.0.1.30 was job-a's (eni-a)
in the capture of hour 9 and job-b's (eni-b) in the one of hour 11.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import flowlens
from flowlens.destinations.dns import names
from flowlens.errors import UsageError
from flowlens.inventory import Inventory, load
from flowlens.investigation import Investigation, investigate, reads, resolve
from flowlens.tables import FINDINGS
from flowlens_parsers.batch import ANSWERS

Row = dict[str, Any]
DAY = datetime(2026, 3, 1, tzinfo=UTC)
RECORD: dict[str, pl.DataType] = {
    "interface_id": pl.String(),
    "srcaddr": pl.String(),
    "dstaddr": pl.String(),
    "srcport": pl.UInt16(),
    "dstport": pl.UInt16(),
    "protocol": pl.UInt8(),
    "packets": pl.UInt64(),
    "bytes": pl.UInt64(),
    "start": pl.Datetime("ms", "UTC"),
    "end": pl.Datetime("ms", "UTC"),
    "action": pl.String(),
    "tcp_flags": pl.UInt8(),
    "source": pl.String(),
    "line": pl.UInt64(),
}


def talk(
    client: str,
    server: str,
    hour: float,
    *,
    at: str = "eni-w1",
    sent: int = 100,
    got: int = 300,
    port: int = 443,
    action: str = "ACCEPT",
) -> list[Row]:
    """The two records of a connection, as the interface `at` writes them down."""
    start = DAY + timedelta(hours=hour)
    common = {"protocol": 6, "packets": 1, "start": start, "end": start, "action": action}
    there = {"srcaddr": client, "dstaddr": server, "srcport": 50000, "dstport": port}
    back = {"srcaddr": server, "dstaddr": client, "srcport": port, "dstport": 50000}
    first = {"interface_id": at, **there, "bytes": sent, "tcp_flags": 2, **common}
    if action == "REJECT":
        return [first]
    return [first, {"interface_id": at, **back, "bytes": got, "tcp_flags": 18, **common}]


def records(*talks: list[Row]) -> pl.LazyFrame:
    rows = [row for each in talks for row in each]
    numbered = [{**row, "source": "a.log", "line": at} for at, row in enumerate(rows, 1)]
    return pl.LazyFrame(numbered, schema=RECORD)


def face(name: str, address: str, group: str = "sg-fn", instance: str | None = None) -> Row:
    attached = {"InstanceId": instance, "InstanceOwnerId": "123456789012"} if instance else {}
    return {
        "NetworkInterfaceId": name,
        "InterfaceType": "interface" if instance else "lambda",
        "Description": "" if instance else "AWS Lambda VPC ENI-x-0eabb672-9699-4752-8738-38b7379f",
        "VpcId": "vpc-a",
        "SubnetId": "subnet-a",
        "OwnerId": "123456789012",
        "Groups": [{"GroupId": group}],
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{"PrivateIpAddress": address}],
        "Attachment": attached,
    }


def machine(name: str, called: str) -> Row:
    return {"Instances": [{"InstanceId": name, "Tags": [{"Key": "Name", "Value": called}]}]}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    folder = tmp_path_factory.mktemp("inventory")
    functions = [
        {
            "FunctionName": name,
            "Version": "$LATEST",
            "VpcConfig": {"SubnetIds": ["subnet-a"], "SecurityGroupIds": ["sg-fn"]},
        }
        for name in ("orders", "payments")
    ]
    machines = {"i-0000000a": "job-a", "i-0000000b": "job-b", "i-00000001": "web-1"}
    machines |= {"i-00000002": "web-2", "i-00000003": "payments"}
    for hour, job in ((9, ("eni-a", "i-0000000a")), (11, ("eni-b", "i-0000000b"))):
        faces = [
            face("eni-w1", "10.0.1.11", "sg-web", "i-00000001"),
            face("eni-w2", "10.0.1.12", "sg-web", "i-00000002"),
            face("eni-p", "10.0.1.40", "sg-p", "i-00000003"),
            face("eni-fn", "10.0.1.20"),
            face(job[0], "10.0.1.30", "sg-job", job[1]),
        ]
        calls = {
            "ec2.describe_network_interfaces": {"NetworkInterfaces": faces},
            "ec2.describe_instances": {"Reservations": [machine(*one) for one in machines.items()]},
            "ec2.describe_vpcs": {
                "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.0.0.0/16", "State": "available"}]
            },
            "lambda.list_functions": {"Functions": functions},
        }
        head = {"account_id": "123456789012", "region": "us-east-1", "errors": {}}
        time = (DAY + timedelta(hours=hour)).isoformat()
        (folder / f"{hour}.json").write_text(
            json.dumps({"captured_at": time, **head, "calls": calls})
        )
    return load(folder)


WEB = records(
    talk("10.0.1.11", "192.0.2.1", 1, sent=500),
    talk("10.0.1.11", "192.0.2.1", 3, sent=700),
    talk("10.0.1.12", "192.0.2.1", 3, at="eni-w2"),
    talk("10.0.1.11", "192.0.2.9", 27, sent=9000, port=8443),
    talk("198.51.100.7", "10.0.1.11", 4, sent=40, got=50),
    talk("198.51.100.8", "10.0.1.11", 5, port=22, sent=60, action="REJECT"),
    talk("10.0.1.99", "192.0.2.77", 6, at="eni-z"),
)


def answer(client: str, name: str, *addresses: str, hour: float = 1) -> Row:
    return {
        "time": DAY + timedelta(hours=hour),
        "srcaddr": client,
        "vpc_id": "vpc-a",
        "name": name,
        "answers": [{"type": "A", "rdata": one} for one in addresses],
    }


def answers(*rows: Row) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=ANSWERS)


@pytest.fixture(scope="module")
def web(inventory: Inventory) -> Investigation:
    return investigate("10.0.1.11", WEB, inventory)


def test_timeline(web: Investigation) -> None:
    """Each hour says what the subject sent and got, whichever end it was."""
    shown = ["hour", "bytes_out", "bytes_in", "records", "rejected", "peers", "new_peers"]
    assert web.timeline.select(shown).rows() == [
        (DAY + timedelta(hours=1), 500, 300, 2, 0, 1, 1),
        (DAY + timedelta(hours=3), 700, 300, 2, 0, 1, 0),
        (DAY + timedelta(hours=4), 50, 40, 2, 0, 1, 1),
        (DAY + timedelta(hours=5), 0, 60, 1, 1, 1, 1),
        (DAY + timedelta(hours=27), 9000, 300, 2, 0, 1, 1),
    ]


def test_peers(web: Investigation) -> None:
    """Peers of a day before are known, one that comes later is new and stands first."""
    shown = ["role", "name", "server_port", "bytes_out", "bytes_in", "new", "gone", "rejected"]
    assert web.pivot == DAY + timedelta(hours=25)
    assert web.peers.select(shown).rows() == [
        ("client", "192.0.2.9", 8443, 9000, 300, True, False, 0),
        ("client", "192.0.2.1", 443, 1200, 600, False, True, 0),
        ("server", "198.51.100.7", 443, 50, 40, False, True, 0),
        ("server", "198.51.100.8", 22, 0, 60, False, True, 1),
    ]


def test_a_short_time_makes_nothing_new() -> None:
    """Within the first day nothing is called new, unless a time is given."""
    short = WEB.filter(pl.col("start") < DAY + timedelta(hours=24))
    found = investigate("10.0.1.11", short)
    assert (found.pivot, found.peers["new"].null_count()) == (None, found.peers.height)
    found = investigate("10.0.1.11", short, since=DAY + timedelta(hours=4))
    assert dict(found.peers.select("name", "new").iter_rows()) == {
        "192.0.2.1": False,
        "198.51.100.7": True,
        "198.51.100.8": True,
    }


def test_the_rest_of_it(web: Investigation) -> None:
    """Owner, rejects, similar workloads, lines and the sentence are those of the subject."""
    assert web.owners.select("address", "interface", "owner").rows() == [
        ("10.0.1.11", "eni-w1", ["web-1"])
    ]
    assert web.rejects.select("role", "name", "server_port", "rejected").rows() == [
        ("server", "198.51.100.8", 22, 1)
    ]
    assert web.kin.select("name", "server_port", "kin", "of", "only").rows() == [
        ("192.0.2.9", 8443, [], 1, True),
        ("192.0.2.1", 443, ["web-2"], 1, False),
    ]
    assert web.subject.kin == {"eni-w2": "same security groups"}
    assert web.lines.select("peer", "source", "line").rows() == [
        ("192.0.2.9", "a.log", 7),
        ("192.0.2.1", "a.log", 1),
        ("198.51.100.7", "a.log", 9),
        ("198.51.100.8", "a.log", 11),
    ]
    assert web.text == (
        "10.0.1.11 (web-1) sent 10.2 kB to and got 1 kB from 4 peers in 9 records between "
        "2026-03-01 01:00 and 2026-03-02 03:00 UTC, 1 of them rejected; 1 peer new since "
        "2026-03-02 01:00."
    )


def test_configuration_is_asked(web: Investigation) -> None:
    """Each service is judged by the configuration; what the inventory lacks is unknown."""
    found = web.may.filter(pl.col("role") == "client")
    assert found["verdict"].unique().to_list() == ["unknown"]
    assert found["accepted"].sum() == 6
    assert all(web.may["notes"].list.len() > 0)


def test_holders_over_time(inventory: Inventory) -> None:
    """An interface has the traffic of its own time; where nobody knows the holder it has none."""
    logs = records(
        talk("10.0.1.30", "192.0.2.1", 8, at="eni-x", sent=1),
        talk("10.0.1.30", "192.0.2.1", 10, at="eni-x", sent=20),
        talk("10.0.1.30", "192.0.2.1", 12, at="eni-x", sent=300),
    )
    second = investigate("job-b", logs, inventory)
    assert second.timeline["bytes_out"].to_list() == [300]
    assert second.caveats[0] == (
        "left out: 320 B in 1 conversation at 2026-03-01 10:00 UTC, when captures do not tell who "
        "held the address"
    )
    whole = investigate("10.0.1.30", logs, inventory)
    assert whole.timeline["bytes_out"].to_list() == [1, 20, 300]
    assert whole.owners["owner"].to_list() == [["job-a"], ["job-b"]]
    assert "2 holders over time" in whole.text


def test_a_shared_interface(inventory: Inventory) -> None:
    """A function has the traffic of its interface, and the sentence names no other than it."""
    logs = records(talk("10.0.1.20", "192.0.2.1", 10, at="eni-fn", sent=5))
    found = investigate("orders", logs, inventory)
    assert found.subject.kind == "function"
    assert found.timeline["bytes_out"].to_list() == [5]
    assert found.owners["owner"].to_list() == [["orders", "payments"]]


def test_an_interface_without_inventory() -> None:
    """Records name their interface; which end it is, they tell as well."""
    found = investigate("eni-w1", WEB)
    assert found.subject.where == "interface_id = eni-w1"
    assert found.peers["role"].to_list() == ["client", "client", "server", "server"]
    assert found.timeline["bytes_out"].sum() == 10_250


def test_a_group(inventory: Inventory) -> None:
    """A security group is all interfaces that had it."""
    found = resolve("sg-web", inventory)
    assert (found.kind, found.interfaces) == ("group", ("eni-w1", "eni-w2"))
    assert found.own == "addr in (10.0.1.11, 10.0.1.12)"


def test_a_domain() -> None:
    """A domain is the addresses answered for it and below, and their traffic under it."""
    dns = answers(
        answer("10.0.1.11", "api.shop.example", "192.0.2.1"),
        answer("10.0.1.12", "other.example", "192.0.2.9"),
    )
    found = investigate("shop.example", WEB, None, None, dns)
    assert found.subject.addresses == ("192.0.2.1",)
    assert found.peers.select("role", "name", "bytes_in").rows() == [
        ("server", "10.0.1.11", 1200),
        ("server", "10.0.1.12", 100),
    ]
    assert found.names.select("relation", "name", "used").rows() == [
        ("called", "api.shop.example", True)
    ]
    asked = investigate("10.0.1.11", WEB, None, None, dns).names
    assert asked.select("relation", "name", "count", "used").rows() == [
        ("asked", "api.shop.example", 1, True)
    ]


def test_a_finding(inventory: Inventory) -> None:
    """A finding's investigation is its client's, with the finding's own timeline and lines."""
    learn = DAY + timedelta(hours=24)
    talked = flowlens.conversations(WEB, inventory)
    found = flowlens.findings(flowlens.edges(talked, inventory, learn_until=learn))
    name = found.filter(server="192.0.2.9")["id"][0]
    told = investigate(name, WEB, inventory, findings=found, learn_until=learn)
    assert told.text == found.filter(id=name)["text"][0]
    assert told.timeline["bytes_out"].to_list() == [9000]
    assert told.peers["name"].to_list()[:2] == ["192.0.2.9", "192.0.2.1"]
    assert told.lines["line"].to_list() == [7, 8]
    with pytest.raises(UsageError, match=rf"no finding .*nearest of 1 are {name}"):
        resolve(name[:-1] + ("0" if name[-1] != "0" else "1"), inventory, findings=found)


def test_any_order_and_only_what_counts(inventory: Inventory, web: Investigation) -> None:
    """The order of records changes nothing, nor do records that the subject's filter leaves out."""
    assert web.subject.where == "addr in (10.0.1.11, 10.0.1.12)"
    some = flowlens.where(WEB, web.subject.where).collect().sample(fraction=1, shuffle=True, seed=7)
    before = some.clone()
    other = investigate(web.subject, some, inventory)
    assert (web.text, web.caveats) == (other.text, other.caveats)
    for name, table in web.tables.items():
        assert table.equals(other.tables[name]), name
    assert some.equals(before)


@pytest.mark.parametrize(
    ("text", "known", "why"),
    [
        ("paymets", True, r"no function, .* 'paymets' in 2 captures .*similar: payments"),
        ("payments", True, r"several kinds \(ec2, lambda\); say function:payments or instance"),
        ("payments", False, r"give the inventory \(-i\), or --dns"),
        ("sg-nope", True, r"no group 'sg-nope' in 2 captures"),
        ("sg-web", False, r"if it is a group, give the inventory"),
        ("domain:shop.example", True, r"give the resolver's query logs \(--dns"),
        ("unexpected-0123456789abcdef", True, r"there is none\. Judge them as when"),
    ],
)
def test_what_means_nothing(inventory: Inventory, text: str, known: bool, why: str) -> None:
    """A word that means nothing, or too much, says what is known and what to try."""
    with pytest.raises(UsageError, match=why):
        resolve(text, inventory if known else None, findings=pl.DataFrame(schema=FINDINGS))


def test_a_domain_that_nobody_asked_for() -> None:
    """The names that were answered for are searched for similar ones."""
    known = names(answers(answer("10.0.1.11", "api.shop.example", "192.0.2.1"))).collect()
    with pytest.raises(UsageError, match=r"nobody was answered for 'api.shp.example'.*api.shop"):
        resolve("api.shp.example", names=known)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2001:DB8::1", "address"),
        ("10.0.0.7/8", "prefix"),
        ("i-0123456789abcdef0", "instance"),
        ("i-am-a-function", None),
        ("fn:api", "function"),
        ("port_scan-0123456789abcdef", "finding"),
        ("arn:aws:ec2:us-east-1:123456789012:network-interface/eni-0a", "interface"),
    ],
)
def test_kinds(text: str, kind: str | None) -> None:
    """What a word looks like is what it is taken for."""
    assert reads(text)[1] == kind
