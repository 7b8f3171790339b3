"""Colours, shapes and type, the same for all pictures, and the measuring of text."""

from functools import cache

from matplotlib import font_manager

from flowlens_graphs.frame import BETWEEN
from flowlens_graphs.words import printable

__all__ = [
    "BODY",
    "COLOURS",
    "HEADINGS",
    "INK",
    "LINE",
    "MARGIN",
    "MARKERS",
    "MUTED",
    "PAPER",
    "SMALL",
    "TITLE",
    "candidates",
    "family",
    "fit",
    "label",
    "width",
]

INK = "#1f2933"
MUTED = "#667085"
LINE = "#d0d5dd"
PAPER = "#ffffff"

#: Colour and shape say the same thing twice, for print and for those who see colours differently.
COLOURS = {
    "unexpected": "#b42318",
    "inside": "#6b7280",
    "aws": "#1f5fa8",
    "known": "#1b7f4b",
    "rest": "#8a5a12",
}
MARKERS = {"unexpected": "D", "inside": "s", "aws": "o", "known": "^", "rest": "h"}
HEADINGS = {
    "unexpected": "Unexpected",
    "inside": "Inside the VPC and peers",
    "aws": "AWS services",
    "known": "Known third parties",
    "rest": "Other networks and addresses",
}

#: Sizes in points; nothing on a page is smaller than SMALL.
TITLE, BODY, SMALL = 14.0, 8.5, 8.0
MARGIN = 26.0


@cache
def family() -> str:
    """Return Inter where it is installed, else the face that comes with matplotlib."""
    try:
        font_manager.findfont("Inter", fallback_to_default=False)
    except ValueError:
        return "DejaVu Sans"
    return "Inter"


@cache
def advance(char: str, weight: str) -> float:
    """Return the width of a character in ems; an estimate for one that the face lacks."""
    properties = font_manager.FontProperties(family=family(), weight=weight)
    font = font_manager.get_font(font_manager.findfont(properties))
    if not font.get_char_index(ord(char)):
        return 1.0
    font.set_size(100, 72)
    return float(font.load_char(ord(char)).linearHoriAdvance) / 65536 / 100


def width(text: str, size: float = BODY, weight: str = "normal") -> float:
    """Return the width of a text in points."""
    return size * sum(advance(char, weight) for char in text)


def fit(text: str, room: float, size: float = BODY, weight: str = "normal") -> str:
    """Return the text, made printable and with its middle left out where the room is too small.

    Args:
        text: Any text, also one that came out of a log.
        room: Points that it may take.
        size: Points of the type.
        weight: Weight of the type.
    """
    text = printable(text[:2000])
    if width(text, size, weight) <= room:
        return text
    for keep in range(min(len(text), 200), 1, -1):
        head = keep - keep // 3
        short = text[:head].rstrip() + "…" + text[len(text) - keep // 3 :]
        if width(short, size, weight) <= room:
            return short
    return "…"


def label(text: str, room: float, size: float = BODY, weight: str = "normal") -> str:
    """Return a name fitted to its room; of a set of candidates whole names are left out first."""
    names = text.split(BETWEEN)
    return (
        candidates(names, room, size, weight) if len(names) > 1 else fit(text, room, size, weight)
    )


def candidates(names: list[str], room: float, size: float = BODY, weight: str = "normal") -> str:
    """Return "a | b +3": as many candidates as there is room for, and how many are left out."""
    names = [printable(name) for name in names]
    for shown in range(len(names), 0, -1):
        more = f" +{len(names) - shown}" if shown < len(names) else ""
        text = BETWEEN.join(names[:shown]) + more
        if width(text, size, weight) <= room:
            return text
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return fit(names[0], room - width(more, size, weight), size, weight) + more
