"""What options stand for: the present, AWS, an engine, lists of addresses, AWS's own ranges."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowlens.cli import console
from flowlens.cli.options import Reading
from flowlens.errors import InputError, UsageError
from flowlens.sources import Aws

__all__ = ["engine", "listed", "offline", "present", "ranges", "reached"]


def present() -> datetime:
    """Return what "now" means: ``SOURCE_DATE_EPOCH`` if set, else the clock.

    Raises:
        UsageError: The variable holds no time.
    """
    fixed = os.environ.get("SOURCE_DATE_EPOCH")
    if not fixed:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(fixed), UTC)
    except (ValueError, OverflowError, OSError) as problem:
        msg = f"SOURCE_DATE_EPOCH={fixed!r} is no time; expected seconds since 1970"
        raise UsageError(msg) from problem


def offline() -> bool:
    """Return whether nothing may be fetched: ``FLOWLENS_OFFLINE`` is set."""
    return bool(os.environ.get("FLOWLENS_OFFLINE"))


def reached(read: Reading) -> Aws:
    """Return how to reach AWS."""
    return Aws(read.profile, read.region, read.endpoint_url)


def engine(read: Reading) -> Any:
    """Return the engine that reads, or None where this machine does.

    Raises:
        UsageError: The address is none.
    """
    if read.engine is None:
        return None
    from flowlens.cluster import Engine

    return Engine(read.engine, read.scratch, reached(read))


def listed(paths: Sequence[Path] | None) -> Any:
    """Return the lists of bad addresses, or None if none was given.

    Raises:
        InputError: A list cannot be read or holds no address.
    """
    if not paths:
        return None
    from flowlens.findings.lists import read

    return read(*paths)


def ranges() -> Path | None:
    """Return the current file of AWS's address ranges.

    Without a network the last one fetched serves; without that there is none, services are known
    only where the logs or the inventory name them, and standard error says so.
    """
    from flowlens.destinations.aws import fetch_ranges

    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        return fetch_ranges(cache=home / "flowlens")
    except InputError as problem:
        console.say(f"note: {problem}")
        return None
