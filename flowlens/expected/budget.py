"""How many rules of a security group, or of a network ACL, a workload's entries come to."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING

from flowlens.expected.document import Document, Entry, Port, Subject
from flowlens.expected.quotas import QUOTAS, weight
from flowlens.words import noun

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["Sizes", "beyond", "entries", "sizes", "used"]

#: What a rule about a prefix list counts, by its id: in IPv4 and in IPv6.
Sizes = Mapping[str, tuple[int, int]]

#: A rule: what it is about and what may be spoken.
_Rule = tuple[str, Port]

_SERVICES = {"S3": "s3", "DYNAMODB": "dynamodb", "EC2_INSTANCE_CONNECT": "ec2-instance-connect"}
_ONLY = {1: 4, 58: 6}  # ICMP and ICMPv6 belong to one family
_FAMILIES = ("IPv4", "IPv6")


def sizes(inventory: "Inventory | None") -> dict[str, tuple[int, int]]:
    """Return what rules about the prefix lists of an inventory count, where that is known."""
    found: dict[str, tuple[int, int]] = {}
    if inventory is None:
        return found
    columns = ("prefix_list_id", "name", "family", "max_entries")
    for name, title, family, most in inventory.prefix_lists.select(columns).iter_rows():
        # AWS's own lists count by weight, and in both families, as references to groups do.
        own = weight(title or "")
        if own is not None:
            found[name] = (own, own)
        elif most is not None:
            found[name] = (0, most) if family == "IPv6" else (most, 0)
    return found


def entries(document: Document, subject: Subject) -> Iterator[Entry]:
    """Yield the entries that hold for a subject, those for everybody among them."""
    for rule in document.rules:
        if subject in rule.subjects or any(each.kind == "any" for each in rule.subjects):
            yield from rule.entries


def beyond(
    document: Document, known: Sizes, limits: Mapping[str, int]
) -> Iterator[tuple[int, str, str]]:
    """Yield line, level and text of what does not fit into a group, an ACL or a list."""
    for name, prefixes in document.names.items():
        if len(prefixes) > limits["list_entries"]:
            what = f"name {name!r} has {noun(len(prefixes), 'prefix', 'prefixes')}"
            yield 1, "error", f"{what}; a prefix list has at most {limits['list_entries']:,}"
    subjects = dict.fromkeys(each for rule in document.rules for each in rule.subjects)
    for subject in subjects:
        counts, unknown = _count(document, subject, known)
        yield from _groups(subject, counts, unknown, limits)
        if subject.kind == "subnet":
            yield from _acls(subject, counts, limits)


def used(document: Document, subject: Subject, known: Sizes) -> tuple[int, int]:
    """Return how many rules in IPv4 and in IPv6 a subject's entries come to, as far as is known."""
    counts, _ = _count(document, subject, known)
    return counts[-1][1:] if counts else (0, 0)


#: Running totals of both families behind each line.
_Counts = list[tuple[int, int, int]]


def _count(document: Document, subject: Subject, known: Sizes) -> tuple[_Counts, list[str]]:
    """Return the running totals of a subject's rules, and what cannot be counted."""
    seen: set[_Rule] = set()
    unknown: list[str] = []
    four = six = 0
    counts: _Counts = []
    for entry in entries(document, subject):
        for value in _values(entry, document):
            size = _size(entry.kind, value, known)
            if size is None:
                unknown.append(f"line {entry.line}: {entry.kind} {value}")
                continue
            for port in entry.ports:
                if (value, port) not in seen:
                    seen.add((value, port))
                    four += size[0] * (_ONLY.get(port.protocol or 0, 4) == 4)
                    six += size[1] * (_ONLY.get(port.protocol or 0, 6) == 6)
        counts.append((entry.line, four, six))
    return counts, unknown


def _values(entry: Entry, document: Document) -> tuple[str, ...]:
    if entry.kind == "name":
        return tuple(p for value in entry.values for p in document.names[value])
    return entry.values


def _size(kind: str, value: str, known: Sizes) -> tuple[int, int] | None:
    """Return what a rule about a destination counts; null where that is not known."""
    if kind in ("cidr", "name"):
        return (1, 0) if ip_network(value).version == 4 else (0, 1)
    if kind == "domain":
        return 0, 0  # no security group knows names
    if kind == "prefix_list":
        return known.get(value)
    if kind == "aws_service":
        own = weight(f"com.amazonaws.REGION.{_SERVICES.get(value, '')}")
        return None if own is None else (own, own)
    return None if kind == "owner" else (1, 1)


def _groups(
    subject: Subject, counts: _Counts, unknown: list[str], limits: Mapping[str, int]
) -> Iterator[tuple[int, str, str]]:
    limit = limits["group_rules"]
    most = limits["interface_rules"] // limits["interface_groups"]
    for place, family in enumerate(_FAMILIES, 1):
        total = counts[-1][place] if counts else 0
        if total <= limit:
            continue
        line = next(each[0] for each in counts if each[place] > limit)
        least = f" (not counted: {unknown[0]}{' …' if len(unknown) > 1 else ''})" if unknown else ""
        hint = f"ask AWS for more (up to {most} with {limits['interface_groups']} groups)"
        hint += " or take fewer prefixes" if total <= most else ""
        hint = hint if total <= most else "take fewer prefixes, another group or domains"
        text = f"{subject.kind} {subject.value} needs {total:,} {family} egress rules{least}; "
        yield line, "error", f"{text}a security group has {limit}; {hint}"
    if unknown and all(counts[-1][place] <= limit for place in (1, 2)):
        what = f"{subject.kind} {subject.value}: {noun(len(unknown), 'destination')} not counted"
        yield int(unknown[0].split()[1][:-1]), "note", f"{what}, first {unknown[0]}"


def _acls(
    subject: Subject, counts: _Counts, limits: Mapping[str, int]
) -> Iterator[tuple[int, str, str]]:
    limit, most = limits["nacl_rules"], QUOTAS["nacl_rules"].most or limits["nacl_rules"]
    for place, family in enumerate(_FAMILIES, 1):
        total = counts[-1][place] + 1 if counts else 1  # the default deny counts
        if total > limit:
            line = next(each[0] for each in counts if each[place] + 1 > limit)
            text = f"{subject.value} as a network ACL needs {total} {family} egress rules; "
            text += f"it has {limit}, and {most} at most; leave this to security groups"
            yield line, "warning", text
