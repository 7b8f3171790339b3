import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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


#: Without this it lists its own folder twice at each request, a third of its time.
MOTO = """
import sys
from moto import backends, server
services = frozenset(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: services
server.main(sys.argv[1:])
"""


@pytest.fixture(scope="session")
def _moto() -> Iterator[str]:
    """A moto server of this process's own, so that parallel workers do not meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", MOTO, "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = os.environ | {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}  # hundreds in each new region
    with subprocess.Popen(command, env=env, **quiet) as server:  # type: ignore[call-overload]
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


CUT = 0


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose line or body contains `match`."""

    match: str
    status: int = 200  # `CUT`: the line drops instead of an answer
    times: int = 1
    body: str = ""
    cut: int | None = None  # bytes of the true body that arrive before the line drops
    done: bool = False  # the request is carried out, and only its answer is spoiled


Reply = tuple[int, dict[str, str], bytes]
Service = Callable[[str, bytes, Callable[[], Reply]], Reply]


@dataclass
class Proxy:
    """A server in front of moto that writes requests down and spoils some of them."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    page: int = 1000  # entries of a page of a bucket's listing
    service: Service | None = None  # stands between: is given a call, its body, and a way on

    def spoil(self, match: str, **how: Any) -> None:
        """Spoil requests whose line or body contains `match`, as `Fault` says."""
        self.faults.append(Fault(match, **how))

    def fault(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.match in line and fault.times > 0:
                fault.times -= 1
                return fault
        return None


class Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: Proxy
    backend: str

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that drops a transfer is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer waits for the receipt of its head
    server: Server

    def forward(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        marks = [self.headers.get("Range", ""), self.headers.get("X-Amz-Target", "")]
        line = " ".join([self.command, self.path, *filter(None, marks)])
        self.server.proxy.requests.append(line)
        fault = self.server.proxy.fault(line + " " + sent.decode("latin-1"))
        if fault is not None and fault.cut is None:
            if fault.done:
                self.ask(sent)
            if fault.status == CUT:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.answer(fault.status, {}, fault.body.encode())
            return
        if "list-type=2" in self.path:
            self.path += f"&max-keys={self.server.proxy.page}"
        service, call = self.server.proxy.service, self.headers.get("X-Amz-Target", "")
        onward = partial(self.ask, sent)
        status, headers, body = service(call, sent, onward) if service else onward()
        self.answer(status, headers, body, fault.cut if fault else None)

    def ask(self, sent: bytes) -> Reply:
        with closing(http.client.HTTPConnection(urlsplit(self.server.backend).netloc)) as link:
            link.request(self.command, self.path, sent, dict(self.headers))
            got = link.getresponse()
            return got.status, dict(got.getheaders()), got.read()

    def answer(
        self, status: int, headers: dict[str, str], body: bytes, cut: int | None = None
    ) -> None:
        self.send_response(status)
        skip = {"content-length", "connection", "transfer-encoding", "server", "date"}
        for name, value in headers.items():
            if name.lower() not in skip:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers.items()}.get("content-length")
        size = length if self.command == "HEAD" and length else str(len(body))
        self.send_header("Content-Length", size)
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = cut is not None

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = forward

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def proxy(aws_server: str) -> Iterator[Proxy]:
    """A way to `aws_server` that notes requests and can be told to fail."""
    with Server(("127.0.0.1", 0), Handler) as server:
        proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
        server.proxy, server.backend = proxy, aws_server
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield proxy
        server.shutdown()
        thread.join()
