import io
import os
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flowlens.errors import InputError, UsageError
from flowlens.sources import Lost, Object, fetch, list_objects
from flowlens.sources.local import Spool


def _bytes(found: Object) -> bytes:
    with closing(found.open()) as stream:
        return stream.read()


def test_folder_is_read_below_and_sorted(tmp_path: Path) -> None:
    """A folder stands for all files below it, sorted by path, without hidden ones."""
    for name in ("b/2.log", "a.log.gz", "b/1.parquet", ".DS_Store", ".git/x", "b/.hidden.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = [one.uri.removeprefix(f"{tmp_path}/") for one in list_objects(tmp_path)]
    assert found == ["a.log.gz", "b/1.parquet", "b/2.log"]


def test_file_tells_identity(tmp_path: Path) -> None:
    """A file has its size, its time, and the flow log that its AWS name carries."""
    path = tmp_path / "1_vpcflowlogs_us-gov-east-1_fl-0ab_20260714T0005Z_9f.log.gz"
    path.write_bytes(b"abc")
    os.utime(path, (86400, 86400))
    (found,) = list_objects(str(path))
    assert (found.size, found.modified, found.flow_log) == (
        3,
        datetime(1970, 1, 2, tzinfo=UTC),
        "fl-0ab",
    )
    assert _bytes(found) == b"abc"


def test_glob_crosses_folders_and_overlap_counts_once(tmp_path: Path) -> None:
    """Files matched by two sources are read once."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.log").write_bytes(b"1")
    (tmp_path / "a" / "2.txt").write_bytes(b"2")
    found = list_objects([f"{tmp_path}/**/*.log", tmp_path / "a"])
    assert [Path(one.uri).name for one in found] == ["1.log", "2.txt"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("none.log", "no such file"), ("*.log", "no file matches"), ("empty", "holds no files")],
)
def test_nothing_there_is_named(tmp_path: Path, name: str, says: str) -> None:
    """A source without files is an error of one line that names it."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=says) as error:
        list(list_objects(str(tmp_path / name)))
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_no_source_and_backward_time_are_wrong_use() -> None:
    """An empty list of sources and a time that ends before it begins are usage errors."""
    with pytest.raises(UsageError, match="no source named"):
        list(list_objects([]))
    day = datetime(2026, 7, 14, tzinfo=UTC)
    with pytest.raises(UsageError, match="before it begins"):
        list(list_objects("-", since=day, until=day))


def test_names_prune_files(tmp_path: Path) -> None:
    """A file is taken from one slot before the time to a day and a slot after."""
    slots = ["0713T2345", "0713T2350", "0714T1200", "0716T0010", "0716T0015"]
    for slot in slots:
        (tmp_path / f"1_vpcflowlogs_eu-west-1_fl-0a_2026{slot}Z_h.log.gz").write_bytes(b"")
    (tmp_path / "other.log").write_bytes(b"")
    day = datetime(2026, 7, 14, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)
    found = [Path(one.uri).name for one in list_objects(tmp_path, since=day[0], until=day[1])]
    assert [name[34:43] for name in found if "fl-0a" in name] == slots[1:4]
    assert "other.log" in found


def test_vanished_file_is_lost_not_fatal(tmp_path: Path) -> None:
    """A file that is removed between listing and reading is lost; the next one is read."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    objects = list(list_objects(tmp_path))
    (tmp_path / "a").unlink()
    got = [lost.reason if isinstance(lost, Lost) else lost.read() for _, lost in fetch(objects)]
    assert got == ["vanished", b"b"]


def test_standard_input_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input can be opened again, from its start, with seek."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"0123456789")))
    (found,) = list_objects("-")
    assert found.uri == "-"
    first, second = found.open(), found.open()
    assert first.read(3) == b"012"
    assert second.read() == b"0123456789"
    assert (second.seek(-2, io.SEEK_END), second.read()) == (8, b"89")
    assert first.read() == b"3456789"


def test_pipe_is_not_drained_before_use() -> None:
    """A spool gives what the pipe has so far and does not wait for its end."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=0) as sender, os.fdopen(reader, "rb") as receiver:
        sender.write(b"first\n")
        stream = Spool(lambda: receiver).open()
        assert stream.read1(100) == b"first\n"  # type: ignore[attr-defined]


def test_named_pipe_is_read(tmp_path: Path) -> None:
    """A named pipe, as a shell makes for `<(…)`, is a source."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_bytes, args=(b"through",))
    thread.start()
    (found,) = list_objects(pipe)
    assert found.size is None
    assert (_bytes(found), _bytes(found)) == (b"through", b"through")
    thread.join()
