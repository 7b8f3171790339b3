"""CloudWatch Logs: answers, envelopes, console and task exports, query results."""

import gzip
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowlens_parsers import Batch, peek, read
from flowlens_parsers.documents import split
from tests.examples import examples

EVEN = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
ODD = "2 123456789010 eni-1 10.0.0.3 10.0.0.2 20642 22 6 1 40 1418530010 1418530070 REJECT OK"
QUIET = "2 123456789010 eni-2 - - - - - - - 1418530010 1418530070 - NODATA"
LOST = "2 123456789010 eni-3 - - - - - - - 1418530010 1418530070 - SKIPDATA"
TRANSIT = (
    "6 TransitGateway 123456789012 tgw-1 tgw-attach-1 111111111111 222222222222 vpc-1 vpc-2 "
    "subnet-1 subnet-2 eni-1 eni-2 use1-az1 use1-az2 tgw-attach-2 10.0.0.1 10.0.1.1 12345 443 6 "
    "10 1000 1700000000 1700000060 OK IPv4 0 0 0 0 2 us-east-1 ingress - -"
)
QUERY = '{"query_timestamp":"2024-01-01T00:00:00Z","query_name":"a.example.","srcaddr":"10.0.0.5"}'


def batches(data: bytes | str, format: str | None = None) -> list[Batch]:
    raw = data.encode() if isinstance(data, str) else data
    found = list(read(io.BytesIO(raw), "object", format=format))
    for batch in found:
        assert batch.lines == sum(
            frame.height for frame in (batch.records, batch.coverage, batch.rejects)
        )
    return found


def flows(found: Sequence[Batch]) -> list[tuple[int, str, int]]:
    """(line, srcaddr, srcport) of the records."""
    rows = [b.records.select("line", "srcaddr", "srcport").rows() for b in found if b.lines]
    return sorted(row for part in rows for row in part)


def refused(found: Sequence[Batch]) -> list[tuple[int, str]]:
    return [row for b in found for row in b.rejects.select("line", "reason").rows()]


def envelope(*messages: str, kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    return {
        "messageType": kind,
        "owner": "123456789012",
        "logGroup": "/vpc/flow",
        "logStream": "eni-1-all",
        "subscriptionFilters": ["all"],
        "logEvents": [
            {"id": str(i), "timestamp": 1418530010000, "message": message}
            for i, message in enumerate(messages)
        ],
    }


def answer(*messages: str) -> dict[str, Any]:
    events = [
        {"logStreamName": "eni-1-all", "timestamp": 1418530010000, "message": m, "eventId": "3"}
        for m in messages
    ]
    return {"events": events, "searchedLogStreams": [], "nextToken": "t"}


BOTH = [(1, "10.0.0.1", 20641), (2, "10.0.0.3", 20642)]


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(answer(EVEN, ODD)),
        json.dumps(answer(EVEN, ODD), indent=2) + "\n",
        json.dumps([answer(EVEN), answer(), answer(ODD)]),
        json.dumps(answer(EVEN)) + "\n" + json.dumps(answer(ODD)) + "\n",
        json.dumps(answer(EVEN)) + json.dumps(answer()) + json.dumps(answer(ODD)),
        json.dumps(answer(EVEN, ODD)["events"]),
        json.dumps({"events": [{"message": EVEN}, {"message": ODD}], "nextForwardToken": "f/1"}),
        json.dumps(envelope(EVEN, ODD)),
        json.dumps(envelope(EVEN)) + json.dumps(envelope(ODD)),
        json.dumps(envelope(EVEN), indent=1) + "\r\n" + json.dumps(envelope(ODD), indent=1),
        json.dumps(envelope(EVEN + "\n", ODD + "\r\n")),
        f"timestamp,message\n1418530010000,{EVEN}\n1418530010000,{ODD}\n",
        f'timestamp,message\r\n1418530010000,"{EVEN}"\r\n1418530010000,{ODD}',
        f'"@message","@timestamp"\n"{EVEN}","2014-12-14 04:06:50.000"\n"{ODD}","x"\n',
        f"2014-12-14T04:06:50.000Z {EVEN}\n2014-12-14T04:06:50.000Z {ODD}\n",
        json.dumps(
            {"results": [[{"field": "@message", "value": m}] for m in (EVEN, ODD)], "status": "x"}
        ),
    ],
    ids=[
        *(
            "answer",
            "pretty",
            "array of pages",
            "pages",
            "pages that touch",
            "events",
            "get events",
        ),
        *("envelope", "envelopes that touch", "pretty envelopes", "message ends line"),
        *("console", "console quoted", "insights export", "export task", "insights messages"),
    ],
)
def test_lines_are_the_same_in_every_wrapping(data: str) -> None:
    """A log line means the same whatever CloudWatch form carries it, plain and compressed."""
    for raw in (data.encode(), gzip.compress(data.encode())):
        found = batches(raw)
        lines = [line - found[0].rejects.height for line, *_ in flows(found)]
        start = lines[0] - 1  # CSV counts its header line
        assert [
            (n - start, *rest) for n, (_, *rest) in zip(lines, flows(found), strict=True)
        ] == BOTH
        assert refused(found) == []


def test_members_of_gzip_hold_one_envelope_each() -> None:
    """Envelopes that a subscription wrote as gzip members, one behind the other, are all read."""
    members = [gzip.compress(json.dumps(envelope(line)).encode()) for line in (EVEN, QUIET, ODD)]
    found = batches(b"".join(members))
    assert flows(found) == [(1, "10.0.0.1", 20641), (3, "10.0.0.3", 20642)]
    assert [b.coverage["observer"].to_list() for b in found] == [["eni-2"]]


def test_control_messages_are_not_lines() -> None:
    """The message by which AWS tests a destination counts as a header, not as a log line."""
    control = envelope("CWL CONTROL MESSAGE: Checking health", kind="CONTROL_MESSAGE")
    [batch] = batches(json.dumps(control) + json.dumps(envelope(EVEN)))
    assert (batch.lines, batch.headers) == (1, 1)


def test_no_data_and_skipped_data_are_coverage() -> None:
    """NODATA and SKIPDATA messages become coverage with their interface, window and object."""
    [batch] = batches(json.dumps(envelope(QUIET, EVEN, LOST)))
    start, end = (
        datetime(2014, 12, 14, 4, 6, 50, tzinfo=UTC),
        datetime(2014, 12, 14, 4, 7, 50, tzinfo=UTC),
    )
    assert batch.coverage.rows() == [
        ("eni-2", "NODATA", start, end, "object"),
        ("eni-3", "SKIPDATA", start, end, "object"),
    ]
    assert flows([batch]) == [(2, "10.0.0.1", 20641)]


def test_bad_messages_are_rejects_with_their_number() -> None:
    """A message that is no record is refused with its place and reason; the others are kept."""
    events = [
        {"message": EVEN},
        {"message": "garbage"},
        {"id": "1"},
        {"message": ""},
        {"message": ODD},
    ]
    [batch] = batches(json.dumps({"events": events}))
    assert flows([batch]) == [(1, "10.0.0.1", 20641), (5, "10.0.0.3", 20642)]
    assert refused([batch]) == [
        (2, "wrong number of values"),
        (3, "no message"),
        (4, "no message"),
    ]


@pytest.mark.parametrize("cut", [1, 40, 150, 260])
def test_truncated_answers_keep_what_was_whole(cut: int) -> None:
    """An answer that breaks off gives every whole message before the break and one reject."""
    whole = json.dumps(answer(*[EVEN] * 5))
    text = whole[: whole.rindex(EVEN) + len(EVEN) - cut]
    found = batches(text)
    kept = text.count(EVEN)
    assert len(flows(found)) == kept
    assert refused(found) == [(kept + 1, "not json")]


def test_truncated_gzip_is_one_reject() -> None:
    """A broken .gz gives the messages before the break and one reject that says so."""
    lines = [EVEN.replace("20641", str(port)) for port in range(10000, 12000)]
    packed = gzip.compress(json.dumps(answer(*lines)).encode())
    found = batches(packed[: len(packed) // 2])
    assert 100 < len(flows(found)) < 2000
    assert refused(found) == [(len(flows(found)) + 1, "truncated")]


def test_bad_lines_between_documents_cost_only_themselves() -> None:
    """Garbage between JSON lines does not take the messages next to it along."""
    text = "\n".join(
        [json.dumps(envelope(EVEN)), "### not json", json.dumps(envelope(ODD)), '{"messageType":']
    )
    found = batches(text)
    assert flows(found) == [(1, "10.0.0.1", 20641), (3, "10.0.0.3", 20642)]
    assert refused(found) == [(2, "not json"), (4, "not json")]


def test_default_transit_gateway_lines_are_recognised() -> None:
    """Without a format, lines that only a transit gateway writes get its default; others v2."""
    found = batches(json.dumps(envelope(EVEN, TRANSIT, QUIET)))
    assert [b.lines for b in found] == [2, 1]
    row = found[1].records.row(0, named=True)
    assert (row["tgw_attachment_id"], row["tgw_dst_vpc_id"]) == ("tgw-attach-1", "vpc-2")
    assert (row["srcport"], row["packets_lost_no_route"], row["flow_direction"]) == (
        12345,
        0,
        "ingress",
    )
    assert row["line"] == 2
    layout = peek(io.BytesIO(json.dumps(envelope(TRANSIT)).encode()), "object")
    assert layout.fields[:3] == ("version", "resource_type", "account_id")


def test_format_decides_over_recognition() -> None:
    """A format given by the caller is never second-guessed."""
    found = batches(json.dumps(envelope(TRANSIT, "10.0.0.1 443")), "${srcaddr} ${srcport}")
    assert flows(found) == [(2, "10.0.0.1", 443)]
    assert refused(found) == [(1, "wrong number of values")]


def test_resolver_messages_among_flow_logs_say_what_to_do() -> None:
    """A resolver query inside an envelope is refused with the option that reads it."""
    [batch] = batches(json.dumps(envelope(QUERY, EVEN)))
    assert refused([batch]) == [(1, "resolver query log: give it with --dns")]
    assert flows([batch]) == [(2, "10.0.0.1", 20641)]


def test_query_results_map_insights_names() -> None:
    """Fields that Logs Insights discovered come under their own names, typed."""
    rows = [
        {
            "@ptr": "p",
            "srcAddr": "10.0.0.1",
            "dstPort": "443",
            "pktDstAwsService": "S3",
            "end": "9",
        },
        {"@ptr": "p", "srcAddr": "10.0.0.1", "dstPort": "70000"},
    ]
    results = [[{"field": k, "value": v} for k, v in row.items()] for row in rows]
    [batch] = batches(json.dumps({"results": results, "status": "Complete"}))
    assert batch.records.to_dict(as_series=False) == {
        "srcaddr": ["10.0.0.1"],
        "dstport": [443],
        "pkt_dst_aws_service": ["S3"],
        "end": [datetime(1970, 1, 1, 0, 0, 9, tzinfo=UTC)],
        "line": [1],
    }
    assert refused([batch]) == [(2, "out of range")]


def test_large_answers_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer larger than memory may hold is cut between its events, losing none."""
    monkeypatch.setattr("flowlens_parsers.documents.LARGE", 2000)
    monkeypatch.setattr("flowlens_parsers.documents.CHUNK", 700)
    lines = [EVEN.replace("20641", str(port)) for port in range(1000, 1200)]
    for value in (answer(*lines), answer(*lines)["events"], envelope(*lines), [answer(*lines)]):
        found = batches(json.dumps(value, indent=1))
        assert len(found) > 5
        assert flows(found) == [(i, "10.0.0.1", 999 + i) for i in range(1, 201)]
        assert refused(found) == []


def test_strings_that_look_like_boundaries_do_not_cut() -> None:
    """Braces and quotes inside a string never end a document."""
    documents = [
        {"a": '}{"b'},
        {"a": '}\n{"message":"x"}'},
        {"a": "}{"},
        {"a": "\\"},
        {"a": '"}{"'},
    ]
    text = "".join(map(json.dumps, documents)).encode()
    assert [json.loads(part) for part in split(text)] == documents


@given(
    st.lists(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=5,
        ).map(lambda value: {"key": value}),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["", "\n", " \r\n"]),
)
@settings(max_examples=examples(100), deadline=None, derandomize=True)
def test_documents_are_cut_where_they_end(documents: list[dict[str, Any]], between: str) -> None:
    """Any JSON objects in a row, with or without blanks between, are found one by one."""
    text = between.join(json.dumps(d, ensure_ascii=False) for d in documents)
    assert [json.loads(part) for part in split(text.encode())] == documents


@pytest.mark.parametrize(
    "data",
    [
        b"{", b"[", b"{}", b"[]", b"[[]]", b"null", b'{"events":', b'{"message":1}',
        b'{"message":null}',
        b'{"message":' + b"[" * 200_000, b'{"events":[' * 500, b'{"message":"\xff\xfe"}',
        b'{"message":"\\ud800"}', b'{"message":"' + b"x" * 2_000_000 + b'"}',
        b'{"events":[1,"a",null]}',
        b'{"message":"a"}' + b" " * 1_000_000, b"[" + b'{"message":"a"},' * 3,
        b'{"results":[[{"field":1}]]}', b'{"results":{"field":[]}}',
    ],
)  # fmt: skip
def test_hostile_json_is_rejected_not_raised(data: bytes) -> None:
    """Nesting bombs, wrong shapes, huge and undecodable messages become rejects."""
    found = batches(data)
    assert sum(b.records.height for b in found) == 0
    assert all(len(text) <= 200 for b in found for text in b.rejects["text"])


seeds = st.sampled_from(
    [
        json.dumps(envelope(EVEN, QUIET)).encode(),
        json.dumps(answer(EVEN, ODD), indent=1).encode(),
        f'timestamp,message\n1,{EVEN}\n2,"{ODD}"\n'.encode(),
        f"2014-12-14T04:06:50.000Z {EVEN}\n".encode(),
        json.dumps({"results": [[{"field": "srcAddr", "value": "10.0.0.1"}]] * 2}).encode(),
    ]
)


@given(seeds, st.integers(0, 600), st.integers(0, 40), st.binary(max_size=12), st.booleans())
@settings(
    max_examples=examples(50),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_any_damage_is_accounted_for(
    seed: bytes, at: int, gone: int, new: bytes, packed: bool
) -> None:
    """Whatever bytes are lost, changed or cut off, nothing raises and every line is counted."""
    data = seed[:at] + new + seed[at + gone :]
    found = batches(gzip.compress(data)[: 30 + at] if packed else data)
    numbers = [n for b in found for frame in (b.records, b.rejects) for n in frame["line"]]
    assert len(numbers) == len(set(numbers))


CUSTOM = "version interface-id srcaddr dstaddr"
TGW = (
    "version account-id tgw-id tgw-attachment-id tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id "
    "tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id tgw-pair-attachment-id "
    "srcaddr dstaddr srcport dstport protocol packets bytes start end log-status type tcp-flags "
    "flow-direction region"
)


@pytest.mark.parametrize(
    ("file", "format", "expected"),
    [
        (
            "open-telemetry__opentelemetry-collector-contrib/valid_vpc_flow_cw.json",
            None,
            [
                {"srcaddr": "172.31.16.139", "dstport": 22, "action": "ACCEPT", "bytes": 4249},
                {"srcaddr": "172.31.9.69", "dstport": 3389, "action": "REJECT", "bytes": 4249},
            ],
        ),
        (
            "open-telemetry__opentelemetry-collector-contrib/valid_vpc_flow_cw_custom.json",
            CUSTOM,
            [
                {"interface_id": "eni-1235b8ca123456789", "dstaddr": "172.31.16.21", "version": 2},
                {"interface_id": "eni-1235b8ca123456789", "dstaddr": "172.31.9.12", "version": 2},
            ],
        ),
        (
            "open-telemetry__opentelemetry-collector-contrib/valid_tgw_flow_cw.json",
            TGW,
            [{"tgw_id": "tgw-0abc12345def67890", "srcport": 12345, "tcp_flags": 2, "packets": 10}],
        ),
        (
            "airbnb__streamalert/cwl_subscription_event.json",
            None,
            [
                {"srcaddr": "172.31.1.54", "srcport": 27974, "dstport": 80, "action": "REJECT"},
                {"srcaddr": "172.31.39.106", "srcport": 22598, "dstport": 80, "action": "REJECT"},
            ],
        ),
    ],
)
def test_published_messages(
    published: Path, file: str, format: str | None, expected: list[dict[str, Any]]
) -> None:
    """CloudWatch messages that other people published are read as they say."""
    [batch] = batches((published / file).read_bytes(), format)
    assert batch.records.select(list(expected[0])).to_dicts() == expected
    assert batch.lines == len(expected)


def test_published_fields_equal_the_extracted_ones(published: Path) -> None:
    """The record equals what a filter pattern extracted from the same message."""
    data = (published / "airbnb__streamalert/cwl_subscription_event.json").read_bytes()
    [batch] = batches(data)
    names = {
        "eni": "interface_id",
        "account": "account_id",
        "source": "srcaddr",
        "packets": "packets",
    }
    names |= {"destination": "dstaddr", "destport": "dstport", "flowlogstatus": "log_status"}
    for row, event in zip(batch.records.to_dicts(), json.loads(data)["logEvents"], strict=True):
        fields = event["extractedFields"]
        assert {k: str(row[v]) for k, v in names.items()} == {k: fields[k] for k in names}
        assert row["start"].timestamp() == int(fields["windowstart"])


def test_every_batch_has_the_peeked_columns() -> None:
    """What a peek promises is what reading gives."""
    data = json.dumps(envelope(EVEN)).encode()
    layout = peek(io.BytesIO(data), "object")
    [batch] = batches(data)
    assert layout.kind == "cloudwatch"
    assert batch.records.schema == pl.Schema({**layout.schema, "line": pl.UInt64()})
