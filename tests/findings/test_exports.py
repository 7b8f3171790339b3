import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import botocore.session
import polars as pl
import pytest
from botocore.validate import ParamValidator
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from flowlens.errors import UsageError
from flowlens.findings.asff import batches
from flowlens.findings.ocsf import events
from flowlens.findings.place import PLACE, place
from flowlens.output.alerts import WRITERS
from flowlens.tables import FINDINGS

START = datetime(2026, 11, 21, 11, 4, tzinfo=UTC)
FOLDER = "s3://logs/AWSLogs/123456789012/vpcflowlogs/us-gov-east-1/2026/11/21"
LINE = {"source": f"{FOLDER}/a.log.gz", "line": 7, "text": "2 123456789012 eni-0a 10.0.1.5 …"}
ROW: dict[str, Any] = {
    "id": "unexpected-0123456789abcdef",
    "kind": "unexpected",
    "severity": "high",
    "owner": ["audit", "billing"],
    "client": "10.0.1.5",
    "server": "176.206.173.108",
    "server_port": 8333,
    "protocol": 6,
    "destination": "paste.example",
    "first_seen": START,
    "last_seen": START + timedelta(minutes=51, milliseconds=5),
    "numbers": {"bytes_out": 2_900_000, "bytes_in": 60_000, "records": 323, "rejected": 0},
    "text": "audit or billing sent 2.9 MB to paste.example.",
    "technique": "T1048",
    "evidence": {"filter": "addr = 10.0.1.5", "lines": [LINE]},
}
#: What other detections may bring: other kinds, techniques, protocols, ends that are not known.
ROWS: list[dict[str, Any]] = [
    ROW,
    ROW | {"id": "odd-1", "kind": "odd thing", "technique": "T1048.003; T9999", "owner": None},
    ROW | {"id": "scan-1", "kind": "port_scan", "technique": None, "server_port": None},
    ROW | {"id": "scan-2", "kind": "host sweep", "server": None, "destination": None},
    ROW | {"id": "six-1", "client": "2001:db8::5", "server": "2001:db8::9", "protocol": 58},
    ROW | {"id": "deny-1", "numbers": {"records": 4, "rejected": 4}, "severity": "info"},
    ROW | {"id": "none-1", "client": None, "first_seen": None, "last_seen": None, "numbers": None},
    ROW | {"id": "long-1", "text": "x" * 5000, "destination": "d" * 400, "protocol": 132},
]
SEAT = {
    "account": "123456789012",
    "region": "us-east-1",
    "interface": "eni-0a",
    "kind": "lambda",
    "end": "client",
}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=FINDINGS, orient="row")


def placed(*rows: dict[str, Any], **seat: str | None) -> pl.DataFrame:
    here = pl.Series("place", [SEAT | seat] * len(rows), dtype=PLACE)
    return frame(*rows).with_columns(here)


@pytest.fixture(scope="module")
def schemas() -> dict[int, Draft202012Validator]:
    """The schema of OCSF 1.1.0, as schema.ocsf.io publishes it, for the two classes."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.1.0"))
    names = {2004: "detection_finding", 4001: "network_activity"}
    return {
        uid: Draft202012Validator(schema.get_class_schema(class_name=name, profiles=["cloud"]))
        for uid, name in names.items()
    }


def wrong(schemas: dict[int, Draft202012Validator], event: dict[str, Any]) -> list[str]:
    return [error.message for error in schemas[event["class_uid"]].iter_errors(event)]


def test_ocsf_is_valid(schemas: dict[int, Draft202012Validator]) -> None:
    """Every kind of finding is a Detection Finding, and its traffic a Network Activity, by OCSF."""
    for findings in (frame(*ROWS), placed(*ROWS), placed(*ROWS, end="server")):
        for event in events(findings):
            inner = event["evidences"][0]["data"]["network_activity"]
            assert wrong(schemas, event) == []
            assert wrong(schemas, inner) == []
            assert event["finding_info"]["related_events"][0] == {
                "uid": inner["metadata"]["uid"],
                "type_uid": inner["type_uid"],
            }


def test_the_ocsf_schema_finds_mistakes(schemas: dict[int, Draft202012Validator]) -> None:
    """What the schema forbids is seen: the check is one."""
    event = next(events(frame(ROW)))
    assert wrong(schemas, event | {"severity_id": 77})
    assert wrong(schemas, event | {"surprise": 1})
    assert wrong(schemas, {name: value for name, value in event.items() if name != "time"})


def test_ocsf_says_what_the_finding_says() -> None:
    """Id, times, ends, bytes, tactic, candidates and lines are those of the finding."""
    event = next(events(placed(ROW)))
    (evidence,) = event["evidences"]
    info, inner = event["finding_info"], evidence["data"]["network_activity"]
    assert (info["uid"], event["severity"]) == (ROW["id"], "High")
    assert (info["first_seen_time"], info["last_seen_time"]) == (1795259040000, 1795262100005)
    assert info["attacks"][0]["tactic"] == {"uid": "TA0010", "name": "Exfiltration"}
    assert evidence["dst_endpoint"] == {
        "ip": "176.206.173.108",
        "port": 8333,
        "name": "paste.example",
    }
    assert evidence["src_endpoint"]["interface_uid"] == "eni-0a"
    assert evidence["connection_info"]["direction"] == "Outbound"
    assert inner["traffic"] == {"bytes_in": 60_000, "bytes_out": 2_900_000, "bytes": 2_960_000}
    assert evidence["data"]["lines"] == [LINE]
    assert event["resources"] == [
        {
            "uid": "eni-0a",
            "type": "lambda",
            "region": "us-east-1",
            "data": {"candidates": ["audit", "billing"]},
        }
    ]
    refused = next(events(frame(ROWS[5])))
    assert refused["evidences"][0]["data"]["network_activity"]["activity_name"] == "Refuse"


def test_asff_is_valid() -> None:
    """Every kind of finding passes the service model of Security Hub and its documented limits."""
    operation = botocore.session.get_session().get_service_model("securityhub")
    shape = operation.operation_model("BatchImportFindings").input_shape
    for seat in ({}, {"end": "server"}, {"interface": None, "end": None}):
        (request,) = batches(placed(*ROWS, **seat))
        assert ParamValidator().validate(request, shape).generate_report() == ""
        for one in request["Findings"]:
            assert len(one["Title"]) <= 256
            assert len(one["Description"]) <= 1024
            assert len(one["ProductFields"]) <= 50
            assert all(len(text) <= 2048 for text in one["ProductFields"].values())
            assert len(one["Network"].get("DestinationDomain", "")) <= 128
            assert all(kind.count("/") == 2 for kind in one["FindingProviderFields"]["Types"])
            assert len(json.dumps(one).encode()) <= 240_000


def test_asff_says_what_the_finding_says() -> None:
    """Id, product, times and resource are those of the finding; candidates are no resources."""
    (request,) = batches(placed(ROW))
    (one,) = request["Findings"]
    assert one["Id"] == "us-east-1/123456789012/unexpected-0123456789abcdef"
    assert one["ProductArn"] == (
        "arn:aws:securityhub:us-east-1:123456789012:product/123456789012/default"
    )
    assert (one["CreatedAt"], one["UpdatedAt"]) == (
        "2026-11-21T11:04:00.000Z",
        "2026-11-21T11:55:00.005Z",
    )
    assert one["FindingProviderFields"] == {
        "Severity": {"Label": "HIGH", "Original": "high"},
        "Types": [
            "Effects/Data Exfiltration/flowlens-unexpected",
            "Unusual Behaviors/Network Flow/flowlens-unexpected",
        ],
    }
    assert [part["Type"] for part in one["Resources"]] == ["AwsEc2NetworkInterface"]
    assert one["Network"] == {
        "SourceIpV4": "10.0.1.5",
        "DestinationIpV4": "176.206.173.108",
        "Direction": "OUT",
        "Protocol": "TCP",
        "DestinationPort": 8333,
        "DestinationDomain": "paste.example",
    }
    (request,) = batches(placed(ROW | {"owner": ["billing"]}))
    assert request["Findings"][0]["Resources"][1]["Id"] == (
        "arn:aws:lambda:us-east-1:123456789012:function:billing"
    )


def test_asff_comes_in_batches() -> None:
    """A request holds a hundred findings at most; none is a request with none."""
    many = [ROW | {"id": f"unexpected-{at}"} for at in range(201)]
    assert [len(one["Findings"]) for one in batches(placed(*many))] == [100, 100, 1]
    assert list(batches(placed())) == [{"Findings": []}]


def test_place_without_inventory() -> None:
    """Account and Region are read off the names of the quoted objects; else they are unknown."""
    bare = ROW | {"evidence": {"filter": "", "lines": [LINE | {"source": "flow.log"}]}}
    flat = LINE | {"source": "in/123456789012_vpcflowlogs_eu-west-1_fl-0a_20261121T1100Z_x.log.gz"}
    local = ROW | {"evidence": {"filter": "", "lines": [flat]}}
    found = place(frame(ROW, bare, local))["place"].to_list()
    assert [(one["account"], one["region"]) for one in found] == [
        ("123456789012", "us-gov-east-1"),
        (None, None),
        ("123456789012", "eu-west-1"),
    ]
    with pytest.raises(UsageError, match=r"its account and Region is not known.*inventory"):
        list(batches(place(frame(bare))))


def test_markdown() -> None:
    """A ticket has the sentence, the numbers, the filter and the lines, and no text escapes it."""
    hostile = "<img src=x>|@all [a](b) \x1b[31m"
    line = LINE | {"text": "a ```` b"}
    row = ROW | {"text": hostile, "evidence": {"filter": "addr = 1.2.3.4", "lines": [line]}}
    stream = BytesIO()
    assert WRITERS["md"](frame(row).lazy(), stream, "findings") == 1
    text = stream.getvalue().decode()
    assert "&lt;img src=x&gt;&#124;&#64;all \\[a\\](b) \\\\x1b\\[31m" in text
    assert "| bytes out | 2,900,000 (2.9 MB) |" in text
    assert "--where 'addr = 1.2.3.4'" in text
    assert f"`````\n# {LINE['source']}\n7: a ```` b\n`````\n" in text
    assert "\x1b" not in text


def test_markdown_has_room() -> None:
    """A long list stops before a comment's limit, and says how many are missing."""
    many = [ROW | {"id": f"unexpected-{at}"} for at in range(200)]
    stream = BytesIO()
    shown = WRITERS["md"](frame(*many).lazy(), stream, "findings")
    text = stream.getvalue().decode()
    assert len(text) < 60_000
    assert f"*{200 - shown} more findings are not shown here.*" in text
