"""Open objects in order; those across a network are fetched while earlier ones are read."""

import io
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import BinaryIO

from flowlens.sources.base import Lost, Object

__all__ = ["fetch"]

#: Objects that are fetched ahead, and bytes of them that may lie in memory.
AHEAD = 4
BUDGET = 64 << 20

Pending = tuple[Object, Future[bytes] | None]


def fetch(objects: Iterable[Object]) -> Generator[tuple[Object, BinaryIO | Lost]]:
    """Yield each object, in the order given, with its open stream or why it is lost.

    A stream is closed when the next one is asked for. Objects of at most a quarter of the budget
    are fetched whole, ahead of their turn; larger ones are streamed when it comes.

    Args:
        objects: What to open.
    """
    waiting = iter(objects)
    queue: deque[Pending] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="fetch") as pool:
        try:
            while _fill(queue, waiting, pool):
                found, future = queue[0]
                opened = _open(found, future)
                queue.popleft()
                yield from _hold(found, opened)
        finally:
            for _, future in queue:
                if future is not None:
                    future.cancel()


def _fill(queue: deque[Pending], waiting: Iterator[Object], pool: ThreadPoolExecutor) -> bool:
    """Start what fits; say whether anything is left."""
    while len(queue) < AHEAD:
        found = next(waiting, None)
        if found is None:
            break
        small = found.remote and found.size is not None and found.size <= BUDGET // AHEAD
        queue.append((found, pool.submit(_load, found) if small else None))
    return bool(queue)


def _load(found: Object) -> bytes:
    with closing(found.open()) as stream:
        return stream.read()


def _open(found: Object, future: Future[bytes] | None) -> BinaryIO | Lost:
    try:
        return found.open() if future is None else io.BytesIO(future.result())
    except Lost as lost:
        return lost


def _hold(found: Object, opened: BinaryIO | Lost) -> Iterator[tuple[Object, BinaryIO | Lost]]:
    if isinstance(opened, Lost):
        yield found, opened
        return
    with closing(opened):
        yield found, opened
