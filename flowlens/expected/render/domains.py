"""Domain lists of AWS Network Firewall: the names of TLS and HTTP that may pass.

https://docs.aws.amazon.com/network-firewall/latest/developerguide/stateful-rule-groups-domain-names.html
"""

from flowlens.expected.quotas import QUOTAS
from flowlens.expected.render import text
from flowlens.expected.render.body import Body
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.places import told
from flowlens.expected.render.plan import Grant, Plan
from flowlens.expected.render.shell import FIRST, Command

__all__ = ["listed", "render"]

_TYPES = ["TLS_SNI", "HTTP_HOST"]
_ADVICE = (
    "For a policy with strict rule order: let its default action be aws:alert_established until",
    "nothing is alerted that is needed. A list knows no ports, and `.name` means the name itself",
    "too. Capacity cannot change later, so it is twice what is needed now.",
)

_Held = dict[tuple[str, ...], list[tuple[str, Grant]]]


def render(plan: Plan) -> Body:
    """Return commands that make a rule group for each set of workloads."""
    held, unsaid = listed(plan)
    lines = []
    for blocks, some in sorted(held.items()):
        domains = dict.fromkeys(grant.peer.value for _, grant in some)
        lines += [
            f"# {text.comment(who)}: {g.peer.value} {g.evidence(plan.source)}" for who, g in some
        ]
        lines += [str(_group(blocks, list(domains), dict.fromkeys(who for who, _ in some))), ""]
        most = QUOTAS["firewall_capacity"].default
        if len(domains) * len(_TYPES) > most:
            what = f"{len(domains):,} domains count {len(domains) * len(_TYPES):,}; "
            what += f"{QUOTAS['firewall_capacity'].what}: {most:,}"
            unsaid.append(Unsaid(some[-1][1].lines[0], what))
    return Body(lines, unsaid, FIRST, _ADVICE)


def listed(plan: Plan) -> tuple[_Held, list[Unsaid]]:
    """Return workloads and their domains by the blocks they send from, and what is left."""
    held: _Held = {}
    unsaid = plan.doubts
    for place, grants in zip(plan.places, plan.grants, strict=True):
        for grant in grants:
            why = _strange(grant)
            if why:
                unsaid[Unsaid(grant.lines[0], why)] = None
                continue
            if not place.blocks:
                what = f"from {told(place.who)}: its addresses are not known, the VPC stands for it"
                unsaid[Unsaid(grant.lines[0], what, left=False)] = None
            elif place.subnets:
                what = f"from {told(place.who)}: all of {told(place.subnets)} stands for it"
                unsaid[Unsaid(grant.lines[0], what, left=False)] = None
            if grant.peer.value.startswith("*."):
                what = (
                    f"domain {grant.peer.value}: the list lets {grant.peer.value[2:]} through too"
                )
                unsaid[Unsaid(grant.lines[0], what, left=False)] = None
            held.setdefault(place.blocks, []).append((told(place.who), grant))
    return held, list(unsaid)


def _strange(grant: Grant) -> str | None:
    if grant.peer.kind != "domain":
        return f"{grant.peer.called or grant.peer.value}: a domain list holds names only"
    if grant.port.protocol not in (None, 6):
        return f"domain {grant.peer.value}: names are told by TLS and HTTP over TCP only"
    return None


def _group(blocks: tuple[str, ...], domains: list[str], who: dict[str, None]) -> Command:
    source = {
        "RulesSourceList": {
            "Targets": [name.removeprefix("*") for name in domains],
            "TargetTypes": _TYPES,
            "GeneratedRulesType": "ALLOWLIST",
        }
    }
    group: dict[str, object] = {
        "RulesSource": source,
        "StatefulRuleOptions": {"RuleOrder": "STRICT_ORDER"},
    }
    if blocks:
        group["RuleVariables"] = {"IPSets": {"HOME_NET": {"Definition": list(blocks)}}}
    capacity = min(2 * len(domains) * len(_TYPES), QUOTAS["firewall_capacity"].default)
    asked = {
        "RuleGroupName": f"flowlens-{text.name(*blocks)}",
        "Type": "STATEFUL",
        "Capacity": capacity,
        "Description": text.described(f"Names for {told(who)}"),
        "RuleGroup": group,
    }
    return Command("network-firewall", "create-rule-group", asked)
