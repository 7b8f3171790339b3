import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import networkx as nx
import polars as pl
import pytest

from flowlens_graphs import egress_graph, write
from flowlens_graphs.exports import SUFFIXES

HOSTILE = 'a"b\\"];\n<script>alert(1)</script>&`#\x00\x1b[31m\u202e\u2028]]>-->日本 $x$ | +1'

GRAPHS = [".dot", ".gexf", ".graphml", ".json", ".mmd"]
READERS = {".gexf": nx.read_gexf, ".graphml": nx.read_graphml}


@pytest.fixture
def hostile() -> pl.DataFrame:
    """Edges in which every text is an attack."""
    return pl.DataFrame(
        {
            "client": ["10.0.0.5", "10.0.0.6"],
            "client_owner": [[HOSTILE, "b"], [HOSTILE]],
            "client_kind": [HOSTILE, None],
            "server": ["192.0.2.7", HOSTILE],
            "destination": [HOSTILE + "2", None],
            "expected": ["no", "yes"],
            "why": [HOSTILE, None],
            "action": ["REJECT", HOSTILE],
            "bytes_out": [7, 8],
        }
    )


@pytest.mark.parametrize("suffix", [*GRAPHS, ".svg"])
def test_same_bytes(made: Callable[[int], pl.DataFrame], tmp_path: Path, suffix: str) -> None:
    """The same edges in another order are the same file, whatever the format."""
    frame = made(10)
    write(frame, tmp_path / f"a{suffix}")
    write(frame.reverse(), tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_same_bytes_in_another_process(made: Callable[[int], pl.DataFrame], tmp_path: Path) -> None:
    """A new process with another hash seed writes the same files."""
    edges = made(10)
    edges.write_parquet(tmp_path / "edges.parquet")
    code = (
        "import sys, polars, flowlens_graphs as g;"
        "edges = polars.read_parquet(sys.argv[1]);"
        "[g.write(edges, path) for path in sys.argv[2:]]"
    )
    suffixes = (".graphml", ".gexf", ".svg")
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    paths = [tmp_path / f"there{suffix}" for suffix in suffixes]
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "edges.parquet", *paths],
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
    )
    for suffix in suffixes:
        write(edges, tmp_path / f"here{suffix}")
        here, there = (tmp_path / f"{where}{suffix}" for where in ("here", "there"))
        assert here.read_bytes() == there.read_bytes(), suffix


@pytest.mark.parametrize("suffix", READERS)
def test_readable(made: Callable[[int], pl.DataFrame], tmp_path: Path, suffix: str) -> None:
    """What is written is read back with the same nodes and the same bytes."""
    G = egress_graph(made(100))
    write(G, tmp_path / f"g{suffix}")
    H = READERS[suffix](tmp_path / f"g{suffix}")
    assert set(H) == set(G)
    assert H.number_of_edges() == G.number_of_edges()
    assert sum(e["bytes_out"] for _, _, e in H.edges(data=True)) == sum(
        e["bytes_out"] for _, _, e in G.edges(data=True)
    )


def test_json_is_the_graph(made: Callable[[int], pl.DataFrame], tmp_path: Path) -> None:
    """Node-link JSON loses nothing and says which schema it has."""
    G = egress_graph(made(100))
    write(G, tmp_path / "g.json")
    data = json.loads((tmp_path / "g.json").read_text("utf-8"))
    assert data.pop("schema") == "flowlens.graph/1"
    H = nx.node_link_graph(data, edges="edges")
    assert nx.utils.graphs_equal(G, H)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hostile_names(hostile: pl.DataFrame, tmp_path: Path, suffix: str) -> None:
    """No format lets a name out of its quotes, and no control character into a file of text."""
    path = tmp_path / f"g{suffix}"
    write(hostile, path)
    if suffix in (".png", ".pdf"):
        return
    text = path.read_text("utf-8")
    assert not {"\x00", "\x1b", "\u202e", "\u2028"} & set(text)
    if suffix != ".dot":  # a DOT string may hold it: it is quoted
        assert "<script>" not in text
    if suffix in (".gexf", ".graphml", ".svg"):
        ET.fromstring(text)


def test_dot_quotes(hostile: pl.DataFrame, tmp_path: Path) -> None:
    """Outside of quoted strings a DOT file has only its own words."""
    write(hostile, tmp_path / "g.dot")
    for line in (tmp_path / "g.dot").read_text("utf-8").splitlines():
        bare = line.replace("\\\\", "").replace('\\"', "")
        assert bare.count('"') % 2 == 0
        assert "script" not in "".join(bare.split('"')[::2])


def test_mermaid_stays_readable(made: Callable[[int], pl.DataFrame], tmp_path: Path) -> None:
    """A chart ends at 500 arrows and 50,000 letters, keeps what is unexpected, counts the rest."""
    G = egress_graph(made(1000))
    write(G, tmp_path / "g.mmd")
    text = (tmp_path / "g.mmd").read_text("utf-8")
    arrows = text.count("-->|") + text.count("==>|")
    pairs = {(u, v) for u, v in G.edges()}
    bad = {(u, v) for u, v, judged in G.edges(data="expected") if judged == "no"}
    assert arrows == 500
    assert text.count("==>|") == len(bad)
    assert f"{len(pairs) - 500:,} more connections" in text
    assert len(text) < 50_000


def test_unknown_suffix(tmp_path: Path) -> None:
    """A suffix nobody knows is refused by naming those that are known."""
    with pytest.raises(ValueError, match=r"'g.xlsx'; known suffixes are \.dot, \.gexf, .*\.pdf"):
        write(nx.MultiDiGraph(), tmp_path / "g.xlsx")


def test_picture_of_a_graph(tmp_path: Path) -> None:
    """A picture needs the edges, and the message says how to get it."""
    with pytest.raises(ValueError, match=r"write\(edges, 'g.svg'\)"):
        write(nx.MultiDiGraph(), tmp_path / "g.svg")


@pytest.mark.parametrize("suffix", GRAPHS)
def test_empty(tmp_path: Path, suffix: str) -> None:
    """A graph without nodes is a file without nodes."""
    write(nx.MultiDiGraph(), tmp_path / f"g{suffix}")
    assert (tmp_path / f"g{suffix}").stat().st_size > 0
