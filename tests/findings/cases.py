"""One incident for each detection, and what looks like it and is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.findings.conftest import START, edge, inner, refused

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """What a detection must find as one incident, and what it must leave."""

    kind: str
    technique: str | None
    rows: Rows
    alike: dict[str, Rows]
    learn: int | None = None  # hours of the learning time
    levels: Sequence[str] = ("low", "medium", "high", "critical")
    extra: dict[str, Any] = field(default_factory=dict)


def many(count: int, make: Any) -> Rows:
    return [make(n) for n in range(count)]


def hourly(count: int, make: Any = edge, **change: Any) -> Rows:
    return [make(n, 3_540, **change) if make is edge else make(n, **change) for n in range(count)]


NO: dict[str, Any] = {"expected": "no"}
YES: dict[str, Any] = {"expected": "yes"}
BIG: dict[str, Any] = {"bytes_out": 120_000_000, "packets_out": 90_000, "bytes_in": 900_000}
STREAM: dict[str, Any] = {
    "server_port": 3333, "bytes_out": 40_000, "packets_out": 200, "bytes_in": 50_000,
    "packets_in": 210,
}  # fmt: skip
LOGIN: dict[str, Any] = {
    "server_port": 22, "connections": 60, "packets_out": 900, "packets_in": 900,
    "bytes_out": 120_000, "bytes_in": 150_000,
}  # fmt: skip
DNS: dict[str, Any] = {"server_port": 53, "protocol": 17, "server": "198.51.100.53"}
FLOOD: dict[str, Any] = {
    "packets_out": 400_000,
    "bytes_out": 24_000_000,
    "packets_in": 0,
    "bytes_in": 0,
}
MAIL: dict[str, Any] = {"server_port": 25}
S3: dict[str, Any] = {
    "aws_service": "S3",
    "destination_kind": "aws",
    "destination": "S3",
    "region": "us-east-1",
}
AFAR: dict[str, Any] = {**S3, "region": "ap-southeast-3", "server": "198.51.100.3"}
GATE: dict[str, Any] = edge(
    0, **S3, path="gateway endpoint", server="52.216.0.9", client="10.0.1.9"
)
OUTER: dict[str, Any] = {
    "client": "198.51.100.7",
    "client_owner": None,
    "client_kind": None,
    "vantage": "server",
}
TARGET: dict[str, Any] = {"server": "10.0.2.8", "destination": "db", "server_port": 22}
SSH: dict[str, Any] = {"server_port": 22, "bytes_in": 40_000, "packets_in": 40}


KNOCKER: dict[str, Any] = {**OUTER, "destination_kind": "inside", "destination": "web"}
DOOR: dict[str, Any] = {**OUTER, "server_port": 8080, "bytes_in": 50_000, "packets_in": 60}


def knock(n: int, **change: Any) -> dict[str, Any]:
    """Return a try of an outsider at which nothing was said."""
    place = {"server": f"10.0.2.{n % 3}", "server_port": 1_000 + n}
    return refused(n / 10, **{**KNOCKER, **place, **change})


def nightly(days: int) -> Rows:
    """Return what a function does that is run at two o'clock every night."""
    return many(days, lambda n: edge(24 * n + 2))


def port(n: int) -> dict[str, Any]:
    return refused(n / 100, server="10.0.2.8", server_port=1_000 + n)


def host(n: int, **change: Any) -> dict[str, Any]:
    return refused(n / 100, server=f"10.0.2.{n}", server_port=22, **change)


def day(n: int) -> dict[str, Any]:
    return refused(2 * n, server=f"10.0.2.{n}", server_port=445)


CASES = [
    Case(
        "port-scan", "T1046", many(20, port),
        {
            "a few services that are down": many(8, port),
            "passive FTP: ports that change, and speak": many(
                20, lambda n: edge(n / 100, server="10.0.2.8", server_port=40_000 + n)
            ),
            "traceroute": many(
                20, lambda n: refused(n / 100, server_port=33_440 + n, protocol=17)
            ),
            "replies whose sides are a guess": many(
                20, lambda n: port(n) | {"orientation": "guess"}
            ),
        },
    ),
    Case(
        "host-sweep", "T1046", many(12, host),
        {
            "a health checker, which is answered": many(
                30, lambda n: inner(n / 100, server=f"10.0.2.{n}", destination=f"t{n}")
            ),
            "a few dead peers": many(6, host),
            "peers that answered in another hour": [
                row
                for n in range(12)
                for row in (host(n), inner(2, server=f"10.0.2.{n}", server_port=22))
            ],
            "a crawler, which is answered": many(
                60, lambda n: edge(n / 100, server=f"203.0.113.{n}")
            ),
        },
    ),
    Case(
        "slow-scan", "T1046", many(9, day),
        {
            "targets that went away, tried again and again": many(
                9, lambda n: day(n) | {"connections": 40}
            ),
            "what every host fails to reach": [
                day(n) | {"client": f"10.0.1.{c}", "client_owner": [f"f{c}"]}
                for n in range(9)
                for c in range(6)
            ],
            "three a day": many(3, day),
        },
    ),
    Case(
        "unexpected", "T1071", [edge(0, **NO)],
        {
            "a declared destination": [edge(0, **YES)],
            "nobody said": [edge(0)],
            "a log without the server": [edge(0, **NO, server=None)],
        },
    ),
    Case(
        "new-port", "T1571", [edge(0), edge(30, server_port=8333)],
        {
            "a new destination on a port in use": [edge(0), edge(30, server="203.0.113.10")],
            "a new workload": [edge(0), edge(30, server_port=8333, client_owner=["later"])],
            "a declared port": [edge(0), edge(30, server_port=8333, **YES)],
            "a try that was not answered": [
                edge(0), edge(30, server_port=8333, packets_in=0, bytes_in=0)
            ],
        },
        learn=24,
    ),
    Case(
        "new-door", "T1190", [inner(0), inner(30, **DOOR)],
        {
            "a door that was open before": [
                inner(0, **{**DOOR, "client": "192.88.1.7"}), inner(30, **DOOR)
            ],
            "a new host": [edge(0), inner(30, **DOOR)],
            "knocking": [inner(0), knock(300, server="10.0.2.8")],
            "SYN and SYN-ACK alone": [
                inner(0), inner(30, **{**DOOR, "bytes_in": 60, "packets_in": 1})
            ],
            "somebody inside": [inner(0), inner(30, server_port=8080)],
            "a reply whose sides are a guess": [inner(0), inner(30, **DOOR, orientation="guess")],
            "a door that is declared": [inner(0), inner(30, **DOOR, **YES)],
        },
        learn=24,
    ),
    Case(
        "region", "T1535", [edge(0, **S3), edge(30, **AFAR)],
        {
            "a Region that another workload used": [
                edge(0, **AFAR, client_owner=["backup"]), edge(30, **AFAR)
            ],
            "a declared copy": [edge(0, **S3), edge(30, **AFAR, **YES)],
            "CloudFront, which is everywhere": [
                edge(0, **S3), edge(30, **{**S3, "region": "GLOBAL", "destination": "CLOUDFRONT"})
            ],
            "AWS without a Region": [edge(0, **S3), edge(30, **{**S3, "region": None})],
            "a try that was refused": [edge(0, **S3), refused(30, **AFAR)],
            "somebody's service that runs on AWS": [
                edge(0, **S3), edge(30, **{**AFAR, "destination_kind": "domain"})
            ],
            "a learning time without any Region": [edge(0), edge(30, **AFAR)],
        },
        learn=24, levels=("low", "medium"),
    ),
    Case(
        "exfiltration", "T1048", [edge(0, **BIG)],
        {
            "a declared backup": [edge(0, **BIG, **YES)],
            "a download": [edge(0, **{**BIG, "bytes_in": 900_000_000})],
            "a copy that stays inside": [inner(0, **BIG)],
            "log shipping, spread over hours, to a name": hourly(
                24, bytes_out=8_000_000, destination_kind="domain", destination="logs.example"
            ),
        },
    ),
    Case(
        "exfiltration", "T1030", hourly(24, bytes_out=9_000_000),
        {
            "a chat of as much both ways": hourly(24, bytes_out=9_000_000, bytes_in=9_000_000),
            "what many workloads reach": [
                row | {"client_owner": [f"f{n}"]}
                for n in range(4)
                for row in hourly(24, bytes_out=9_000_000)
            ],
            "little": hourly(24, bytes_out=90_000),
        },
    ),
    Case(
        "volume", "T1048",
        [*hourly(30, bytes_out=200_000, **YES), edge(31, bytes_out=90_000_000, **YES)],
        {
            "a nightly backup": [
                *hourly(60, bytes_out=200_000, **YES),
                *(edge(at, bytes_out=90_000_000, **YES) for at in (62, 86)),
            ],
            "a short history": [
                *hourly(8, bytes_out=200_000, **YES), edge(9, bytes_out=90_000_000, **YES)
            ],
            "much more, and still little": [
                *hourly(30, bytes_out=2_000, **YES), edge(31, bytes_out=2_000_000, **YES)
            ],
        },
    ),
    Case(
        "hoarding", "T1074",
        [
            *hourly(30, inner, bytes_in=300_000), inner(31, bytes_in=400_000_000),
            edge(33, bytes_out=380_000_000),
        ],
        {
            "a nightly load": [
                *hourly(60, inner, bytes_in=300_000),
                *(inner(at, bytes_in=400_000_000) for at in (62, 86)),
            ],
            "an ETL host, always like that": hourly(40, inner, bytes_in=300_000_000),
            "a download from outside": [*hourly(30), edge(31, bytes_in=400_000_000)],
        },
    ),
    Case(
        "long-connection", "T1572", hourly(14),
        {
            "a database pool inside": hourly(14, inner),
            "a declared broker": hourly(14, **YES),
            "many short ones": hourly(14, connections=40),
            "hours with a rest": many(14, lambda n: edge(n, 600)),
        },
    ),
    Case(
        "mining", "T1496", hourly(9, **STREAM),
        {
            "a declared broker": hourly(9, **STREAM, **YES),
            "an agent on the port of the web": hourly(9, **{**STREAM, "server_port": 443}),
            "a download": hourly(9, **{**STREAM, "bytes_in": 90_000_000, "packets_in": 70_000}),
            "an afternoon's work": [
                edge(n, 3_540, **{**STREAM, "bytes_out": 2_000 * k, "bytes_in": 9_000 * k})
                for n, k in enumerate((1, 4, 16, 64, 1, 4, 16, 64, 1))
            ],
        },
    ),
    Case(
        "brute-force", "T1110", [inner(0, **LOGIN)],
        {
            "monitoring, once a minute": [
                inner(0, **LOGIN) | {"last_seen": START + timedelta(seconds=3_590)}
            ],
            "automation that moves files": [inner(0, **{**LOGIN, "bytes_out": 90_000_000})],
            "a person": [inner(0, **{**LOGIN, "connections": 3, "packets_out": 90})],
            "a web service": [inner(0, **{**LOGIN, "server_port": 443})],
        },
    ),
    Case(
        "lateral", "T1021",
        [inner(0, **{**SSH, **OUTER}, server="10.0.1.5", destination="orders"),
         inner(1, **SSH, **NO)],
        {
            "a bastion that is declared": [inner(1, **SSH, **YES)],
            "nobody said": [inner(1, **SSH)],
            "a try that was refused": [refused(1, server="10.0.2.8", server_port=22, **NO)],
            "a query of a database": [inner(1, **{**SSH, "server_port": 5432}, **NO)],
        },
    ),
    Case(
        "let-in", "T1562.007",
        [refused(0, **TARGET), inner(2, **SSH)],
        {
            "a port of the web": [refused(0, server="10.0.2.8"), inner(2)],
            "let in before as well": [
                inner(0, **SSH), refused(1, **TARGET), inner(2, **SSH)
            ],
            "a week later": [refused(0, **TARGET), inner(170, **SSH)],
            "let in and not answered": [
                refused(0, **TARGET),
                inner(2, server_port=22, packets_in=0, bytes_in=0),
            ],
        },
    ),
    Case(
        "breakage", None,
        [inner(0), refused(5, server="10.0.2.8", destination="db", records=9)],
        {
            "it never worked": [refused(5, server="10.0.2.8", destination="db", records=9)],
            "it works again": [
                inner(0), refused(5, server="10.0.2.8", destination="db", records=9), inner(6)
            ],
            "once": [inner(0), refused(5, server="10.0.2.8", destination="db")],
            "it should be refused": [
                inner(0, **NO), refused(5, server="10.0.2.8", destination="db", records=9, **NO)
            ],
        },
    ),
    Case(
        "exposed", "T1190", [inner(0, **SSH, **OUTER)],
        {
            "knocking that is not answered": [
                inner(0, **{**SSH, "packets_in": 0, "bytes_in": 0}, **OUTER)
            ],
            "SYN and SYN-ACK alone": [
                inner(0, **{**SSH, "packets_in": 40, "bytes_in": 2_400}, **OUTER)
            ],
            "the web": [inner(0, **{**SSH, "server_port": 443}, **OUTER)],
            "somebody inside": [inner(0, **SSH)],
        },
    ),
    Case(
        "probed", "T1190", [*many(9, knock), inner(2, **DOOR)],
        {
            "knocking that nobody answers, of thousands": many(
                200, lambda n: knock(n, client=f"198.51.100.{n}")
            ),
            "a public service": [
                *many(9, knock), inner(2, **DOOR),
                *many(25, lambda n: inner(1, **{**DOOR, "client": f"192.88.{n}.7"})),
            ],
            "the web": [*many(9, knock), inner(2, **{**DOOR, "server_port": 443})],
            "a partner some of whose services are down": [*many(3, knock), inner(2, **DOOR)],
            "a monitor that is answered as often": [
                *many(9, knock), *many(9, lambda n: inner(n / 10, **{**DOOR, "server_port": n + 9}))
            ],
            "a client of old": [inner(0, **DOOR), *many(9, knock), inner(2, **DOOR)],
            "somebody else's door": [
                *many(9, knock), inner(2, **{**DOOR, "client": "203.0.113.70"})
            ],
            "a door that is declared": [*many(9, knock), inner(2, **DOOR, **YES)],
            "a week later": [*many(9, knock), inner(200, **DOOR)],
            "SYN and SYN-ACK alone": [
                *many(9, knock), inner(2, **{**DOOR, "bytes_in": 60, "packets_in": 1})
            ],
        },
    ),
    Case(
        "foreign-dns", "T1071.004", [edge(0, **DNS)],
        {
            "a resolver inside": [inner(0, **{**DNS, "server": "10.0.0.2"})],
            "a declared resolver": [edge(0, **DNS, **YES)],
            "a web request": [edge(0)],
        },
    ),
    Case(
        "dns-tunnel", "T1572",
        [edge(0, **DNS, packets_out=900, bytes_out=190_000, packets_in=900)],
        {
            "ordinary names": [edge(0, **DNS, packets_out=900, bytes_out=63_000)],
            "one long query": [edge(0, **DNS, packets_out=2, bytes_out=900)],
            "a mail filter that is declared": [
                edge(0, **DNS, packets_out=900, bytes_out=190_000, **YES)
            ],
        },
    ),
    Case(
        "bypass", "T1537", [GATE, edge(1, **S3, path="nat")],
        {
            "no endpoint": [edge(1, **S3, path="nat")],
            "through the endpoint": [GATE, edge(1, **S3, path="gateway endpoint")],
            "another Region": [GATE, edge(1, **{**S3, "region": "eu-west-1"}, path="nat")],
            "another service": [GATE, edge(1, **{**S3, "aws_service": "EC2"}, path="nat")],
        },
    ),
    Case(
        "cleartext", "T1040", [edge(0, server_port=21)],
        {
            "inside": [inner(0, server_port=21)],
            "declared": [edge(0, server_port=21, **YES)],
            "packages of AWS over HTTP": [edge(0, server_port=80, destination_kind="aws")],
            "a port that is closed": [edge(0, server_port=21, bytes_in=400)],
        },
    ),
    Case(
        "spam", "T1071.003", many(14, lambda n: edge(n / 100, **MAIL, server=f"203.0.113.{n}")),
        {
            "a relay, which always did": [
                edge(hour, **MAIL, server=f"203.0.113.{n}")
                for hour in range(30)
                for n in range(14 if hour > 26 else 2)
            ],
            "a declared relay": many(
                14, lambda n: edge(n / 100, **MAIL, **YES, server=f"203.0.113.{n}")
            ),
            "one provider": many(14, lambda n: edge(n / 100, **MAIL)),
        },
    ),
    Case(
        "protocol", "T1095", [edge(0, protocol=132, server_port=0)],
        {
            "a ping": [edge(0, protocol=1, server_port=0)],
            "a ping of IPv6": [edge(0, protocol=58, server_port=0)],
            "a declared VPN": [edge(0, protocol=50, server_port=0, **YES)],
        },
    ),
    Case(
        "flood", "T1498", [edge(0, **FLOOD)],
        {
            "an upload, which is acknowledged": [edge(0, **{**FLOOD, "packets_in": 200_000})],
            "the same over an hour": [edge(0, 3_540, **FLOOD)],
            "metrics inside": [inner(0, **FLOOD)],
            "a declared load test": [edge(0, **FLOOD, **YES)],
        },
    ),
    Case(
        "off-schedule", "T1648", [*nightly(9), edge(5 * 24 + 14, server="203.0.113.66")],
        {
            "a clock that went back": [*nightly(7), *many(7, lambda n: edge(24 * n + 171))],
            "a run that took an hour more": [*nightly(9), edge(5 * 24 + 3)],
            "a function that users call": many(9, lambda n: edge(24 * n + n * 7 % 24)),
            "one that always runs": many(240, edge),
            "one whose hours slip every other day": [
                *nightly(9), *many(4, lambda n: edge(48 * n + 14))
            ],
            "a week that is not over": [*nightly(5), edge(2 * 24 + 14)],
            "a host": [
                row | {"client_kind": "ec2"} for row in (*nightly(9), edge(5 * 24 + 14))
            ],
        },
    ),
    Case(
        "switched-off", "T1562.008",
        [
            edge(n, observer=f"eni-{face}", client=f"10.0.1.{face}")
            for face in range(6)
            for n in range(30 if face > 3 else 20)
        ],
        {
            "one interface that was deleted": [
                edge(n, observer=f"eni-{face}")
                for face in range(6)
                for n in range(30 if face else 20)
            ],
            "functions that came and went": [
                edge(n, observer=f"eni-{face}") for face in range(6) for n in range(face * 5, 30)
            ],
            "the end of the logs": [
                edge(n, observer=f"eni-{face}")
                for face in range(6)
                for n in range(30 if face > 3 else 29)
            ],
        },
    ),
]  # fmt: skip
