"""Frames that threads make ahead of whoever wants them, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

import polars as pl

__all__ = ["abreast", "ahead", "mapped"]

Item = TypeVar("Item")
Made = TypeVar("Made")


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
        parts: Each is made in one thread.
        workers: Parts that are made at the same time.
        room: Frames of each part held at most.

    >>> parts = ((pl.DataFrame({"a": [n]}) for n in some) for some in ([0, 1], [], [2]))
    >>> [frame.item() for frame in abreast(parts, 2)]
    [0, 1, 2]
    """
    rest = (_Part(part, room) for part in parts)
    turn: Queue[_Part | None] = Queue()
    # Threads that stay are spread over the processors; of new ones two often share one for long.
    crew = [Thread(target=_work, args=(turn,), daemon=True) for _ in range(workers)]
    begun: deque[_Part] = deque()

    def begin(count: int) -> None:
        for part in islice(rest, count):
            begun.append(part)
            turn.put(part)

    for thread in crew:
        thread.start()
    try:
        begin(2 * workers)  # so that whoever is done early goes on
        while begun:
            yield from begun[0].taken()
            begun.popleft()
            begin(1)
    finally:
        for part in begun:
            part.stopped.set()
        for _ in crew:
            turn.put(None)
        for thread in crew:
            thread.join()


def mapped(call: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Iterator[Made]:
    """Yield what is made of each item, in order, while the next ones are made already.

    Args:
        call: Makes it; the same threads call it again and again.
        items: What of.
        workers: Threads.

    >>> frames = mapped(lambda n: pl.DataFrame({"a": [n]}), range(3), 2)
    >>> [frame.item() for frame in frames]
    [0, 1, 2]
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(slots=True)
class _Part:
    """Frames that a thread makes; made, they wait here, at most `room` of them."""

    frames: Generator[pl.DataFrame]
    room: int
    waiting: "Queue[pl.DataFrame | BaseException | None]" = field(init=False)
    stopped: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.waiting = Queue(self.room)

    def taken(self) -> Iterator[pl.DataFrame]:
        """Yield the frames; what making them raises is raised here."""
        while (item := self.waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def make(self) -> None:
        """Put frames, then what they raise, then None, until nobody waits any more."""
        try:
            while not self.stopped.is_set() and (frame := next(self.frames, None)) is not None:
                self.put(frame)
        except BaseException as error:  # the consumer raises it again
            self.put(error)
        finally:
            self.frames.close()
            self.put(None)

    def put(self, item: pl.DataFrame | BaseException | None) -> None:
        """Put an item where there is room for it, unless nobody waits."""
        while not self.stopped.is_set():
            with suppress(Full):
                self.waiting.put(item, timeout=0.1)
                return


def _work(turn: "Queue[_Part | None]") -> None:
    """Make one part after the other."""
    while (part := turn.get()) is not None:
        part.make()
