import io
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from flowlens.errors import AccessError, InputError
from flowlens.sources import Aws, Lost, Object, fetch, list_objects

Client = Callable[[str], Any]

DAY: dict[str, Any] = {
    "since": datetime(2026, 7, 14, tzinfo=UTC),
    "until": datetime(2026, 7, 15, tzinfo=UTC),
}
PLAIN = "p/AWSLogs/1/vpcflowlogs/eu-west-1/"
HIVE = "AWSLogs/aws-account-id=1/aws-service=vpcflowlogs/aws-region=eu-west-1/"
DENIED = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
BUSY = "<Error><Code>SlowDown</Code><Message>slow</Message></Error>"


def _file(slot: str, flow_log: str = "fl-0a", suffix: str = "gz") -> str:
    return f"1_vpcflowlogs_eu-west-1_{flow_log}_{slot}Z_h.log.{suffix}"


@pytest.fixture
def put(aws_client: Client) -> Callable[..., None]:
    """Makes the bucket `logs` and puts an object under each key."""
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="logs")

    def put(*keys: str, body: bytes = b"x") -> None:
        for key in keys:
            s3.put_object(Bucket="logs", Key=key, Body=body)

    return put


def _list(endpoint: str, src: str = "s3://logs", **options: Any) -> list[Object]:
    return list(list_objects(src, options=Aws(endpoint_url=endpoint), **options))


def _keys(objects: list[Object]) -> list[str]:
    return [one.uri.removeprefix("s3://logs/") for one in objects]


def _read(found: Object) -> bytes:
    with closing(found.open()) as stream:
        return stream.read()


@pytest.mark.parametrize(
    ("base", "folder"),
    [
        (PLAIN, "%Y/%m/%d/"),
        (PLAIN, "%Y/%m/%d/%H/"),
        (HIVE, "year=%Y/month=%m/day=%d/"),
        (HIVE, "year=%Y/month=%m/day=%d/hour=%H/"),
    ],
)
def test_every_layout_is_pruned_from_every_height(
    aws_server: str, put: Callable[..., None], base: str, folder: str
) -> None:
    """The four layouts give the same objects of a day, whatever prefix is given above the days."""
    slots = ["20250714T1200", "20260713T2345", "20260713T2350", "20260714T1200", "20260716T0010"]
    slots += ["20260716T0015", "20260717T0000", "20270101T0000"]
    keys = []
    for slot in slots:
        when = datetime.strptime(slot, "%Y%m%dT%H%M")
        keys.append(base + when.strftime(folder) + _file(slot))
    put(*keys)
    for up in (0, 1, 3, 99):
        prefix = "/".join(base.split("/")[: max(0, base.count("/") - up)])
        assert _keys(_list(aws_server, f"s3://logs/{prefix}", **DAY)) == keys[2:5], prefix
        assert _keys(_list(aws_server, f"s3://logs/{prefix}")) == keys, prefix


def test_other_years_are_not_listed(proxy: Any, put: Callable[..., None]) -> None:
    """Below a region's folder one request starts at the first day, whatever lies before."""
    old = [f"{PLAIN}2025/{month:02}/01/{_file(f'2025{month:02}01T0000')}" for month in range(1, 13)]
    key = f"{PLAIN}2026/07/14/{_file('20260714T0000')}"
    put(*old, key)
    proxy.requests.clear()
    (found,) = _list(proxy.url, f"s3://logs/{PLAIN}", **DAY)
    assert found.uri == f"s3://logs/{key}"
    listings = [parse_qs(urlsplit(line.split()[1]).query) for line in proxy.requests]
    assert [query.get("start-after") for query in listings] == [[f"{PLAIN}2026/07/13/"]]


def test_prefix_inside_the_days(aws_server: str, put: Callable[..., None]) -> None:
    """A prefix may end in a date folder or within a name; the time still prunes."""
    keys = [f"{PLAIN}2026/07/{day}/{_file(f'202607{day}T1000')}" for day in (10, 14, 15, 20)]
    put(*keys)
    assert _keys(_list(aws_server, f"s3://logs/{PLAIN}2026/07", **DAY)) == keys[1:3]
    assert _keys(_list(aws_server, f"s3://logs/{PLAIN}2026/07/1")) == keys[:3]
    assert _keys(_list(aws_server, f"s3://logs/{keys[3]}")) == keys[3:]


def test_folder_is_not_its_neighbour(aws_server: str, put: Callable[..., None]) -> None:
    """`logs` means the folder `logs/`, not also `logs-old/`; one object means itself only."""
    put("logs-old/a.log", "logs/a.log", "logs/a.log.bak", "logs/sub/")
    assert _keys(_list(aws_server, "s3://logs/logs")) == ["logs/a.log", "logs/a.log.bak"]
    assert _keys(_list(aws_server, "s3://logs/logs/a.log")) == ["logs/a.log"]
    assert len(_list(aws_server, "s3://logs/lo")) == 3


def test_other_services_are_left_out(aws_server: str, put: Callable[..., None]) -> None:
    """Other services' folders are left out, which is said, unless they are what was named."""
    put("AWSLogs/1/CloudTrail/eu-west-1/x.json.gz", PLAIN[2:] + "2026/07/14/a.log.gz")
    put("AWSLogs/1/vpcdnsquerylogs/vpc-1/2026/07/14/q.log.gz")
    notes: list[str] = []
    assert _keys(_list(aws_server, note=notes.append)) == [PLAIN[2:] + "2026/07/14/a.log.gz"]
    assert notes == [
        "s3://logs/AWSLogs/1/CloudTrail/ is not vpcflowlogs: left out",
        "s3://logs/AWSLogs/1/vpcdnsquerylogs/ is not vpcflowlogs: left out",
    ]
    (answers,) = _list(aws_server, service="vpcdnsquerylogs", **DAY)
    assert answers.uri.endswith("q.log.gz")
    assert len(_list(aws_server, "s3://logs/AWSLogs/1/CloudTrail/")) == 1


def test_object_tells_identity(aws_server: str, put: Callable[..., None]) -> None:
    """An object has size, version, time and flow log; text and Parquet lie side by side."""
    put(PLAIN + _file("20260714T0000", "fl-0a"), body=b"abc")
    put(PLAIN + _file("20260714T0000", "fl-0b", "parquet"))
    first, second = _list(aws_server)
    assert (first.size, first.etag, first.flow_log, second.flow_log) == (
        3,
        "900150983cd24fb0d6963f7d28e17f72",
        "fl-0a",
        "fl-0b",
    )
    assert first.modified is not None
    assert first.modified.tzinfo is not None
    assert _read(first) == b"abc"


def test_many_pages(proxy: Any, put: Callable[..., None]) -> None:
    """A listing longer than a page is followed to its end."""
    names = [f"a/{number:02}.log" for number in range(7)]
    put(*names, "b/c.log")
    proxy.page = 2
    assert _keys(_list(proxy.url)) == [*names, "b/c.log"]


def test_empty_and_missing_buckets_are_named(aws_server: str, put: Callable[..., None]) -> None:
    """An empty bucket, an empty prefix and a missing bucket are errors of one line."""
    with pytest.raises(InputError, match="s3://logs: no vpcflowlogs objects"):
        _list(aws_server)
    put("here/a.log")
    with pytest.raises(InputError, match="s3://logs/there/: no vpcflowlogs objects"):
        _list(aws_server, "s3://logs/there/")
    with pytest.raises(InputError, match="no bucket 'nowhere'"):
        _list(aws_server, "s3://nowhere/a")
    with pytest.raises(InputError, match="no bucket named"):
        _list(aws_server, "s3://")


def test_no_object_of_the_time_is_a_note(aws_server: str, put: Callable[..., None]) -> None:
    """Objects of other times only are no error: there is nothing to read, and it is said."""
    put(f"{PLAIN}2025/01/01/{_file('20250101T0000')}")
    notes: list[str] = []
    assert _list(aws_server, note=notes.append, **DAY) == []
    assert notes == ["s3://logs: no object may hold records of the asked time"]


def test_missing_permission_names_action_and_resource(proxy: Any, put: Callable[..., None]) -> None:
    """A denied listing says which action on which resource is missing."""
    proxy.spoil("list-type=2", status=403, body=DENIED, times=9)
    with pytest.raises(AccessError, match=r"allow s3:ListBucket on arn:aws:s3:::logs ") as error:
        _list(proxy.url)
    assert "\n" not in str(error.value)


def test_missing_credentials_and_profile(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, and a profile that does not exist, are access errors."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessError, match="no valid AWS credentials for s3:ListBucket"):
        _list(aws_server)
    with pytest.raises(AccessError, match="profile 'ghost' not found; profiles here: none"):
        list(list_objects("s3://logs", options=Aws(profile="ghost")))


def test_unreachable_endpoint(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that does not answer is an error that says what to check."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InputError, match=r"cannot be reached .*--endpoint-url"):
        _list("http://127.0.0.1:1")


def test_server_errors_are_retried(proxy: Any, put: Callable[..., None]) -> None:
    """Throttling and 5xx answers delay a listing and a download; they do not fail them."""
    put("a.log", body=b"whole")
    proxy.spoil("list-type=2", status=503, body=BUSY)
    proxy.spoil("GET /logs/a.log", status=500)
    proxy.spoil("GET /logs/a.log", status=503, body=BUSY)
    (found,) = _list(proxy.url)
    assert _read(found) == b"whole"


def test_cut_body_is_resumed_where_it_broke(proxy: Any, put: Callable[..., None]) -> None:
    """A transfer that breaks off goes on from the byte it reached."""
    body = bytes(range(256)) * 4096
    put("a.log", body=body)
    (found,) = _list(proxy.url)
    proxy.requests.clear()
    proxy.spoil("GET /logs/a.log", cut=1 << 19)
    assert _read(found) == body
    assert proxy.requests == ["GET /logs/a.log", f"GET /logs/a.log bytes={1 << 19}-"]


def test_body_that_always_breaks_is_lost(proxy: Any, put: Callable[..., None]) -> None:
    """An object whose transfer breaks at every try is lost, with how far it got."""
    put("a.log", "b.log", body=b"0123456789")
    objects = _list(proxy.url)
    proxy.spoil("GET /logs/a.log", cut=0, times=99)
    (_, first), (_, second) = (
        (one, got if isinstance(got, Lost) else got.read()) for one, got in fetch(objects)
    )
    assert isinstance(first, Lost)
    assert (first.reason, first.text[-24:]) == ("unreadable", " 0 of 10 bytes were read")
    assert second == b"0123456789"


@pytest.mark.parametrize("change", ["vanished", "changed", "denied", "archived"])
def test_object_that_cannot_be_had_is_lost(
    proxy: Any, put: Callable[..., None], aws_client: Client, change: str
) -> None:
    """An object that is gone, replaced, refused or archived is lost, the others are read."""
    put("a.log", "b.log", body=b"one")
    objects = _list(proxy.url)
    archived = DENIED.replace("AccessDenied", "InvalidObjectState")
    changes: dict[str, Callable[[], Any]] = {
        "vanished": lambda: aws_client("s3").delete_object(Bucket="logs", Key="a.log"),
        "changed": lambda: put("a.log", body=b"two"),
        "denied": lambda: proxy.spoil("GET /logs/a.log", status=403, body=DENIED, times=9),
        "archived": lambda: proxy.spoil("GET /logs/a.log", status=403, body=archived, times=9),
    }
    changes[change]()
    got = [one.reason if isinstance(one, Lost) else one.read() for _, one in fetch(objects)]
    assert got == [change, b"one"]


def test_expired_credentials_stop_the_run(proxy: Any, put: Callable[..., None]) -> None:
    """Credentials that run out while reading are an access error, not a lost object."""
    put("a.log")
    (found,) = _list(proxy.url)
    expired = DENIED.replace("AccessDenied", "ExpiredToken")
    proxy.spoil("GET /logs/a.log", status=400, body=expired, times=9)
    with pytest.raises(AccessError, match="no valid AWS credentials for s3:GetObject"):
        list(fetch([found]))


def test_seek_asks_for_the_rest_only(proxy: Any, put: Callable[..., None]) -> None:
    """A reader that seeks, as Parquet does, gets bytes from there on."""
    put("a.parquet", body=b"0123456789" * 100_000)
    (found,) = _list(proxy.url)
    proxy.requests.clear()
    with closing(found.open()) as stream:
        assert stream.seek(-4, io.SEEK_END) == 999_996
        assert stream.read() == b"6789"
        assert stream.seek(5) == 5
        assert stream.read(3) == b"567"
    assert proxy.requests[1] == "GET /logs/a.parquet bytes=999996-"


def test_fetch_keeps_order_and_holds_a_few(proxy: Any, put: Callable[..., None]) -> None:
    """Objects come in order, and no more than a few are asked for before they are needed."""
    names = [f"{number:02}.log" for number in range(20)]
    put(*names)
    objects = _list(proxy.url)
    proxy.requests.clear()
    stream = fetch(objects)
    first, _ = next(stream)
    assert first.uri.endswith("00.log")
    assert len(proxy.requests) <= 5
    assert [one.uri[-6:] for one, _ in stream] == names[1:]


def test_large_objects_are_streamed(proxy: Any, put: Callable[..., None]) -> None:
    """An object larger than its share of the budget is not fetched ahead."""
    put("big.log", body=bytes(17 << 20))
    put("small.log")
    objects = _list(proxy.url)
    proxy.requests.clear()
    with closing(fetch(objects)) as stream:
        _, first = next(stream)
        assert not isinstance(first, Lost | io.BytesIO)
        assert len(first.read()) == 17 << 20
        assert [type(one) for _, one in stream] == [io.BytesIO]


def test_clients_only_read(aws_server: str) -> None:
    """A call that might change something is stopped before it is sent."""
    from flowlens.sources.session import client

    with pytest.raises(AssertionError, match="CreateBucket may change something"):
        client("s3", Aws(endpoint_url=aws_server)).create_bucket(Bucket="never")
