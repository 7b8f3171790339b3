"""Edge tables for the pictures: made, not seen; the same for the same arguments."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest

START = datetime(2026, 11, 16, tzinfo=UTC)

STEMS = [
    "checkout-api",
    "orders-worker",
    "invoice-pdf",
    "audit-shipper",
    "report-mailer",
    "fraud-score",
    "search-indexer",
    "etl-nightly",
    "webhook-fanout",
    "image-resize",
    "inventory-sync",
    "auth-callback",
    "ml-features",
    "user-export",
    "billing-cron",
    "geo-lookup",
    "promo-engine",
    "refund-worker",
    "ship-quote",
    "cart-session",
]
SERVICES = ["S3", "DynamoDB", "SQS", "SNS", "STS", "KMS", "SecretsManager", "CloudWatchLogs"]
DOMAINS = [
    "api.stripe.com",
    "files.stripe.com",
    "api.sendgrid.com",
    "storage.googleapis.com",
    "slack.com",
    "bigquery.googleapis.com",
    "hooks.slack.com",
    "o4501.ingest.sentry.io",
    "api.github.com",
    "api.twilio.com",
    "http-intake.logs.datadoghq.com",
    "trace.agent.datadoghq.com",
    "xy123.snowflakecomputing.com",
    "tenant.us.auth0.com",
    "codeload.github.com",
    "files.pythonhosted.org",
    "www.example.co.uk",
]
NETWORKS = ("AS24940 Hetzner", "AS14061 DigitalOcean", "AS9009 M247", "AS202425 IP Volume")

Row = dict[str, Any]


def edges(destinations: int, *, seed: int = 7, hours: int = 3) -> pl.DataFrame:
    """Return an edge table that reaches so many addresses."""
    rng = random.Random(f"{seed}-{destinations}")
    workloads = owners(destinations)
    found: list[Row] = []
    for number in range(destinations):
        place = where(rng, number, destinations)
        bad = place["expected"] == "no"
        for owner in rng.sample(workloads, 1 if bad else min(len(workloads), rng.randint(2, 9))):
            for _ in range(1 if bad else hours):
                found.append(place | owner | traffic(rng, bad))
    return table(found)


def owners(destinations: int) -> list[Row]:
    """Return workloads: functions, two shared interfaces, one address nobody owns."""
    times = 1 if destinations <= 100 else 3 if destinations <= 1000 else 25
    count = 5 if destinations <= 10 else 14 if destinations <= 100 else len(STEMS)
    names = [[f"{s}-{n + 1}" if times > 1 else s] for s in STEMS[:count] for n in range(times)]
    names[1] = [f"{STEMS[1]}-{x}" for x in ("blue", "green", "red", "teal", "white", "black")]
    rows: list[Row] = [
        {"client": f"10.{i >> 8}.{i & 255}.7", "client_owner": sorted(n), "client_kind": "lambda"}
        for i, n in enumerate(names)
    ]
    return [*rows, {"client": "10.9.9.9", "client_owner": None, "client_kind": None}]


def where(rng: random.Random, number: int, destinations: int) -> Row:
    """Return one destination: 3 % unexpected, then inside, AWS, third parties, bare addresses."""
    share = number / destinations
    octets = f"{number >> 8 & 255}.{number & 255}"
    if share < 0.03 or number == 0:
        return away(rng, number)
    if share < 0.18:
        name = ("aurora-orders", "redis-cache", "opensearch")[number % 3]
        row = to("inside", name, f"10.40.{octets}", rng.choice((5432, 6379, 443)))
        return row | {"server_kind": ("rds", "elasticache", "opensearch")[number % 3]}
    if share < 0.42:
        name = SERVICES[number % len(SERVICES)]
        region = ("eu-central-1", "us-east-1")[number % 16 // 8]
        row = to("aws", name, f"52.{number % 50}.{octets}", 443)
        return row | {"region": region, "aws_service": name.upper()}
    if share < 0.94:
        return to("domain", DOMAINS[number % len(DOMAINS)], f"151.101.{octets}", 443)
    return to("address", f"198.51.{octets}", f"198.51.{octets}", 123)


def away(rng: random.Random, number: int) -> Row:
    """Return an unexpected destination: a network's address, or a bare IPv6 one."""
    port = rng.choice((443, 8333, 22, 4444, 6667))
    if number % 4 == 1:
        long = "2001:db8:85a3:1d2c:9e8f:8a2e:1370:" + f"{0x1000 + number:x}"
        return to("address", long, long, port) | {"expected": "no"}
    name = NETWORKS[number % len(NETWORKS)]
    address = f"{176 + number % 8}.206.{number >> 8 & 255}.{number & 255}"
    return to("network", name, address, port) | {"expected": "no"}


def to(kind: str, name: str, server: str, port: int) -> Row:
    return {
        "destination_kind": kind,
        "destination": name,
        "server": server,
        "server_port": port,
        "server_kind": None,
        "region": None,
        "aws_service": None,
        "expected": "yes",
    }


def traffic(rng: random.Random, bad: bool) -> Row:
    """Return the numbers of an hour."""
    hour = START + timedelta(hours=rng.randrange(100, 168) if bad else rng.randrange(168))
    refused = rng.random() < (0.25 if bad else 0.01)
    out = rng.randrange(60, 4000) if refused else int(10 ** rng.uniform(3, 6.6))
    return {
        "hour": hour,
        "first_seen": hour + timedelta(minutes=rng.randrange(30)),
        "last_seen": hour + timedelta(minutes=30 + rng.randrange(30)),
        "observer": f"eni-{rng.randrange(20):017x}",
        "protocol": 6,
        "action": "REJECT" if refused else "ACCEPT",
        "bytes_out": out,
        "bytes_in": 0 if refused else out * 3,
        "packets_out": out // 400 + 1,
        "packets_in": 0 if refused else out // 300,
        "records": rng.randint(1, 30),
        "connections": rng.randint(1, 9),
        "orientation": rng.choice(("certain", "certain", "likely")),
        "path": "nat",
    }


SCHEMA: dict[str, pl.DataType] = {
    "hour": pl.Datetime("ms", "UTC"),
    "first_seen": pl.Datetime("ms", "UTC"),
    "last_seen": pl.Datetime("ms", "UTC"),
    "client_owner": pl.List(pl.String),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    **{
        name: pl.UInt64()
        for name in ["bytes_out", "bytes_in", "packets_out", "packets_in", "records", "connections"]
    },
}


def table(found: list[Row]) -> pl.DataFrame:
    """Return rows as a frame with the types of an edge table."""
    return pl.DataFrame(found, schema_overrides=SCHEMA, infer_schema_length=None)


@pytest.fixture(scope="session")
def made() -> Callable[[int], pl.DataFrame]:
    """The maker of edge tables; each is made once."""
    return cache(edges)
