"""CSV results of Athena: quoting, aliases, NULL, partition columns."""

import csv
import gzip
import io
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens_parsers import Batch, peek, read
from tests.examples import examples


def whole(text: str | bytes) -> Batch:
    [batch] = read(io.BytesIO(text if isinstance(text, bytes) else text.encode()), "r.csv")
    assert batch.lines == batch.records.height + batch.coverage.height + batch.rejects.height
    return batch


BOOTSTRAP = (
    '"version","account","interfaceid","sourceaddress","destinationaddress","sourceport",'
    '"destinationport","protocol","numpackets","numbytes","starttime","endtime","action",'
    '"logstatus","date"\n'
)


def test_names_of_the_published_table_definition() -> None:
    """The columns of AWS's own table definition become the fields; partitions stay text."""
    batch = whole(
        BOOTSTRAP + '"2","012345678901","eni-1","10.0.0.1","2001:DB8::1","443","50000","6","3",'
        '"4096","1418530010","1418530070000","ACCEPT","OK","2014-12-14"\n'
    )
    assert batch.records.to_dicts() == [
        {
            "version": 2,
            "account_id": "012345678901",
            "interface_id": "eni-1",
            "srcaddr": "10.0.0.1",
            "dstaddr": "2001:db8::1",
            "srcport": 443,
            "dstport": 50000,
            "protocol": 6,
            "packets": 3,
            "bytes": 4096,
            "start": datetime(2014, 12, 14, 4, 6, 50, tzinfo=UTC),
            "end": datetime(2014, 12, 14, 4, 7, 50, tzinfo=UTC),
            "action": "ACCEPT",
            "log_status": "OK",
            "date": "2014-12-14",
            "line": 2,
        }
    ]
    assert (batch.headers, batch.unknown) == (1, ("date",))


def test_null_is_nothing_and_no_data_is_coverage() -> None:
    """An empty value is null; a NODATA row is coverage although its other values are empty."""
    batch = whole(
        '"eni","srcaddr","bytes","start","end","log_status"\n'
        '"eni-1",,"5","1","2","OK"\n"eni-2",,,"1418530010","1418530070","NODATA"\n'
    )
    assert batch.records.select("interface_id", "srcaddr", "bytes").rows() == [("eni-1", None, 5)]
    start, end = (
        datetime(2014, 12, 14, 4, 6, 50, tzinfo=UTC),
        datetime(2014, 12, 14, 4, 7, 50, tzinfo=UTC),
    )
    assert batch.coverage.rows() == [("eni-2", "NODATA", start, end, "r.csv")]


def test_rows_that_do_not_fit_are_rejects() -> None:
    """A row with too few values or a value that is no number is refused with its line."""
    batch = whole(
        'srcaddr,srcport,day\n10.0.0.1,1,"a, b"\n10.0.0.1,1\n10.0.0.1,x,c\nhost,1,c\n'
        '10.0.0.1,70000,c\n10.0.0.2,2,"say ""hi"""\n'
    )
    assert batch.records.select("line", "srcport", "day").rows() == [
        (2, 1, "a, b"),
        (7, 2, 'say "hi"'),
    ]
    assert batch.rejects.select("line", "reason").rows() == [
        (3, "wrong number of values"),
        (4, "not a number"),
        (5, "not an address"),
        (6, "out of range"),
    ]


def test_events_without_a_message_are_rejects() -> None:
    """An event of a console export that holds no message is refused, not lost."""
    line = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
    batch = whole(f'timestamp,message\n1,\n2,""\n3,"  "\n4,{line}\n5\n')
    assert batch.rejects.select("line", "reason").rows() == [
        (2, "no message"),
        (3, "no message"),
        (4, "no message"),
        (6, "wrong number of values"),
    ]
    assert (batch.records["line"].to_list(), batch.lines, batch.headers) == ([5], 5, 1)


def test_quotes_that_do_not_close_cost_their_line_only() -> None:
    """A stray quote, or a value beyond any limit, does not swallow the lines after it."""
    long = "x" * 200_000
    batch = whole(
        f'srcaddr,srcport,day\n"10.0.0.1,1,a\n10.0.0.1,1,"b\n10.0.0.1,1,c"\n10.0.0.1,1,d"e\n'
        f'10.0.0.1,1,"{long},"\n10.0.0.2,2,f\n'
    )
    assert batch.rejects["line"].to_list() == [2, 6]
    assert batch.records.select("line", "day").rows() == [(3, "b"), (4, 'c"'), (5, 'd"e'), (7, "f")]


def test_timestamps_of_a_query_are_times() -> None:
    """Times that a query turned into timestamps are read as UTC."""
    batch = whole(
        "srcaddr,start\n10.0.0.1,2024-01-02 03:04:05.678\n10.0.0.1,2024-01-02 03:04:05 UTC\n"
    )
    second = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert batch.records["start"].to_list() == [second.replace(microsecond=678000), second]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_downloads_put_together_repeat_the_header(end: str) -> None:
    """A header line in the middle is a header again, with any line end, mark or compression."""
    text = f'"srcaddr","bytes"{end}"10.0.0.1","1"{end}'
    batch = whole(gzip.compress(b"\xef\xbb\xbf" + (text + text).encode()))
    assert (batch.records["line"].to_list(), batch.headers, batch.lines) == ([2, 4], 2, 2)


def test_a_plainer_name_wins() -> None:
    """An alias gives way to the field's own name and stays as a text column."""
    batch = whole("numbytes,bytes,srcaddr,line\n1,2,10.0.0.1,x\n")
    assert batch.records.to_dict(as_series=False) == {
        "numbytes": ["1"],
        "bytes": [2],
        "srcaddr": ["10.0.0.1"],
        "line_": ["x"],
        "line": [2],
    }


def test_peek_tells_the_columns() -> None:
    """The columns are known from the header alone."""
    layout = peek(io.BytesIO(BOOTSTRAP.encode()), "r.csv")
    assert layout.kind == "csv"
    assert layout.schema["bytes"] == pl.UInt64()


values = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=6)


@given(st.lists(st.tuples(values, st.integers(0, 65535)), max_size=20), st.booleans())
@settings(max_examples=examples(40), deadline=None, derandomize=True)
def test_what_csv_writes_is_read(rows: list[tuple[str, int]], quoted: bool) -> None:
    """Any text in an unknown column survives, whatever quoting it needs."""
    out = io.StringIO()
    dialect = "unix" if quoted else "excel"
    writer = csv.writer(out, dialect, lineterminator="\n")
    writer.writerows([("note", "srcport", "dstport"), *((text, port, 1) for text, port in rows)])
    batches = list(read(io.BytesIO(out.getvalue().encode()), "r.csv"))
    nothing = {"", "-", "None", "none", "null", "NULL", "NaN", "nan", "<NA>"}
    got = [row for b in batches for row in b.records.select("note", "srcport").rows()]
    assert got == [(None if text in nothing else text, port) for text, port in rows]


pieces = st.sampled_from([b"\n", b",", b'"', b'""', b"\r", b"10.0.0.1", b"5", b"\xff", b" "])


@given(st.binary(max_size=200) | st.lists(pieces, max_size=40).map(b"".join))
@settings(max_examples=examples(50), deadline=None, derandomize=True)
def test_any_bytes_below_a_header_are_accounted_for(body: bytes) -> None:
    """Whatever stands below a header, nothing raises and every line is counted."""
    rows = [line for line in body.split(b"\n") if line.strip(b" \t\r")]
    for header in (b'"timestamp","message"', b"srcaddr,bytes"):
        batches = list(read(io.BytesIO(header + b"\n" + body), "r.csv"))
        for batch in batches:
            parts = (batch.records, batch.coverage, batch.rejects)
            assert batch.lines == sum(part.height for part in parts)
        assert sum(batch.lines for batch in batches) == len(rows)
