from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from flowlens import small
from flowlens.conversations import conversations
from tests.examples import examples

START = datetime(2026, 11, 21, 11, tzinfo=UTC)
ADDRESSES = ("10.0.0.4", "10.0.0.5", "192.0.2.1", "2001:db8::1")
PORTS = (0, 53, 443, 5432, 40_000, 50_000)


row = st.fixed_dictionaries(
    {
        "interface_id": st.sampled_from(["eni-a", "eni-b", "nat-1", None]),
        "srcaddr": st.sampled_from(ADDRESSES),
        "dstaddr": st.sampled_from(ADDRESSES),
        "srcport": st.sampled_from(PORTS),
        "dstport": st.sampled_from(PORTS),
        "protocol": st.sampled_from([6, 17]),
        "packets": st.integers(0, 9),
        "bytes": st.integers(0, 2**33),
        "start": st.integers(0, 9_000).map(lambda s: START + timedelta(seconds=s)),
        "end": st.just(START + timedelta(seconds=9_100)),
        "action": st.sampled_from(["ACCEPT", "REJECT", None]),
        "tcp_flags": st.sampled_from([None, 0, 2, 3, 18, 19]),
        "pkt_srcaddr": st.sampled_from([*ADDRESSES, None]),
        "pkt_dstaddr": st.sampled_from([*ADDRESSES, None]),
        "flow_direction": st.sampled_from(["egress", "ingress", None]),
        "flow_log": st.sampled_from(["fl-1", "fl-2", None]),
    }
)
rows = st.lists(row, min_size=1, max_size=25)
SCHEMA: dict[str, pl.DataType] = {
    "srcport": pl.UInt16(),
    "dstport": pl.UInt16(),
    "protocol": pl.UInt8(),
    "packets": pl.UInt64(),
    "bytes": pl.UInt64(),
    "start": pl.Datetime("ms", "UTC"),
    "end": pl.Datetime("ms", "UTC"),
    "tcp_flags": pl.UInt8(),
}
quick = settings(max_examples=examples(14), deadline=None, suppress_health_check=list(HealthCheck))


def frame(table: list[dict[str, Any]]) -> pl.LazyFrame:
    names = sorted(table[0])
    columns = {name: [row[name] for row in table] for name in names}
    return pl.LazyFrame(columns, schema={name: SCHEMA.get(name, pl.String()) for name in names})


@settings(quick, max_examples=examples(20))
@given(
    table=rows,
    random=st.none() | st.randoms(use_true_random=False),
    cut=st.integers(0, 25),
    times=st.integers(1, 2),
    small=st.sampled_from([0, small.ROWS]),
)
def test_order_files_and_second_copies_change_nothing(
    table: list[dict[str, Any]], random: Any, cut: int, times: int, small: int
) -> None:
    """Any permutation, two files or one, everything once or twice: the same table, row for row.

    Nor does the engine that small frames take.
    """
    mixed = table * times
    if random is not None:
        random.shuffle(mixed)
    same = pl.concat(frame(part) for part in (mixed[:cut], mixed[cut:]) if part)
    wanted = conversations(frame(table)).collect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flowlens.small.ROWS", small)
        assert_frame_equal(wanted, conversations(same).collect())


@quick
@given(table=rows)
def test_another_observer_of_everything_changes_no_sum(table: list[dict[str, Any]]) -> None:
    """Attachments that wrote down every record too add their names and no byte."""
    seen = [r | {"interface_id": "eni-z", "pkt_srcaddr": None, "pkt_dstaddr": None} for r in table]
    copy = [r | {"interface_id": f"tgw-attach-{r['interface_id']}"} for r in seen]
    sums = [
        "client",
        "server",
        "server_port",
        "protocol",
        "action",
        "hour",
        "bytes_out",
        "bytes_in",
        "records",
    ]
    alone = conversations(frame(seen)).select(sums).collect()
    beside = conversations(frame(seen + copy)).select(sums).collect()
    assert_frame_equal(alone, beside)


@quick
@given(table=rows)
def test_one_observer_keeps_every_byte(table: list[dict[str, Any]]) -> None:
    """Where one interface wrote all, the sums are those of the distinct records."""
    one = [
        r | {"interface_id": "eni-a", "flow_log": None, "pkt_srcaddr": None, "pkt_dstaddr": None}
        for r in table
    ]
    identity = (
        "srcaddr",
        "dstaddr",
        "srcport",
        "dstport",
        "protocol",
        "action",
        "start",
        "bytes",
        "packets",
    )
    distinct = {tuple(r[name] for name in identity) for r in one}
    talk = conversations(frame(one)).collect()
    assert talk.select(pl.sum("bytes_out") + pl.sum("bytes_in")).item() == sum(
        key[7] for key in distinct
    )
    assert talk["records"].sum() == len(distinct)
