"""Should: the document of what is expected, learned, checked, replayed, and the least cover."""

from typing import TYPE_CHECKING

from flowlens.deferred import defer

if TYPE_CHECKING:
    from flowlens.expected.audit import check
    from flowlens.expected.changes import changes
    from flowlens.expected.cover import Cover, optimal_cover, shared_cover
    from flowlens.expected.document import Document, Entry, Port, Rule, Subject
    from flowlens.expected.holdout import Holdout, holdout
    from flowlens.expected.judgement import judge
    from flowlens.expected.learn import Bounds, Learned, learn
    from flowlens.expected.reader import load, parse
    from flowlens.expected.replay import replay

__all__ = [
    "Bounds",
    "Cover",
    "Document",
    "Entry",
    "Holdout",
    "Learned",
    "Port",
    "Rule",
    "Subject",
    "changes",
    "check",
    "holdout",
    "judge",
    "learn",
    "load",
    "optimal_cover",
    "parse",
    "replay",
    "shared_cover",
]

defer(
    __name__,
    {
        "audit": ("check",),
        "changes": ("changes",),
        "cover": ("Cover", "optimal_cover", "shared_cover"),
        "document": ("Document", "Entry", "Port", "Rule", "Subject"),
        "holdout": ("Holdout", "holdout"),
        "judgement": ("judge",),
        "learn": ("Bounds", "Learned", "learn"),
        "reader": ("load", "parse"),
        "replay": ("replay",),
    },
)
