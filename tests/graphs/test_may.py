from itertools import combinations

import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from flowlens_graphs import may_graph, may_map
from flowlens_graphs.mermaid import mermaid

HOSTILE = "$\\frac{<script>\n\x1b[31m" + "W" * 200


def rows(workloads: int, ranges: int) -> pl.DataFrame:
    """Every workload may reach every range, and used every third."""
    ways = ("internet gateway", "nat", "peering", "gateway endpoint", "local", None)
    table = [
        {
            "source": [f"function-{n}", f"{HOSTILE}{n}"] if n % 5 == 0 else [f"function-{n}"],
            "target": f"10.{m}.0.0/16" if m % 7 else f"{HOSTILE}{m}",
            "way": ways[m % len(ways)],
            "protocol": "tcp",
            "first_port": 1000 + m,
            "last_port": 2000 + m,
            "bytes_out": 0 if (n + m) % 3 else 10 ** (m % 9),
            "conversations": 0 if (n + m) % 3 else 1,
        }
        for n in range(workloads)
        for m in range(ranges)
    ]
    return pl.DataFrame(table)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(("workloads", "ranges"), [(1, 1), (30, 40)])
def test_no_overlap(workloads: int, ranges: int) -> None:
    """No label overlaps another or leaves the page, however many and hostile the names are."""
    figure = may_map(rows(workloads, ranges))
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in figure.axes[0].texts]
    for text, box in boxes:
        assert box.x0 >= figure.bbox.x0, text
        assert box.x1 <= figure.bbox.x1, text
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not (a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1), (one, other)
    assert not any({"\n", "\x1b"} & set(text) for text in texts(figure))


def test_may_and_did() -> None:
    """The map counts who may reach the internet and what was used; without logs it says so."""
    told = pl.DataFrame(
        {
            "source": [["a"], ["a"], ["b"], ["c"]],
            "target": ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/8", None],
            "way": ["nat", "local", "local", "none"],
        }
    )
    assert "1 of 3 workloads may reach the internet; what they use is not known without logs." in (
        texts(may_map(told))
    )
    used = told.with_columns(
        bytes_out=pl.Series([0, 5, 0, 0]), conversations=pl.Series([0, 1, 0, 0])
    )
    assert "1 of 3 workloads may reach the internet; 1 of 3 lines below were used." in (
        texts(may_map(used))
    )


def test_graph() -> None:
    """An edge says whether it was used; who may reach nothing is a node without edges."""
    G = may_graph(rows(1, 2).with_columns(source=pl.lit(["a"])))
    assert list(G.edges(data="relation", keys=True)) == [
        ("a", f"{HOSTILE}0", "tcp/1000-2000 may", "did"),
        ("a", "10.1.0.0/16", "tcp/1001-2001 may", "may"),
    ]
    assert '-.->|"tcp/1001-2001"|' in mermaid(G)
    alone = may_graph(pl.DataFrame({"source": [["a"]], "target": [None], "way": ["none"]}))
    assert (list(alone), alone.size()) == (["a"], 0)
    with pytest.raises(ValueError, match="missing: target, way"):
        may_graph(pl.DataFrame({"source": [["a"]]}))
