"""DNS Firewall of Route 53 Resolver: a list of names for each workload, everything else alerted.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-dns-firewall-rule-settings.html
"""

from collections.abc import Iterator
from typing import Any

from flowlens.expected.quotas import QUOTAS
from flowlens.expected.render import text
from flowlens.expected.render.body import Body
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.plan import Grant, Plan
from flowlens.expected.render.shell import FIRST, Command, var

__all__ = ["lists", "render"]

_SERVICE = "route53resolver"
_BATCH = 1_000  # names of one request, by the reference of UpdateFirewallDomains
_LAST = 9_000  # priority of the rule for everything else
_ADVICE = (
    "It holds for whole VPCs: every workload there may ask for these names, and no name is an",
    "address, so who knows one needs none. Names of the VPC itself and of AWS's services are asked",
    "here as well: what is alerted says what the lists lack.",
)


def render(plan: Plan) -> Body:
    """Return a script that makes lists and a rule group whose last rule alerts."""
    held, unsaid = lists(plan)
    if not held:
        return Body([], unsaid, FIRST, _ADVICE)
    vpcs = sorted({vpc for place in plan.places for vpc in place.vpcs})
    key = text.name("dns", *vpcs)
    lines = [str(_made("firewall-rule-group", f"flowlens-{key}", "group", "FirewallRuleGroup"))]
    for priority, (who, grants) in enumerate(held.items(), 100):
        lines += ["", *(f"# {grant.peer.value} {grant.evidence(plan.source)}" for grant in grants)]
        names = list(dict.fromkeys(grant.peer.value for grant in grants))
        lines += _list(who, names, priority, "ALLOW")
    lines += ["", "# everything else", *_list("everything else", ["*"], _LAST, "ALERT")]
    lines += ["", *_associations(vpcs, key)]
    block = {
        "FirewallRuleGroupId": var("group"),
        "FirewallDomainListId": var(_name("everything else")),
        "Action": "BLOCK",
        "BlockResponse": "NODATA",
    }
    lines += ["", "# When nothing is alerted that is needed:"]
    lines.append(f"# {Command(_SERVICE, 'update-firewall-rule', block)}")
    unsaid += _beyond(held)
    return Body(lines, unsaid, FIRST, _ADVICE)


def lists(plan: Plan) -> tuple[dict[str, list[Grant]], list[Unsaid]]:
    """Return the names of each workload of the document, and what is left."""
    held: dict[str, list[Grant]] = {}
    unsaid = plan.doubts
    for place, grants in zip(plan.places, plan.grants, strict=True):
        for grant in grants:
            if grant.peer.kind != "domain":
                what = f"{grant.peer.called or grant.peer.value}: DNS Firewall holds names only"
                unsaid[Unsaid(grant.lines[0], what)] = None
            else:
                held.setdefault(", ".join(place.who), []).append(grant)
    return held, list(unsaid)


def _beyond(held: dict[str, list[Grant]]) -> Iterator[Unsaid]:
    last = [grants[-1].lines[0] for grants in held.values()]
    most = QUOTAS["dns_rules"].default
    if len(held) + 1 > most:
        what = f"{len(held) + 1} rules with the last one; {QUOTAS['dns_rules'].what}: {most}"
        yield Unsaid(last[most - 1], f"{what}; put workloads together in `from`")
    longest = QUOTAS["dns_name"].default
    for grant in (grant for grants in held.values() for grant in grants):
        if len(grant.peer.value) > longest:
            what = f"domain {grant.peer.value[:40]}…: DNS Firewall takes {longest} characters"
            yield Unsaid(grant.lines[0], what)


def _name(who: str) -> str:
    return f"list_{text.name('dns', who)}"


def _made(what: str, name: str, into: str, answer: str) -> Command:
    """Return the command that makes something; asked again, it makes nothing twice."""
    asked = {"CreatorRequestId": f"{name}-{what}", "Name": name}
    return Command(_SERVICE, f"create-{what}", asked, into, f"{answer}.Id")


def _list(who: str, names: list[str], priority: int, action: str) -> Iterator[str]:
    variable, title = _name(who), f"flowlens-{text.slug([who])}-{text.name(who)[:8]}"
    yield str(_made("firewall-domain-list", title, variable, "FirewallDomainList"))
    for start in range(0, len(names), _BATCH):
        change = {
            "FirewallDomainListId": var(variable),
            "Operation": "ADD",
            "Domains": names[start : start + _BATCH],
        }
        yield str(Command(_SERVICE, "update-firewall-domains", change))
    rule: dict[str, Any] = {
        "CreatorRequestId": f"{title}-rule",
        "FirewallRuleGroupId": var("group"),
        "FirewallDomainListId": var(variable),
        "Priority": priority,
        "Action": action,
        "Name": title,
    }
    if action == "ALLOW":  # else the targets of aliases (CNAME) must be on a list as well
        rule["FirewallDomainRedirectionAction"] = "TRUST_REDIRECTION_DOMAIN"
    yield str(Command(_SERVICE, "create-firewall-rule", rule))


def _associations(vpcs: list[str], key: str) -> Iterator[str]:
    if not vpcs:
        yield ': "${VPC:?set VPC to the id of the VPC}"'
    for vpc in vpcs or [var("VPC")]:
        name = f"flowlens-{key}-{vpc if vpcs else 'vpc'}"
        asked = {
            "CreatorRequestId": name,
            "FirewallRuleGroupId": var("group"),
            "VpcId": vpc,
            "Priority": 200,
            "Name": name,
        }
        yield str(Command(_SERVICE, "associate-firewall-rule-group", asked))
