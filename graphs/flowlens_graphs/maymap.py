"""The may map: what may our workloads reach, and what of it do they use?"""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowlens_graphs import style
from flowlens_graphs.draw import curve, heading, line, mark, page, put
from flowlens_graphs.layout import BREADTH, DOT, FOOT, HEAD, LABEL, LEFT, LOW, MARK, TOP, spread
from flowlens_graphs.may import needed
from flowlens_graphs.places import HEADINGS, Place, budget, lines, listed
from flowlens_graphs.style import COLOURS, INK, MARKERS, MUTED, SMALL
from flowlens_graphs.words import counted, si

__all__ = ["may_map"]

TITLE = "What may our workloads reach?"
PITCH = 15.0
WORKLOADS, PORTS, SENT = 640.0, 750.0, BREADTH - style.MARGIN


def may_map(rows: pl.DataFrame) -> Figure:
    """Return the map of workloads (left) and the ranges that they may reach (right).

    A faint line is what the configuration allows, a strong one what was used as well. At most 30
    ranges are rows of their own, those that most workloads may reach; the others of each class are
    one row.

    Args:
        rows: a may table (`flowlens_graphs.may`).

    Returns:
        A figure without any global state; `figures.save` writes it.

    Raises:
        ValueError: a column is missing.
    """
    told = needed(rows).to_dicts()
    measured = "bytes_out" in rows.columns
    places, senders = budget(listed(told)), lines(told)
    heights, tops, bottom = _heights(places)
    bottom = max(bottom, TOP + LOW, TOP + HEAD + PITCH * len(senders))
    figure, axes = page(BREADTH, bottom + FOOT, "may")
    heading(axes, TITLE, summary(places, senders, measured=measured))
    left = spread(_order(senders, places, heights), TOP + HEAD, bottom)
    _links(axes, places, heights, left, senders)
    _left(axes, senders, left)
    _right(axes, places, heights, tops, measured=measured)
    _legend(axes, bottom + FOOT - 15, measured=measured)
    return figure


def summary(places: list[Place], senders: dict[str, str], *, measured: bool) -> str:
    """Return the answer in one sentence."""
    wide = {
        name for each in places if each.group.startswith("The internet") for name in each.senders
    }
    total = len(set(senders))
    if not total:
        return "There are no workloads."
    text = f"{len(wide)} of {counted(total, 'workload')} may reach the internet"
    if not measured:
        return f"{text}; what they use is not known without logs."
    links = sum(len(each.senders) for each in places)
    used = sum(len(each.used) for each in places)
    return f"{text}; {used:,} of {counted(links, 'line')} below were used."


def _heights(places: list[Place]) -> tuple[list[float], dict[str, float], float]:
    """Return where rows and headings stand, and where the last one ends."""
    y, heights, tops = TOP, [], {}
    for each in places:
        if each.group not in tops:
            tops[each.group] = y + HEAD - 9
            y += HEAD
        heights.append(y + PITCH / 2)
        y += PITCH
    return heights, tops, y


def _order(senders: dict[str, str], places: list[Place], heights: list[float]) -> list[str]:
    """Return the rows on the left by the mean height of what they lead to."""
    pull: dict[str, list[float]] = {row: [] for row in senders.values()}
    for each, y in zip(places, heights, strict=True):
        for name in each.senders:
            pull[senders[name]].append(y)
    low = heights[-1] if heights else 0.0
    mean = {row: sum(ys) / len(ys) if ys else low for row, ys in pull.items()}
    return sorted(mean, key=lambda row: (round(mean[row], 6), row))


def _links(
    axes: Axes,
    places: list[Place],
    heights: list[float],
    left: dict[str, float],
    senders: dict[str, str],
) -> None:
    many = max(1, sum(len(each.senders) for each in places))
    used = max(1, sum(len(each.used) for each in places))
    # The more there are of a sort, the fainter each.
    faint, strength = min(0.3, max(0.1, 18 / many)), min(0.85, max(0.3, 40 / used))
    for strong in (False, True):
        for each, y in zip(places, heights, strict=True):
            colour = COLOURS[HEADINGS[each.group][0]]
            rows = {senders[name] for name in each.senders}
            bold = {senders[name] for name in each.used}
            for row in sorted(bold if strong else rows - bold):
                look = {"alpha": strength if strong else faint, "weight": 1.6 if strong else 0.8}
                curve(axes, (DOT + 4, left[row]), (MARK - 6, y), colour, **look)


def _left(axes: Axes, senders: dict[str, str], left: dict[str, float]) -> None:
    put(axes, LEFT, TOP + HEAD - 9, "workloads", size=SMALL, align="right", colour=MUTED)
    for row in dict.fromkeys(senders.values()):
        mark(axes, (DOT, left[row]), "o", INK, 5.0)
        put(axes, LEFT, left[row], style.label(row, LEFT - style.MARGIN), align="right")


def _right(
    axes: Axes,
    places: list[Place],
    heights: list[float],
    tops: dict[str, float],
    *,
    measured: bool,
) -> None:
    for name, y in tops.items():
        colour = COLOURS[HEADINGS[name][0]]
        put(axes, MARK - 4, y, name, colour=colour, weight="bold")
        line(axes, (MARK - 4, y + 8), (SENT, y + 8), colour, 0.6, alpha=0.6)
    if tops:
        columns = [(WORKLOADS, "workloads"), (PORTS, "ports")]
        columns += [(SENT, "bytes out")] if measured else []
        for x, text in columns:
            put(axes, x, next(iter(tops.values())), text, size=SMALL, align="right", colour=MUTED)
    else:
        put(axes, MARK, TOP + HEAD, "Nothing may be reached.", colour=MUTED)
    for each, y in zip(places, heights, strict=True):
        kind = HEADINGS[each.group][0]
        mark(axes, (MARK, y), MARKERS[kind], COLOURS[kind], 5.0)
        put(axes, LABEL, y, style.fit(each.label, WORKLOADS - 45 - LABEL))
        put(axes, WORKLOADS, y, f"{len(each.senders):,}", align="right")
        put(axes, PORTS, y, ports(list(each.ports)), align="right")
        if measured:
            sent = sum(each.senders.values())
            text = si(sent) if each.used else "unused"
            put(axes, SENT, y, text, align="right", colour=INK if each.used else MUTED)


def ports(found: list[str]) -> str:
    """Return the first ports, as many as the column holds, and how many more there are.

    >>> ports(["all"]), ports(["icmp/8", "tcp"]), ports(["tcp/1000-2000", "tcp/80"])
    ('all', 'icmp/8, tcp', 'tcp/1000-2000 +1')
    """
    for shown in range(len(found), 1, -1):
        more = f" +{len(found) - shown}" if shown < len(found) else ""
        text = ", ".join(found[:shown]) + more
        if len(text) <= 17:
            return text
    more = f" +{len(found) - 1}" if len(found) > 1 else ""
    return style.fit(found[0], 100 - style.width(more)) + more


def _legend(axes: Axes, y: float, *, measured: bool) -> None:
    x = style.MARGIN
    words = (("may", 0.3, 0.8), ("may and did", 0.85, 1.6)) if measured else (("may", 0.3, 0.8),)
    for text, alpha, weight in words:
        line(axes, (x, y), (x + 14, y), INK, weight, alpha=alpha)
        put(axes, x + 19, y, text, size=SMALL, colour=MUTED)
        x += 19 + style.width(text, SMALL) + 14
    note = "Services of the hypervisor (DNS, metadata, time) are open to all and not drawn."
    put(axes, x, y, note, size=SMALL, colour=MUTED)
