"""Amazon Data Firehose: messages, base64 records, envelopes inside records."""

import base64
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens_parsers import Batch, peek, read

EVEN = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
ODD = "2 123456789010 eni-1 10.0.0.3 10.0.0.2 20642 22 6 1 40 1418530010 1418530070 REJECT OK"
QUIET = "2 123456789010 eni-2 - - - - - - - 1418530010 1418530070 - NODATA"
ENVELOPE = json.dumps(
    {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": m} for m in (EVEN, ODD)]}
)
BOTH = [(1, "10.0.0.1"), (2, "10.0.0.3")]


def whole(data: bytes | str) -> Batch:
    [batch] = read(io.BytesIO(data if isinstance(data, bytes) else data.encode()), "object")
    return batch


def record(data: bytes | str) -> dict[str, str]:
    raw = data if isinstance(data, bytes) else data.encode()
    return {"recordId": "1", "data": base64.b64encode(raw).decode()}


def message(line: str) -> str:
    return json.dumps({"message": line})


@pytest.mark.parametrize("between", ["", "\n", " ", "\r\n", ",", "\n\n"])
def test_objects_need_no_separator(between: str) -> None:
    """Messages are found whether or not the stream writes a line break between them."""
    text = between.join(map(message, (EVEN, ODD)))
    batch = whole(f"[{text}]" if between == "," else text)
    assert batch.records.select("line", "srcaddr").rows() == BOTH
    assert batch.lines == 2


@pytest.mark.parametrize(
    "records",
    [
        [record(EVEN), record(ODD)],
        [record(EVEN + "\n" + ODD + "\n")],
        [record(message(EVEN)), record(message(ODD) + "\n")],
        [record(message(EVEN) + message(ODD))],
        [record(ENVELOPE)],
        [record(gzip.compress(ENVELOPE.encode()))],
    ],
    ids=["lines", "two lines", "messages", "messages that touch", "envelope", "gzip envelope"],
)
def test_base64_records_hold_any_of_them(records: list[dict[str, str]]) -> None:
    """The records of a transformation event give their lines whatever is inside the base64."""
    batch = whole(json.dumps({"invocationId": "i", "records": records}))
    assert batch.records.select("line", "srcaddr").rows() == BOTH


def test_events_of_other_triggers_are_opened() -> None:
    """Kinesis and CloudWatch Logs events of a Lambda function hold the same envelopes."""
    packed = base64.b64encode(gzip.compress(ENVELOPE.encode())).decode()
    for event in ({"Records": [{"kinesis": {"data": packed}}]}, {"awslogs": {"data": packed}}):
        assert whole(json.dumps(event)).records.select("line", "srcaddr").rows() == BOTH


def test_quiet_windows_are_coverage() -> None:
    """A NODATA message is coverage and keeps the count."""
    batch = whole(message(QUIET) + message(EVEN))
    assert batch.coverage["observer"].to_list() == ["eni-2"]
    assert (batch.records.height, batch.lines) == (1, 2)


def test_unreadable_records_are_rejects() -> None:
    """A record that is no base64, no text, or a broken gzip is refused with its number."""
    packed = gzip.compress(ENVELOPE.encode())
    records = [
        *(
            {"data": "%%%"},
            record(b"\xff\xfe"),
            record(packed[:30]),
            record(packed[:10] + b"\xff" * 9),
        ),
        *({"data": ""}, {"other": "x"}, record(EVEN)),
    ]
    batch = whole(json.dumps({"records": records}))
    assert batch.rejects.select("line", "reason").rows() == [
        (1, "no message"),
        (2, "not utf-8"),
        (3, "truncated"),
        (4, "damaged"),
        (5, "no message"),
        (6, "no message"),
    ]
    assert batch.records["line"].to_list() == [7]


def test_compression_bombs_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that inflates beyond the limit is refused before it fills the memory."""
    monkeypatch.setattr("flowlens_parsers.messages.LARGE", 1 << 20)
    bomb = gzip.compress(b"2 " * 4_000_000)
    batch = whole(json.dumps({"records": [record(bomb)]}))
    assert batch.rejects["reason"].to_list() == ["line too long"]


def test_json_without_messages_is_never_silent() -> None:
    """Valid JSON that holds no log line is a reject, not nothing."""
    batch = whole('{"hello": "world"}\n{"message": 5}\n')
    assert batch.rejects.select("line", "reason").rows() == [(1, "no message"), (2, "no message")]


@given(st.lists(st.sampled_from([EVEN, ODD, QUIET]), min_size=1), st.sampled_from(["", "\n"]))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_messages_equal_their_lines(lines: list[str], between: str) -> None:
    """A stream of messages gives exactly what the bare lines give."""
    carried = whole(between.join(map(message, lines)))
    bare = whole("\n".join(lines) + "\n")
    assert carried.records.equals(bare.records)
    assert carried.coverage.equals(bare.coverage)
    assert carried.lines == bare.lines


def test_published_transformation_event(published: Path) -> None:
    """The records of the published event are the lines its project expects."""
    folder = published / "amazon-archives__aws-vpc-flow-log-appender"
    data = (folder / "firehose_transform_event.json").read_bytes()
    lines = json.loads((folder / "expected_lines.json").read_text())
    expected = whole("\n".join(lines) + "\n")
    assert whole(data).records.equals(expected.records)
    assert peek(io.BytesIO(data), "object").kind == "firehose"
