"""Figures to files and to SVG text: the same figure gives the same bytes."""

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree as ET

from matplotlib import rc_context
from matplotlib.figure import Figure

from flowlens_graphs.style import COLOURS, INK, LINE, MUTED, PAPER

__all__ = ["SUFFIXES", "save", "svg"]

#: What would differ between two runs or two machines is left out of each kind of file.
METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
SUFFIXES = tuple(f".{kind}" for kind in METADATA)

#: Text stays text (it can be searched, and read aloud); ids come from the content.
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "flowlens", "pdf.fonttype": 42}

DPI = 160

#: Colour -> name of the CSS variable that overrides it in a page.
VARIABLES = {
    **{colour: f"--flowlens-{name}" for name, colour in COLOURS.items()},
    INK: "--flowlens-ink",
    MUTED: "--flowlens-muted",
    LINE: "--flowlens-line",
    PAPER: "--flowlens-paper",
}


@contextmanager
def steady() -> Iterator[None]:
    """Draw under fixed settings, and without a warning for each letter that the face lacks."""
    with rc_context(SETTINGS), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(figure: Figure, target: str | Path | BinaryIO, *, kind: str | None = None) -> None:
    """Write a figure as .svg, .png or .pdf, after the suffix; the same figure, the same bytes.

    Args:
        figure: What to write.
        target: A path, or a stream opened for bytes.
        kind: svg, png or pdf; needed for a stream.

    Raises:
        ValueError: If the suffix is not one of the three.
    """
    chosen = kind or (Path(target).suffix[1:].lower() if isinstance(target, str | Path) else "")
    if chosen not in METADATA:
        msg = f"Cannot write {str(target)!r} as a picture; known are {', '.join(SUFFIXES)}."
        raise ValueError(msg)
    with steady():
        figure.savefig(target, format=chosen, dpi=DPI, metadata=METADATA[chosen])


def svg(figure: Figure, *, title: str | None = None, description: str | None = None) -> str:
    """Return a figure as SVG text to put into a page.

    Ids begin with a hash of the content, so that several pictures can share a page. Colours can be
    overridden by CSS variables (`--flowlens-unexpected`, `--flowlens-ink`, …), and the ground is
    left clear, so that a picture follows a dark page.

    Args:
        figure: What to draw.
        title: Name of the picture for those who do not see it; else its heading.
        description: What it shows, in a sentence or two; else the sentence under its heading.
    """
    headings = [text.get_text() for axes in figure.axes for text in axes.texts[:2]]
    buffer = io.BytesIO()
    with steady():
        figure.savefig(buffer, format="svg", metadata=METADATA["svg"], transparent=True)
    data = buffer.getvalue()
    prefix = "f" + hashlib.sha256(data).hexdigest()[:8]
    root = ET.fromstring(data)  # noqa: S314 - it was written four lines above
    _drop(root)
    for element in root.iter():
        _plain(element, prefix)
    _name(root, prefix, title or headings[0], description or headings[1])
    return ET.tostring(root, encoding="unicode")


def _drop(root: ET.Element) -> None:
    for child in list(root):
        if child.tag.endswith("}metadata"):
            root.remove(child)


def _plain(element: ET.Element, prefix: str) -> None:
    element.tag = element.tag.rpartition("}")[2]
    element.tail = None
    if element.tag == "style" or not (element.text or "").strip():
        element.text = element.text if element.tag == "style" else None
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        element.set(name.rpartition("}")[2], _value(name.rpartition("}")[2], value, prefix))


def _value(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        return value.replace("#", f"#{prefix}-", 1)
    if name == "d":
        return re.sub(r"\d+\.\d+", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), value)
    value = value.replace("url(#", f"url(#{prefix}-")
    if name == "style":
        return re.sub(r"#[0-9a-f]{6}", _variable, value)
    return value


def _variable(match: re.Match[str]) -> str:
    name = VARIABLES.get(match[0])
    return f"var({name}, {match[0]})" if name else match[0]


def _name(root: ET.Element, prefix: str, title: str, description: str) -> None:
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title {prefix}-desc")
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        child = ET.Element(tag, {"id": f"{prefix}-{tag}"})
        child.text = text
        root.insert(place, child)
