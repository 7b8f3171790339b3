"""Records to flows: one row per 5-tuple, observer, hour and action, both directions side by side.

A *flow* here is the mergeable partial state of everything that follows: the records of one
unordered 5-tuple that one observer wrote down in one hour with one verdict. Its two *ends* are
``lo`` and ``hi``; which of them is the client is decided later, over all observers and hours.

Addresses become dictionary codes, and an end is its address, port and protocol packed into one
integer, because grouping by strings costs several times more than everything else here.
"""

import polars as pl

from flowlens.conversations.codes import END, HOUR, WORD, code
from flowlens.errors import UsageError

__all__ = ["IDENTIFYING", "LATER", "blanks", "coded", "fields", "flows", "once", "versioned"]

SYN, SYN_ACK = 2, 16  # VPC records have bit 16 only together with SYN (user guide, tcp-flags)
MIDDLE = ("nat_gateway", "regional_nat_gateway", "transit_gateway", "network_load_balancer")

#: A record is told from another by these; without the fields behind them nothing is a duplicate.
IDENTITY = ("src", "dst", "where", "what", "first", "last", "bytes", "packets")
IDENTIFYING = frozenset({"srcport", "dstport", "start", "end", "packets"})

#: Fields of later versions; a log of version 2 alone is not read for its version.
LATER = frozenset({"tcp_flags", "pkt_srcaddr", "flow_direction", "vpc_id", "instance_id"})

#: Facts about what one end sent, and facts that hold for an end whichever way the record goes.
SENT = ("bytes", "packets", "first", "last", "syn", "syn_ack", "flagged", "path")
HELD = ("local", "raw", "service")
#: Facts about the observer.
OBSERVED = ("instance", "middle")

MERGE = {
    **dict.fromkeys(("bytes", "packets"), pl.Expr.sum),
    **dict.fromkeys(("first", "service", "raw"), pl.Expr.min),
    **dict.fromkeys(("last", "path"), pl.Expr.max),
    **dict.fromkeys(("syn", "syn_ack", "flagged", "local", *OBSERVED), pl.Expr.any),
}


def flows(records: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Merge records into flows, counting exact duplicates once.

    Args:
        records: the records table; fields that the log format left out may be missing.
        words: the dictionary that addresses and interfaces are coded with.

    Returns:
        ``lo`` and ``hi`` (packed ends), ``where`` (observer and flow log), ``what`` (hour and
        action), ``records``, the columns of `OBSERVED`, and those of `SENT` and
        `HELD` once for each end with the suffix ``_lo`` or ``_hi``. What the log format left
        out, and what an end never sent, is null.

    Raises:
        UsageError: the log format has no source or no destination address.
    """
    columns = fields(records)
    facts = _facts(columns, words)
    each = coded(records, words, columns)
    each = once(each) if columns >= IDENTIFYING else each.with_columns(records="merged")
    sides = {
        f"{name}_{side}": _side(name, lo=side == "lo")
        for name in (*SENT, *HELD)
        for side in ("lo", "hi")
        if name in facts or f"{name}_src" in facts
    }
    observed = [name for name in OBSERVED if name in facts]
    ends = (
        pl.min_horizontal("src", "dst").alias("lo"),
        pl.max_horizontal("src", "dst").alias("hi"),
    )
    return (
        each.select(*ends, "where", "what", "records", *observed, **sides)
        .group_by("lo", "hi", "where", "what")
        .agg(
            pl.sum("records"),
            *(_merge(name) for name in (*observed, *sides)),
        )
        .with_columns(**blanks({*observed, *sides}, words))
    )


def fields(records: pl.LazyFrame) -> frozenset[str]:
    """Return the columns of records that have a meaning here.

    ``merged``, the number of records that one stands for, is one of added-up tables alone; in a
    log it would be somebody's text.
    """
    schema = records.collect_schema()
    return frozenset(name for name in schema if name != "merged" or schema[name] == pl.UInt64())


def coded(records: pl.LazyFrame, words: pl.Categorical, columns: frozenset[str]) -> pl.LazyFrame:
    """Pack the keys of records, and keep of the rest what conversations are made of.

    Args:
        records: the records table, with all of `columns`.
        words: the dictionary of the codes.
        columns: the fields there are.
    """
    return records.select(
        **_ends(columns, words), **_keys(columns, words), **_facts(columns, words)
    )


def once(coded: pl.LazyFrame) -> pl.LazyFrame:
    """Let one of each exact duplicate count, and all of them speak: add ``records``.

    Overlapping flow logs and repeated deliveries write the same line twice; nothing in a
    record tells such copies apart, and counting both doubles the traffic. Records are compared
    by a 64-bit hash: among 100 million, two different ones share it with a chance of 1 in 3,700.
    """
    first = pl.struct(IDENTITY).hash().is_first_distinct().cast(pl.UInt64)
    counted = coded.with_columns(pl.col("bytes", "packets", "merged") * first)
    return counted.rename({"merged": "records"})


def _ends(columns: frozenset[str], words: pl.Categorical) -> dict[str, pl.Expr]:
    """Pack each end: the packet's own address where the format has it, port and protocol."""
    ends = {}
    for end in ("src", "dst"):
        names = [name for name in (f"pkt_{end}addr", f"{end}addr") if name in columns]
        if not names:
            msg = f"this log format has no {end}addr: a conversation needs both addresses"
            raise UsageError(msg)
        port = _number(columns, f"{end}port") * 256 + _number(columns, "protocol")
        ends[end] = code(pl.coalesce(names), words) * END + port
    return ends


def _keys(columns: frozenset[str], words: pl.Categorical) -> dict[str, pl.Expr]:
    """Pack observer and flow log into ``where``, hour and action into ``what``."""
    names = [c for c in ("interface_id", "resource_id", "tgw_attachment_id") if c in columns]
    observer = pl.coalesce(names) if names else pl.lit(None, pl.String)
    log, action = (_text(columns, name) for name in ("flow_log", "action"))
    if versioned(columns):
        log = pl.coalesce(log, pl.col("version").cast(pl.String))
    return {
        "where": code(observer, words) * WORD + code(log, words),
        "what": _seconds(columns, "start") // HOUR * WORD + code(action, words),
    }


def versioned(columns: frozenset[str]) -> bool:
    """Say whether versions tell flow logs apart where no file name does: one log has one."""
    return "version" in columns and bool(LATER & columns)


def _facts(columns: frozenset[str], words: pl.Categorical) -> dict[str, pl.Expr]:
    """Return what a record says, as far as its format goes."""
    facts = {
        # Records of a table that was added up where it lies stand for several.
        "merged": pl.col("merged") if "merged" in columns else pl.lit(1, pl.UInt64),
        "bytes": _number(columns, "bytes"),
        "packets": _number(columns, "packets"),
        "first": _seconds(columns, "start"),
        "last": _seconds(columns, "end"),
        **(_flags(columns) if "tcp_flags" in columns else {}),
    }
    direction = pl.col("flow_direction")
    given = {
        "flow_direction": {"local_src": direction == "egress", "local_dst": direction == "ingress"},
        "traffic_path": {"path": pl.col("traffic_path")},
        "instance_id": {"instance": pl.col("instance_id").is_not_null()},
        "interface_type": {"middle": pl.col("interface_type").is_in(MIDDLE)},
    }
    for field in given.keys() & columns:
        facts |= given[field]
    for end in ("src", "dst"):
        raw, packet = f"{end}addr", f"pkt_{end}addr"
        if {raw, packet} <= columns:
            other = pl.when(pl.col(raw) != pl.col(packet))
            facts[f"raw_{end}"] = other.then(pl.col(raw)).cast(words)
        if f"pkt_{end}_aws_service" in columns:
            facts[f"service_{end}"] = pl.col(f"pkt_{end}_aws_service").cast(words)
    for name in ("raw", "service"):  # a format may have one end's alone
        both = {f"{name}_src", f"{name}_dst"}
        for missing in both - facts.keys() if both & facts.keys() else ():
            facts[missing] = pl.lit(None, pl.String).cast(words)
    return facts


def _flags(columns: frozenset[str]) -> dict[str, pl.Expr]:
    """Return whether a record's sender sent a SYN or a SYN-ACK."""
    flags = pl.col("tcp_flags")
    syn_ack = flags & SYN_ACK == SYN_ACK
    if "tgw_attachment_id" in columns:
        # A transit gateway may record a bare ACK as 16, so there the bit proves nothing.
        syn_ack &= pl.col("tgw_attachment_id").is_null()
    return {
        "syn": flags & (SYN | SYN_ACK) == SYN,
        "syn_ack": syn_ack,
        "flagged": flags.is_not_null(),
    }


def _side(name: str, *, lo: bool) -> pl.Expr:
    """Return the fact as it is for one end: what it sent, or what holds for it."""
    forward = pl.col("src") <= pl.col("dst")
    if name in SENT:
        return pl.when(forward if lo else ~forward).then(name)
    near, far = (f"{name}_src", f"{name}_dst") if lo else (f"{name}_dst", f"{name}_src")
    return pl.when(forward).then(near).otherwise(far)


def _merge(column: str) -> pl.Expr:
    return MERGE[column.removesuffix("_lo").removesuffix("_hi")](pl.col(column))


def blanks(known: set[str], words: pl.Categorical) -> dict[str, pl.Expr]:
    """Return null columns for the facts that the log format left out.

    Args:
        known: the columns that are there.
        words: the dictionary of the codes.
    """
    types: dict[str, pl.DataType] = {
        "path": pl.UInt8(),
        "raw": words,
        "service": words,
    }
    sided = {f"{name}_{side}": name for name in (*SENT, *HELD) for side in ("lo", "hi")}
    wanted = sided | {name: name for name in OBSERVED}
    return {
        column: pl.lit(None, types.get(name, pl.Boolean()))
        for column, name in wanted.items()
        if column not in known
    }


def _number(columns: frozenset[str], name: str) -> pl.Expr:
    """Return the field as UInt64, 0 where it is missing (a rejected packet may have no bytes)."""
    return pl.col(name).cast(pl.UInt64).fill_null(0) if name in columns else pl.lit(0, pl.UInt64)


def _seconds(columns: frozenset[str], name: str) -> pl.Expr:
    if name not in columns:
        return pl.lit(0, pl.UInt64)
    return pl.col(name).dt.epoch("s").cast(pl.UInt64).fill_null(0)


def _text(columns: frozenset[str], name: str) -> pl.Expr:
    return pl.col(name) if name in columns else pl.lit(None, pl.String)
