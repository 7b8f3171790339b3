"""Who is meant: names, groups, interfaces, addresses and services, turned into what holds them."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from flowlens.errors import UsageError
from flowlens.expected.subjects import pattern
from flowlens.inventory import owners
from flowlens.reach.account import Row
from flowlens.reach.atlas import block
from flowlens.reach.spans import Span, merged

if TYPE_CHECKING:
    from flowlens.inventory import Inventory
    from flowlens.reach.views import View

__all__ = ["Face", "People"]

#: Interfaces that pass on what others send, or only answer; they are workloads only if named.
_SERVING = (
    *("nat_gateway", "transit_gateway", "nlb", "gwlb", "gwlb_endpoint", "global_accelerator"),
    "vpc_endpoint",
)
#: What a subject may say of its kind, as in the expected document.
_KINDS = ("function", "instance", "security_group", "subnet", "vpc", "owner", "interface", "cidr")
_NEAR = 3


@dataclass(frozen=True, slots=True)
class Face:
    """An interface as each view shows it (None: not at all), and whose it is."""

    id: str
    rows: tuple[Row | None, ...]
    kind: str | None
    owner: tuple[str, ...] | None
    names: frozenset[str] = field(repr=False)

    @property
    def addresses(self) -> list[str]:
        """The private addresses that any view shows, a delegated prefix by its own text."""
        rows = [row for row in self.rows if row]
        held = {text for row in rows for text in (*row["addresses"], *row["prefixes"])}
        return sorted(held)

    @property
    def public(self) -> list[str]:
        """The public addresses that any view shows."""
        return sorted({text for row in self.rows if row for text in row["public_addresses"] or ()})


class People:
    """The interfaces that views show, and every name by which one may ask for them.

    Args:
        inventory: whose owners count.
        views: the answers that speak.
    """

    def __init__(self, inventory: "Inventory", views: "Sequence[View]") -> None:
        self._views = views
        known = owners(inventory).select("capture", "interface_id", "owner", "kind", "resource")
        said = {(row[0], row[1]): row[2:] for row in known.iter_rows()}
        shown = [{row["interface_id"]: row for row in view.rows("interfaces")} for view in views]
        self.faces = [
            self._face(name, tuple(each.get(name) for each in shown), said)
            for name in sorted({name for each in shown for name in each})
        ]

    def _face(
        self,
        name: str,
        rows: tuple[Row | None, ...],
        said: dict[tuple[int, str], tuple[list[str] | None, str | None, str | None]],
    ) -> Face:
        told = [said.get((row["capture"], name), (None, None, None)) for row in rows if row]
        owned = sorted({each for owner, _, _ in told for each in owner or ()})
        names = {name, *owned, *(resource for _, _, resource in told if resource)}
        for row in rows:
            if row:
                parts = (row["instance_id"], row["subnet_id"], row["vpc_id"])
                names |= {each for each in (*parts, *(row["groups"] or ())) if each}
                names |= {
                    self._groups[each] for each in row["groups"] or () if each in self._groups
                }
        kind = next((kind for _, kind, _ in told if kind), None)
        return Face(name, rows, kind, tuple(owned) or None, frozenset(map(str.lower, names)))

    @cached_property
    def _groups(self) -> dict[str, str]:
        rows = (row for view in self._views for row in view.rows("security_groups"))
        return {row["group_id"]: row["name"] for row in rows if row["name"]}

    @cached_property
    def services(self) -> dict[str, list[str]]:
        """Blocks of prefix lists by id, name, and the last word of an AWS-managed one's name."""
        found: dict[str, list[str]] = {}
        for view in self._views:
            blocks = {row["prefix_list_id"]: row["cidrs"] for row in view.rows("entries")}
            for row in view.rows("lists"):
                cidrs = blocks.get(row["prefix_list_id"])
                name = row["name"] or ""
                short = name.rpartition(".")[2] if name.startswith("com.amazonaws.") else ""
                for word in filter(None, (row["prefix_list_id"], name, short)):
                    found.setdefault(word.lower(), []).extend(cidrs or ())
            for name, cidrs in blocks.items():
                found.setdefault(name.lower(), []).extend(cidrs)
        return found

    @cached_property
    def _endpoints(self) -> dict[str, set[str]]:
        """Endpoints and their services -> interfaces."""
        found: dict[str, set[str]] = {}
        for view in self._views:
            for row in view.rows("endpoints"):
                service = row["service"] or ""
                words = (row["endpoint_id"], service, service.rpartition(".")[2])
                for word in filter(None, words):
                    found.setdefault(word.lower(), set()).update(row["interfaces"] or ())
        return found

    def called(self, spans: Sequence[Span]) -> str | None:
        """Return the name of the prefix list that is these addresses exactly; None if none is."""
        return self._lists.get(tuple(spans))

    @cached_property
    def _lists(self) -> dict[tuple[Span, ...], str]:
        found: dict[tuple[Span, ...], str] = {}
        for view in self._views:
            names = {row["prefix_list_id"]: row["name"] for row in view.rows("lists")}
            for row in view.rows("entries"):
                spans = tuple(merged(span for each in row["cidrs"] or () if (span := block(each))))
                name = row["prefix_list_id"]
                found.setdefault(spans, names.get(name) or name)
        return found

    @cached_property
    def endpoints(self) -> dict[str, str]:
        """What an interface endpoint is for, by its id."""
        rows = (row for view in self._views for row in view.rows("endpoints"))
        return {row["endpoint_id"]: row["service"] for row in rows if row["service"]}

    def sources(self, text: str | None) -> list[Face]:
        """Return the interfaces that are meant; without a text every workload's.

        Raises:
            UsageError: Nothing is called so; the message has what comes near.
        """
        if text is None:
            return [face for face in self.faces if face.kind not in _SERVING]
        found = self._named(text)
        if not found and self.faces:
            raise UsageError(self._strange(text, "a workload, group, interface or address"))
        return found

    def targets(self, text: str) -> list[Span]:
        """Return the addresses that are meant.

        Raises:
            UsageError: Nothing is called so; the message has what comes near.
        """
        given = block(_bare(text))
        if given:
            return [given]
        faces = self._named(text)
        held = [each for face in faces for each in (*face.addresses, *face.public)]
        word = _bare(text).lower()
        blocks = self.services.get(word, [])
        served = self._endpoints.get(word, set())
        held += [a for face in self.faces if face.id in served for a in face.addresses]
        spans = merged(span for each in (*held, *blocks) if (span := block(each)))
        if spans:
            return spans
        if word in self.services or word in self._endpoints:
            msg = f"{text!r} has no addresses in the inventory; give a prefix instead"
            raise UsageError(msg)
        raise UsageError(
            self._strange(text, "a workload, group, prefix, list, endpoint or service")
        )

    def _named(self, text: str) -> list[Face]:
        """Return the interfaces with a name, or that hold an address of a block."""
        span = block(_bare(text))
        if span:
            return [face for face in self.faces if _holds(face, span)]
        wanted = re.compile(pattern(_bare(text).lower()))
        return [face for face in self.faces if any(map(wanted.match, face.names))]

    def _strange(self, text: str, expected: str) -> str:
        """Say that nobody has a name, and which ones come near."""
        known = sorted({*self._words(), *self.services, *self._endpoints})
        near = difflib.get_close_matches(_bare(text).lower(), known, _NEAR, 0.6)
        if block(_bare(text)):
            return f"no interface of the inventory holds an address of {text}; try --to {text}"
        hint = f"did you mean {' or '.join(near)}?" if near else "the inventory knows no such name"
        return f"{text!r} is not {expected} of the inventory; {hint}"

    def _words(self) -> Iterator[str]:
        for face in self.faces:
            yield from face.names


def _bare(text: str) -> str:
    """Return a subject without the word for its kind.

    >>> _bare("function:payments"), _bare("2001:db8::/32")
    ('payments', '2001:db8::/32')
    """
    kind, colon, rest = text.partition(":")
    return rest if colon and kind in _KINDS else text


def _holds(face: Face, span: Span) -> bool:
    held = (block(text) for text in (*face.addresses, *face.public))
    return any(
        each[0] == span[0] and each[1] < span[2] and span[1] < each[2] for each in held if each
    )


def label(owner: Iterable[str] | None, faces: Iterable[str]) -> str:
    """Return one word for a workload: its candidates, or its interfaces where nobody knows."""
    return " | ".join(owner or ()) or ", ".join(faces)
