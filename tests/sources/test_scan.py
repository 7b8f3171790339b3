import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from flowlens.answers import scan_answers
from flowlens.errors import AccessError
from flowlens.records import Ledger, scan_records
from flowlens.sources import Aws

DENIED = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
RECORDS = b"srcport bytes\n1 2\n3 4\n"
ANSWER = (
    b'{"version":"1.1","query_timestamp":"2026-07-14T00:00:00Z","query_name":"a.example.",'
    b'"query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"10.0.0.9",'
    b'"Type":"A","Class":"IN"}],"srcaddr":"10.0.0.1","srcport":"5","transport":"UDP",'
    b'"srcids":{"instance":"i-1"},"vpc_id":"vpc-1","region":"eu-west-1","account_id":"1"}\n'
)


@pytest.fixture
def put(aws_client: Callable[[str], Any]) -> Callable[[str, bytes], None]:
    """Makes the bucket `logs` and puts compressed objects into it."""
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="logs")

    def put(key: str, body: bytes) -> None:
        s3.put_object(Bucket="logs", Key=key, Body=gzip.compress(body))

    return put


def test_one_refused_object_is_a_reject_all_are_an_error(
    proxy: Any, put: Callable[[str, bytes], None]
) -> None:
    """Where one object is refused the run goes on; where all are, the permission is missing."""
    for name in ("a.gz", "b.gz"):
        put(name, RECORDS)
    ledger = Ledger()
    frame = scan_records("s3://logs", aws=Aws(endpoint_url=proxy.url), ledger=ledger)
    proxy.spoil("GET /logs/a.gz", status=403, body=DENIED, times=99)
    assert frame.collect().height == 2
    assert ledger.rejects().select("source", "line", "reason").rows() == [
        ("s3://logs/a.gz", 0, "denied")
    ]
    proxy.spoil("GET /logs/b.gz", status=403, body=DENIED, times=99)
    with pytest.raises(AccessError, match="every object was refused, first s3://logs/a"):
        frame.collect()


def test_cut_transfer_is_one_reject(proxy: Any, put: Callable[[str, bytes], None]) -> None:
    """An object that never arrives whole gives no half of its records, and says why."""
    for name in ("a.gz", "b.gz"):
        put(name, RECORDS)
    ledger = Ledger()
    frame = scan_records("s3://logs", aws=Aws(endpoint_url=proxy.url), ledger=ledger)
    proxy.spoil("GET /logs/a.gz", cut=0, times=99)
    assert frame.select("srcport").collect().to_series().to_list() == [1, 3]
    (reject,) = ledger.rejects().rows(named=True)
    assert (reject["source"], reject["line"], reject["reason"]) == (
        "s3://logs/a.gz",
        0,
        "unreadable",
    )
    assert ledger.counts()["lines"] == 2


def test_answers_beside_flow_logs(aws_server: str, put: Callable[[str, bytes], None]) -> None:
    """One bucket may hold both kinds: flow logs and resolver logs each find their own."""
    put("AWSLogs/1/vpcflowlogs/eu-west-1/2026/07/14/a.log.gz", RECORDS)
    put("AWSLogs/1/vpcdnsquerylogs/vpc-1/2026/07/14/q.log.gz", ANSWER)
    aws = Aws(endpoint_url=aws_server)
    assert scan_records("s3://logs", aws=aws).collect().height == 2
    until = datetime(2026, 7, 15, tzinfo=UTC)
    ledger = Ledger()
    answers = scan_answers("s3://logs", aws=aws, until=until, ledger=ledger)
    assert answers.select("srcaddr", "name").collect().rows() == [("10.0.0.1", "a.example")]
    assert (ledger.counts()["lines"], ledger.counts()["rejects"]) == (1, 0)
