"""The way to a dask.distributed scheduler, for the time of one run."""

import asyncio
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import polars as pl

from flowlens.cluster.portable import place as place_of
from flowlens.cluster.scratch import Scratch, scratch
from flowlens.errors import FlowlensError, UsageError
from flowlens.sources import Aws, Object

if TYPE_CHECKING:
    from flowlens.conversations.parts import Views
    from flowlens.scan import Scan

__all__ = ["Cluster", "Engine"]

Answer = TypeVar("Answer")

PATIENCE = 10  # seconds until a scheduler or its first worker must have answered
AHEAD = 4  # tasks that are with the scheduler for each thread of a worker


@dataclass(frozen=True, slots=True)
class Engine:
    """Where work is done, as `--engine` and `--scratch` say; called, it reads a scan into views.

    Args:
        url: ``dask://HOST:PORT``, the scheduler.
        scratch: Folder or `s3://BUCKET/PREFIX` that all workers reach; None for a temporary
            folder, which does where they run on this machine.
        aws: How to reach AWS. Workers take the region and the endpoint, and have credentials of
            their own.

    Raises:
        UsageError: The address is none.
    """

    url: str
    scratch: str | None = None
    aws: Aws = field(default_factory=Aws)

    def __post_init__(self) -> None:
        """Look at the address before anything is begun."""
        try:
            parts = urlsplit(self.url)
            whole = parts.scheme == "dask" and parts.hostname and parts.port
        except ValueError:
            whole = None
        if not whole:
            msg = f"--engine {self.url}: no such engine; write dask://HOST:PORT of a scheduler"
            raise UsageError(msg)

    def __call__(
        self, scan: "Scan", words: pl.Categorical, columns: frozenset[str], into: "Views"
    ) -> None:
        """Read a scan into views; see `flowlens.cluster.views.views`."""
        from flowlens.cluster.views import views

        views(self, scan, words, columns, into)

    @contextmanager
    def cluster(self, objects: Sequence[Object], beside: str | None = None) -> Iterator["Cluster"]:
        """Connect, see that the workers can do it, and make a scratch folder.

        Args:
            objects: What they will read, as `portable` returns them.
            beside: Where the scratch folder is if nothing else was said.

        Raises:
            UsageError: No scheduler or no worker is there, or a worker lacks something.
        """
        base = self.scratch or beside or tempfile.gettempdir()
        with self._client() as client, scratch(base, self.aws) as place:
            shared = replace(self.aws, profile=None)
            found = Cluster(client, place, shared)
            with place.create("greeting") as (name, _):
                pass
            local = next((place_of(one) for one in objects if not one.remote), None)
            answers = client.run(_greet, found.theirs, name, local, on_error="return")
            _check(answers)
            yield found

    @contextmanager
    def _client(self) -> Iterator[Any]:
        try:
            import dask

            # Lost connections are told in one line, or mended; not as a log of this process.
            dask.config.set({"logging.distributed": "critical"})
            from distributed import Client
        except ImportError as error:
            msg = f"--engine {self.url} needs dask; pip install 'vpc-flowlens[cluster]'"
            raise UsageError(msg) from error
        address = f"tcp://{urlsplit(self.url).netloc}"
        try:
            asyncio.run(_ask(address))
        except (OSError, ValueError) as error:  # also a timeout
            msg = (
                f"--engine {self.url}: no scheduler answers there; start one with `dask scheduler`"
            )
            raise UsageError(msg) from error
        with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            try:
                client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError as error:
                msg = f"--engine {self.url}: no worker is there; start some with `dask worker`"
                raise UsageError(msg) from error
            yield client


async def _ask(address: str) -> None:
    """Let a scheduler say that it is one; a client would wait for ever for what is none.

    Raises:
        OSError: Nobody answers, or not in time, or not as a scheduler does.
    """
    from distributed.core import rpc

    parts = urlsplit(address)
    async with asyncio.timeout(PATIENCE):
        # Dask goes on trying where nobody listens.
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.close()
        await writer.wait_closed()
        async with rpc(address) as scheduler:  # type: ignore[no-untyped-call]
            await scheduler.identity()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connected scheduler, and what its workers share.

    Args:
        client: A `distributed.Client`.
        scratch: The folder of this run, as reached from here.
        aws: How workers reach AWS.
    """

    client: Any
    scratch: Scratch
    aws: Aws

    @property
    def theirs(self) -> Scratch:
        """The folder of this run, as reached by workers."""
        return replace(self.scratch, aws=self.aws)

    @property
    def threads(self) -> int:
        """How many tasks the workers do at the same time."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def each(
        self, function: Callable[..., Answer], tasks: Iterable[tuple[Any, ...]]
    ) -> Iterator[Answer]:
        """Yield what a function returns for each task, in the order of the tasks.

        A task whose worker is lost is done by another one.

        Args:
            function: One of a module that workers have.
            tasks: The arguments of each; taken as workers become free.
        """
        run, waiting = uuid.uuid4(), deque[Any]()
        for number, task in enumerate(tasks):
            if len(waiting) >= AHEAD * self.threads:
                yield _answer(waiting.popleft())
            key = f"{function.__name__}-{run}-{number}"
            # The order of submission is that of the work: the oldest answer is asked for first.
            waiting.append(self.client.submit(function, *task, key=key, priority=-number))
        while waiting:
            yield _answer(waiting.popleft())


def _answer(future: Any) -> Any:
    """Return what a task returned, or raise what it raised.

    Raises:
        FlowlensError: Workers died of it again and again, or all are gone.
    """
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except (KilledWorker, FutureCancelledError) as error:
        said = " ".join(str(error).split())[:200]
        msg = f"the workers did not survive a task ({said}); give them more memory"
        raise FlowlensError(msg) from error


def _greet(place: Scratch, name: str, local: str | None) -> tuple[str, str, bool, bool]:
    """Say, on a worker, what is installed and what can be seen from here."""
    seen = local is None or Path(local).exists()
    return _version(), pl.__version__, place.has(name), seen


def _check(answers: dict[str, Any]) -> None:
    """Compare what workers said with what is true here.

    Raises:
        UsageError: A worker cannot do what it would be asked for.
    """
    here = _version(), pl.__version__
    for worker, answer in sorted(answers.items()):
        if isinstance(answer, BaseException):
            said = " ".join(f"{type(answer).__name__}: {answer}".split())[:200]
            msg = f"worker {worker} cannot work for flowlens ({said}); install the same there"
            raise UsageError(msg)
        *there, scratch_seen, objects_seen = answer
        if tuple(there) != here:
            msg = f"worker {worker} has flowlens and polars {there}, not {[*here]}; install these"
            raise UsageError(msg)
        if not scratch_seen:
            msg = f"worker {worker} does not see the scratch folder; give --scratch one that all do"
            raise UsageError(msg)
        if not objects_seen:
            msg = f"worker {worker} does not see the files of the source; share them, or use s3://…"
            raise UsageError(msg)


def _version() -> str:
    try:
        return version("vpc-flowlens")
    except PackageNotFoundError:
        return ""
