"""The verbs that speak of an AWS account: capture its inventory, print the policy for it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from flowlens.cli import console
from flowlens.errors import UsageError

__all__ = ["capture", "document"]


def capture(output: Path, profile: str | None, region: str | None, url: str | None) -> None:
    """Capture an inventory into a file, and say which calls were refused."""
    from flowlens import inventory
    from flowlens.output import place
    from flowlens.sources import Aws

    taken = inventory.snapshot(datetime.now(UTC), aws=Aws(profile, region, url))
    with place(output) as file:
        file.write(json.dumps(taken, indent=1, sort_keys=True, default=str).encode() + b"\n")
    for call, why in sorted(taken.get("errors", {}).items()):
        console.say(f"unknown: {call}: {why}")
    console.say(f"{len(taken['calls'])} calls answered, {len(taken.get('errors', {}))} refused")
    console.say(f"wrote {output}")


def document(*, policy: bool) -> str:
    """Return the least IAM policy as JSON."""
    if not policy:
        msg = "doctor needs --policy, which prints the least IAM policy"
        raise UsageError(msg)
    from flowlens import inventory

    return json.dumps(inventory.policy(), indent=2) + "\n"
