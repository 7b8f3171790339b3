from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowlens.findings import Context
from flowlens.findings.bypass import bypass
from flowlens.findings.peers import peers
from flowlens.findings.sides import about
from flowlens.findings.silence import silence
from flowlens.findings.volume import exfiltration, volume
from flowlens.inventory import Capture, Inventory
from tests.findings.cases import S3
from tests.findings.conftest import START, edge, frame

SEPARATOR = "\x1f"
AT = datetime(2026, 11, 1, tzinfo=UTC)
BIG: dict[str, Any] = {"bytes_out": 30_000_000, "packets_out": 30_000, "bytes_in": 900_000}


def ends(*services: str, state: str = "available", vpc: str = "vpc-1") -> dict[str, Any]:
    """Return the answer about VPC endpoints for some services."""
    return {
        "ec2.describe_vpc_endpoints": {
            "VpcEndpoints": [
                {"VpcEndpointId": f"vpce-{n}", "VpcId": vpc, "ServiceName": name, "State": state,
                 "VpcEndpointType": "Gateway"}
                for n, name in enumerate(services)
            ]
        }
    }  # fmt: skip


def inventory(
    groups: dict[int, str], kind: str = "interface", at: datetime = AT, **calls: Any
) -> Inventory:
    """Return an account whose interface n, of an instance, has a group."""
    faces = [
        {
            "NetworkInterfaceId": f"eni-{n}", "InterfaceType": kind, "VpcId": "vpc-1",
            "SubnetId": "subnet-1", "Groups": [{"GroupId": group}], "Status": "in-use",
            "PrivateIpAddresses": [{"PrivateIpAddress": f"10.0.1.{n}"}],
            "Attachment": {"InstanceId": f"i-{n}"},
        }
        for n, group in groups.items()
    ]  # fmt: skip
    calls["ec2.describe_network_interfaces"] = {"NetworkInterfaces": faces}
    return Inventory.of([Capture(at, "1", "us-east-1", calls)])


def own(n: int, at: float = 0, **change: Any) -> dict[str, Any]:
    """Return an edge of workload n."""
    face = {"observer": f"eni-{n}", "client": f"10.0.1.{n}", "client_owner": [f"w{n}"]}
    return edge(at, **{**face, **change})


ALIKE = inventory(dict.fromkeys(range(5), "sg-a") | {9: "sg-b"})


def test_peers_share_groups_else_the_kind() -> None:
    """Who carries the same groups is a peer; who shares them with nobody has those of its kind."""
    rows = about(frame([own(n) for n in (0, 1, 2, 9)]).lazy())
    told = peers(rows, rows.select("about").collect(), Context(inventory=ALIKE))
    found = {
        one.rpartition(SEPARATOR)[2]: [two.rpartition(SEPARATOR)[2] for two in part["peer"]]
        for (one,), part in told.group_by("about", maintain_order=True)
    }
    assert found == {"w0": ["w1", "w2"], "w1": ["w0", "w2"], "w2": ["w0", "w1"],
                     "w9": ["w0", "w1", "w2"]}  # fmt: skip


@pytest.mark.parametrize(
    ("there", "level", "words"),
    [
        ([], "high", "where none of 4 similar workloads goes"),
        ([1], "high", "where 1 of 4 similar workloads went"),
        ([1, 2, 3, 4], "medium", "where 4 of 4 similar workloads went"),
    ],
)
def test_where_peers_go(there: list[int], level: str, words: str) -> None:
    """An upload to where none of its peers goes weighs more than one to where they all go."""
    rows = [own(0, **{**BIG, "bytes_out": 120_000_000})]
    rows += [own(n, server="203.0.113.80") for n in (1, 2, 3, 4)]
    rows += [own(n) for n in there]
    (row,) = exfiltration(frame(rows).lazy(), Context(inventory=ALIKE)).to_dicts()
    assert words in row["text"]
    assert (row["numbers"]["peers"], row["numbers"]["peers_there"]) == (4, len(there))
    assert row["severity"] == level
    assert ("none of its peers goes there" in row["text"]) == (not there)
    assert ("all its peers go there" in row["text"]) == (len(there) == 4)


def nights(n: int, peak: int) -> list[dict[str, Any]]:
    """Return thirty hours of a workload, and one with more."""
    hours = [own(n, at, bytes_out=200_000) for at in range(30)]
    return [*hours, own(n, 31, bytes_out=peak)]


@pytest.mark.parametrize(
    ("others", "alike", "level"),
    [(90_000_000, 4, "low"), (200_000, 0, "medium"), (400_000, 4, "low")],
)
def test_what_peers_send_in_that_hour(others: int, alike: int, level: str) -> None:
    """An hour in which the peers sent far more than usual, too, is less than one's own alone."""
    rows = [row for n in range(5) for row in nights(n, others if n else 90_000_000)]
    found = volume(frame(rows).lazy(), Context(inventory=ALIKE))
    row = found.filter(client="10.0.1.0").row(0, named=True)
    assert row["numbers"]["peers_alike"] == alike
    assert row["severity"] == level
    assert ("its peers sent far more than usual, too" in row["text"]) == bool(alike)


def test_without_an_inventory_nobody_is_a_peer() -> None:
    """What is not known is not compared: no number, no word, no weight."""
    rows = [own(n, **{**BIG, "bytes_out": 120_000_000}) for n in range(2)]
    for told in (None, inventory({7: "sg-a"}), inventory({0: "sg-a", 1: "sg-b"}, "nat_gateway")):
        found = exfiltration(frame(rows).lazy(), Context(inventory=told))
        assert found["numbers"].struct.field("peers").to_list() == [None, None]
        assert not found["text"].str.contains("similar").any()


HOME = "com.amazonaws.us-east-1.s3"


@pytest.mark.parametrize(
    ("answer", "change", "found"),
    [
        (ends(HOME), {}, True),  # one that nobody uses
        (ends("com.amazonaws.us-east-1.dynamodb"), {}, False),  # another service
        (ends("com.amazonaws.eu-west-1.s3"), {}, False),  # another Region
        (ends(HOME, vpc="vpc-2"), {}, False),  # another VPC
        (ends(HOME, state="deleted"), {}, False),
        (ends("com.amazonaws.vpce.us-east-1.vpce-svc-0a"), {}, False),  # a partner's
        (ends(HOME), {"path": "gateway endpoint"}, False),  # used
        (ends(HOME), {"vantage": "middle"}, False),  # whose interface it is, is not known
        (ends(HOME), {"observer": "eni-7"}, False),  # nor where this one is
        ({}, {}, False),
    ],
)
def test_an_endpoint_that_nobody_uses(
    answer: dict[str, Any], change: dict[str, Any], found: bool
) -> None:
    """The inventory knows endpoints that no traffic shows, for the VPC of the client."""
    row = own(0, **{**S3, "path": "nat", **change})
    told = bypass(frame([row]).lazy(), Context(inventory=inventory({0: "sg-a"}, **answer)))
    assert told.height == found
    assert not found or "although vpce-0 of its VPC serves it: 2 kB out" in told["text"][0]


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ({0: "sg-a", 1: "sg-a"}, ["low"]),  # still there
        ({1: "sg-a"}, []),  # deleted
        (None, []),  # nobody looked
    ],
)
def test_one_interface_that_fell_silent(later: dict[int, str] | None, told: list[str]) -> None:
    """Alone it is told where a capture after the silence still shows it, and not where it is gone.

    Two of two that were deleted are not called switched off either.
    """
    hours = [own(0, at) for at in range(20)] + [own(1, at) for at in range(30)]
    captures = inventory({0: "sg-a", 1: "sg-a"}).captures
    if later is not None:
        captures += inventory(later, at=START + timedelta(hours=26)).captures
    found = silence(frame(hours).lazy(), Context(inventory=Inventory.of(captures)))
    assert found["severity"].to_list() == told
    assert not told or found["text"][0].startswith(
        "1 interface that had spoken in every hour fell silent between 2026-11-16 20:00 and "
    )
    both = [*hours, *(own(n, at) for n in (2, 3) for at in range(30 if n == 3 else 20))]
    gone = silence(frame(both).lazy(), Context(inventory=Inventory.of(captures)))
    assert (gone["severity"].to_list() == ["medium"]) == (later is None or 0 in later)
