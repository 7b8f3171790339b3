"""The expected document as rules in the words of others.

`plan` makes one table of rules of a document and an inventory; a module for each target writes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowlens.errors import UsageError
from flowlens.expected.render import (
    awscli,
    cdk,
    cloudformation,
    dns,
    domains,
    kubernetes,
    lists,
    sam,
    suricata,
    terraform,
)
from flowlens.expected.render.body import Body
from flowlens.expected.render.changes import CHANGES, Change, changes
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.plan import RULES, Plan, plan
from flowlens.expected.render.text import comment
from flowlens.words import noun

__all__ = [
    "CHANGES",
    "GROUPED",
    "RULES",
    "TO",
    "Change",
    "Plan",
    "Rendering",
    "Unsaid",
    "changes",
    "plan",
    "render",
    "written",
]

#: Targets by name.
TO: Mapping[str, Callable[[Plan], Body]] = {
    "terraform": terraform.render,
    "cloudformation": cloudformation.render,
    "sam": sam.render,
    "cdk": cdk.render,
    "awscli": awscli.render,
    "suricata": suricata.render,
    "nfw-domains": domains.render,
    "dns-firewall": dns.render,
    "prefix-list": lists.render,
    "k8s": kubernetes.render,
}

#: Targets whose rules stand in security groups: they need to know which.
GROUPED = ("terraform", "cloudformation", "sam", "cdk", "awscli", "prefix-list")


@dataclass(frozen=True, slots=True)
class Rendering:
    """A file, and what it does not say.

    Attributes:
        text: The file.
        unsaid: What is left out (`left`), and what is said with a difference.
    """

    text: str
    unsaid: tuple[Unsaid, ...]

    @property
    def left(self) -> tuple[Unsaid, ...]:
        """What is left out."""
        return tuple(each for each in self.unsaid if each.left)


def render(plan: Plan, to: str) -> Rendering:
    """Return a plan in the words of a target.

    Args:
        plan: From `plan`.
        to: One of `TO`.

    Raises:
        UsageError: There is no such target.
    """
    if to not in TO:
        msg = f"{to!r} is nothing to render to; use one of {', '.join(TO)}"
        raise UsageError(msg)
    return written(TO[to](plan), plan.source)


def written(body: Body, source: str) -> Rendering:
    """Return a file with its head: where it is from, what it does not say, what to know."""
    unsaid = tuple(sorted(set(body.unsaid), key=lambda each: (not each.left, each.line, each.text)))
    head = [*body.first, f"# Egress rules of {comment(source)}, by flowlens."]
    head += [f"# {line}" for line in body.advice]
    left = [each for each in unsaid if each.left]
    if left:
        head += ["#", f"# Not in here ({noun(len(left), 'thing')}):", *map(_told, left)]
    if len(unsaid) > len(left):
        head += ["#", "# Said with a difference:"]
        head += [_told(each) for each in unsaid if not each.left]
    return Rendering("\n".join([*head, "", *body.lines]).rstrip("\n") + "\n", unsaid)


def _told(each: Unsaid) -> str:
    return f"#   line {each.line}: {comment(each.text)}"
