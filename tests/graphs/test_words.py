import re

from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens_graphs.style import fit, width
from flowlens_graphs.words import printable, si


@settings(deadline=None)
@given(st.text())
def test_printable(text: str) -> None:
    """What is shown is printable, and doing it again changes nothing."""
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown


@settings(deadline=None)
@given(st.integers(0, 10**21))
def test_si(count: int) -> None:
    """Bytes have at most four digits and a unit, and are right within half a per cent or so."""
    found = re.fullmatch(r"(\d{1,3}(?:\.\d)?) (B|kB|MB|GB|TB|PB|EB)", si(count))
    if count < 9 * 10**20:
        assert found
        power = ("B", "kB", "MB", "GB", "TB", "PB", "EB").index(found[2])
        assert abs(float(found[1]) * 1000**power - count) <= 0.051 * count


@settings(deadline=None)
@given(st.text(max_size=80), st.floats(20, 300))
def test_fit(text: str, room: float) -> None:
    """A fitted text is never wider than its room."""
    assert width(fit(text, room)) <= room
