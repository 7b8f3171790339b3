"""May: what security groups, network ACLs, routes and endpoints let happen, and by which rule.

`evaluate` judges flows by an inventory; `FLOWS` and `REACH` are the columns it takes and gives.
`explain` holds what a log says of flows against it, and gives `EXPLAINED`.
"""

from flowlens.reach.evaluate import evaluate
from flowlens.reach.explain import explain
from flowlens.reach.schema import EXPLAINED, FLOWS, REACH

__all__ = ["EXPLAINED", "FLOWS", "REACH", "evaluate", "explain"]
