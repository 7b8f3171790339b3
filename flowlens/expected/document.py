"""The expected document: what its owner says should happen.

Rules are additive and there is no "deny": a conversation is expected as soon as one entry of one
rule that holds for its workload covers it. Entries end by themselves at `until`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

__all__ = ["SUBJECTS", "TARGETS", "Document", "Entry", "Port", "Rule", "Subject"]

#: What may stand in `from`: the workloads a rule is about.
SUBJECTS = (
    "function",
    "security_group",
    "subnet",
    "vpc",
    "instance",
    "owner",
    "cidr",
    "any",
)

#: What may stand in an entry of `to`: the destinations it covers.
TARGETS = (
    "cidr",
    "aws_service",
    "security_group",
    "prefix_list",
    "domain",
    "endpoint",
    "name",
    "owner",
    "any",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of workload, e.g. the function ``payments``.

    Attributes:
        kind: One of `SUBJECTS`.
        value: Its name, id or prefix; ``*`` stands for any text in names.
    """

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Port:
    """A protocol and a range of server ports.

    Attributes:
        protocol: IANA number; null for every protocol.
        first: First port of the range.
        last: Last port of the range.
    """

    protocol: int | None
    first: int = 0
    last: int = 65_535


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of `to`: destinations, ports, why, and until when.

    Attributes:
        line: Where it stands in the file, from 1.
        kind: One of `TARGETS`.
        values: The destinations in the words of the document.
        region: AWS Region that the service must be in; null for every Region.
        ports: What may be spoken.
        said: The ports in the words of the document.
        why: The owner's reason.
        until: From this time on the entry does not count.
    """

    line: int
    kind: str
    values: tuple[str, ...]
    region: str | None = None
    ports: tuple[Port, ...] = (Port(None),)
    said: tuple[str, ...] = ("all",)
    why: str | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        """Return the entry as one phrase.

        >>> str(Entry(7, "cidr", ("10.0.0.0/8",), said=("tcp/443",), why="card payments"))
        'cidr 10.0.0.0/8 tcp/443 (card payments)'
        """
        where = [self.region] if self.region else []
        why = [f"({self.why})"] if self.why else []
        target = [] if self.kind == "any" else [",".join(self.values)]
        return " ".join([self.kind, *target, *where, ",".join(self.said), *why])


@dataclass(frozen=True, slots=True)
class Rule:
    """Workloads and the destinations they are expected to use."""

    line: int
    subjects: tuple[Subject, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """An expected document that keeps to its schema.

    Attributes:
        source: The file's name, for messages.
        names: The owner's own words for address ranges.
        rules: What is expected, in the order of the file.
    """

    source: str
    names: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]

    def check(self) -> tuple[str, ...]:
        """Return what is allowed but probably not meant: names never used, entries said twice."""
        used = {v for r in self.rules for e in r.entries if e.kind == "name" for v in e.values}
        notes = [f"{self.source}: name {n!r} is never used" for n in self.names if n not in used]
        seen: dict[object, int] = {}
        for rule in self.rules:
            for entry in rule.entries:
                key = (rule.subjects, entry.kind, entry.values, entry.region, entry.ports)
                if key in seen:
                    notes.append(f"{self.source}:{entry.line}: repeats line {seen[key]}")
                seen.setdefault(key, entry.line)
        return tuple(notes)
