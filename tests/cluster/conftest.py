import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

#: Workers have credentials of their own.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass
class Machines:
    """A scheduler and workers, each a process of its own."""

    folder: Path
    address: str = ""
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.address.replace("tcp://", "dask://")

    def start(self, what: str, *options: str, **more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard", *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.folder, env=os.environ | more, **quiet)  # type: ignore[call-overload, no-any-return]

    def add(self, name: str) -> None:
        """Start a worker of one thread."""
        options = ("--name", name, "--nthreads", "1", "--no-nanny", "--memory-limit", "0")
        self.workers[name] = self.start("worker", self.address, *options, **CREDENTIALS)

    def kill(self, name: str) -> None:
        process = self.workers.pop(name)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler with two workers."""
    folder = tmp_path_factory.mktemp("machines")
    made, told = Machines(folder), folder / "scheduler.json"
    with ExitStack() as stack:
        options = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", told.name)
        scheduler = stack.enter_context(made.start("scheduler", *options))
        stack.callback(scheduler.kill)
        while not made.address:
            assert scheduler.poll() is None
            time.sleep(0.05)
            if told.exists() and told.read_text().endswith("}"):
                made.address = json.loads(told.read_text())["address"]
        made.add("one")
        made.add("two")
        yield made
        for name in list(made.workers):
            made.kill(name)
