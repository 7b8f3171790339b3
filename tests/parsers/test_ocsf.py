"""Security Lake: flow logs as OCSF Network Activity, in JSON and Parquet."""

import io
import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens_parsers import Batch, peek, read
from tests.examples import examples

# Made by hand after the mapping of AWS's source: a refused packet at an interface, seen from it.
INGRESS: dict[str, Any] = {
    "metadata": {
        "product": {
            "version": "8",
            "name": "Amazon VPC",
            "feature": {"name": "Flowlogs"},
            "vendor_name": "AWS",
        },
        "profiles": ["cloud", "security_control", "datetime"],
        "version": "1.1.0",
    },
    "cloud": {
        "account": {"uid": "012345678901"},
        "region": "us-east-1",
        "zone": "use1-az1",
        "provider": "AWS",
    },
    "src_endpoint": {"port": 56858, "svc_name": "-", "ip": "203.0.113.7"},
    "dst_endpoint": {
        "port": 22,
        "svc_name": "-",
        "ip": "172.31.2.52",
        "interface_uid": "eni-1",
        "vpc_uid": "vpc-1",
        "instance_uid": "i-1",
        "subnet_uid": "subnet-1",
    },
    "connection_info": {
        "protocol_num": 6,
        "tcp_flags": 2,
        "protocol_ver": "IPv4",
        "boundary_id": 99,
        "boundary": "-",
        "direction_id": 1,
        "direction": "Inbound",
    },
    "traffic": {"packets": 1, "bytes": 40},
    "time": 1649721732000,
    "start_time": 1649721732000,
    "end_time": 1649721788000,
    "status_code": "OK",
    "severity_id": 1,
    "class_name": "Network Activity",
    "class_uid": 4001,
    "activity_id": 5,
    "action": "Denied",
    "action_id": 2,
    "disposition": "Blocked",
    "unmapped": {"sublocation_id": "-", "sublocation_type": "-", "reject_reason": "BPA"},
}

RECORD = {
    "version": 8,
    "account_id": "012345678901",
    "interface_id": "eni-1",
    "srcaddr": "203.0.113.7",
    "dstaddr": "172.31.2.52",
    "srcport": 56858,
    "dstport": 22,
    "protocol": 6,
    "packets": 1,
    "bytes": 40,
    "start": datetime(2022, 4, 12, 0, 2, 12, tzinfo=UTC),
    "end": datetime(2022, 4, 12, 0, 3, 8, tzinfo=UTC),
    "action": "REJECT",
    "log_status": "OK",
    "vpc_id": "vpc-1",
    "subnet_id": "subnet-1",
    "instance_id": "i-1",
    "tcp_flags": 2,
    "type": "IPv4",
    "pkt_srcaddr": "203.0.113.7",
    "pkt_dstaddr": "172.31.2.52",
    "region": "us-east-1",
    "az_id": "use1-az1",
    "flow_direction": "ingress",
    "reject_reason": "BPA",
    "line": 1,
}

# A packet that leaves through a NAT gateway's interface for S3, dated in seconds.
EGRESS: dict[str, Any] = deepcopy(INGRESS) | {
    "action": "Allowed",
    "action_id": 1,
    "disposition": "Allowed",
    "activity_id": 6,
    "src_endpoint": {
        "port": 40000,
        "svc_name": "-",
        "ip": "10.0.1.5",
        "intermediate_ips": ["10.0.0.9"],
        "interface_uid": "eni-2",
        "vpc_uid": "vpc-1",
        "instance_uid": "-",
        "subnet_uid": "subnet-9",
    },
    "dst_endpoint": {"port": 443, "svc_name": "S3", "ip": "2001:DB8::1", "intermediate_ips": None},
    "connection_info": {
        "protocol_num": 6,
        "tcp_flags": 19,
        "protocol_ver": "IPv6",
        "boundary_id": 11,
        "direction_id": 2,
    },
    "time": 1649721732,
    "start_time": 1649721732,
    "end_time": 1649721788,
    "unmapped": [["sublocation_type", "outpost"], ["reject_reason", "Accepted"]],
}


def whole(data: bytes | str, columns: list[str] | None = None) -> Batch:
    raw = data if isinstance(data, bytes) else data.encode()
    [batch] = read(io.BytesIO(raw), "object", columns=columns)
    assert batch.lines == batch.records.height + batch.coverage.height + batch.rejects.height
    return batch


def only(batch: Batch, index: int = 0) -> dict[str, Any]:
    """The values of a record that are not null."""
    return {k: v for k, v in batch.records.row(index, named=True).items() if v is not None}


def test_an_ingress_record_comes_back() -> None:
    """What Security Lake made of a refused packet becomes the flow-log record it was."""
    assert only(whole(json.dumps(INGRESS))) == RECORD


def test_an_egress_record_comes_back() -> None:
    """On egress the interface is the source's; what stood in between is srcaddr; path is id - 3."""
    row = only(whole(json.dumps(EGRESS)))
    assert (row["interface_id"], row["subnet_id"], row.get("instance_id")) == (
        "eni-2",
        "subnet-9",
        None,
    )
    assert (row["srcaddr"], row["pkt_srcaddr"]) == ("10.0.0.9", "10.0.1.5")
    assert (row["dstaddr"], row["pkt_dstaddr"]) == ("2001:db8::1", "2001:db8::1")
    assert (row["pkt_dst_aws_service"], row["traffic_path"], row["action"]) == ("S3", 8, "ACCEPT")
    assert (row["flow_direction"], row["start"]) == ("egress", RECORD["start"])
    assert (row["sublocation_type"], row["reject_reason"]) == ("outpost", "Accepted")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(INGRESS) + "\n" + json.dumps(EGRESS) + "\n",
        json.dumps(INGRESS) + json.dumps(EGRESS),
        json.dumps([INGRESS, EGRESS]),
        json.dumps([INGRESS, EGRESS], indent=2),
        json.dumps({"Records": [INGRESS, EGRESS]}, indent="\t"),
    ],
    ids=["lines", "touching", "array", "pretty array", "Records"],
)
def test_layouts_of_json(text: str) -> None:
    """JSON lines, arrays and a Records wrapper hold the same rows."""
    batch = whole(text)
    assert batch.records.select("line", "interface_id").rows() == [(1, "eni-1"), (2, "eni-2")]
    assert only(batch) == RECORD


@pytest.mark.parametrize(
    ("verdict", "action"),
    [
        ({"action": "Allowed"}, "ACCEPT"),
        ({"action_id": 2}, "REJECT"),
        ({"disposition": "Blocked"}, "REJECT"),
        ({"disposition_id": 1}, "ACCEPT"),
        ({"action": "-", "disposition": "Allowed"}, "ACCEPT"),
        ({"action": "Modified", "action_id": 99}, "Modified"),
        ({"activity_id": 5}, None),
    ],
)
def test_the_verdict_is_read_from_action_or_disposition(
    verdict: dict[str, Any], action: str
) -> None:
    """Words and codes of either attribute count; activity does not; unknown words stay."""
    event = {k: v for k, v in INGRESS.items() if not k.startswith(("action", "disposition"))}
    assert whole(json.dumps(event | verdict)).records["action"].to_list() == [action]


@pytest.mark.parametrize(
    ("boundary", "path"), [(4, 1), (11, 8), (99, None), (0, None), (None, None)]
)
def test_boundaries_are_paths(boundary: int | None, path: int | None) -> None:
    """boundary_id is traffic-path + 3; 0 and 99 are no path."""
    event = deepcopy(EGRESS)
    event["connection_info"]["boundary_id"] = boundary
    assert whole(json.dumps(event)).records["traffic_path"].to_list() == [path]


def test_an_older_schema_is_read() -> None:
    """Version 0.99 named the account differently and told the direction among the unmapped."""
    event = deepcopy(INGRESS)
    event["cloud"] = {"account_uid": "012345678901", "region": "us-east-1", "zone": "use1-az1"}
    event["connection_info"] |= {"direction": None, "direction_id": None}
    event["unmapped"] = [["flow_direction", "ingress"], ["reject_reason", "BPA"]]
    assert only(whole(json.dumps(event))) == RECORD


def test_status_codes_go_to_coverage() -> None:
    """NODATA and SKIPDATA are coverage of the interface."""
    quiet = {**INGRESS, "status_code": "SKIPDATA", "traffic": None, "src_endpoint": {"ip": "-"}}
    batch = whole(json.dumps(quiet) + json.dumps(INGRESS))
    assert batch.coverage.rows() == [
        ("eni-1", "SKIPDATA", RECORD["start"], RECORD["end"], "object")
    ]
    assert batch.records["line"].to_list() == [2]


def test_bad_events_are_rejects() -> None:
    """Another class, an impossible port, a bad address, broken JSON: one reject each."""
    port, address = deepcopy(INGRESS), deepcopy(INGRESS)
    port["src_endpoint"]["port"] = 70000
    address["dst_endpoint"]["ip"] = "host"
    events = [INGRESS, {"class_uid": 4003, "time": 1}, port, address]
    batch = whole("\n".join([*map(json.dumps, events), '{"class_uid": 4001, "src']))
    assert batch.records["line"].to_list() == [1]
    assert batch.rejects.select("line", "reason").rows() == [
        (2, "unknown format"),
        (3, "out of range"),
        (4, "not an address"),
        (5, "not json"),
    ]


def parquet(events: list[dict[str, Any]]) -> bytes:
    """Events as Security Lake stores them: nested structs, the unmapped part a map."""
    pairs = [e.get("unmapped") or {} for e in events]
    maps = [list(p.items()) if isinstance(p, dict) else [tuple(x) for x in p] for p in pairs]
    plain = pa.Table.from_pylist([{k: v for k, v in e.items() if k != "unmapped"} for e in events])
    table = plain.append_column("unmapped", pa.array(maps, pa.map_(pa.string(), pa.string())))
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def test_parquet_equals_json() -> None:
    """The same events give the same records from Parquet as from JSON."""
    events = [INGRESS, EGRESS, {**INGRESS, "status_code": "NODATA"}, {**INGRESS, "class_uid": 4003}]
    stored, text = whole(parquet(events)), whole("\n".join(map(json.dumps, events)))
    assert stored.records.equals(text.records)
    assert stored.coverage.equals(text.coverage)
    assert stored.rejects.equals(text.rejects)


def test_projection_changes_columns_not_counts() -> None:
    """Asking for few columns gives just those."""
    batch = whole(parquet([INGRESS, EGRESS]), ["bytes", "action"])
    assert batch.records.to_dict(as_series=False) == {
        "bytes": [40, 40],
        "action": ["REJECT", "ACCEPT"],
        "line": [1, 2],
    }


def test_peek_promises_what_reading_gives() -> None:
    """JSON and Parquet have the same columns, known beforehand."""
    for data in (json.dumps(INGRESS).encode(), parquet([INGRESS])):
        layout = peek(io.BytesIO(data), "object")
        assert whole(data).records.schema == pl.Schema({**layout.schema, "line": pl.UInt64()})


#: All that UTF-8 can write; to ask the codec for it takes seconds.
letters = st.characters(exclude_categories=["Cs"])
values = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(letters, max_size=5) | st.just("-"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(letters, max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(st.sampled_from(sorted(INGRESS)), values),
    st.integers(0, 900),
    st.binary(max_size=4),
)
@settings(max_examples=examples(25), deadline=None, derandomize=True)
def test_odd_events_are_accounted_for(odd: dict[str, Any], at: int, new: bytes) -> None:
    """Whatever an attribute holds and whatever bytes are changed, rows add up."""
    text = "\n".join(json.dumps(e) for e in (INGRESS | odd, EGRESS)).encode()
    for data in (text, text[:at] + new + text[at + 3 :]):
        for batch in read(io.BytesIO(data), "object"):
            assert (
                batch.lines == batch.records.height + batch.coverage.height + batch.rejects.height
            )


def test_published_shapes(published: Path) -> None:
    """The events of published rules, with few attributes, give those attributes."""
    file = published / "panther-labs__panther-analysis" / "vpc_flow_rule_tests.json"
    logs = [case["Log"] for rule in json.loads(file.read_text()) for case in rule["tests"]]
    events = [log for log in logs if log.get("p_log_type") == "OCSF.NetworkActivity"]
    ends = [e for e in events if "dst_endpoint" in e]
    batch = whole("\n".join(map(json.dumps, ends)))
    assert batch.records.select("srcaddr", "dstaddr", "dstport").rows() == [
        (e["src_endpoint"]["ip"], e["dst_endpoint"]["ip"], e["dst_endpoint"]["port"]) for e in ends
    ]
    states = [e | {"class_uid": 4001} for e in events if "status_code" in e]
    batch = whole("\n".join(map(json.dumps, states)))
    assert batch.records["log_status"].to_list() == ["OK"]
    assert batch.coverage["status"].to_list() == ["SKIPDATA"]
