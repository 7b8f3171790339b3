import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose line contains `match`."""

    match: str
    status: int = 200
    times: int = 1
    body: str = ""
    cut: int | None = None  # bytes of the true body that arrive before the line drops


@dataclass
class Proxy:
    """A server in front of moto that writes requests down and spoils some of them."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def spoil(self, match: str, **how: Any) -> None:
        """Spoil requests whose line or body contains `match`, as `Fault` says."""
        self.faults.append(Fault(match, **how))

    def fault(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.match in line and fault.times > 0:
                fault.times -= 1
                return fault
        return None


def _handler(proxy: Proxy, backend: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            target = self.headers.get("X-Amz-Target", "")
            line = f"{self.command} {self.path} {self.headers.get('Range', '')} {target}".rstrip()
            proxy.requests.append(line)
            fault = proxy.fault(line + " " + sent.decode("latin-1"))
            if fault is not None and fault.cut is None:
                self.answer(fault.status, {}, fault.body.encode())
                return
            link = http.client.HTTPConnection(urlsplit(backend).netloc)
            link.request(self.command, self.path, sent, dict(self.headers))
            got = link.getresponse()
            body = got.read()
            link.close()
            cut = None if fault is None else fault.cut
            self.answer(got.status, dict(got.getheaders()), body, cut)

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
            if cut is not None:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_HEAD = forward

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def proxy(aws_server: str) -> Iterator[Proxy]:
    """A way to `aws_server` that notes requests and can be told to fail."""
    proxy = Proxy("")
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy, aws_server)) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield proxy
        server.shutdown()
        thread.join()
