"""D10, D11: outsiders that probed and were answered in the end; and the blocks they come from."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from socket import AF_INET6, inet_ntop, inet_pton
from typing import Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.limits import Limits
from flowlens.findings.phrases import outcome, when
from flowlens.findings.ports import CONTROL, PLAIN, named
from flowlens.findings.rows import NAMED, finding, merge, table, whole
from flowlens.findings.severity import Grade, grade
from flowlens.findings.sides import ANSWERED, OUTSIDER, UNDECLARED, content, silent
from flowlens.small import collect
from flowlens.words import PORTED, noun, service, size

__all__ = ["block", "probed"]

TARGET = ["server", "server_port", "protocol"]
#: The longest prefixes that networks accept of each other, and so what one party holds at least.
FOUR, SIX = 24, 48


def probed(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find services of ours that answered an outside network after it had probed others in vain.

    An outside network (/24 of IPv4, /48 of IPv6, so that neighbours count together) *probes* by
    the threshold random walk (Jung et al. 2004, θ0 0.8 and θ1 0.2 as in SiLK's rwscan): of its
    first contacts with services of ours, in the order of time, those without a word said outnumber
    those that were answered by `probe_lead`. It is an incident where later, within `probe_days` of
    a try that failed, a service answers it with content for the first time, on a port that is not
    the web's, undeclared, and not public: answered to fewer than `public` outside networks that
    never failed. It is one finding a service; never one a probe, a prober, or a day of noise.

    Technique: T1190 (exploit public-facing application).

    It cannot see probes that nobody answers, thousands a day at any address, as more than noise,
    those of networks that try fewer services than `probe_lead`, who is behind several networks,
    or an attack on the web's ports.

    Args:
        edges: a table of schema EDGES.
        context: the thresholds.

    Returns:
        Rows of FINDINGS.
    """
    limits = context.limits
    near = _near(edges)
    said = ANSWERED & content(limits)
    doors = near.filter(said, UNDECLARED, ~named(PLAIN))
    some = doors.select("network", *TARGET).unique().pipe(collect)
    if some.is_empty():
        return table([])
    nets = some.lazy().select("network").unique()
    met = _contacts(near.join(nets, on="network", how="semi"), said, limits)
    hits = _answered(met, limits).join(some, on=["network", *TARGET], how="semi")
    if hits.is_empty():
        return table([])
    touched = _touched(edges, hits, met)
    groups = hits.group_by(TARGET, maintain_order=True)
    return table([_finding(part, touched, context) for _, part in groups])


def block(address: pl.Expr) -> pl.Expr:
    """Return the network of an address: its /24 or /48; what is no address stays as it is.

    >>> one = pl.DataFrame({"a": ["198.51.100.7", "2001:db8:1:2::3"]}).select(block(pl.col("a")))
    >>> one["a"].to_list()
    ['198.51.100.0/24', '2001:db8:1::/48']
    """
    return address.map_batches(_blocks, return_dtype=pl.String, is_elementwise=True)


def _blocks(texts: pl.Series) -> pl.Series:
    """Return the networks of addresses."""
    six = texts.filter(texts.str.contains(":", literal=True)).unique()
    four = texts.str.replace(r"^(\d+\.\d+\.\d+)\.\d+$", f"${{1}}.0/{FOUR}")
    return four.replace(six, pl.Series([_six(one) for one in six], dtype=pl.String))


def _six(text: str) -> str:
    """Return the network of an IPv6 address."""
    try:
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return text
    return f"{inet_ntop(AF_INET6, packed[: SIX // 8].ljust(len(packed), bytes(1)))}/{SIX}"


def _near(edges: pl.LazyFrame) -> pl.LazyFrame:
    """Return what outsiders sent to services of ours, with their ``network``."""
    ported = pl.col("protocol").is_in(sorted(PORTED))
    sure = pl.col("orientation") != "guess"
    return edges.filter(OUTSIDER, ported, sure).with_columns(network=block(pl.col("client")))


def _contacts(near: pl.LazyFrame, said: pl.Expr, limits: Limits) -> pl.DataFrame:
    """Return each network's contacts with services: when the first ``failed``, when one ``won``."""
    first, won = pl.col("first_seen"), pl.col("won")
    return (
        near.group_by("network", *TARGET)
        .agg(failed=first.filter(silent(limits)).min(), won=first.filter(said).min())
        .with_columns(failed=pl.when(won.is_null() | (pl.col("failed") < won)).then("failed"))
        .filter(pl.any_horizontal(pl.col("failed", "won").is_not_null()))
        .sort("network", pl.min_horizontal("failed", "won"), *TARGET)
        .pipe(collect)
    )


def _answered(met: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Return the contacts that are incidents, by service: answered after the network had probed."""
    lost = pl.col("failed").is_not_null()
    lead = pl.when(lost).then(1).otherwise(-1).cum_sum().over("network")
    probing = pl.col("failed").filter(pl.col("lead") >= limits.probe_lead).min()
    walked = met.with_columns(lead=lead).with_columns(
        probes=probing.over("network"), innocent=~lost.any().over("network")
    )
    crowd = (pl.col("innocent") & pl.col("won").is_not_null()).sum().over(TARGET)
    late = walked.filter(crowd < limits.public, pl.col("won") >= pl.col("probes"))
    tried = met.filter(lost).select("network", last="failed").sort("last")
    days = timedelta(days=limits.probe_days)
    return (
        late.sort("won")
        .join_asof(tried, left_on="won", right_on="last", by="network", check_sortedness=False)
        .filter(pl.col("won") - pl.col("last") <= days)
        .select("network", *TARGET)
        .sort(*TARGET, "network")
    )


def _touched(edges: pl.LazyFrame, hits: pl.DataFrame, met: pl.DataFrame) -> pl.DataFrame:
    """Return all edges with the networks of the hits, with ``network`` and whether they failed."""
    nets = hits["network"].unique()
    ends = {end: block(pl.col(end)) for end in ("client", "server")}
    came, went = (end.is_in(nets.to_list()).fill_null(value=False) for end in ends.values())
    failed = met.filter(pl.col("failed").is_not_null()).select("network", *TARGET, failed=True)
    return (
        edges.filter(came | went)
        .with_columns(
            network=pl.when(came).then(ends["client"]).otherwise(ends["server"]), came=came
        )
        .pipe(collect)
        .join(failed, on=["network", *TARGET], how="left", nulls_equal=True)
        .with_columns(pl.col("failed").fill_null(value=False) & pl.col("came"))
    )


def _finding(part: pl.DataFrame, touched: pl.DataFrame, context: Context) -> dict[str, Any]:
    """Return the finding about one service and the networks that it answered."""
    limits = context.limits
    target = part.select(TARGET).row(0, named=True)
    here = pl.all_horizontal(pl.col(key) == value for key, value in target.items())
    moved = (
        touched.filter(here, pl.col("network").is_in(part["network"].to_list()))
        .group_by("network")
        .agg(pl.sum("bytes_out", "bytes_in"))
        .sort("bytes_in", "bytes_out", "network", descending=[True, True, False])
    )
    nets = moved["network"].head(NAMED).to_list()
    mine = touched.filter(pl.col("network").is_in(nets))
    row = _row(mine, target, nets)
    tried = mine.filter("failed", silent(limits))
    most = moved.select(pl.max_horizontal("bytes_out", "bytes_in")).max().item()
    numbers = {
        "servers": tried["server"].n_unique(),
        "ports": tried.select(pl.struct("protocol", "server_port").n_unique()).item(),
        "tries": tried["connections"].sum(),
        "peak": moved["bytes_in"].head(NAMED).sum(),
        "workloads": part.height,
    }
    text = _text(row, nets, numbers)
    key = (row["server"], row["destination"], row["server_port"])
    grade = _grade(row, context, greeted=most <= limits.little)
    return finding("probed", row, text, grade, "T1190", key=key, numbers=numbers)


def _row(mine: pl.DataFrame, target: Mapping[str, Any], nets: Sequence[str]) -> dict[str, Any]:
    """Return the merged row of all that passed between the networks and us."""
    edges = mine.drop("network", "came", "failed").lazy().with_columns(one=1)
    merged = merge(edges, ["one"]).pipe(collect).row(0, named=True)
    here = pl.all_horizontal(pl.col(key) == value for key, value in target.items())
    name = mine.filter(here).sort("destination")["destination"][0]
    clients = mine.filter("came")["client"].unique().sort().to_list()
    return {
        **whole(merged), **target, "destination": name, "client": clients[0], "clients": clients,
        "client_owner": None, "client_kind": None, "networks": list(nets),
    }  # fmt: skip


def _text(row: Mapping[str, Any], nets: Sequence[str], numbers: Mapping[str, Any]) -> str:
    """Return the sentence."""
    who = noun(len(row["clients"]), "address", "addresses")
    if len(row["clients"]) == 1:
        who = row["client"]
    far = nets[0] if len(nets) == 1 else f"{nets[0]} and others"
    name = f"{row['destination']} ({row['server']})"
    where = row["server"] if row["destination"] in {None, row["server"]} else name
    more = numbers["workloads"] - len(nets)
    others = f", the most of {noun(numbers['workloads'], 'network')}" if more else ""
    return (
        f"{who} outside ({far}{others}) tried {noun(numbers['ports'], 'port')} of "
        f"{noun(numbers['servers'], 'host')} here without a word said, "
        f"{noun(numbers['tries'], 'connection')}, and later got {size(numbers['peak'])} from "
        f"{where} {service(row['protocol'], row['server_port'])}: {size(row['bytes_out'])} out and "
        f"{size(row['bytes_in'])} back in all {when(row)}, {outcome(row)}"
    )


def _grade(row: Mapping[str, Any], context: Context, *, greeted: bool) -> Grade:
    """Grade it: what was only greeted is what scanners of the whole Internet do."""
    told = (0.1, "no more than a greeting was said")
    factors = [told if greeted else (1.0, "more than a greeting was said")]
    if row["server_port"] in CONTROL:
        factors.append((1.2, f"its port is that of {CONTROL[row['server_port']]}"))
    evidence = (1.0, "answered after others were tried in vain")
    return grade(
        row, context, base=0.5, evidence=evidence, amount=False, kind=False, factors=factors
    )
