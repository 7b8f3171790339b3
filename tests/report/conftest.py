import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest

from flowlens.coverage import summary
from flowlens.findings import findings, quote
from flowlens.report import Facts, render
from flowlens.tables import COVERAGE, EDGES

ZERO = datetime(2026, 11, 16, tzinfo=UTC)
FUNCTIONS = (
    "audit-shipper", "auth-callback", "billing-cron", "cart-session", "checkout-api",
    "etl-nightly", "fraud-score", "image-resize", "invoice-pdf", "ml-features",
    "orders-api", "orders-worker", "report-mailer", "webhook-fanout",
)  # fmt: skip
AWS = ("S3", "DynamoDB", "SQS", "SNS", "KMS", "STS", "Secrets Manager", "CloudWatch Logs")
HOSTS = ("api", "cdn", "auth", "files", "events", "ingest", "mail", "hooks")

Case = dict[str, Any]


def owners(n: int) -> list[str] | None:
    """Every fifth sender is a set of three, every thirteenth is nobody we know."""
    if n % 13 == 12:
        return None
    start = n % len(FUNCTIONS)
    return sorted(FUNCTIONS[start : start + 3]) if n % 5 == 4 else [FUNCTIONS[start]]


def place(n: int, total: int) -> dict[str, Any]:
    """Destination number n: a few unexpected addresses, then inside, AWS and named ones."""
    bad = max(3, total // 40)
    if n < bad:
        address = f"203.0.{112 + n // 250}.{n % 250 + 1}"
        return {"server": address, "destination": address, "destination_kind": "address",
                "expected": "no", "why": "no entry for this owner holds this destination",
                "server_port": (8333, 443, 22)[n % 3], "domains": [], "path": "nat"}  # fmt: skip
    if n % 10 == 0:
        return {"server": f"10.1.{n % 250}.7", "destination": f"aurora-{n}",
                "destination_kind": "inside", "expected": "yes", "server_port": 5432,
                "path": "local"}  # fmt: skip
    if n % 10 in {1, 2, 3}:
        name = AWS[n % len(AWS)]
        return {"server": f"52.{n // 250}.{n % 250}.9", "destination": f"{name} us-east-1",
                "destination_kind": "aws", "expected": "yes", "server_port": 443,
                "path": "gateway endpoint"}  # fmt: skip
    name = f"{HOSTS[n % len(HOSTS)]}.vendor{n // 3}.example"
    return {"server": f"198.51.{n // 250}.{n % 250}", "destination": name,
            "destination_kind": "domain", "expected": "yes" if n % 7 else "unknown",
            "server_port": 443, "path": "nat",
            "domains": [{"name": name, "probability": 0.93}]}  # fmt: skip


def edges(total: int) -> pl.DataFrame:
    """A week of conversations with `total` destinations, the same on every run."""
    dice = random.Random(total)
    rows = []
    for n in range(total):
        where = place(n, total)
        bad = where["expected"] == "no"
        for k in range(1 if bad else dice.randint(1, 3)):
            sender = n + 5 * k
            who = owners(sender)
            hour = ZERO + timedelta(hours=dice.randrange(140 if bad else 0, 168))
            sent = int(10 ** dice.uniform(2.5, 7.5))
            rows.append(
                {
                    "hour": hour,
                    "observer": f"eni-{sender % 40:04x}",
                    "observers": [f"eni-{sender % 40:04x}", "eni-ffff"][: 1 + k % 2],
                    "client": f"10.0.{sender % 9}.{sender % 40 + 4}",
                    "client_owner": who,
                    "client_kind": "lambda" if who else None,
                    "protocol": 6,
                    "action": "REJECT" if bad and n % 3 == 2 else "ACCEPT",
                    "bytes_out": sent,
                    "bytes_in": 0 if bad and n % 3 == 2 else sent // 3,
                    "packets_out": sent // 900 + 1,
                    "packets_in": sent // 3000,
                    "records": sent // 40_000 + 1,
                    "connections": k + 1,
                    "first_seen": hour + timedelta(minutes=4),
                    "last_seen": hour + timedelta(minutes=31),
                    "orientation": ("certain", "certain", "certain", "likely", "guess")[n % 5],
                    **where,
                }
            )
    return pl.DataFrame(rows, schema=EDGES)


def case(total: int) -> Case:
    """Everything that a report is made of."""
    frame = edges(total)
    windows = pl.DataFrame(
        [
            (
                "eni-0003",
                "SKIPDATA",
                ZERO + timedelta(hours=h),
                ZERO + timedelta(hours=h + 1),
                "a.gz",
            )
            for h in (144, 145, 150)
        ],
        schema=COVERAGE,
        orient="row",
    )
    rejects = pl.DataFrame(
        {"source": ["b.gz"] * 3, "line": [3, 4, 9], "reason": ["truncated", *["not a number"] * 2],
         "text": ["x", "y", "z"]},
        schema_overrides={"line": pl.UInt64},
    )  # fmt: skip
    lines = int(frame["records"].sum()) + 6
    counts = {"a.gz": {"lines": lines - 20, "headers": 1}, "b.gz": {"lines": 20, "headers": 1}}
    return {
        "edges": frame,
        "findings": quote(findings(frame), records(frame)),
        "windows": windows,
        "rejects": rejects,
        "coverage": summary(windows, rejects, counts, frame),
        "facts": Facts(
            sources=("s3://acme-flow-logs/AWSLogs/",),
            accounts=("123456789012",),
            regions=("us-east-1",),
            command="flowlens report s3://acme-flow-logs/AWSLogs/ -i inv/ -e egress.yaml -o out",
            arguments="s3://acme-flow-logs/AWSLogs/",
            document="egress.yaml",
            captures=(ZERO, ZERO + timedelta(days=3)),
            missing=("iam.list_roles: AccessDenied",),
            version="0.1.0",
        ),
    }


def records(frame: pl.DataFrame) -> pl.LazyFrame:
    """One record for each conversation, as the client's interface would write it."""
    return frame.lazy().select(
        version=pl.lit(2),
        interface_id="observer",
        srcaddr="client",
        dstaddr="server",
        srcport=pl.lit(40000, pl.UInt16),
        dstport="server_port",
        protocol="protocol",
        packets="packets_out",
        bytes="bytes_out",
        start="first_seen",
        end="last_seen",
        action="action",
        line=pl.int_range(pl.len(), dtype=pl.UInt64) + 2,
        source=pl.lit("AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/21/a.log.gz"),
    )


@pytest.fixture(scope="session")
def network() -> Callable[[int], Case]:
    """Make the case with so many destinations; each is made once."""
    made: dict[int, Case] = {}

    def get(total: int) -> Case:
        if total not in made:
            made[total] = case(total)
        return dict(made[total])

    return get


def made(case: Case, **changes: Any) -> str:
    """The page of a case with some parts changed."""
    parts = case | changes
    return render(
        parts["edges"],
        parts["findings"],
        parts["coverage"],
        parts["facts"],
        windows=case["windows"],
    )


@pytest.fixture(scope="session")
def page(network: Callable[[int], Case]) -> Callable[[int], str]:
    """Give the page of the case with so many destinations; each is made once."""
    return cache(lambda total: made(network(total)))
