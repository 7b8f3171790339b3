import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import settings

# A landing run is repeatable; runs at a desk go on looking for new cases.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

PUBLISHED = Path(__file__).parent.parent.parent / "shared" / "fixtures"


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of flow-log records that other people published; the test skips without it."""
    if not PUBLISHED.is_dir():
        pytest.skip("the folder of published records is not there")
    return PUBLISHED


@pytest.fixture(scope="session")
def _moto() -> Iterator[str]:
    """A moto server of this process's own, so that parallel workers do not meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as server:  # type: ignore[call-overload]
        try:
            _wait(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    msg = f"moto did not answer on port {port}"
    raise TimeoutError(msg)


@pytest.fixture
def aws_server(_moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The endpoint of an empty AWS, with credentials for it and nobody's own settings."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    reset = urllib.request.Request(f"{_moto}/moto-api/reset", method="POST")
    with urllib.request.urlopen(reset):
        return _moto


@pytest.fixture
def aws_client(aws_server: str) -> Callable[[str], Any]:
    """Makes a client of a service of `aws_server` that may write, to prepare a test."""
    config = Config(retries={"max_attempts": 0})
    return lambda service: boto3.client(service, endpoint_url=aws_server, config=config)
