"""Parquet: AWS's types, other people's types, damage, projection."""

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens_parsers import SCHEMA, Batch, peek, read
from flowlens_parsers.packing import Packer
from flowlens_parsers.slots import SLOTS


def stored(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def whole(data: bytes, columns: list[str] | None = None) -> Batch:
    [batch] = read(io.BytesIO(data), "object", columns=columns)
    assert batch.lines == batch.records.height + batch.coverage.height + batch.rejects.height
    return batch


AWS = pa.schema(
    [
        ("version", pa.int32()),
        *((name, pa.string()) for name in ("account_id", "interface_id", "srcaddr", "dstaddr")),
        *((name, pa.int32()) for name in ("srcport", "dstport", "protocol")),
        *((name, pa.int64()) for name in ("packets", "bytes", "start", "end")),
        *((name, pa.string()) for name in ("action", "log_status", "vpc_id", "subnet_id")),
        *(("instance_id", pa.string()), ("tcp_flags", pa.int32()), ("type", pa.string())),
        *(("pkt_srcaddr", pa.string()), ("az_id", pa.string()), ("traffic_path", pa.int32())),
    ]
)
COMMON = {"version": 5, "account_id": "123456789012", "type": "IPv4", "log_status": "OK"}


def rows(facts: list[dict[str, Any]]) -> pa.Table:
    filled = []
    for fact in facts:
        row = {f.name: "-" if f.type == pa.string() else None for f in AWS} | COMMON | fact
        filled.append({key: "-" if v is None and AWS.field(key).type == pa.string() else v
                       for key, v in row.items()})  # fmt: skip
    return pa.Table.from_pylist(filled, schema=AWS)


FLOW = {
    **{"interface_id": "eni-1", "srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "srcport": 443},
    **{"dstport": 50000, "protocol": 6, "packets": 3, "bytes": 2**40, "start": 1700000000},
    **{"end": 1700000060, "action": "ACCEPT"},
}
QUIET = {"interface_id": "eni-2", "start": 1700000000, "end": 1700000060, "log_status": "NODATA"}


@pytest.mark.parametrize("compression", ["gzip", "snappy", "zstd", "none"])
def test_types_of_aws_become_the_types_of_records(compression: str) -> None:
    """A file as AWS types it gives the same dtypes as text would, '-' and null alike unknown."""
    batch = whole(stored(rows([FLOW, QUIET]), compression=compression))
    [row] = batch.records.to_dicts()
    assert batch.records.schema == pl.Schema(
        {**{n: SCHEMA[n] for n in AWS.names}, "line": pl.UInt64()}
    )
    assert (row["bytes"], row["srcport"], row["protocol"]) == (2**40, 443, 6)
    assert row["start"] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert (row["vpc_id"], row["tcp_flags"], row["line"]) == (None, None, 1)
    assert batch.coverage.select("observer", "status").rows() == [("eni-2", "NODATA")]


def test_types_of_other_writers_converge() -> None:
    """Accounts as numbers, ports as text or floats, timestamps, categories: the same record."""
    odd = {
        "version": pa.array(["5"]),
        "account-id": pa.array([123456789012], pa.int64()),
        "interfaceId": pa.array(["eni-1"]).dictionary_encode(),
        "sourceaddress": pa.array(["10.0.0.1"], pa.large_string()),
        "dstaddr": pa.array([b"10.0.0.2"], pa.binary()),
        "srcport": pa.array([443.0]),
        "dstport": pa.array(["50000.0"]),
        "protocol": pa.array([6], pa.uint8()),
        "packets": pa.array(["3"]),
        "bytes": pa.array([2**40], pa.uint64()),
        "start": pa.array([1700000000000], pa.timestamp("ms")),
        "end": pa.array([1700000060000000], pa.timestamp("us", tz="Europe/Berlin")),
        "action": pa.array(["ACCEPT"]),
        "log_status": pa.array(["OK"]),
        "tcp_flags": pa.array([None], pa.null()),
        "vpc_id": pa.array(["None"]),
    }
    record = whole(stored(pa.table(odd))).records.to_dicts()[0]
    expected = whole(stored(rows([FLOW]))).records.to_dicts()[0]
    assert record == {name: expected[name] for name in record}


def test_values_that_cannot_be_are_rejects() -> None:
    """A port, protocol or address that cannot be refuses its row, with the row's number."""
    table = rows(
        [FLOW, {**FLOW, "dstport": 70000}, {**FLOW, "srcport": -1}, {**FLOW, "protocol": 300},
         {**FLOW, "srcaddr": "somewhere"}, {**FLOW, "start": -5}, FLOW]
    )  # fmt: skip
    batch = whole(stored(table))
    assert batch.records["line"].to_list() == [1, 7]
    assert batch.rejects.select("line", "reason").rows() == [
        (2, "out of range"),
        (3, "out of range"),
        (4, "out of range"),
        (5, "not an address"),
        (6, "out of range"),
    ]
    assert "somewhere" in batch.rejects["text"][3]


def test_projection_changes_columns_not_counts() -> None:
    """Asking for few columns gives just those, and the same account of every row."""
    data = stored(rows([FLOW, QUIET, {**FLOW, "dstport": 70000}]))
    full, narrow = whole(data), whole(data, ["bytes", "az_id"])
    assert narrow.records.equals(full.records.select("bytes", "az_id", "line"))
    assert narrow.coverage.equals(full.coverage)
    assert narrow.rejects.select("line", "reason").equals(full.rejects.select("line", "reason"))


def test_rows_keep_their_numbers_across_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read some rows at a time, and rows are numbered through it."""
    monkeypatch.setattr("flowlens_parsers.parquet.ROWS", 4)
    data = stored(rows([{**FLOW, "srcport": n} for n in range(1, 21)]), row_group_size=7)
    batches = list(read(io.BytesIO(data), "object"))
    assert len(batches) > 3
    assert [row for b in batches for row in b.records.select("line", "srcport").rows()] == [
        (n, n) for n in range(1, 21)
    ]


def test_compressed_and_unseekable_objects_are_read() -> None:
    """A .gz around a Parquet file, or a stream without seek, gives the same rows."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    data = stored(rows([FLOW, QUIET]))
    [piped] = read(Pipe(data), "object")
    assert piped.records.equals(whole(data).records)
    assert whole(gzip.compress(data)).records.equals(whole(data).records)


def test_tables_of_something_else_say_so() -> None:
    """Parquet without one flow-log column is one reject that names its columns."""
    batch = whole(stored(pa.table({"colour": ["red"], "size": [1]})))
    assert batch.rejects.select("reason", "text").rows() == [
        ("unknown format", "Parquet with the columns colour size")
    ]


def test_nested_and_unknown_columns_stay_text() -> None:
    """A column nobody knows is kept as text, whatever its type."""
    table = pa.table({"srcaddr": ["10.0.0.1"], "tags": [[{"a": 1}]], "day": [20]})
    batch = whole(stored(table))
    assert batch.records.to_dicts() == [
        {"srcaddr": "10.0.0.1", "tags": '[{"a":1}]', "day": "20", "line": 1}
    ]
    assert batch.unknown == ("tags", "day")


def test_peek_reads_the_footer() -> None:
    """The columns are known without reading a row."""
    layout = peek(io.BytesIO(stored(rows([]))), "object")
    assert (layout.kind, layout.fields) == ("parquet", tuple(AWS.names))


@given(st.integers(0, 6000), st.binary(max_size=20), st.integers(0, 200), st.booleans())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_damage_is_a_reject(at: int, new: bytes, gone: int, packed: bool) -> None:
    """Whatever bytes of a file are lost, changed or cut off, nothing raises and rows add up."""
    data = stored(rows([FLOW, QUIET] * 50))
    data = data[:at] + new + data[at + gone :]
    data = gzip.compress(data)[: at + 20] if packed else data
    for packer in (None, Packer(lambda texts: np.arange(len(texts), dtype=np.uint32))):
        for batch in read(
            io.BytesIO(data), "object", packer=packer, columns=SLOTS if packer else None
        ):
            assert batch.lines == batch.height + batch.coverage.height + batch.rejects.height
    peek(io.BytesIO(data), "object")


@pytest.mark.parametrize("packed", [False, True])
def test_text_that_is_no_utf8_is_damage(packed: bool) -> None:
    """Bytes that are no text reject a file, whichever way its rows are read."""
    data = stored(rows([FLOW] * 3), compression="none").replace(b"10.0.0.1", b"10.0.\xff.1")
    packer = Packer(lambda texts: np.arange(len(texts), dtype=np.uint32)) if packed else None
    [batch] = read(io.BytesIO(data), "object", packer=packer)
    assert batch.rejects["reason"].to_list() == ["damaged"]


def test_published_file_of_another_writer(published: Path) -> None:
    """The pandas-made fixture gives its expected rows: text 'None', numeric account, NODATA."""
    folder = published / "obsrvbl-oss__flowlogs-reader"
    expected = json.loads((folder / "expected.json").read_text())["files"]["flows.parquet"]
    batch = whole((folder / "flows.parquet").read_bytes())
    [row] = batch.records.drop("line").to_dicts()
    seen = {
        k: int(v.timestamp()) if k in ("start", "end") else v
        for k, v in row.items()
        if v is not None
    }
    assert seen == expected[0]
    quiet = [(row["interface_id"], row["log_status"]) for row in expected[1:]]
    assert batch.coverage.select("observer", "status").rows() == quiet


def test_published_rows_typed_as_aws_does(published: Path) -> None:
    """The facts of a published AWS-typed file survive writing and reading."""
    folder = published / "open-telemetry__opentelemetry-collector-contrib"
    facts = next(
        v for k, v in json.loads((folder / "expected.json").read_text()).items() if "parquet" in k
    )
    batch = whole(stored(rows(facts), compression="gzip"))
    for row, fact in zip(batch.records.to_dicts(), facts[:3], strict=True):
        row |= {key: int(row[key].timestamp()) for key in ("start", "end")}
        assert {key: row[key] for key in fact} == fact
    assert batch.coverage.select("observer", "status").rows() == [
        ("eni-0fff9999aaaa8888b", "NODATA")
    ]
