import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from flowlens.destinations.aws import Ranges, fetch_ranges, locate, ranges
from flowlens.errors import InputError


def four(prefix: str, service: str, region: str = "us-east-1") -> dict[str, str]:
    return {
        "ip_prefix": prefix,
        "region": region,
        "service": service,
        "network_border_group": region,
    }


PUBLISHED: dict[str, Any] = {
    "syncToken": "1793750400",
    "createDate": "2026-11-04-00-00-00",
    "prefixes": [
        four("52.216.0.0/15", "AMAZON"),
        four("52.216.0.0/15", "S3"),
        four("18.204.0.0/14", "EC2"),
        four("18.204.0.0/14", "AMAZON"),
        four("18.206.107.24/29", "EC2_INSTANCE_CONNECT"),
        four("18.206.107.24/29", "AMAZON"),
        four("3.0.0.0/15", "AMAZON"),
        # A longer prefix of AMAZON must not hide the service around it.
        four("15.200.0.0/16", "DYNAMODB", "us-gov-west-1"),
        four("15.200.1.0/24", "AMAZON", "us-gov-west-1"),
        four("130.176.0.0/16", "EC2", "us-west-2"),
        four("130.176.0.0/16", "CLOUDFRONT", "GLOBAL"),
    ],
    "ipv6_prefixes": [
        {"ipv6_prefix": "2600:1f00:6000::/40", "region": "us-west-2", "service": "EC2"},
    ],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ip-ranges.json"
    path.write_text(json.dumps(PUBLISHED))
    return path


def test_ranges_are_dated(file: Path) -> None:
    """The table tells when AWS published it and has both families."""
    known = ranges(file)
    assert known.created == datetime(2026, 11, 4, tzinfo=UTC)
    assert known.table.height == 12
    assert known.table.row(-1) == ("2600:1f00:6000::/40", "EC2", "us-west-2")


def test_most_specific_service_wins(file: Path) -> None:
    """Any code beats AMAZON, then the longest prefix wins, then any code beats EC2."""
    addresses = [
        "52.217.1.1",
        "18.206.107.25",
        "18.206.0.1",
        "3.1.0.1",
        "15.200.1.7",
        "130.176.4.4",
        "2600:1f00:6000::7",
        "192.0.2.1",
        "10.0.0.1",
    ]
    found = locate(pl.Series(addresses), ranges(file)).select("address", "service", "region")
    assert {a: (s, r) for a, s, r in found.rows()} == {
        "52.217.1.1": ("S3", "us-east-1"),
        "18.206.107.25": ("EC2_INSTANCE_CONNECT", "us-east-1"),
        "18.206.0.1": ("EC2", "us-east-1"),
        "3.1.0.1": ("AMAZON", "us-east-1"),
        "15.200.1.7": ("DYNAMODB", "us-gov-west-1"),
        "130.176.4.4": ("CLOUDFRONT", "GLOBAL"),
        "2600:1f00:6000::7": ("EC2", "us-west-2"),
    }


def test_all_services_of_an_address_are_kept(file: Path) -> None:
    """Every code whose range holds the address is listed."""
    found = locate(pl.Series(["18.206.107.25"]), ranges(file))
    assert found["services"].to_list() == [["AMAZON", "EC2", "EC2_INSTANCE_CONNECT"]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("{}", "no 'prefixes'"),
        ("[]", "list indices"),
        ('{"prefixes": [{"ip_prefix": "10.0.0.1/8", "service": "S3"}]}', "host bits set"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    """A file that is not what AWS publishes is named with the reason."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"x.json: not a file of AWS address ranges .*{reason}"):
        ranges(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is named with what the system says."""
    with pytest.raises(InputError, match="No such file"):
        ranges(tmp_path / "none.json")


class Site(BaseHTTPRequestHandler):
    """Serves the ranges as AWS does: with an entity tag, and nothing where it is unchanged."""

    body = json.dumps(PUBLISHED).encode()
    status = 200
    seen: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        same = self.headers.get("If-None-Match") == '"one"'
        status = 304 if same and self.status == 200 else self.status
        self.seen.append(status)
        self.send_response(status)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(self.body) if status == 200 else 0))
        self.end_headers()
        if status == 200:
            self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def site() -> Iterator[tuple[str, type[Site]]]:
    handler = type("Handler", (Site,), {"seen": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ip-ranges.json", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_ranges_are_fetched_once(site: tuple[str, type[Site]], tmp_path: Path) -> None:
    """The second time the cached file is found to be current."""
    url, handler = site
    first = fetch_ranges(url, cache=tmp_path / "cache")
    second = fetch_ranges(url, cache=tmp_path / "cache")
    assert handler.seen == [200, 304]
    assert first == second
    assert ranges(first).table.height == 12


def test_cache_stands_in_for_a_site_that_fails(
    site: tuple[str, type[Site]], tmp_path: Path
) -> None:
    """When AWS does not answer, or answers nonsense, the last good file is used."""
    url, handler = site
    kept = fetch_ranges(url, cache=tmp_path)
    handler.status = 503
    assert fetch_ranges(url, cache=tmp_path) == kept
    handler.status, handler.body = 200, b"<html>"
    (tmp_path / "ip-ranges.etag").write_text('"other"')
    assert fetch_ranges(url, cache=tmp_path) == kept
    assert isinstance(ranges(kept), Ranges)


def test_site_that_fails_without_cache_is_an_error(
    site: tuple[str, type[Site]], tmp_path: Path
) -> None:
    """Without a file in the cache the failure is told with the way out."""
    url, handler = site
    handler.status = 503
    with pytest.raises(InputError, match=r"503.*--aws-ranges"):
        fetch_ranges(url, cache=tmp_path)
    with pytest.raises(InputError, match="expected an https address"):
        fetch_ranges("file:///etc/passwd", cache=tmp_path)
