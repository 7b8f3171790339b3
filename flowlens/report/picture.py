"""SVG text made fit for the page: nothing but shapes, styles as classes, no foreign word."""

import re
from html import escape
from xml.etree import ElementTree as ET

__all__ = ["Styles", "inline"]

#: All that a picture needs; anything else (script, foreignObject, image, a) is left out.
TAGS = frozenset(
    {"svg", "g", "defs", "path", "use", "clipPath", "rect", "circle", "line", "polyline"}
    | {"polygon", "text", "tspan", "title", "desc", "linearGradient", "stop"}
)

ATTRIBUTES = frozenset(
    {"id", "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height", "viewBox"}
    | {"transform", "points", "href", "clip-path", "role", "aria-labelledby", "offset"}
)


class Styles:
    """Style attributes collected as classes, for the page's policy allows none inline."""

    def __init__(self) -> None:
        """Begin with no class."""
        self._names: dict[str, str] = {}

    def name(self, style: str) -> str:
        """Return the class for a style; equal styles share it."""
        return self._names.setdefault(style, f"g{len(self._names)}")

    @property
    def css(self) -> str:
        """Return the rules, in the order in which their styles were met."""
        return "".join(f".{name}{{{style}}}" for style, name in self._names.items())


def inline(svg: str, styles: Styles) -> str:
    """Return SVG text as markup for the middle of a page.

    Only known elements and attributes stay; a reference may only point into the picture; style
    attributes become classes. Coordinates keep one decimal, a tenth of a point.

    Args:
        svg: SVG text, with ids that are unique in the page.
        styles: where the classes are collected.

    >>> inline('<svg><script>x</script><path d="M 1.26 2" onload="x" style="fill: red"/></svg>',
    ...        Styles())
    '<svg><path d="M1.3 2" class="g0"/></svg>'
    """
    # The text comes from flowlens_graphs, not from a log; ElementTree reads no external entity.
    root = ET.fromstring(svg)  # noqa: S314
    return _markup(root, styles)


def _markup(element: ET.Element, styles: Styles) -> str:
    """Return an element and what is in it."""
    tag = element.tag.rpartition("}")[2]
    if tag not in TAGS:
        return ""
    attributes = "".join(
        f' {name}="{escape(value)}"' for name, value in _attributes(element, tag, styles)
    )
    content = (
        escape(element.text or "", quote=False) if tag in {"text", "tspan", "title", "desc"} else ""
    )
    content += "".join(_markup(child, styles) for child in element)
    return f"<{tag}{attributes}>{content}</{tag}>" if content else f"<{tag}{attributes}/>"


def _attributes(element: ET.Element, tag: str, styles: Styles) -> list[tuple[str, str]]:
    """Return the attributes that stay."""
    kept = []
    for name, value in element.attrib.items():
        plain = name.rpartition("}")[2]
        if plain == "style":
            kept.append(("class", styles.name(_safe(value))))
        elif plain in {"width", "height"} and tag == "svg":
            continue  # the page decides; the viewBox keeps the shape
        elif plain == "href":
            kept += [("href", value)] if value.startswith("#") else []
        elif plain in ATTRIBUTES:
            kept.append((plain, _short(value) if plain in {"d", "transform", "points"} else value))
    return kept


def _safe(style: str) -> str:
    """Return a style that cannot leave its rule nor load anything."""
    text = re.sub(r"[{}<>\\@]", "", style)
    outside = re.search(r"url\((?!['\"]?#)", text)
    return (
        "" if outside else "".join(text.split("\n")).strip().replace(": ", ":").replace("; ", ";")
    )


def _short(path: str) -> str:
    """Return path data or a transformation with one decimal and no needless blank."""
    text = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), path)
    return re.sub(r"([A-Za-z])\s+|\s+(?=[A-Za-z])", r"\1", " ".join(text.split())).strip()
