"""Frames that threads make ahead of whoever wants them, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

import polars as pl

__all__ = ["abreast", "ahead", "mapped"]

Item = TypeVar("Item")


def ahead(frames: Generator[pl.DataFrame], room: int = 2) -> Generator[pl.DataFrame]:
    """Yield frames that a thread of their own makes, at most `room` of them ahead.

    Polars asks a source from within its thread pool. Calling Polars there, as the readers do,
    lets the threads of the pool wait for each other: a twentieth of all processor time.

    Args:
        frames: Closed when the consumer stops early; what it raises is raised here.
        room: Frames held at most.

    >>> [frame.height for frame in ahead(pl.DataFrame({"a": [n]}) for n in range(3))]
    [1, 1, 1]
    """
    return abreast([frames], 1, room)


def abreast(
    parts: Iterable[Generator[pl.DataFrame]], workers: int, room: int = 2
) -> Generator[pl.DataFrame]:
    """Yield the frames of several parts in order, while the next parts are made already.

    Args:
        parts: Each is made in a thread of its own.
        workers: Parts that are made at the same time.
        room: Frames of each part held at most.

    >>> parts = ((pl.DataFrame({"a": [n]}) for n in some) for some in ([0, 1], [], [2]))
    >>> [frame.item() for frame in abreast(parts, 2)]
    [0, 1, 2]
    """
    rest = iter(parts)
    begun: deque[_Begun] = deque(_Begun(part, room) for part in islice(rest, workers))
    try:
        while begun:
            yield from begun[0].frames()
            begun.popleft().stop()
            begun.extend(_Begun(part, room) for part in islice(rest, 1))
    finally:
        for part in begun:
            part.stop()


def mapped(
    call: Callable[[Item], pl.DataFrame], items: Iterable[Item], workers: int
) -> Iterator[pl.DataFrame]:
    """Yield what is made of each item, in order, while the next ones are made already.

    Args:
        call: Makes a frame; the same threads call it again and again.
        items: What of.
        workers: Threads.

    >>> frames = mapped(lambda n: pl.DataFrame({"a": [n]}), range(3), 2)
    >>> [frame.item() for frame in frames]
    [0, 1, 2]
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[pl.DataFrame]] = deque()
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Begun:
    """Frames that a thread is making."""

    def __init__(self, frames: Generator[pl.DataFrame], room: int) -> None:
        self.waiting: Queue[pl.DataFrame | BaseException | None] = Queue(room)
        self.stopped = Event()
        given = (frames, self.waiting, self.stopped)
        self.maker = Thread(target=_make, args=given, daemon=True)
        self.maker.start()

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the frames; what making them raises is raised here."""
        while (item := self.waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """Wait until the thread has ended; what it has not made yet is not made."""
        self.stopped.set()
        self.maker.join()


def _make(
    frames: Generator[pl.DataFrame],
    waiting: "Queue[pl.DataFrame | BaseException | None]",
    stopped: Event,
) -> None:
    """Put frames, then what they raise, then None, until nobody waits any more."""

    def put(item: pl.DataFrame | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(Full):
                waiting.put(item, timeout=0.1)
                return

    try:
        for frame in frames:
            put(frame)
            if stopped.is_set():
                break
    except BaseException as error:  # the consumer raises it again
        put(error)
    finally:
        frames.close()
        put(None)
