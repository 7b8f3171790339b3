"""Text that other people published is read as their own tests say."""

import io
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flowlens_parsers import SCHEMA, Batch, read

OBSRVBL = "obsrvbl-oss__flowlogs-reader"
OTEL = "open-telemetry__opentelemetry-collector-contrib"


def records(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Records without nulls and line numbers, times as whole seconds."""
    rows = [row for batch in batches for row in batch.records.drop("line").iter_rows(named=True)]
    return [
        {
            name: int(value.timestamp()) if isinstance(value, datetime) else value
            for name, value in row.items()
            if value is not None
        }
        for row in rows
    ]


def account(batches: Sequence[Batch]) -> tuple[int, int, int, int]:
    """Lines, records, coverage, rejects; they always add up."""
    counts = (
        sum(batch.lines for batch in batches),
        sum(batch.records.height for batch in batches),
        sum(batch.coverage.height for batch in batches),
        sum(batch.rejects.height for batch in batches),
    )
    assert counts[0] == sum(counts[1:])
    return counts


def opened(path: Path, **how: Any) -> list[Batch]:
    with path.open("rb") as stream:
        return list(read(stream, path.name, **how))


def parsed(line: str, format: str) -> list[Batch]:
    return list(read(io.BytesIO(line.encode()), "line", format=format))


@pytest.mark.parametrize("name", ["v3_s3.log", "v4_s3.log", "v5_s3.log", "v6_s3_tgw.log"])
def test_flowlogs_reader_files(published: Path, name: str) -> None:
    """flowlogs-reader's v3 to v5 and transit gateway files give its records, value by value."""
    expected = json.loads((published / OBSRVBL / "expected.json").read_text())["files"][name]
    found = opened(published / OBSRVBL / name)
    assert records(found) == expected
    assert [batch.unknown for batch in found] == [()] * len(found)


def test_flowlogs_reader_bogus_line(published: Path) -> None:
    """Its 'bogus line' is one reject, after the two records before it."""
    found = opened(published / OBSRVBL / "v5_s3.log")
    assert account(found) == (3, 2, 0, 1)
    assert [row for batch in found for row in batch.rejects.rows()] == [
        ("v5_s3.log", 4, "wrong number of values", "bogus line")
    ]


def test_flowlogs_reader_headerless(published: Path) -> None:
    """Its v2 records without a header: three flows, NODATA and SKIPDATA."""
    found = opened(published / OBSRVBL / "v2_records_noheader.log")
    assert account(found) == (5, 3, 2, 0)
    assert [row["action"] for row in records(found)] == ["ACCEPT", "ACCEPT", "REJECT"]
    seen = [row for batch in found for row in batch.coverage.select("observer", "status").rows()]
    assert seen == [("eni-1a2b3c4d", "NODATA"), ("eni-4b118871", "SKIPDATA")]


def test_vector_lines(published: Path) -> None:
    """Every line Vector accepts, v2 to v11, is accepted with the same format."""
    cases = json.loads((published / "vectordotdev__vrl" / "cases.json").read_text())
    assert len(cases["accepted_lines"]) == 30
    for case in cases["accepted_lines"]:
        found = parsed(case["line"], case["format"])
        assert account(found)[3] == 0, case["line"]
        assert [batch.unknown for batch in found] == [()]


def test_vector_examples(published: Path) -> None:
    """Vector's full examples give its objects, NODATA as coverage."""
    cases = json.loads((published / "vectordotdev__vrl" / "cases.json").read_text())
    for case in cases["examples"]:
        found = parsed(case["line"], case["format"])
        wanted = {name: value for name, value in case["expected"].items() if value is not None}
        if case["expected"].get("log_status", "OK") == "OK":
            assert records(found) == [wanted]
        else:
            [row] = found[0].coverage.to_dicts()
            assert row["observer"] == wanted["interface_id"]
            assert row["status"] == wanted["log_status"]
            assert (row["start"].timestamp(), row["end"].timestamp()) == (
                wanted["start"],
                wanted["end"],
            )


def test_promtail_file(published: Path) -> None:
    """Grafana's captured .log.gz gives its three records and one header."""
    folder = published / "grafana__lambda-promtail"
    expected = json.loads((folder / "expected.json").read_text())
    found = opened(folder / "vpcflowlog.log.gz")
    assert account(found) == (expected["records"], expected["records"], 0, 0)
    assert sum(batch.headers for batch in found) == expected["header_lines"]
    wanted = [
        {name.replace("-", "_"): value for name, value in row.items()} for row in expected["rows"]
    ]
    assert [{name: str(value) for name, value in row.items()} for row in records(found)] == wanted


def test_opentelemetry_records(published: Path) -> None:
    """OpenTelemetry's v2, ECS and transit gateway files are read with typed numbers."""
    multi = opened(published / OTEL / "valid_vpc_flow_log_multi.log")
    assert account(multi) == (2, 2, 0, 0)
    [ecs] = records(opened(published / OTEL / "valid_vpc_flow_log_ecs.log"))
    assert (ecs["ecs_cluster_name"], ecs["ecs_task_id"]) == ("my-cluster", "abcdef1234567890")
    [tgw] = records(opened(published / OTEL / "valid_tgw_flow_log.log"))
    assert (tgw["tgw_attachment_id"], tgw["srcport"], tgw["bytes"]) == (
        "tgw-attach-0abc12345def67890",
        12345,
        1000,
    )


@pytest.mark.parametrize("name", ["too_few", "too_many"])
def test_opentelemetry_miscounted_lines(published: Path, name: str) -> None:
    """A line with fewer or more values than its header has is a reject, as there."""
    found = opened(published / OTEL / f"vpc_flow_log_{name}_fields.log")
    assert account(found) == (1, 0, 0, 1)
    assert found[0].rejects.select("line", "reason").rows() == [(2, "wrong number of values")]


def test_vpcflowreporter_sample(published: Path) -> None:
    """The 60 lines of VPCFlowReporter split into flows and coverage as it counts them."""
    folder = published / "andyakins__VPCFlowReporter"
    expected = json.loads((folder / "expected.json").read_text())
    found = opened(folder / "sample.dat")
    flows = records(found)
    status = [row for batch in found for row in batch.coverage["status"]]
    assert {
        "ACCEPT OK": sum(row["action"] == "ACCEPT" for row in flows),
        "REJECT OK": sum(row["action"] == "REJECT" for row in flows),
        "NODATA": status.count("NODATA"),
        "SKIPDATA": status.count("SKIPDATA"),
    } == expected["by_status"]
    assert account(found) == (expected["sample_records"], 54, 6, 0)


def test_documentation_examples(published: Path) -> None:
    """The examples of the AWS user guide are read whole, a doubled blank included."""
    folder = published / "aws-docs__flow-logs-records-examples"
    groups = json.loads((folder / "examples.json").read_text())
    total = [0, 0, 0, 0]
    for group in groups:
        found = parsed("\n".join(group["lines"]), group["format"])
        assert account(found)[0] == len(group["lines"])
        assert set(found[0].records.columns) <= {*SCHEMA, "line"}
        total = [a + b for a, b in zip(total, account(found), strict=True)]
    assert total == [33, 31, 2, 0]
