"""AWS configuration as it was: captures, owners of interfaces, and who held an address when.

``fetch`` asks AWS (boto3 is nowhere else in the inventory), ``load`` reads what was captured,
``shape`` makes tables of it, ``owners`` and ``asof`` use them.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flowlens.inventory.asof import own
from flowlens.inventory.calls import CALLS, Call, policy
from flowlens.inventory.capture import Capture
from flowlens.inventory.holding import addresses
from flowlens.inventory.load import load
from flowlens.inventory.model import Inventory
from flowlens.inventory.owners import middleboxes, owners

if TYPE_CHECKING:
    from flowlens.sources.base import Aws

__all__ = [
    "CALLS",
    "Call",
    "Capture",
    "Inventory",
    "addresses",
    "load",
    "middleboxes",
    "own",
    "owners",
    "policy",
    "snapshot",
]


def snapshot(
    captured_at: datetime,
    *,
    aws: "Aws | None" = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Capture an inventory with read-only calls; see `flowlens.inventory.fetch.snapshot`."""
    from flowlens.inventory import fetch  # boto3 takes long to import

    return fetch.snapshot(captured_at, aws=aws, progress=progress)
