"""Suricata, as AWS Network Firewall takes it: a rule that passes for each destination.

Grammar: https://docs.suricata.io/en/latest/rules/intro.html and …/rules/meta.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from flowlens.expected.document import Port
from flowlens.expected.quotas import QUOTAS
from flowlens.expected.render import text
from flowlens.expected.render.body import Body
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.places import Place, told
from flowlens.expected.render.plan import Grant, Plan

__all__ = ["Wire", "overfull", "render", "wires"]

_ADVICE = (
    "For a policy with strict rule order. Let its default action be aws:alert_established until",
    "nothing is alerted that is needed, then aws:drop_established.",
)
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp", 132: "sctp"}
_ALL = (0, 65_535)
_FAMILY = {1: 4, 58: 6}
_HOME = "$HOME_NET"
_MOST = 100  # blocks of a list in one rule, so that it stays far below 8,192 characters
# sid is a number of 32 bits; those from 1,000,000 on are for own rules.
_SIDS, _LOWEST = 1 << 31, 1_000_000


@dataclass(frozen=True, slots=True)
class Wire:
    """A rule before it has its number.

    Attributes:
        head: Protocol, where from, where to.
        match: What else must be so.
        grant: What it is from.
        where: Who sends, for the message.
    """

    head: str
    match: str
    grant: Grant
    where: str

    @property
    def message(self) -> str:
        """What an alert of it says."""
        why = "; ".join(part for part in (", ".join(self.grant.why), self.grant.ends) if part)
        what = self.grant.peer.called or self.grant.peer.value
        return f"{self.where} to {what}" + (f": {why}" if why else "")

    def written(self, sid: int) -> str:
        """Return the rule."""
        meta = f"metadata:flowlens {text.name(self.head, self.match)}"
        options = f'msg:"{escaped(self.message)}"; {self.match}{meta}; sid:{sid}; rev:1;'
        return f"pass {self.head} ({options})"


def render(plan: Plan) -> Body:
    """Return rules for a stateful rule group; a rule's number depends on what it says."""
    found, unsaid = wires(plan)
    taken: dict[int, Wire] = {}
    for wire in sorted(found, key=lambda wire: (wire.head, wire.match)):
        sid = _LOWEST + int(text.name(wire.head, wire.match), 16) % _SIDS
        while sid in taken:
            sid += 1
        taken[sid] = wire
    numbers = {(wire.head, wire.match): sid for sid, wire in taken.items()}
    lines = []
    for wire in found:
        lines.append(f"# {wire.grant.evidence(plan.source)}")
        lines.append(wire.written(numbers[wire.head, wire.match]))
    limits = {name: quota.default for name, quota in QUOTAS.items()}
    unsaid += [Unsaid(line, what) for line, what in overfull(found, limits)]
    capacity = f"The rules take a capacity of {len(found)}; it cannot change later."
    return Body(lines, unsaid, advice=(*_ADVICE, capacity))


def wires(plan: Plan) -> tuple[list[Wire], list[Unsaid]]:
    """Return the rules, each once, and what they do not say."""
    found: dict[tuple[str, str], Wire] = {}
    unsaid = plan.doubts
    for place, grants in zip(plan.places, plan.grants, strict=True):
        if grants and not place.blocks:
            what = f"from {told(place.who)}: its addresses are not known, {_HOME} stands for it"
            unsaid[Unsaid(grants[0].lines[0], what, left=False)] = None
        elif grants and place.subnets:
            what = f"from {told(place.who)}: all of {told(place.subnets)} stands for it"
            unsaid[Unsaid(grants[0].lines[0], what, left=False)] = None
        for each in (each for grant in grants for each in _wires(place, grant, plan)):
            if isinstance(each, Unsaid):
                unsaid[each] = None
                continue
            same = found.setdefault((each.head, each.match), each)
            if same is not each:
                joined = replace(same, grant=same.grant.join(each.grant))
                found[each.head, each.match] = joined
    return list(found.values()), list(unsaid)


def overfull(found: list[Wire], limits: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """Yield line and text of what does not fit into a stateful rule group."""
    longest, room, most = (
        limits[name] for name in ("firewall_rule", "firewall_text", "firewall_capacity")
    )
    size = line = 0
    for wire in found:
        rule = wire.written(_SIDS)
        if len(rule) > longest:
            what = f"a Suricata rule of {len(rule):,} characters; Network Firewall takes"
            yield wire.grant.lines[0], f"{what} {longest:,}; shorten `why`"
        size += len(rule.encode()) + 1
        line = line or (wire.grant.lines[0] if size > room else 0)
    if line:
        what = f"Suricata rules of {size:,} bytes; {QUOTAS['firewall_text'].what}: {room:,}"
        yield line, f"{what}; divide the document"
    if len(found) > most:
        what = f"{len(found):,} Suricata rules; {QUOTAS['firewall_capacity'].what}: {most:,}"
        yield found[most].grant.lines[0], f"{what}; divide the document"


def escaped(text_: str) -> str:
    r"""Return text for ``msg``: three signs take a backslash, what is no print becomes an escape.

    >>> print(escaped('a "b"; c'))
    a \"b\"\; c
    """
    plain = text_.replace("\\", "\\\\").replace('"', '\\"').replace(";", "\\;")
    return "".join(s if s.isprintable() else "_" for s in plain)


def _wires(place: Place, grant: Grant, plan: Plan) -> Iterator[Wire | Unsaid]:
    where, kind, value = told(place.who), grant.peer.kind, grant.peer.value
    if kind == "domain":
        yield from _named(place, grant)
    elif kind == "group":
        yield Unsaid(grant.lines[0], f"security_group {value}: Suricata knows no groups")
    elif kind == "list":
        held = (plan.known.lists or {}).get(value)
        if held is None or held.cidrs is None:
            yield Unsaid(grant.lines[0], f"prefix_list {value}: its entries are not known")
            return
        what = f"prefix_list {value}: the rules hold its {len(held.cidrs)} entries of today"
        yield Unsaid(grant.lines[0], what, left=False)
        for family in (4, 6):
            some = [c for c in held.cidrs if (":" in c) == (family == 6)]
            for start in range(0, len(some), _MOST):
                yield from _routed(place, grant, where, family, some[start : start + _MOST])
    else:
        yield from _routed(place, grant, where, grant.peer.families[0], [value])


def _routed(
    place: Place, grant: Grant, where: str, family: int, blocks: list[str]
) -> Iterator[Wire | Unsaid]:
    """Yield the rule to some blocks of a family."""
    protocol = grant.port.protocol
    if _FAMILY.get(protocol or 0, family) != family:
        return
    home = _home(place, family)
    if home is None:
        what = (
            f"from {told(place.who)}: no IPv{family} address is known that could reach {blocks[0]}"
        )
        yield Unsaid(grant.lines[0], what)
        return
    # Other protocols are matched in the header of the packet.
    match = "" if protocol is None or protocol in _PROTOCOLS else f"ip_proto:{protocol}; "
    head = f"{_PROTOCOLS.get(protocol or 0, 'ip')} {home} any -> {_set(blocks)}"
    yield Wire(f"{head} {_ports(grant.port)}", match, grant, where)


def _named(place: Place, grant: Grant) -> Iterator[Wire | Unsaid]:
    """Yield rules about the names that TLS and HTTP tell."""
    port, name = grant.port, grant.peer.value
    if port.protocol not in (None, 6):
        what = f"domain {name} over {grant.key[0]}: names are told by TLS and HTTP over TCP only"
        yield Unsaid(grant.lines[0], what)
        return
    only = (port.first, port.last)
    spoken = [("tls", "tls.sni")] if only != (80, 80) else []
    spoken += [("http", "http.host")] if only != (443, 443) else []
    if only not in ((80, 80), (443, 443)):
        what = f"domain {name}: only TLS and HTTP tell names, other protocols do not pass"
        yield Unsaid(grant.lines[0], what, left=False)
    # "*.x" is what ends with ".x": every name below, not x itself.
    match = f'content:"{name.removeprefix("*")}"; '
    match += "" if name.startswith("*.") else "startswith; "
    homes = {_home(place, family) for family in (4, 6)} - {None}
    home = _set(list(place.blocks)) if len(homes) > 1 else homes.pop()
    for protocol, buffer in spoken:
        # The host of HTTP is normalised to lower case, where "nocase" is refused.
        case = "nocase; " if protocol == "tls" else ""
        full = f"{buffer}; {match}endswith; {case}flow:to_server; "
        yield Wire(f"{protocol} {home} any -> any {_ports(port)}", full, grant, told(place.who))


def _home(place: Place, family: int) -> str | None:
    if not place.blocks:
        return _HOME
    some = [block for block in place.blocks if (":" in block) == (family == 6)]
    return _set(some) if some else None


def _set(blocks: list[str]) -> str:
    if {"0.0.0.0/0", "::/0"} <= set(blocks):
        return "any"
    return blocks[0] if len(blocks) == 1 else f"[{','.join(blocks)}]"


def _ports(port: Port) -> str:
    if port.protocol not in (6, 17, 132) or (port.first, port.last) == _ALL:
        return "any"
    return str(port.first) if port.first == port.last else f"{port.first}:{port.last}"
