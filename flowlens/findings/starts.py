"""When connections began: events of seconds, out of records that are windows of minutes.

A record is cut by the clock of its aggregation interval, so a connection that lives on gives one
record a minute (or ten): the records are periodic, the connection is not. An *event* here is what a
client really began: the first record of a 5-tuple, a record with a SYN of the client, or a record
after a whole interval of silence.
"""

from collections.abc import Sequence

import polars as pl

from flowlens.findings.evidence import among
from flowlens.records import narrowed
from flowlens.small import collect
from flowlens.words import PORTED
from flowlens_parsers.batch import MANY

__all__ = ["PAIR", "events", "watchers"]

#: What events are looked up by.
PAIR = ["client", "server", "server_port", "protocol"]

NEEDED = frozenset({"srcaddr", "dstaddr", "start"})
MINUTE = 60  # seconds: the shorter of the two aggregation intervals
SYN, ACK = 2, 16


def events(records: pl.LazyFrame, pairs: pl.DataFrame) -> pl.DataFrame | None:
    """Return the events of pairs of addresses, in the order of `PAIR` and time.

    Only records of these pairs are held, so memory grows with them alone. Where several
    interfaces wrote an event down it is one, with the figures of one of them.

    Args:
        records: typed records.
        pairs: the columns of `PAIR`, and ``observer``: whose records count.

    Returns:
        `PAIR`, ``at`` (seconds since 1970), ``until``, ``bytes_out``, ``bytes_in``,
        ``packets_out``, ``packets_in``; None where the records have no addresses or times, or
        come added up (``merged``), so that nothing tells one start from the next.
    """
    schema = records.collect_schema()
    names = schema.names()
    if not set(names) >= NEEDED or schema.get("merged") == pl.UInt64():
        return None
    wanted = pairs.select(*PAIR, "observer").unique()
    rows = _rows(_plain(_near(records, wanted), names), wanted.lazy()).collect(engine="streaming")
    tuples = [*PAIR, "observer", "client_port"]
    quiet = _interval(rows)
    ordered = rows.sort(*tuples, "at", "until", "out", "bytes", "packets")
    before = pl.col("until").cum_max().shift(1).over(tuples)
    opened = pl.col("syn") & (pl.col("at") > pl.col("at").shift(1).over(tuples))
    begins = before.is_null() | (pl.col("at") - before > quiet) | opened
    return (
        ordered.with_columns(event=begins.cum_sum())
        .group_by(*tuples, "event")
        .agg(pl.col("at").min(), pl.col("until").max(), *_sums())
        .sort(*PAIR, "at", "client_port", "observer")
        .drop("event", "client_port", "observer")
    )


def watchers(edges: pl.LazyFrame, keys: Sequence[str] = PAIR) -> pl.DataFrame:
    """Return `keys` and one ``observer`` each, that with the most records.

    What two interfaces wrote down of a start is one start.

    Args:
        edges: a table of schema EDGES.
        keys: what is watched.
    """
    return (
        edges.group_by(*keys, "observer")
        .agg(pl.sum("records"))
        .sort("records", "observer", descending=[True, False], nulls_last=True)
        .unique(keys, keep="first", maintain_order=True)
        .drop("records")
        .pipe(collect)
    )


def _near(records: pl.LazyFrame, pairs: pl.DataFrame) -> pl.LazyFrame:
    """Return records read again where they can hold one of the pairs."""
    ends = [pairs[end].drop_nulls().unique().sort().to_list() for end in ("server", "client")]
    few = min(ends, key=len)
    whole = not any(pairs[end].null_count() for end in ("server", "client"))
    return narrowed(records, among("addr", few)) if whole and few and len(few) <= MANY else records


def _plain(records: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """Return records with the ends of their packets, where logged; what a log lacks is null."""

    def far(name: str) -> pl.Expr:
        packet = f"pkt_{name}"
        return pl.coalesce(packet, name) if packet in names else pl.col(name)

    def known(name: str, dtype: pl.DataType) -> pl.Expr:
        return (pl.col(name) if name in names else pl.lit(None)).cast(dtype)

    observers = [n for n in ("interface_id", "resource_id", "tgw_attachment_id") if n in names]
    flags = known("tcp_flags", pl.Int64()).fill_null(0)
    end = pl.col("end") if "end" in names else pl.col("start")
    return records.select(
        src=far("srcaddr"),
        dst=far("dstaddr"),
        sport=known("srcport", pl.UInt16()),
        dport=known("dstport", pl.UInt16()),
        protocol=known("protocol", pl.UInt8()),
        observer=pl.coalesce(observers) if observers else pl.lit(None, pl.String),
        at=pl.col("start").dt.epoch("s"),
        until=pl.max_horizontal(end, "start").dt.epoch("s"),
        bytes=known("bytes", pl.UInt64()),
        packets=known("packets", pl.UInt64()),
        syn=((flags & SYN) > 0) & ((flags & ACK) == 0),
    )


def _rows(plain: pl.LazyFrame, pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Return the records of the pairs with client and server in place of source and target."""
    out = {"src": "client", "dst": "server", "dport": "server_port", "sport": "client_port"}
    back = {"dst": "client", "src": "server", "sport": "server_port", "dport": "client_port"}
    ways = [
        plain.rename(names).with_columns(out=pl.lit(sent), syn=pl.col("syn") & pl.lit(sent))
        for names, sent in ((out, True), (back, False))
    ]
    ported = pl.col("protocol").is_in(sorted(PORTED))
    keyed = pairs.with_columns(server_port=pl.when(ported).then("server_port"))
    columns = [*PAIR, "observer", "client_port", "at", "until", "out", "bytes", "packets", "syn"]
    both = pl.concat([way.select(columns) for way in ways])
    unported = both.with_columns(server_port=pl.when(ported).then("server_port"))
    return unported.join(keyed, on=[*PAIR, "observer"], how="semi", nulls_equal=True)


def _interval(rows: pl.DataFrame) -> int:
    """Return the aggregation interval: 60 s, or 600 s where any record lasts longer than that."""
    longest = rows.select((pl.col("until") - pl.col("at")).max()).item()
    return MINUTE if longest is None or longest <= MINUTE else 10 * MINUTE


def _sums() -> list[pl.Expr]:
    """Return bytes and packets of an event by direction."""
    sides = (("out", pl.col("out")), ("in", ~pl.col("out")))
    return [
        pl.col(name).filter(side).sum().alias(f"{name}_{way}")
        for name in ("bytes", "packets")
        for way, side in sides
    ]
