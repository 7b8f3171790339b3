"""May: what security groups, network ACLs, routes and endpoints let happen, and by which rule.

`evaluate` judges flows by an inventory; `may` says what workloads may reach, `changes` what another
configuration would change, `exposure` what of it was never used.
"""

from flowlens.reach.evaluate import evaluate
from flowlens.reach.exposure import exposure
from flowlens.reach.may import changes, may
from flowlens.reach.outlook import outlook
from flowlens.reach.schema import CHANGES, EXPOSURE, FLOWS, MAY, OUTLOOK, REACH
from flowlens.reach.whatif import changed

__all__ = [
    "CHANGES",
    "EXPOSURE",
    "FLOWS",
    "MAY",
    "OUTLOOK",
    "REACH",
    "changed",
    "changes",
    "evaluate",
    "exposure",
    "may",
    "outlook",
]
