"""What a target makes of a plan, before it has a head."""

from dataclasses import dataclass, field

from flowlens.expected.render.peers import Unsaid

__all__ = ["ADDS", "Body"]

#: What to know of rules that are added to those of groups.
ADDS = (
    "Rules add up: what is there and lets more through stays until it is revoked; with",
    "-i INVENTORY --diff it is known.",
)


@dataclass(frozen=True, slots=True)
class Body:
    """Lines of a file.

    Attributes:
        lines: The lines, each without its end.
        unsaid: What they do not say, or say with a difference.
        first: What must stand before any comment.
        advice: What the reader should know before using it, as comments.
    """

    lines: list[str]
    unsaid: list[Unsaid]
    first: tuple[str, ...] = ()
    advice: tuple[str, ...] = field(default=())
