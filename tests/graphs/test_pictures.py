import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from flowlens_graphs import egress_map, save, svg, timeline

Draw = Callable[[pl.DataFrame], Figure]
PICTURES: list[Draw] = [egress_map, timeline]
HOSTILE = "$\\frac{<script>\n\x1b[31m\u202e" + "W" * 300 + "日本$"


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def check(figure: Figure) -> None:
    """Check that no text touches another, leaves the page, or is small."""
    canvas = FigureCanvasAgg(figure)
    page = figure.bbox
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    boxes = []
    for text in figure.axes[0].texts:
        assert float(text.get_fontsize()) >= 7.5
        box = text.get_window_extent(renderer)
        assert box.x0 >= page.x0, text.get_text()
        assert box.x1 <= page.x1, text.get_text()
        assert box.y0 >= page.y0, text.get_text()
        assert box.y1 <= page.y1, text.get_text()
        boxes.append((text.get_text(), box))
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not (a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1), (one, other)


def drawn(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    save(figure, buffer, kind=kind)
    return buffer.getvalue()


@pytest.mark.parametrize("draw", PICTURES)
@pytest.mark.parametrize("count", [1, 10, 100, 2500])
def test_no_overlap(made: Callable[[int], pl.DataFrame], draw: Draw, count: int) -> None:
    """No label overlaps another or leaves the page, from one destination to thousands."""
    check(draw(made(count)))


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("draw", PICTURES)
def test_long_names(made: Callable[[int], pl.DataFrame], draw: Draw) -> None:
    """Long, many and hostile names are cut to their column and neither run nor act."""
    six = [f"{'very-' * 6}long-name-{n}" for n in range(6)]
    frame = made(100).with_columns(
        client_owner=pl.when(pl.int_range(pl.len()) % 2 == 0)
        .then(pl.lit(six))
        .otherwise(pl.concat_list(pl.lit(HOSTILE) + pl.col("client"))),
        destination=pl.lit(HOSTILE) + pl.col("destination"),
        server_port=pl.lit(65535, pl.UInt16) - pl.int_range(pl.len()).cast(pl.UInt16) % 9,
        bytes_out=pl.col("bytes_out") * 10**9,
    )
    figure = draw(frame)
    check(figure)
    assert any(text.endswith("+5") for text in texts(figure))
    assert not any({"\n", "\x1b", "\u202e"} & set(text) for text in texts(figure))
    ET.fromstring(drawn(figure, "svg"))


@pytest.mark.parametrize("draw", PICTURES)
@pytest.mark.parametrize(("kind", "count"), [("svg", 100), ("png", 10), ("pdf", 10)])
def test_same_bytes(made: Callable[[int], pl.DataFrame], draw: Draw, kind: str, count: int) -> None:
    """The same edges in any order are the same picture, byte for byte."""
    frame = made(count)
    again = frame.sample(fraction=1, shuffle=True, seed=5)
    assert drawn(draw(frame), kind) == drawn(draw(again), kind)


@pytest.mark.parametrize("draw", PICTURES)
def test_nothing_to_draw(made: Callable[[int], pl.DataFrame], draw: Draw) -> None:
    """A picture of nothing says so."""
    figure = draw(made(10).clear())
    check(figure)
    assert any(re.search(r"No traffic|nothing to draw", text) for text in texts(figure))


@pytest.mark.parametrize("draw", PICTURES)
def test_unjudged(made: Callable[[int], pl.DataFrame], draw: Draw) -> None:
    """Without a verdict a picture says that nothing was judged, never that all is well."""
    figure = draw(made(10).drop("expected"))
    check(figure)
    assert "othing was judged" in texts(figure)[1]


def test_few_columns(made: Callable[[int], pl.DataFrame]) -> None:
    """Client, server and bytes are enough for a map."""
    figure = egress_map(made(10).select("client", "server", "bytes_out"))
    check(figure)
    assert "Other networks and addresses" in texts(figure)


def test_map_shows_ipv6_whole(made: Callable[[int], pl.DataFrame]) -> None:
    """An unexpected IPv6 address is shown with all of its 39 letters."""
    assert "2001:db8:85a3:1d2c:9e8f:8a2e:1370:1001" in texts(egress_map(made(100)))


@pytest.mark.parametrize("hours", [1, 5, 30, 24 * 7, 24 * 28, 24 * 400])
def test_timeline_of_any_length(hours: int) -> None:
    """The axis is readable for an hour and for a year."""
    start = datetime(2026, 11, 16, 5, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "hour": [start, start + timedelta(hours=hours - 1)],
            "client": ["10.0.0.5", "10.0.0.6"],
            "server": ["192.0.2.1", "192.0.2.2"],
            "expected": ["yes", "no"],
            "bytes_out": [1, 2],
        }
    )
    check(timeline(frame))


def test_timeline_shades_what_was_lost(made: Callable[[int], pl.DataFrame]) -> None:
    """A lane whose interface lost records is shaded; one that was merely silent is not."""
    frame = made(100)
    bad = frame.filter(pl.col("expected") == "no").row(0, named=True)
    lost = pl.DataFrame(
        {
            "observer": [bad["observer"]],
            "status": ["SKIPDATA"],
            "start": [bad["hour"]],
            "end": [bad["hour"] + timedelta(hours=1)],
        }
    )
    assert "records lost (SKIPDATA)" in texts(timeline(frame, lost))
    silent = lost.with_columns(status=pl.lit("NODATA"))
    assert "records lost (SKIPDATA)" not in texts(timeline(frame, silent))


def test_svg_for_a_page(made: Callable[[int], pl.DataFrame]) -> None:
    """Two pictures share a page: ids differ, references resolve, each has a name and a sentence."""
    pages = [svg(draw(made(10))) for draw in PICTURES]
    found: set[str] = set()
    for page in pages:
        root = ET.fromstring(page)
        ids = [e.get("id", "") for e in root.iter() if e.get("id")]
        assert len(ids) == len(set(ids))
        assert not found & set(ids)
        found |= set(ids)
        for reference in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page):
            assert "".join(reference) in ids
        assert [child.tag.rpartition("}")[2] for child in root[:2]] == ["title", "desc"]
        assert root.get("role") == "img"
        assert "var(--flowlens-unexpected, #b42318)" in page
        assert "2026-" not in page
        assert "<?xml" not in page


def test_unknown_kind(made: Callable[[int], pl.DataFrame]) -> None:
    """A picture of no known kind is refused by naming those that are known."""
    with pytest.raises(ValueError, match=r"'map.bmp'.*\.svg, \.pdf, \.png"):
        save(egress_map(made(1)), "map.bmp")
