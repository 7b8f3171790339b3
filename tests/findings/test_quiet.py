"""Days of ordinary hosts, through the whole way from records to findings."""

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

import flowlens
from flowlens.findings import Context, findings
from flowlens.tables import COVERAGE, empty
from tests.findings.conftest import RECORDS, START

DAY = 86_400
#: Host-days; a larger number tries more.
HOSTS = int(os.environ.get("FLOWLENS_QUIET_HOSTS", "1"))
NAMES = {"192.0.2.10": "intake.metrics.example", "192.0.2.20": "api.partner.example",
         "192.0.2.30": "mirror.build.example", "192.0.2.40": "ntp.pool.example"}  # fmt: skip

Start = tuple[int, str, str, int, int, int, int]


def beats(host: int, dice: random.Random) -> Iterator[Start]:
    """Yield what a host does on a beat: second, client, server, port, protocol, sent and got."""
    own = f"10.0.1.{host + 10}"
    for at in range(host, DAY, 1024):  # the time
        yield at, own, "192.0.2.40", 123, 17, 76, 76
    for at in range(0, DAY, 30):  # the load balancer asks whether it is alive
        yield at + host, "10.0.0.250", own, 8080, 6, 450, 380
    for at in range(7 * host, DAY, 60):  # an agent sends metrics
        yield at, own, "192.0.2.10", 443, 6, 2_100 + dice.randrange(300), 900
    for at in range(0, DAY, 900):  # a scheduler calls a partner at full minutes
        yield at, own, "192.0.2.20", 443, 6, 1_800, 4_200
    for at in range(3 * host, DAY, 300):  # an agent of AWS
        yield at + dice.randrange(20), own, "52.94.5.7", 443, 6, 3_300, 2_700
    for at in range(0, DAY, 7_200):  # a peer that is gone
        yield at, own, "10.0.3.77", 9100, 6, 60, 0


def people(host: int, dice: random.Random) -> Iterator[Start]:
    """Yield what happens when people work."""
    own = f"10.0.1.{host + 10}"
    for _ in range(400):  # a database
        at = int(dice.triangular(6 * 3600, 20 * 3600, 13 * 3600))
        yield at, own, "10.0.3.9", 5432, 6, dice.randrange(2_000, 90_000), dice.randrange(400_000)
    for _ in range(6):  # packages
        yield dice.randrange(DAY), own, "192.0.2.30", 443, 6, 4_000, dice.randrange(40_000_000)


def lines() -> pl.LazyFrame:
    """Return the records of all hosts."""
    dice, rows = random.Random(11), []
    for host in range(HOSTS):
        for at, client, server, port, protocol, sent, got in (
            *beats(host, dice),
            *people(host, dice),
        ):
            if at >= DAY:
                continue
            first = START + timedelta(seconds=at)
            face = client if client.startswith("10.0.1.") else server
            common: dict[str, Any] = {
                "interface_id": f"eni-{face}", "protocol": protocol, "start": first,
                "end": first + timedelta(seconds=dice.randrange(3)), "action": "ACCEPT",
            }  # fmt: skip
            near = 123 if port == 123 else dice.randrange(32_768, 61_000)
            flag = (2, 18) if protocol == 6 else (0, 0)
            out = {"srcaddr": client, "dstaddr": server, "srcport": near, "dstport": port}
            back = {"srcaddr": server, "dstaddr": client, "srcport": port, "dstport": near}
            rows.append(
                {**common, **out, "bytes": sent, "packets": sent // 900 + 4, "tcp_flags": flag[0]}
            )
            if got:
                rows.append(
                    {
                        **common,
                        **back,
                        "bytes": got,
                        "packets": got // 900 + 4,
                        "tcp_flags": flag[1],
                    }
                )
    return pl.DataFrame(rows, schema=RECORDS).lazy()


@pytest.fixture(scope="module")
def quiet() -> tuple[pl.LazyFrame, pl.DataFrame]:
    """Records and edges of the ordinary hosts."""
    records = lines()
    return records, flowlens.edges(flowlens.conversations(records)).collect()


@pytest.mark.parametrize("known", ["nothing", "names", "some undeclared"])
def test_quiet_days_stay_quiet(quiet: tuple[pl.LazyFrame, pl.DataFrame], known: str) -> None:
    """Ordinary hosts have no beacon, and at most five findings a day each, all of them small.

    Whether nothing is known of what they reach, or its names, or what is declared but for packages.
    """
    records, edges = quiet
    if known != "nothing":
        name = pl.col("server").replace_strict(NAMES, default=None)
        edges = edges.with_columns(
            destination=pl.coalesce(name, "server"),
            destination_kind=pl.when(name.is_not_null())
            .then(pl.lit("domain"))
            .otherwise("destination_kind"),
            domains=pl.lit([], edges.schema["domains"]),
        )
    if known == "some undeclared":
        strange = pl.col("server").is_in(["192.0.2.30"])
        edges = edges.with_columns(
            expected=pl.when(strange).then(pl.lit("no")).otherwise(pl.lit("yes"))
        )
    found = findings(edges, Context(records=records, coverage=empty(COVERAGE)))
    assert found.filter(kind="beacon").is_empty()
    assert found.height <= 5 * HOSTS
    assert found.filter(pl.col("severity").is_in(["high", "critical"])).is_empty()
    undeclared = found.filter(kind="unexpected")
    assert set(undeclared["server"]) <= {"192.0.2.30"}
    if known != "some undeclared":
        assert found.is_empty()
