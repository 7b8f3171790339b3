"""Stable names for findings: what it is about, never where it stood in a table."""

from collections.abc import Iterable
from hashlib import sha256

__all__ = ["identity"]


def identity(kind: str, *about: object) -> str:
    """Return the id of a finding of `kind` about the given things.

    Equal things give equal ids on any machine and in any run, so that a second run updates a
    ticket and never opens another. The parts are length-prefixed: moving a character from one
    part to the next gives another id.

    Args:
        kind: the detection's name.
        about: owners (any iterable of texts, order does not matter), addresses, ports; None is
            unknown and differs from an empty text.

    >>> identity("unexpected", ["b", "a"], 443) == identity("unexpected", ["a", "b"], 443)
    True
    >>> identity("unexpected", "ab", "c") == identity("unexpected", "a", "bc")
    False
    """
    digest = sha256("".join(_part(thing) for thing in (kind, *about)).encode())
    return f"{kind}-{digest.hexdigest()[:16]}"


def _part(thing: object) -> str:
    """Return one thing as text that cannot run into the next."""
    if thing is None:
        return "?"
    if isinstance(thing, str) or not isinstance(thing, Iterable):
        text = str(thing)
        return f"{len(text)}:{text}"
    parts = sorted(_part(each) for each in thing)
    return f"[{''.join(parts)}]"
