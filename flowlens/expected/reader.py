"""Read an expected document and name the line of everything that is wrong with it."""

from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from flowlens.errors import DocumentError
from flowlens.expected import values
from flowlens.expected.document import SUBJECTS, TARGETS, Document, Entry, Port, Rule, Subject
from flowlens.expected.tree import Walker, at, shown, tree

__all__ = ["load", "parse"]

_LIMIT = 16 * 1024 * 1024  # bytes


def load(path: str | Path) -> Document:
    """Read an expected document.

    Args:
        path: A YAML file; `flowlens.expected.document` says what its words mean.

    Raises:
        DocumentError: The file cannot be read, is no YAML, or breaks the schema; the text has one
            line ``file:line: what is there; what was expected; what to try`` for each problem.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LIMIT:
            msg = f"{path}: larger than 16 MB; expected a document that people review"
            raise DocumentError(msg)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        msg = f"{path}: {exc.strerror}; expected a YAML document of what should happen"
        raise DocumentError(msg) from exc
    except UnicodeDecodeError as exc:
        msg = f"{path}: not UTF-8 text (byte {exc.start}); expected a YAML document"
        raise DocumentError(msg) from exc
    return parse(text, str(path))


def parse(text: str, source: str = "expected.yaml") -> Document:
    """Read an expected document from its text.

    Args:
        text: The YAML.
        source: What to call it in messages.

    Raises:
        DocumentError: As in `load`.

    >>> parse("{version: 1, egress: [{from: any, to: [{cidr: 10.0.0.1/8}]}]}", "e.yaml")
    Traceback (most recent call last):
    ...
    flowlens.errors.DocumentError: e.yaml:1: cidr '10.0.0.1/8' has host bits set; expected the
    first address of the range; try 10.0.0.0/8
    """
    reader = _Reader(source)
    document = reader.document(tree(text, source))
    reader.finish()
    return document


class _Reader(Walker):
    """Knows the schema of the document."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.names: dict[str, tuple[str, ...]] = {}

    def document(self, node: object) -> Document:
        fields = self.mapping(node, 1, "the document", ("version", "names", "egress"))
        if fields is None:
            return Document(self.source, {}, ())
        version = fields.get("version")
        if version != 1 or isinstance(version, bool):
            self.note(at(fields, "version"), f"version {shown(version)}; expected version: 1")
        if "egress" not in fields:
            self.note(1, "no `egress`; expected a list of `from` and `to`; try egress: []")
        self.define(fields)
        rules = [self.rule(member, line) for member, line in self.listed(fields, "egress")]
        return Document(self.source, self.names, tuple(r for r in rules if r is not None))

    def listed(self, fields: dict[str, Any], key: str) -> list[tuple[Any, int]]:
        """Return the members of a list that may be empty or absent, but no lone value."""
        node = fields.get(key)
        if not node and (node is None or isinstance(node, list)):
            return []
        if not isinstance(node, list):
            self.note(at(fields, key), f"`{key}` is {shown(node)}; expected a list")
            return []
        return self.members(fields, key)

    def define(self, fields: dict[str, Any]) -> None:
        """Read the owner's names of address ranges."""
        node = fields.get("names")
        if node is None:
            return
        if not isinstance(node, dict):
            self.note(at(fields, "names"), f"`names` is {shown(node)}; expected name: [prefix]")
            return
        for key in node:
            self.names[str(key)] = self.values(node, key, values.cidr, "cidr")

    def rule(self, node: object, line: int) -> Rule | None:
        fields = self.mapping(node, line, "a member of `egress`", ("from", "to"))
        if fields is None:
            return None
        for key in ("from", "to"):
            if fields.get(key) is None:
                self.note(line, f"no `{key}`; expected `from` (workloads) and `to` (destinations)")
        subjects = self.members(fields, "from") if fields.get("from") is not None else []
        entries = [self.entry(member, at) for member, at in self.listed(fields, "to")]
        return Rule(
            line,
            tuple(s for member, at in subjects for s in self.subject(member, at)),
            tuple(e for e in entries if e is not None),
        )

    def subject(self, node: object, line: int) -> list[Subject]:
        node = {"any": True} if node == "any" else node
        fields = self.mapping(node, line, "`from`", SUBJECTS)
        kind = self.one(fields, SUBJECTS, line, "`from`") if fields is not None else None
        if fields is None or kind is None:
            return []
        return [Subject(kind, v) for v in self.values(fields, kind, values.SUBJECT[kind])]

    def entry(self, node: object, line: int) -> Entry | None:
        node = {"any": True} if node == "any" else node
        allowed = (*TARGETS, "region", "ports", "why", "until")
        fields = self.mapping(node, line, "a member of `to`", allowed)
        kind = self.one(fields, TARGETS, line, "a member of `to`") if fields is not None else None
        if fields is None or kind is None:
            return None
        has_ports = fields.get("ports") is not None
        said = self.values(fields, "ports", values.port) if has_ports else ("all",)
        return Entry(
            line,
            kind,
            self.targets(fields, kind),
            region=self.region(fields, kind),
            ports=tuple(Port(*port) for text in said for port in values.spoken(text)),
            said=said,
            why=self.value(fields, "why", values.text),
            until=self.until(fields),
        )

    def targets(self, fields: dict[str, Any], kind: str) -> tuple[str, ...]:
        found = self.values(fields, kind, values.TARGET[kind])
        for name in found if kind == "name" else ():
            if name not in self.names:
                near = get_close_matches(name, self.names, 1)
                hint = f"did you mean {near[0]!r}?" if near else "expected a key of `names`"
                self.note(at(fields, kind), f"name {name!r} is not defined; {hint}")
        return found

    def region(self, fields: dict[str, Any], kind: str) -> str | None:
        if "region" in fields and kind != "aws_service":
            line = at(fields, "region")
            self.note(line, f"`region` beside {kind}; expected it beside aws_service only")
        return self.value(fields, "region", values.region)

    def until(self, fields: dict[str, Any]) -> datetime | None:
        """Read a time in UTC; a date is its first moment, as in `--until` of the command line."""
        node = fields.get("until")
        if isinstance(node, datetime):
            # ruamel's own class of times does not compare with others in every version.
            time = datetime.fromisoformat(node.isoformat())
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        if isinstance(node, date):
            return datetime(node.year, node.month, node.day, tzinfo=UTC)
        if node is not None:
            what = f"until {shown(node)}; expected a date; try until: 2027-01-01"
            self.note(at(fields, "until"), what)
        return None
