from pathlib import Path
from typing import Any

import pytest

from flowlens.errors import InputError
from flowlens.findings import Context
from flowlens.findings.lists import read
from flowlens.findings.threats import threats as detect
from tests.findings.conftest import edge, frame, inner

LIST = """\
# bad.example, updated 2026-11-15
203.0.113.0/28   ; drop
2001:db8:bad::/48
198.51.100.7,botnet,"x"
not an address
// a comment of another kind
203.0.113.300
0.0.0.0/0
"""


def write(folder: Path, text: str, name: str = "bad.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_lists_are_read_as_they_are_published(tmp_path: Path) -> None:
    """Comments, networks and further columns are understood; the rest is said, with its line."""
    (one,) = read(write(tmp_path, LIST)).lists
    assert one.networks == ("203.0.113.0/28", "2001:db8:bad::/48", "198.51.100.7/32")
    assert one.date == "2026-11-15"
    assert one.garbage == ((5, "not an address"), (7, "203.0.113.300"), (8, "0.0.0.0/0"))
    assert one.note() == (
        "bad.txt: 3 lines held no address and match nothing (line 5: 'not an address', "
        "line 7: '203.0.113.300', line 8: '0.0.0.0/0'); 3 networks kept"
    )


def test_lists_of_tor(tmp_path: Path) -> None:
    """The list of exits that the Tor project publishes is one, and its hits are Tor's."""
    text = "ExitNode 00AB\nPublished 2026-11-14 03:00:00\nExitAddress 203.0.113.9 2026-11-14\n"
    threats = read(write(tmp_path, text, "tor-exits-2026-11-14.txt"))
    (one,) = threats.lists
    assert (one.tor, one.networks, one.garbage) == (True, ("203.0.113.9/32",), ())
    (row,) = detect(frame([edge(0)]).lazy(), Context(threats=threats)).to_dicts()
    assert (row["kind"], row["technique"]) == ("threat", "T1090.003")
    assert "(of 2026-11-14) holds it" in row["text"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "garbage\nmore\n"])
def test_a_list_without_an_address_is_an_error(tmp_path: Path, text: str) -> None:
    """An empty list would find nothing, silently."""
    with pytest.raises(InputError, match=r"bad\.txt holds no address; a list has an address"):
        read(write(tmp_path, text))


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    """A wrong path is one line."""
    with pytest.raises(InputError, match=r"none\.txt cannot be read: No such file"):
        read(tmp_path / "none.txt")


OUTER: dict[str, Any] = {
    "client": "198.51.100.7",
    "client_owner": None,
    "client_kind": None,
    "vantage": "server",
}
SILENT: dict[str, Any] = {"packets_in": 0, "bytes_in": 0}


@pytest.mark.parametrize(
    ("row", "level"),
    [
        (edge(0), "critical"),  # established both ways
        (edge(0, server="2001:db8:bad::1"), "critical"),
        (edge(0, **SILENT), "medium"),  # a sinkhole, or nobody there
        (edge(0, action="REJECT", **SILENT), "low"),  # refused
        (inner(0, **OUTER), "medium"),  # it called, and was answered
        (inner(0, **OUTER, **SILENT), None),  # it knocked
        (edge(0, server="203.0.113.77"), None),  # a neighbour of the network
        (edge(0, server="2001:db8:bae::1"), None),
    ],
)
def test_hits(tmp_path: Path, row: dict[str, object], level: str | None) -> None:
    """A hit weighs by what came of it; knocking from outside and neighbours are none."""
    context = Context(threats=read(write(tmp_path, LIST)))
    found = detect(frame([row]).lazy(), context)
    assert found["severity"].to_list() == ([level] if level else [])
