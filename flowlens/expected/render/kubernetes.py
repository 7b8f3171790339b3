"""Kubernetes: a NetworkPolicy for each `from`, for pods that do the work on a cluster.

https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

import json
import re
from collections.abc import Iterator

from flowlens.expected.render import text
from flowlens.expected.render.body import Body
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.places import Place
from flowlens.expected.render.plan import Grant, Plan
from flowlens.words import proto

__all__ = ["render"]

_PROTOCOLS = {6: "TCP", 17: "UDP", 132: "SCTP"}
_ALL = (0, 65_535)
_STRANGE = {"domain": "names", "group": "security groups"}
_LABEL = re.compile(r"[^A-Za-z0-9_.-]+")
_ADVICE = (
    "The document names workloads of AWS, a policy selects pods by labels: put in your own where",
    "app.kubernetes.io/name does not fit. A policy shuts out all else, the DNS of the cluster too.",
)


def render(plan: Plan) -> Body:
    """Return a policy for each rule of the document that a policy can say anything of."""
    lines: list[str] = []
    unsaid = plan.doubts
    for place, grants in zip(plan.places, plan.grants, strict=True):
        fit = []
        for grant in grants:
            blocks = _blocks(grant, plan)
            if isinstance(blocks, str):
                unsaid[Unsaid(grant.lines[0], blocks)] = None
            else:
                fit.append((grant, blocks))
        if fit:
            lines += ["---"] if lines else []
            lines += _policy(place, fit, plan.source)
    return Body(lines, list(unsaid), advice=_ADVICE)


def _blocks(grant: Grant, plan: Plan) -> tuple[str, ...] | str:
    """Return the blocks of a grant, or why a policy cannot have it."""
    peer, port = grant.peer, grant.port
    if peer.kind in _STRANGE:
        return f"{peer.value}: a NetworkPolicy knows no {_STRANGE[peer.kind]}"
    if port.protocol not in (None, *_PROTOCOLS):
        what = peer.called or peer.value
        return f"{proto(port.protocol)} to {what}: a NetworkPolicy knows TCP, UDP and SCTP"
    if port.first == 0 and port.last < _ALL[1]:
        return f"{peer.called or peer.value}: ports of a NetworkPolicy begin with 1"
    if peer.kind != "list":
        return (peer.value,)
    held = (plan.known.lists or {}).get(peer.value)
    if held is None or held.cidrs is None:
        return f"prefix_list {peer.value}: its entries are not known"
    return held.cidrs


def _policy(place: Place, fit: list[tuple[Grant, tuple[str, ...]]], source: str) -> Iterator[str]:
    yield from ("apiVersion: networking.k8s.io/v1", "kind: NetworkPolicy", "metadata:")
    yield f"  name: egress-{text.slug(place.who)}-{text.name(*place.who)[:8]}"
    yield "spec:"
    labels = _labels(place)
    if labels is None:
        yield "  podSelector: {}"
    elif len(labels) == 1:
        yield "  podSelector:"
        yield f"    matchLabels: {{app.kubernetes.io/name: {json.dumps(labels[0])}}}"
    else:
        yield from ("  podSelector:", "    matchExpressions:")
        some = json.dumps(labels)
        yield f"      - {{key: app.kubernetes.io/name, operator: In, values: {some}}}"
    yield from ("  policyTypes: [Egress]", "  egress:")
    for grant, blocks in fit:
        yield f"    # {grant.evidence(source)}"
        yield "    - to:"
        yield from (f"        - ipBlock: {{cidr: {json.dumps(block)}}}" for block in blocks)
        yield from _ports(grant)


def _labels(place: Place) -> list[str] | None:
    """Return the names of workloads as values of a label: at most 63 letters, digits, ``-_.``."""
    if "any" in place.who:
        return None
    names = (who.partition(" ")[2] for who in place.who)
    plain = (_LABEL.sub("-", name)[:63].strip("-_.") for name in names)
    return sorted({each or "x" for each in plain})


def _ports(grant: Grant) -> Iterator[str]:
    port = grant.port
    if port.protocol is None:
        return
    said = f"protocol: {_PROTOCOLS[port.protocol]}"
    if (port.first, port.last) != _ALL:
        said += f", port: {port.first}"
        said += f", endPort: {port.last}" if port.last != port.first else ""
    yield "      ports:"
    yield f"        - {{{said}}}"
