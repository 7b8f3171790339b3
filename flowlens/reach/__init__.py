"""May: what security groups, network ACLs, routes and endpoints let happen, and by which rule.

`evaluate` judges flows by an inventory; `explain` holds what a log says of flows against it; `may`
says what workloads may reach, `changes` what another configuration would change, `exposure` what of
it was never used.
"""

from typing import TYPE_CHECKING

from flowlens.deferred import defer

if TYPE_CHECKING:
    from flowlens.reach.evaluate import evaluate
    from flowlens.reach.explain import explain
    from flowlens.reach.exposure import exposure
    from flowlens.reach.gained import changes
    from flowlens.reach.may import may
    from flowlens.reach.outlook import outlook
    from flowlens.reach.schema import CHANGES, EXPLAINED, EXPOSURE, FLOWS, MAY, OUTLOOK, REACH
    from flowlens.reach.whatif import changed

__all__ = [
    "CHANGES",
    "EXPLAINED",
    "EXPOSURE",
    "FLOWS",
    "MAY",
    "OUTLOOK",
    "REACH",
    "changed",
    "changes",
    "evaluate",
    "explain",
    "exposure",
    "may",
    "outlook",
]

defer(
    __name__,
    {
        **{name: (name,) for name in ("evaluate", "explain", "exposure", "may", "outlook")},
        "gained": ("changes",),
        "schema": ("CHANGES", "EXPLAINED", "EXPOSURE", "FLOWS", "MAY", "OUTLOOK", "REACH"),
        "whatif": ("changed",),
    },
)
