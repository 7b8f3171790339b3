"""The rules of each security group, in the words of AWS, within what a group can hold."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flowlens.expected.budget import Sizes
from flowlens.expected.document import Port
from flowlens.expected.quotas import QUOTAS
from flowlens.expected.render import text
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.places import told
from flowlens.expected.render.plan import Grant, Plan, merged
from flowlens.words import noun, proto

__all__ = ["Granted", "Permission", "by_group", "counts", "permissions", "spoken"]

_NAMED = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_ALL = (0, 65_535)


@dataclass(frozen=True, slots=True)
class Permission:
    """A rule of a security group.

    Attributes:
        group: The group.
        grant: What it lets through.
        protocol: As AWS writes it: a name, a number, ``-1`` for every protocol.
        ports: First and last port, or ICMP's type and code; null where there are none.
    """

    group: str
    grant: Grant
    protocol: str
    ports: tuple[int, int] | None

    @property
    def name(self) -> str:
        """Its stable name."""
        return text.name(self.group, *self.grant.key)


@dataclass(frozen=True, slots=True)
class Granted:
    """The rules of security groups.

    Attributes:
        rules: By group.
        unsaid: What they do not say.
        lacking: Groups whose workloads need something that no rule of theirs says, and what.
    """

    rules: list[Permission]
    unsaid: list[Unsaid]
    lacking: dict[str, Unsaid]


def permissions(plan: Plan) -> Granted:
    """Return the rules that security groups can have."""
    held: dict[str, list[Grant]] = {}
    unsaid, lacking = plan.doubts, dict[str, Unsaid]()
    for place, grants, lost in zip(plan.places, plan.grants, plan.unsaid, strict=True):
        strange = [Unsaid(g.lines[0], why) for g in grants if (why := _strange(g))]
        for group in place.groups:
            some = [g for g in grants if not _strange(g) and not _foreign(g, group, plan)]
            held.setdefault(group, []).extend(some)
            strange += _lost_lists(grants, group, plan)
        need = [each for each in (*lost, *strange) if each.left]
        for group in place.covered if need else ():
            lacking.setdefault(group, need[0])
        unsaid |= dict.fromkeys(strange)
        if grants:
            unsaid |= dict.fromkeys(_lost(place.lost, place.who, grants[0].lines[0]))
            unsaid |= dict.fromkeys(_shared(place.others or {}, place.who, grants[0].lines[0]))
    rules = [
        Permission(group, grant, *spoken(grant.port))
        for group, grants in sorted(held.items())
        for grant in merged(grants)
    ]
    unsaid |= dict.fromkeys(_full(rules, plan))
    return Granted(rules, list(unsaid), lacking)


def by_group(rules: list[Permission]) -> dict[str, list[Permission]]:
    """Return rules by group, in order."""
    found: dict[str, list[Permission]] = {}
    for rule in rules:
        found.setdefault(rule.group, []).append(rule)
    return found


def spoken(port: Port) -> tuple[str, tuple[int, int] | None]:
    """Return protocol and ports as AWS writes them.

    >>> spoken(Port(6, 443, 443)), spoken(Port(1)), spoken(Port(None)), spoken(Port(47))
    (('tcp', (443, 443)), ('icmp', (-1, -1)), ('-1', None), ('47', None))
    """
    if port.protocol is None:
        return "-1", None
    if port.protocol not in _NAMED:
        return str(port.protocol), None
    ports = (port.first, port.last) if port.protocol in (6, 17) else (-1, -1)
    return _NAMED[port.protocol], ports


def counts(rules: list[Permission], sizes: Sizes) -> dict[str, tuple[int, int]]:
    """Return what the rules of each group count: IPv4 and IPv6 apart.

    A rule about a list counts what the list may hold, one about a group counts in both families.
    """
    found: dict[str, tuple[int, int]] = {}
    for rule in rules:
        four, six = found.get(rule.group, (0, 0))
        peer, only = rule.grant.peer, rule.grant.port.protocol
        size = (int(4 in peer.families), int(6 in peer.families))
        if peer.kind == "list":
            size = sizes.get(peer.value, (1, 1))
        four += size[0] * (only != 58)
        six += size[1] * (only != 1)
        found[rule.group] = (four, six)
    return found


def _strange(grant: Grant) -> str | None:
    """Say why a security group cannot say something."""
    port = grant.port
    if grant.peer.kind == "domain":
        return f"domain {grant.peer.value}: a security group knows no names"
    if port.protocol not in (None, *_NAMED) and (port.first, port.last) != _ALL:
        what = f"{proto(port.protocol)}/{port.first}-{port.last} to {grant.peer.value}"
        return f"{what}: a security group knows no ports of this protocol"
    return None


def _foreign(grant: Grant, group: str, plan: Plan) -> bool:
    """Say whether a list is of another Region than a group, which then cannot name it."""
    found = (plan.known.lists or {}).get(grant.peer.value) if grant.peer.kind == "list" else None
    here = plan.known.regions.get(group)
    return found is not None and None not in (found.region, here) and found.region != here


def _lost_lists(grants: Iterable[Grant], group: str, plan: Plan) -> Iterator[Unsaid]:
    """Yield lists of other Regions, where the entry has none of the group's own."""
    lists = [grant for grant in grants if grant.peer.kind == "list"]
    own = {line for g in lists if not _foreign(g, group, plan) for line in g.lines}
    for grant in lists:
        if not own & set(grant.lines):
            what = f"{grant.peer.called or grant.peer.value}: {group} is in another Region"
            yield Unsaid(grant.lines[0], what)


def _lost(lost: tuple[str, ...], who: tuple[str, ...], line: int) -> Iterator[Unsaid]:
    for why in lost:
        yield Unsaid(line, f"from {told(who)}: {why}")


def _shared(
    others: Mapping[str, tuple[str, ...]], who: tuple[str, ...], line: int
) -> Iterator[Unsaid]:
    for group, names in others.items():
        what = f"from {told(who)}: {group} lets {told(names)} do the same"
        yield Unsaid(line, what, left=False)


def _full(rules: list[Permission], plan: Plan) -> Iterator[Unsaid]:
    """Yield groups that would hold more than AWS lets them."""
    limit = QUOTAS["group_rules"].default
    held = by_group(rules)
    for group, amounts in counts(rules, plan.known.sizes).items():
        for family, amount in zip(("IPv4", "IPv6"), amounts, strict=True):
            if amount > limit:
                what = f"{group} would have {noun(amount, f'{family} rule')}; a security group has"
                hint = "ask AWS for more, take fewer prefixes, or see `allowlist check`"
                yield Unsaid(held[group][-1].grant.lines[0], f"{what} {limit}; {hint}")
