"""Walk a YAML tree, noting every problem with its line instead of stopping at the first."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from flowlens.errors import DocumentError

__all__ = ["Walker", "at", "shown", "tree"]

_MOST = 10  # problems told at once
_WIDTH = 80  # characters of a value shown in a message


def tree(text: str, source: str) -> object:
    """Return the tree of a YAML text, whose mappings and lists know their lines.

    Raises:
        DocumentError: It is no YAML, or a key stands twice in one mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        # The round-trip loader keeps the line of every key and builds no objects of its own.
        return YAML(typ="rt").load(text)
    except (YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = str(getattr(exc, "problem", None) or exc).splitlines()[0]
        msg = f"{source}:{line}: not YAML ({problem}); expected indented `key: value` lines"
        raise DocumentError(msg) from exc


class Walker:
    """Reads values out of a tree and keeps what is wrong with it.

    Attributes:
        source: The file's name, for messages.
        problems: Line and text of each problem so far.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[tuple[int, str]] = []

    def note(self, line: int, what: str) -> None:
        """Keep a problem."""
        self.problems.append((line, what))

    def finish(self) -> None:
        """Stop if there were problems.

        Raises:
            DocumentError: One line for each problem, in the order of the file.
        """
        told = [f"{self.source}:{line}: {what}" for line, what in sorted(self.problems)]
        if len(told) > _MOST:
            told[_MOST:] = [f"{self.source}: {len(told) - _MOST} more problems"]
        if told:
            raise DocumentError("\n".join(told))

    def mapping(
        self, node: object, line: int, what: str, allowed: Iterable[str]
    ) -> dict[str, Any] | None:
        """Return a mapping, noting keys that are not allowed; null where it is none."""
        keys = tuple(allowed)
        if not isinstance(node, dict):
            self.note(line, f"{what} is {shown(node)}; expected a mapping of {', '.join(keys)}")
            return None
        for key in node:
            if key not in keys:
                near = get_close_matches(str(key), keys, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(keys)}"
                self.note(at(node, key), f"unknown key {key!r} in {what}; {hint}")
        return node

    def members(self, fields: dict[str, Any], key: str) -> list[tuple[Any, int]]:
        """Return the members of a list with their lines; a lone value is a list of itself."""
        node = fields[key]
        if not isinstance(node, list):
            return [(node, at(fields, key))]
        if not node:
            self.note(at(fields, key), f"`{key}` is empty; expected at least one value")
        return [(member, at(node, i)) for i, member in enumerate(node)]

    def values(
        self, fields: dict[str, Any], key: str, read: Callable[[object], str], what: str = ""
    ) -> tuple[str, ...]:
        """Return one value or a list of them as `read` spells them, noting those it refuses."""
        found = []
        for member, line in self.members(fields, key):
            try:
                found.append(read(member))
            except ValueError as exc:
                text = str(exc)
                gap = "" if text.startswith(";") else " "
                self.note(line, f"{what or key} {shown(member)}{gap}{text}")
        return tuple(found)

    def value(self, fields: dict[str, Any], key: str, read: Callable[[object], str]) -> str | None:
        """Return one optional value; null where it is absent or refused."""
        if fields.get(key) is None:
            return None
        if isinstance(fields[key], list):
            self.note(at(fields, key), f"`{key}` is a list; expected one value")
            return None
        return next(iter(self.values(fields, key, read)), None)

    def one(self, fields: dict[str, Any], kinds: Iterable[str], line: int, what: str) -> str | None:
        """Return the one key that says what something is, noting none or several."""
        known = tuple(kinds)
        found = [key for key in fields if key in known]
        if len(found) == 1:
            return found[0]
        have = " and ".join(found) if found else "no key of that kind"
        self.note(line, f"{what} has {have}; expected exactly one of {', '.join(known)}")
        return None


def shown(node: object) -> str:
    """Return a value as it is told in a message."""
    if node is None:
        return "empty"
    if isinstance(node, list | dict):
        return "a list" if isinstance(node, list) else "a mapping"
    text = repr(node) if isinstance(node, str) else str(node)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def at(node: Any, key: object) -> int:
    """Return the line, from 1, on which a key or a member stands."""
    place = getattr(node, "lc", None)
    if place is None:
        return 1
    found = (place.data or {}).get(key)
    return int(found[0] if found else place.line) + 1
