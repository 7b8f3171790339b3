"""An object as a task is told of it: without the open connection, which each worker makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

from flowlens.errors import UsageError
from flowlens.sources import Aws, Object
from flowlens.sources.local import open_local

__all__ = ["groups", "opened", "place", "portable"]

#: Bytes, as stored, and objects that one task reads at most; a larger object is one by itself.
BYTES = 64 << 20
OBJECTS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object is, in the place of the way to it.

    Args:
        uri: The same from everywhere, while the name of the object is as the user wrote it.
    """

    uri: str

    def __call__(self) -> BinaryIO:
        """Never called: `opened` comes first."""
        raise AssertionError(self.uri)


def portable(objects: Sequence[Object]) -> list[Object]:
    """Return objects that can be sent to a worker, which calls `opened` with them.

    Raises:
        UsageError: One can be read only here: standard input, a pipe, a log group.
    """
    for found in objects:
        if found.size is None or found.remote != found.uri.startswith("s3://"):
            msg = f"{found.uri} can be read only from here; leave out --engine, or save it as files"
            raise UsageError(msg)
    return [replace(found, open=_Place(_absolute(found))) for found in objects]


def opened(objects: Sequence[Object], aws: Aws) -> list[Object]:
    """Return sent objects with the way to their bytes from here.

    Args:
        objects: What `portable` returned.
        aws: How to reach AWS; credentials are this machine's.
    """
    return [replace(found, open=_way(found, aws)) for found in objects]


def groups(objects: Sequence[Object], tasks: int) -> list[list[Object]]:
    """Cut objects, in order, into about as many groups of about the same size.

    Args:
        objects: Each with its size.
        tasks: How many groups there are, unless they would be too large.
    """
    most = min(BYTES, -(-sum(found.size or 0 for found in objects) // max(1, tasks)))
    cut: list[list[Object]] = []
    held = 0
    for found in objects:
        size = found.size or 0
        if not cut or held + size > most or len(cut[-1]) >= OBJECTS_AT_ONCE:
            cut.append([])
            held = 0
        cut[-1].append(found)
        held += size
    return cut


def place(found: Object) -> str:
    """Return where a sent object is, in words that are the same on every machine."""
    assert isinstance(found.open, _Place)
    return found.open.uri


def _absolute(found: Object) -> str:
    return found.uri if found.remote else Path(found.uri).absolute().as_posix()


def _way(found: Object, aws: Aws) -> Callable[[], BinaryIO]:
    if not found.remote:
        return partial(open_local, Path(place(found)))
    from flowlens.sources.body import open_body

    bucket, _, key = found.uri.removeprefix("s3://").partition("/")
    get = partial(_s3(aws).get_object, Bucket=bucket, Key=key)
    etag = f'"{found.etag}"' if found.etag else None
    return partial(open_body, get, found.size or 0, etag)


@cache
def _s3(aws: Aws) -> Any:
    """Return this process's client."""
    from flowlens.sources.session import client

    return client("s3", aws)
