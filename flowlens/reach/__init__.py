"""May: what security groups, network ACLs, routes and endpoints let happen, and by which rule.

`evaluate` judges flows by an inventory; `FLOWS` and `REACH` are the columns it takes and gives.
"""

from flowlens.reach.evaluate import evaluate
from flowlens.reach.schema import FLOWS, REACH

__all__ = ["FLOWS", "REACH", "evaluate"]
