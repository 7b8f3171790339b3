"""D19, D22, D23 and D25: services that are spoken to in the wrong way."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.ports import CLEAR, DNS, MAIL, named
from flowlens.findings.rows import NAMED, SERVICE, finding, incidents, matched, table, whose
from flowlens.findings.severity import grade
from flowlens.findings.sides import (
    ANSWERED,
    OURS,
    OUTSIDE,
    REFUSED,
    TCP,
    UDP,
    UNDECLARED,
    about,
    content,
)
from flowlens.small import collect
from flowlens.words import PROTOCOLS, noun, proto, size

__all__ = ["cleartext", "foreign_dns", "odd_protocols", "spam"]

USUAL = (1, 6, 17, 58)
VPN = (47, 50, 51)
WEB = 80
FEW = 3  # destinations that are a finding each


def foreign_dns(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find DNS that goes to resolvers outside instead of the VPC's, and the shape of a tunnel.

    Any packet of ours to port 53 or 853 outside that is not declared. A *tunnel* sends at least
    `dns_packets` an hour with at least `dns_packet` bytes each on average: names are short.

    Technique: T1071.004 (DNS); T1572 for the shape of a tunnel. Answers GuardDuty's
    DNSDataExfiltration as far as packets can.

    It cannot see queries to the VPC's resolver, which flow logs leave out, nor DNS over HTTPS.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    asked = edges.filter(
        OURS, OUTSIDE, named(DNS), pl.col("protocol").is_in([TCP, UDP]), UNDECLARED
    )
    packets = pl.col("packets_out").sum()
    heavy = pl.col("bytes_out").sum() >= limits.dns_packet * packets
    shape = (
        about(asked.filter(~REFUSED))
        .group_by(*SERVICE, "hour")
        .agg(tunnel=heavy & (packets >= limits.dns_packets))
        .filter("tunnel")
        .select(SERVICE)
        .unique()
        .pipe(collect)
    )
    tunnels = set(shape.iter_rows())
    rows = incidents(asked, several=FEW)
    return table(
        [_asked(row, tuple(row[key] for key in SERVICE) in tunnels, context) for row in rows]
    )


def _asked(row: Mapping[str, Any], tunnel: bool, context: Context) -> dict[str, Any]:  # noqa: FBT001
    """Return a finding of DNS."""
    mean = round(row["bytes_out"] / max(row["packets_out"], 1))
    text = (
        f"{whom(row)} asked {where(row)} instead of the VPC's resolver: {size(row['bytes_out'])} "
        f"in {noun(row['packets_out'], 'packet')}, {mean} B each, {when(row)}, {outcome(row)}"
    )
    if tunnel:
        factors = [(1.0, "its queries are as long as a tunnel's")]
        graded = grade(row, context, base=0.9, amount=False, factors=factors)
        return finding("dns-tunnel", row, text, graded, "T1572", numbers={"score": float(mean)})
    told = (0.3, "nothing declares it") if row["undeclared"] else (0.1, "its queries look ordinary")
    graded = grade(row, context, amount=False, factors=[told])
    return finding("foreign-dns", row, text, graded, "T1071.004", numbers={"score": float(mean)})


def cleartext(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find services that speak in the clear to the outside.

    Accepted and answered with content, on a port of Sigma's list of clear-text protocols
    (`ports.CLEAR`), undeclared; HTTP to AWS is left out.

    Technique: T1040 (network sniffing).

    It cannot see whether TLS was begun later (STARTTLS, databases), and knows services by port.

    Args:
        edges: a table of schema EDGES.
        context: the byte limits.

    Returns:
        Rows of FINDINGS.
    """
    http = (pl.col("server_port") == WEB) & (pl.col("destination_kind") == "aws")
    spoken = edges.filter(
        OURS, OUTSIDE, ANSWERED, content(context.limits), named(CLEAR), UNDECLARED,
        pl.col("protocol").is_in([TCP, UDP]), ~http.fill_null(value=False),
    )  # fmt: skip
    return table([_clear(row, context) for row in incidents(spoken, several=FEW)])


def _clear(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of clear text."""
    name = CLEAR[row["server_port"]]
    text = (
        f"{whom(row)} spoke {name} with {where(row)}, as a rule in the clear: "
        f"{size(row['bytes_out'])} out and {size(row['bytes_in'])} back {when(row)}, {outcome(row)}"
    )
    web = row["server_port"] == WEB
    base = 0.15 if web else 0.5
    why = "much of the web's software still is fetched so" if web else f"{name} holds passwords"
    return finding(
        "cleartext", row, text, grade(row, context, base=base, factors=[(1.0, why)]), "T1040"
    )


def spam(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find workloads that speak to many mail servers and have no business to.

    At least `mail_servers` outside servers on ports 25, 465 and 587 in one hour, undeclared, by a
    workload that did not send mail in `history` hours before: a relay does.

    Technique: T1071.003 (mail protocols). Answers GuardDuty's Spambot.

    It cannot see mail that goes out through one relay.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    sent = about(edges.filter(OURS, OUTSIDE, named(MAIL), pl.col("protocol") == TCP))
    hourly = (
        sent.group_by("about", "hour")
        .agg(servers=pl.col("server").n_unique(), open=UNDECLARED.any())
        .sort("about", "hour")
        .with_columns(past=pl.int_range(pl.len()).over("about"))
    )
    many = (pl.col("servers") >= limits.mail_servers) & (pl.col("past") < limits.history)
    found = hourly.filter(many & pl.col("open")).select("about").unique().pipe(collect)
    return table([_mailed(row, context) for row, _ in matched(sent, found, ["about"])])


def _mailed(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of spam."""
    # The port says enough.
    crowd = ("servers",) if len(row["servers"]) > NAMED else ()
    told = {**row, "protocol": TCP, "destination": None, "open": crowd}
    text = (
        f"{whom(row)} spoke to {noun(len(row['servers']), 'mail server')}: "
        f"{size(row['bytes_out'])} out {when(row)}, {outcome(row)}"
    )
    factors = [(1.0, "it never sent mail before")]
    graded = grade(row, context, base=0.7, amount=False, kind=False, factors=factors)
    key = (whose(row),)
    return finding("spam", told, text, graded, "T1071.003", key=key)


def odd_protocols(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find protocols other than TCP, UDP and ICMP that nobody declared.

    Technique: T1095 (non-application layer protocol).

    It cannot see what a tunnel carries. GRE and ESP are what VPNs speak, and weigh less.

    Args:
        edges: a table of schema EDGES.
        context: the byte limits.

    Returns:
        Rows of FINDINGS.
    """
    odd = ~pl.col("protocol").is_in(USUAL) & (pl.col("protocol") > 0)
    spoken = edges.filter(OURS, pl.col("server").is_not_null(), odd, UNDECLARED)
    return table([_odd(row, context) for row in incidents(spoken, several=FEW)])


def _odd(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a finding of an unusual protocol."""
    number = row["protocol"]
    name = proto(number) if number in PROTOCOLS else f"protocol {number}"
    text = (
        f"{whom(row)} spoke {name} with {where(row, port=False)}: {size(row['bytes_out'])} out "
        f"{when(row)}, {outcome(row)}"
    )
    vpn = (0.4, "VPNs speak it") if number in VPN else (1.0, f"{name} is unusual")
    return finding("protocol", row, text, grade(row, context, base=0.6, factors=[vpn]), "T1095")
