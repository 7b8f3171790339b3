import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

import flowlens
from flowlens.errors import InputError, OutputError, StrictError, UsageError
from flowlens.store import (
    Store,
    conversations,
    ingest,
    is_store,
    objects,
    records,
    rejects,
    tidy,
)
from flowlens.store.commit import Conflict, append

Write = Callable[..., Path]

NOON = 1795262400  # 2026-11-21T12:00:00Z
MIDNIGHT = NOON + 12 * 3600
DAYS = [date(2026, 11, 21), date(2026, 11, 22)]


def line(start: int, *, port: int = 49152, size: int = 900, client: str = "10.0.1.5") -> str:
    ends = f"{client} 34.110.5.8 {port} 443 6 10 {size}"
    return f"2 123456789010 eni-0a {ends} {start} {start + 60} ACCEPT OK\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_a_second_run_changes_nothing(
    store: Store, logs: Path, content: Callable[..., Any]
) -> None:
    """Objects that are there are not read again: the tables and their versions stay."""
    first = ingest(logs, store)
    # 12 objects of 41 records, of which all but the last one's extra are copies of the next's
    assert (first.kept, first.objects, first.there) == (12 * 40 + 1, 12, 0)
    assert sorted(first.days) == DAYS
    before = content(store), store.open("records").version()
    again = ingest(logs, store)
    assert (again.kept, again.objects, again.there, again.days) == (0, 0, 12, set())
    assert (content(store), store.open("records").version()) == before


def test_a_new_object_is_added(store: Store, write: Write, tmp_path: Path) -> None:
    """The next run reads the new object only and makes its day only."""
    write("a.log", line(NOON))
    ingest(tmp_path / "logs", store)
    write("b.log", line(NOON + 7200, size=100))
    told = ingest(tmp_path / "logs", store)
    assert (told.kept, told.objects, told.there, told.days) == (1, 1, 1, {DAYS[0]})
    hours = conversations(store).select("hour", "bytes_out").collect().rows()
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert sorted(hours) == [(noon, 900), (noon.replace(hour=14), 100)]


def test_a_late_record_lands_in_its_own_hour(store: Store, write: Write, tmp_path: Path) -> None:
    """What comes a day late is counted in the hour in which it started, not when it came."""
    write("a.log", line(NOON), line(MIDNIGHT + 60))
    ingest(tmp_path / "logs", store)
    write("late.log", line(NOON + 120, size=50))
    ingest(tmp_path / "logs", store)
    days = store.scan("conversations").select("day", "hour", "bytes_out").collect()
    assert sorted(days.rows()) == [
        (DAYS[0], datetime(2026, 11, 21, 12, tzinfo=UTC), 950),
        (DAYS[1], datetime(2026, 11, 22, 0, tzinfo=UTC), 900),
    ]


def test_an_object_that_comes_again_adds_no_record(
    store: Store, write: Write, tmp_path: Path, content: Callable[..., Any]
) -> None:
    """Under another name, or overlapping, its records are there already; it is noted as read."""
    write("a.log", line(NOON), line(NOON + 60))
    ingest(tmp_path / "logs", store)
    before = content(store)
    write("again.log", line(NOON), line(NOON + 60))
    write("part.log", line(NOON + 60), line(NOON + 60))
    told = ingest(tmp_path / "logs", store)
    assert (told.kept, told.objects) == (0, 2)
    after = content(store)
    assert [name for name in after if after[name] != before[name]] == ["objects"]
    assert objects(store).collect()["kept"].sum() == 2


def test_an_object_that_grew_is_read_again(store: Store, write: Write, tmp_path: Path) -> None:
    """A file that changed is another object; of it, only the new records are added."""
    write("a.log", line(NOON))
    ingest(tmp_path / "logs", store)
    write("a.log", line(NOON), line(NOON + 60))
    told = ingest(tmp_path / "logs", store)
    assert (told.kept, told.objects, told.there) == (1, 1, 0)


def test_copies_are_kept_where_nothing_shows_that_they_are(store: Store, write: Write) -> None:
    """Without ports, equal lines may be two connections, and both count, as in the raw log."""
    logs = write("a.log", "srcaddr dstaddr bytes start\n", *[f"10.0.0.1 10.0.0.2 9 {NOON}\n"] * 2)
    ingest(logs, store)
    assert records(store).collect().height == 2
    raw = flowlens.conversations(flowlens.scan_records(logs)).collect()
    assert conversations(store).collect().equals(raw)


def test_formats_may_differ(store: Store, write: Write, tmp_path: Path) -> None:
    """A later format adds its fields; earlier records have null there; AWS's fields only."""
    write("a.log", line(NOON))
    ingest(tmp_path / "logs", store)
    fields = "srcaddr dstaddr srcport dstport protocol packets bytes start end tcp-flags colour"
    write("b.log", f"{fields}\n10.0.0.1 10.0.0.2 40000 22 6 1 40 {NOON} {NOON + 9} 2 red\n")
    told = ingest(tmp_path / "logs", store)
    assert any("does not document" in note and "colour" in note for note in told.notes)
    frame = records(store).collect()
    assert frame.schema == flowlens.scan_records(tmp_path / "logs").drop("colour").collect_schema()
    assert sorted(frame["tcp_flags"].to_list(), key=repr) == [2, None]


def test_who_opened_a_connection_the_day_before_is_known(store: Store, write: Write) -> None:
    """A handshake before midnight settles who is the client after it, as in the raw log."""
    fields = "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end"

    def row(start: int, flags: int, *, back: bool = False) -> str:
        ends = "10.0.0.2 10.0.0.1 22 5432" if back else "10.0.0.1 10.0.0.2 5432 22"
        return f"eni-0a {ends} 6 2 80 {start} {start + 60} ACCEPT {flags}\n"

    shaken = [row(MIDNIGHT - 300, 2), row(MIDNIGHT - 300, 18, back=True)]
    logs = write(
        "a.log",
        f"{fields} action tcp-flags\n",
        *shaken,
        row(MIDNIGHT + 60, 0),
        row(MIDNIGHT + 60, 0, back=True),
    )
    ingest(logs, store)
    found = conversations(store).sort("hour").collect()
    assert found["orientation"].to_list() == ["certain", "certain"]
    raw = flowlens.conversations(flowlens.scan_records(logs)).sort("hour").collect()
    assert found.equals(raw)


def test_impossible_values_are_kept_apart(store: Store, write: Write) -> None:
    """No time and a time in the far future share one day; a count too large is the largest."""
    ends = "2 1 eni-0a 10.0.1.5 10.0.9.9 1 22 6 1"
    logs = write(
        "a.log",
        f"{ends} 18446744073709551615 99999999999999 99999999999999 ACCEPT OK\n",
        f"{ends} 40 - {NOON} ACCEPT OK\n",
        line(NOON),
    )
    ingest(logs, store)
    days = store.scan("records").group_by("day").len().sort("day").collect()
    assert days.rows() == [(date(1970, 1, 1), 2), (DAYS[0], 1)]
    assert records(store).collect()["bytes"].max() == 2**63 - 1
    assert conversations(store).collect().height == 3


def test_a_changed_store_refuses_a_batch_begun_before(
    store: Store, write: Write, tmp_path: Path
) -> None:
    """Delta refuses the second of two commits with one number, so no batch is added twice."""
    write("a.log", line(NOON))
    ingest(tmp_path / "logs", store)
    ours, theirs = store.open("records"), store.open("records")
    append(store, theirs, "records", [], {})
    with pytest.raises(Conflict):
        append(store, ours, "records", [], {})


def test_many_small_files_become_one(
    store: Store, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day with many files is compacted; no row changes, and the old files stay on disk."""
    monkeypatch.setattr(tidy, "MANY", 4)
    for number in range(4):
        write(f"{number}.log", line(NOON + number))
        before = len(list((tmp_path / "store" / "records").rglob("*.parquet")))
        ingest(tmp_path / "logs", store)
    assert len(store.open("records").file_uris()) == 1
    assert len(list((tmp_path / "store" / "records").rglob("*.parquet"))) > before
    assert records(store).collect().height == 4
    assert ingest(tmp_path / "logs", store).there == 4


def test_bad_lines_are_kept_and_strict_stops(store: Store, write: Write) -> None:
    """Lines that cannot be read are counted and kept; under strict nothing is committed."""
    logs = write("a.log", line(NOON), "not a record\n")
    with pytest.raises(StrictError, match=r"a\.log:2"):
        ingest(logs, store, strict=True)
    assert objects(store).collect().is_empty()
    told = ingest(logs, store)
    assert dict(told.reasons) == {"wrong number of values": 1}
    kept = rejects(store).select("line", "text").collect()
    assert kept.rows() == [(2, "not a record")]


def test_what_has_no_identity_is_refused(
    store: Store, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard input, a missing source and a place that is a file are errors of one line."""
    with pytest.raises(UsageError, match="save it as a file"):
        ingest("-", store)
    with pytest.raises(InputError, match="no such file"):
        ingest(tmp_path / "nothing", store)
    with pytest.raises(InputError, match="no table 'records' here"):
        records(store)
    file = write("a.log", line(NOON))
    with pytest.raises(OutputError, match="no store can be made here"):
        ingest(file, file)


def test_what_a_store_lost_is_never_taken_for_nothing(
    store: Store, logs: Path, tmp_path: Path
) -> None:
    """A table taken away, or put back as it was, is an error that names it, read or written."""
    ingest(logs / "00.log", store)
    root = tmp_path / "store"
    before = shutil.copytree(root, tmp_path / "before")
    ingest(logs, store)
    for name, error in (("records", "'records' here"), ("objects", "'objects' here")):
        lost = shutil.copytree(root, tmp_path / f"lost-{name}")
        shutil.rmtree(lost / name)
        assert is_store(lost)
        with pytest.raises(InputError, match=error):
            Store(str(lost)).scan(name)
        with pytest.raises(OutputError, match=f"{error} any more"):
            ingest(logs, lost)
        shutil.copytree(before / name, lost / name)
        with pytest.raises(OutputError, match=f"'{name}' lacks batches"):
            ingest(logs, lost)
    (first, *_) = root.glob("records/day=2026-11-21/*.parquet")
    first.unlink()
    with pytest.raises(InputError, match="is gone, which its table still names"):
        records(store)


def test_a_store_that_others_are_making_is_no_loss(store: Store, logs: Path) -> None:
    """A table that two made at the same time, each with a commit, has not been written to."""
    store.create()
    log = Path(store.root) / "records" / "_delta_log"
    shutil.copy(log / f"{0:020}.json", log / f"{1:020}.json")
    assert store.open("records").version() == 1
    shutil.rmtree(Path(store.root) / "coverage")
    assert ingest(logs, store).objects == 12
    assert ingest(logs, store).there == 12


def test_what_is_made_of_the_records_is_made_again(store: Store, logs: Path) -> None:
    """Without the tables of conversations a store says so, and the next run makes them."""
    ingest(logs, store)
    wanted = conversations(store, ordered=True).collect()
    shutil.rmtree(Path(store.root) / "conversations")
    with pytest.raises(InputError, match="`flowlens ingest` makes it again"):
        conversations(store)
    ingest(logs, store)
    assert conversations(store, ordered=True).collect().equals(wanted)


def test_the_files_of_a_store_are_no_logs(store: Store, logs: Path, tmp_path: Path) -> None:
    """A store among the logs is left out and told, its tables are no sources, nor is it one."""
    ingest(logs, logs / "kept")
    told = ingest(logs, logs / "kept")
    assert (told.objects, told.there) == (0, 12)
    (note,) = told.notes
    assert note.startswith(f"{logs}/kept: Delta tables left out")
    with pytest.raises(InputError, match="Delta tables left out"):
        ingest(logs / "kept" / "records", store)
    with pytest.raises(UsageError, match="is a store already"):
        ingest(logs / "kept", store)


def test_other_engines_see_plain_tables(store: Store, logs: Path) -> None:
    """Tables are Delta without features that a reader might lack, partitioned by day."""
    ingest(logs, store)
    for name in ("records", "conversations", "objects"):
        table = DeltaTable(store.uri(name))
        assert table.protocol().min_reader_version == 1
        days = ["day"] if name != "objects" else []
        assert table.metadata().partition_columns == days
    sums = pl.scan_delta(store.uri("conversations")).select(pl.sum("records")).collect().item()
    assert sums == records(store).collect().height
