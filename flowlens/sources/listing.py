"""What the command line calls SRC, as objects."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from flowlens.errors import UsageError
from flowlens.sources.base import Aws, Object, Window
from flowlens.sources.local import list_local, list_stdin

__all__ = ["Source", "list_objects"]

Source = str | Path | Sequence[str | Path]


def list_objects(
    src: Source,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    options: Aws | None = None,
    format: str | None = None,
    service: str = "vpcflowlogs",
    note: Callable[[str], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Object]:
    """Yield the objects of one or several sources, each object once.

    Sources come in the order given, the objects of a source sorted by name.

    Args:
        src: A file, folder, glob, `-`, `s3://BUCKET/PREFIX`, `cloudwatch:LOG-GROUP`,
            `athena:DATABASE.TABLE`, or several.
        since: First moment asked for; objects that cannot hold records of it are left out.
        until: First moment no longer asked for.
        options: How to reach AWS.
        format: Log format given by the user, for log groups; None looks it up.
        service: Folder of the wanted AWS service below `AWSLogs/ACCOUNT/`; others are left out
            where a prefix spans several. Resolver query logs: `vpcdnsquerylogs`.
        note: Told in one line what was left out or assumed.
        say: Told at once, in one line, what costs money.

    Raises:
        UsageError: `until` is not after `since`, or no source is named.
        InputError: A source does not exist or is empty.
        AccessError: AWS credentials or a permission is missing.
    """
    window = Window(since, until)
    if window.since is not None and window.until is not None and window.until <= window.since:
        msg = f"the time ends ({window.until}) before it begins ({window.since}); swap them"
        raise UsageError(msg)
    clients = _clients(options or Aws())
    seen: set[str] = set()
    for one in _sources(src):
        for found in _list(
            one, window, clients, format=format, service=service, note=note, say=say
        ):
            if found.uri not in seen:
                seen.add(found.uri)
                yield found


def _sources(src: Source) -> list[str]:
    several = [src] if isinstance(src, str | Path) else src
    if not several:
        msg = "no source named; give a file, folder, glob, -, s3://…, cloudwatch:… or athena:…"
        raise UsageError(msg)
    return [str(one) for one in several]


def _clients(aws: Aws) -> Callable[[str], Any]:
    """Return a function that makes one client for each AWS service, when first asked."""

    @cache
    def make(service: str) -> Any:
        from flowlens.sources.session import client

        return client(service, aws)

    return make


def _list(
    src: str,
    window: Window,
    clients: Callable[[str], Any],
    *,
    format: str | None,
    service: str,
    note: Callable[[str], None],
    say: Callable[[str], None],
) -> Iterator[Object]:
    if src == "-":
        return list_stdin()
    if src.startswith("s3://"):
        from flowlens.sources.s3 import list_s3

        return list_s3(clients("s3"), src, window, service, note)
    if src.startswith("cloudwatch:"):
        from flowlens.sources.cloudwatch import list_cloudwatch

        return list_cloudwatch(clients, src, window, format, note)
    if src.startswith("athena:"):
        from flowlens.sources.athena import list_athena

        if service != "vpcflowlogs":
            msg = f"{src}: a table of Athena is read for flow logs only, not for {service}"
            raise UsageError(msg)
        return list_athena(clients, src, window, note, say)
    return list_local(src, window, note)
