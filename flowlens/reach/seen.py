"""Records as flows that interfaces met: distinct ones, each with what the log says of it."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.conversations.openers import TUPLE, openers, tupled
from flowlens.inventory.holding import addresses
from flowlens.reach.schema import FLOWS
from flowlens.tables import TIME

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["SEEN", "given", "seen", "slot"]

TCP = 6
SYN, SYN_ACK = 2, 16  # bits of tcp-flags (user guide of VPC); 16 comes with SYN only
#: Client ports that hypervisor services are told by (DHCP, both families).
LEASE = (67, 68, 69, 546, 547, 548)
OBSERVERS = ("interface_id", "resource_id", "tgw_attachment_id")

#: What a flow is asked about, who its ends are, and what the log says.
SEEN: dict[str, pl.DataType] = {
    **FLOWS,
    "client": pl.String(),
    "client_port": pl.UInt16(),
    "server": pl.String(),
    "server_port": pl.UInt16(),
    "action": pl.String(),
    "reject_reason": pl.String(),
    # syn, answer, later: what a refused TCP record shows; null: the log has no flags
    "stage": pl.String(),
    "orientation": pl.String(),
    "records": pl.UInt64(),
    "bytes": pl.UInt64(),
    "connections": pl.UInt64(),
    "first_seen": TIME,
    "last_seen": TIME,
}
#: Fields of records that are read here, beside those of `TUPLE`.
_WANTED: dict[str, pl.DataType] = {
    **dict.fromkeys(("srcaddr", "dstaddr", "action", "reject_reason"), pl.String()),
    **dict.fromkeys(("srcport", "dstport"), pl.UInt16()),
    **{"protocol": pl.UInt8(), "bytes": pl.UInt64(), "start": TIME, "end": TIME},
}
_SAID = ("action", "reject_reason", "stage", "orientation")


def given(flows: pl.DataFrame) -> pl.DataFrame:
    """Return flows that come from no log, or from a table of their own, as `SEEN`.

    Args:
        flows: with columns of `SEEN`, ``src`` and ``dst`` at least.
    """
    opens = pl.col("role") == "initiate"
    blank = {name: pl.lit(None, dtype) for name, dtype in SEEN.items() if name not in flows.columns}
    whole = flows.with_columns(**blank).with_columns(pl.col("role").fill_null("initiate"))
    ends = {
        "client": pl.when(opens).then("src").otherwise("dst"),
        "server": pl.when(opens).then("dst").otherwise("src"),
        "client_port": pl.when(opens).then("src_port").otherwise("dst_port"),
        "server_port": pl.when(opens).then("dst_port").otherwise("src_port"),
    }
    named = whole.with_columns(pl.coalesce(pl.col(name), end) for name, end in ends.items())
    return named.select(pl.col(name).cast(dtype) for name, dtype in SEEN.items())


def seen(records: pl.LazyFrame, inventory: "Inventory") -> pl.DataFrame:
    """Return the distinct flows behind records.

    Flows are alike that differ in nothing that a rule could tell apart: the interface, direction,
    addresses, role, the server's port, the stretch between bounds of network ACLs in which the
    client's port lies, what the log says, and the captures around their time.

    Args:
        records: the records table.
        inventory: whose captures cut time, whose ACLs cut ports, and whose interfaces hold
            addresses where the log does not tell which end is theirs.

    Raises:
        UsageError: the log format has no source or destination address.
    """
    held = _added(tupled(records), inventory).collect(engine="streaming")
    role = openers(held.lazy())
    oriented = held.lazy().join(role, on=TUPLE, how="left", nulls_equal=True)
    return _alike(_met(oriented, inventory), inventory).collect()


def _added(records: pl.LazyFrame, inventory: "Inventory") -> pl.LazyFrame:
    """Add up records that differ in counters and times within an hour only."""
    schema = records.collect_schema()
    start = pl.col("start") if "start" in schema else pl.lit(None, TIME)
    keys = [
        *(name for name in OBSERVERS if name in schema),
        *("srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr", "srcport", "dstport", "protocol"),
        *("action", "reject_reason", "flow_direction", "tcp_flags", *TUPLE),
    ]
    return (
        records.with_columns(slot=slot(start, inventory), hour=start.dt.truncate("1h"))
        .group_by("slot", "hour", *(name for name in keys if name in schema))
        .agg(
            pl.col("merged").sum()
            if "merged" in schema
            else pl.len().cast(pl.UInt64).alias("merged"),
            *(
                pl.col(name).cast(pl.UInt64).sum()
                for name in ("bytes", "packets")
                if name in schema
            ),
            *([pl.min("start")] if "start" in schema else []),
            *([pl.max("end")] if "end" in schema else []),
        )
    )


def slot(time: pl.Expr, inventory: "Inventory") -> pl.Expr:
    """Number the captures and the spans between them: those alike have the same configuration."""
    times = pl.lit(pl.Series(sorted({each.captured_at for each in inventory.captures}), dtype=TIME))
    both = (times.search_sorted(time, side=side).cast(pl.UInt32) for side in ("left", "right"))
    return pl.when(time.is_not_null()).then(sum(both, start=pl.lit(0, pl.UInt32)))


def _met(records: pl.LazyFrame, inventory: "Inventory") -> pl.LazyFrame:
    """Say how the observer meets each record: which end is its own, and whom it faces."""
    names = records.collect_schema().names()
    observer = [name for name in OBSERVERS if name in names]
    blank = {n: pl.lit(None, dtype) for n, dtype in _WANTED.items() if n not in names}
    flags, text = pl.col("tcp_flags") if "tcp_flags" in names else pl.lit(None, pl.UInt8), pl.String
    given = pl.col("flow_direction") if "flow_direction" in names else pl.lit(None, text)
    whole = records.with_columns(**blank).with_columns(
        watched=pl.coalesce(observer) if observer else pl.lit(None, text),
        given=pl.when(given.is_in(["egress", "ingress"])).then(given),
        stage=_stage(flags),
    )
    held = addresses(inventory)
    holds = {end: _holds(end, held) for end in ("srcaddr", "dstaddr", *TUPLE[:2])}
    whole = whole.with_columns(pl.col("watched").alias("interface_id")).with_columns(
        direction=_direction(holds["srcaddr"], holds["dstaddr"])
    )
    out = pl.col("direction") == "egress"
    # The packet's own address where the interface holds it (a further one of its own), else what
    # stands in its place; at the other end the packet's own.
    own = {
        end: pl.when(holds[tuple_]).then(tuple_).otherwise(end)
        for end, tuple_ in (("srcaddr", TUPLE[0]), ("dstaddr", TUPLE[1]))
    }
    return whole.with_columns(
        src=pl.when(out).then(own["srcaddr"]).otherwise(TUPLE[0]),
        dst=pl.when(out).then(TUPLE[1]).otherwise(own["dstaddr"]),
        src_port=pl.col("srcport"),
        dst_port=pl.col("dstport"),
    )


def _stage(flags: pl.Expr) -> pl.Expr:
    """Say what a refused TCP record shows: an opening packet, an answer to one, or later ones."""
    told = (
        pl.when(flags & SYN_ACK == SYN_ACK)
        .then(pl.lit("answer"))
        .when(flags & SYN == SYN)
        .then(pl.lit("syn"))
        .when(flags.is_not_null())
        .then(pl.lit("later"))
    )
    return pl.when((pl.col(TUPLE[4]) == TCP) & (pl.col("action") == "REJECT")).then(told)


def _holds(column: str, held: pl.DataFrame) -> pl.Expr:
    """Say whether the observer, or anybody where it is not named, ever held an address."""
    pairs = held.select(pl.concat_str("interface_id", "address", separator="\n")).to_series()
    either = pl.concat_str("interface_id", column, separator="\n").is_in(pairs.unique().implode())
    anyone = pl.col(column).is_in(held["address"].unique().implode())
    told = pl.when(pl.col("interface_id").is_null()).then(anyone).otherwise(either)
    return told.fill_null(value=False)


def _direction(source: pl.Expr, target: pl.Expr) -> pl.Expr:
    """Return the log's direction, else the one that the interface's own address gives."""
    return (
        pl.when(pl.col("given").is_not_null())
        .then("given")
        .when(source & ~target)
        .then(pl.lit("egress"))
        .when(target & ~source)
        .then(pl.lit("ingress"))
    )


def _alike(met: pl.LazyFrame, inventory: "Inventory") -> pl.LazyFrame:
    """Merge flows that no rule tells apart."""
    opens = pl.col("role") == "initiate"
    guess = pl.col("orientation") == "guess"
    port = pl.when(opens).then("src_port").otherwise("dst_port")
    # Who is the client may be wrong where it is a guess: then each port counts.
    stretch = pl.lit(_bounds(inventory)).search_sorted(port, side="right").cast(pl.UInt32)
    split = met.with_columns(
        client=pl.when(opens).then(TUPLE[0]).otherwise(TUPLE[1]),
        server=pl.when(opens).then(TUPLE[1]).otherwise(TUPLE[0]),
        server_port=pl.when(opens).then("dst_port").otherwise("src_port"),
        client_port=port,
        stretch=pl.when(guess).then(port.cast(pl.UInt32) + (1 << 16)).otherwise(stretch),
    )
    keys = ["interface_id", "direction", "src", "dst", "protocol", "role", "client", "server"]
    several = pl.col("client_port").n_unique()
    merged = split.group_by(*keys, "server_port", "stretch", *_SAID, "slot").agg(
        pl.sum("merged").alias("records"),
        pl.when(pl.col("bytes").count() > 0).then(pl.sum("bytes")),
        several.cast(pl.UInt64).alias("connections"),
        pl.min("client_port").alias("one"),
        first_seen=pl.min("start"),
        last_seen=pl.max("end"),
    )
    return merged.with_columns(
        at=pl.col("first_seen"),
        src_port=pl.when(opens).then("one").otherwise("server_port"),
        dst_port=pl.when(opens).then("server_port").otherwise("one"),
        client_port=pl.when(pl.col("connections") == 1).then("one"),
        icmp_type=pl.lit(None),
        icmp_code=pl.lit(None),
    ).select(pl.col(name).cast(dtype) for name, dtype in SEEN.items())


def _bounds(inventory: "Inventory") -> pl.Series:
    """Return where entries of network ACLs, and what never is logged, begin and end among ports."""
    entries = inventory.nacls.select("from_port", pl.col("to_port") + 1)
    found = [entries[name].drop_nulls() for name in ("from_port", "to_port")]
    cuts = pl.concat([pl.Series(LEASE, dtype=pl.Int64), *(each.cast(pl.Int64) for each in found)])
    return cuts.filter(cuts.is_between(1, 65535)).cast(pl.UInt16).unique().sort()
