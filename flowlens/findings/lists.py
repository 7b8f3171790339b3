"""Lists of addresses that somebody calls bad, as they are published."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from flowlens.errors import InputError
from flowlens.words import noun

__all__ = ["Listed", "Threats", "read"]

COMMENT = re.compile(r"^\s*(?:#|;|//)|\s(?:#|;|//).*$")
DATE = re.compile(r"\b(20\d\d-[01]\d-[0-3]\d)\b")
SPLIT = re.compile(r"[\s,;|\"']+")
#: Lines of the Tor project's list of exits that hold no address.
TOR = ("ExitNode ", "Published ", "LastStatus ")
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """One list: its name, the day that it gives itself, its networks, and what was no address."""

    name: str
    date: str | None
    networks: tuple[str, ...]
    garbage: tuple[tuple[int, str], ...]

    @property
    def tor(self) -> bool:
        """Whether the list says of itself that it is about Tor."""
        return "tor" in re.split(r"[^a-z]+", self.name.lower())

    def note(self) -> str | None:
        """Return what to say of the lines that were no address."""
        if not self.garbage:
            return None
        some = ", ".join(f"line {line}: {text!r}" for line, text in self.garbage[:SHOWN])
        more = " …" if len(self.garbage) > SHOWN else ""
        kept = noun(len(self.networks), "network")
        count = noun(len(self.garbage), "line")
        return f"{self.name}: {count} held no address and match nothing ({some}{more}); {kept} kept"


@dataclass(frozen=True, slots=True)
class Threats:
    """Lists, in the order of their names."""

    lists: tuple[Listed, ...]


def read(*paths: Path) -> Threats:
    """Read lists of addresses and networks.

    A line holds an address or a CIDR, alone or as the first one among other columns; ``#``, ``;``
    and ``//`` begin comments. The day of a list is the last one that its comments name, or the one
    in the name of the file. The list of exits that the Tor project publishes is read too.

    Raises:
        InputError: a file cannot be read, or holds no address at all.
    """
    return Threats(tuple(sorted((_read(path) for path in paths), key=lambda one: one.name)))


def _read(path: Path) -> Listed:
    """Read one list."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as problem:
        msg = f"{path} cannot be read: {problem.strerror or problem}"
        raise InputError(msg) from problem
    networks, garbage, dates = [], [], DATE.findall(path.name)
    for number, line in enumerate(text.splitlines(), 1):
        comment = COMMENT.search(line)
        said = (line[: comment.start()] if comment else line).strip()
        dates += DATE.findall(comment.group()) if comment else []
        if comment and not comment.start():
            dates += DATE.findall(line)
        if not said or said.startswith(TOR):
            continue
        found = next(_networks(said), None)
        if found is None:
            garbage.append((number, said[:40]))
        else:
            networks.append(found)
    if not networks:
        msg = f"{path} holds no address; a list has an address or a CIDR on each line"
        raise InputError(msg)
    kept = tuple(dict.fromkeys(networks))
    return Listed(path.name, max(dates, default=None), kept, tuple(garbage))


def _networks(line: str) -> Iterator[str]:
    """Yield the addresses and networks of a line."""
    for word in SPLIT.split(line):
        try:
            network = ip_network(word, strict=False)
        except ValueError:
            continue
        if network.prefixlen:  # all addresses are no list
            yield str(network)
