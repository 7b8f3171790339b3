"""Route 53 Resolver query logs."""

import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens_parsers import ANSWERS, Batch, peek, read, read_resolver

QUERY: dict[str, Any] = {
    "version": "1.100000",
    "account_id": "012345678901",
    "region": "us-east-1",
    "vpc_id": "vpc-1",
    "query_timestamp": "2024-01-02T03:04:05Z",
    "query_name": "API.PayGW.example.",
    "query_type": "A",
    "query_class": "IN",
    "rcode": "NOERROR",
    "answers": [
        {"Rdata": "Edge.PayGW.example.", "Type": "CNAME", "Class": "IN"},
        {"Rdata": "34.110.5.8", "Type": "A", "Class": "IN"},
    ],
    "srcaddr": "10.0.1.20",
    "srcport": "51380",
    "transport": "UDP",
    "srcids": {"instance": "i-1"},
}
ROW = {
    "time": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    "srcaddr": "10.0.1.20",
    "instance": "i-1",
    "vpc_id": "vpc-1",
    "name": "api.paygw.example",
    "type": "A",
    "rcode": "NOERROR",
    "answers": [
        {"type": "CNAME", "rdata": "edge.paygw.example"},
        {"type": "A", "rdata": "34.110.5.8"},
    ],
    "line": 1,
}
FLOW = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"


def whole(data: bytes | str) -> Batch:
    raw = data if isinstance(data, bytes) else data.encode()
    [batch] = read_resolver(io.BytesIO(raw), "dns")
    assert batch.lines == batch.records.height + batch.rejects.height
    return batch


def lines(*queries: dict[str, Any]) -> str:
    return "".join(json.dumps(query) + "\n" for query in queries)


def test_a_query_is_a_row() -> None:
    """Names are lower case without the last dot, times UTC, answers in their order."""
    batch = whole(lines(QUERY))
    assert batch.records.to_dicts() == [ROW]
    assert batch.records.schema == pl.Schema({**ANSWERS, "line": pl.UInt64()})


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(lines(QUERY, QUERY).encode()),
        json.dumps(QUERY) + json.dumps(QUERY),
        json.dumps([QUERY, QUERY], indent=1),
        json.dumps({"logEvents": [{"message": json.dumps(QUERY)}] * 2}),
        gzip.compress(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [
            {"message": json.dumps(QUERY)}]}).encode()) * 2,
        json.dumps({"events": [{"message": json.dumps(QUERY)}] * 2, "nextToken": "t"}),
        json.dumps({"message": json.dumps(QUERY)}) * 2,
    ],
    ids=["gz", "touching", "array", "envelope", "gzip envelopes", "answer", "firehose"],
)  # fmt: skip
def test_deliveries_hold_the_same_queries(data: bytes | str) -> None:
    """S3, CloudWatch Logs and Firehose deliver the same rows."""
    assert whole(data).records.to_dicts() == [ROW, ROW | {"line": 2}]


def test_answers_are_canonical() -> None:
    """IPv6 answers and clients are written as addresses are in records; odd data stay."""
    answers = [
        {"Rdata": "2001:DB8:0::1", "Type": "AAAA", "Class": "IN"},
        {"Rdata": "10 Mail.Example.", "Type": "MX", "Class": "IN"},
    ]
    batch = whole(lines(QUERY | {"answers": answers, "srcaddr": "FD00::5"}))
    [row] = batch.records.to_dicts()
    assert row["srcaddr"] == "fd00::5"
    assert [a["rdata"] for a in row["answers"]] == ["2001:db8::1", "10 Mail.Example."]


def test_what_is_missing_is_null() -> None:
    """A query that came without instance or answers leaves them unknown or empty."""
    query = {k: v for k, v in QUERY.items() if k not in ("srcids", "answers")}
    batch = whole(lines(query, QUERY | {"answers": [], "rcode": "NXDOMAIN", "srcids": {}}))
    assert batch.records.select("instance", "answers").rows() == [(None, None), (None, [])]


def test_bad_lines_are_rejects() -> None:
    """A line that is no query is refused with its number and reason."""
    odd = [
        QUERY | {"query_timestamp": "yesterday"},
        QUERY | {"query_name": None},
        QUERY | {"srcaddr": "host"},
        {"hello": "world"},
    ]
    batch = whole(lines(QUERY, *odd) + "garbage\n" + lines(QUERY) + '{"query_na')
    assert batch.records["line"].to_list() == [1, 7]
    assert batch.rejects.select("line", "reason").rows() == [
        (2, "not a time"),
        (3, "missing value"),
        (4, "not an address"),
        (5, "missing value"),
        (6, "not json"),
        (8, "not json"),
    ]


def test_a_truncated_log_keeps_whole_lines() -> None:
    """A broken .gz gives the queries before the break and one reject."""
    queries = [QUERY | {"query_name": f"host{n}.example."} for n in range(2000)]
    packed = gzip.compress(lines(*queries).encode())
    batch = whole(packed[: len(packed) // 2])
    assert 100 < batch.records.height < 2000
    assert batch.rejects.select("line", "reason").rows() == [(batch.lines, "truncated")]


def test_flow_logs_are_no_query_log() -> None:
    """Flow logs given as a query log are refused, not read as something."""
    assert whole(FLOW + "\n").rejects["reason"].to_list() == ["unknown format"]
    batch = whole(json.dumps({"logEvents": [{"message": FLOW}, {"message": json.dumps(QUERY)}]}))
    assert batch.rejects.select("line", "reason").rows() == [(1, "not json")]
    assert batch.records["line"].to_list() == [2]


def test_a_query_log_given_as_flow_logs_says_what_to_do() -> None:
    """The reject names the option that reads a query log."""
    [batch] = read(io.BytesIO(lines(QUERY, QUERY).encode()), "object")
    assert batch.rejects["reason"].to_list() == ["resolver query log: give it with --dns"]
    assert peek(io.BytesIO(lines(QUERY).encode()), "object").kind == "resolver"


def test_an_empty_log_has_no_rows() -> None:
    """Nothing in, nothing out, and nothing wrong."""
    assert list(read_resolver(io.BytesIO(b""), "dns")) == []


@given(st.integers(0, 500), st.integers(0, 60), st.binary(max_size=8), st.booleans())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_damage_is_accounted_for(at: int, gone: int, new: bytes, packed: bool) -> None:
    """Whatever bytes are lost, changed or cut off, nothing raises and every line is counted."""
    data = lines(QUERY, QUERY).encode()
    data = data[:at] + new + data[at + gone :]
    data = gzip.compress(data)[: 20 + at] if packed else data
    for batch in read_resolver(io.BytesIO(data), "dns"):
        assert batch.lines == batch.records.height + batch.rejects.height
