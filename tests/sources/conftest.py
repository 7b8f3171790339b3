import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import duckdb
import polars as pl
import pyarrow as pa
import pytest
import sqlglot


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose line or body contains `match`."""

    match: str
    status: int = 200
    times: int = 1
    body: str = ""
    cut: int | None = None  # bytes of the true body that arrive before the line drops


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
    server: Server

    def forward(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        marks = [self.headers.get("Range", ""), self.headers.get("X-Amz-Target", "")]
        line = " ".join([self.command, self.path, *filter(None, marks)])
        self.server.proxy.requests.append(line)
        fault = self.server.proxy.fault(line + " " + sent.decode("latin-1"))
        if fault is not None and fault.cut is None:
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
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = cut is not None

    do_GET = do_POST = do_PUT = do_HEAD = forward

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


class Engine:
    """Tables that answer Athena's SQL: DuckDB, spoken to through sqlglot."""

    def __init__(self) -> None:
        self.duck = duckdb.connect()

    def hold(self, database: str, table: str, rows: pl.DataFrame) -> None:
        self.duck.register("given", rows.to_arrow())
        self.duck.sql(f'CREATE SCHEMA IF NOT EXISTS "{database}"')
        self.duck.sql(f'CREATE OR REPLACE TABLE "{database}"."{table}" AS SELECT * FROM given')

    def ask(self, query: str) -> pa.Table:
        (said,) = sqlglot.transpile(query, read="athena", write="duckdb")
        return self.duck.sql(said).to_arrow_table()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An empty engine for Athena's SQL."""
    engine = Engine()
    yield engine
    engine.duck.close()
