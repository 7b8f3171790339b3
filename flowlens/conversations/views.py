"""Flows with roles to views: what each observer saw of each conversation.

A *view* is one conversation as one observer, through one flow log, wrote it down. Both ends of
a pair, NAT gateways, transit gateways and overlapping flow logs each give a view of the same
conversation; `flowlens.conversations.counting` keeps one.
"""

from functools import cache

import polars as pl

from flowlens.conversations.codes import END, WORD
from flowlens.small import collect

__all__ = ["CLIENT", "KEY", "MIDDLE", "SERVER", "UNKNOWN", "merged", "placed", "views"]

#: A conversation: the client's address code, the server's end, and hour and action packed.
KEY = ["client", "server_end", "what"]

#: Where an observer stands to a conversation, best first.
CLIENT, SERVER, UNKNOWN, MIDDLE = range(4)

SUMS = ("bytes_out", "packets_out", "bytes_in", "packets_in", "records")


def views(flows: pl.LazyFrame, roles: pl.LazyFrame) -> pl.LazyFrame:
    """Merge flows into views.

    Args:
        flows: what `flows.flows` returns.
        roles: what `roles.roles` returns.

    Returns:
        `KEY`, ``where`` (observer and flow log), `SUMS`, ``connections``, ``first_seen`` and
        ``last_seen`` (seconds), ``sure`` (2 certain, 1 likely, 0 guess), and what the records
        tell about the observer: ``local_client``, ``local_server``, ``raw_client``,
        ``raw_server`` (the address that stood in for the packet's), ``instance``, ``middle``.
    """
    oriented = flows.join(roles, on=["lo", "hi"])
    raw = ["raw_client", "raw_server"]  # texts until here: codes have no order of their own
    one = pl.lit(1, pl.UInt64)
    seen = merged(
        oriented.select(**_columns(), connections=one),
        least=raw,
        some=["local_client", "local_server", "instance", "middle"],
    )
    return seen.with_columns(pl.col(raw).to_physical().cast(pl.UInt64))


def merged(rows: pl.LazyFrame, *, least: list[str], some: list[str]) -> pl.LazyFrame:
    """Merge rows of one conversation at one observer.

    Args:
        rows: with `KEY`, ``where``, `SUMS`, ``connections``, times, ``sure`` and services.
        least: further columns of which the least value is kept.
        some: further columns that are true where any row's is.
    """
    low, high = pl.col("sure").min(), pl.col("sure").max()
    return rows.group_by(*KEY, "where").agg(
        pl.sum(*SUMS, "connections"),
        pl.min("first_seen", "aws_service", *least),
        pl.max("last_seen", "traffic_path"),
        *(pl.any(name) for name in some),
        # One 5-tuple with flags shows who opens these; likely ones beside it agree.
        sure=pl.when((high == 2) & (low == 0)).then(pl.lit(1, pl.UInt8)).otherwise(high),
    )


@cache
def _columns() -> dict[str, pl.Expr]:
    """Turn ``lo`` and ``hi`` into client and server, and unpack the keys."""

    def end(name: str, *, client: bool) -> pl.Expr:
        lo, hi = (f"{name}_lo", f"{name}_hi") if name else ("lo", "hi")
        return pl.when(pl.col("client_lo") == client).then(lo).otherwise(hi)

    return {
        "client": end("", client=True) // END,
        "server_end": end("", client=False),
        "what": pl.col("what"),
        "where": pl.col("where"),
        "bytes_out": end("bytes", client=True),
        "packets_out": end("packets", client=True),
        "bytes_in": end("bytes", client=False),
        "packets_in": end("packets", client=False),
        "records": pl.col("records"),
        "first_seen": pl.min_horizontal("first_lo", "first_hi"),
        "last_seen": pl.max_horizontal("last_lo", "last_hi"),
        "sure": pl.col("sure"),
        "traffic_path": end("path", client=True),
        "aws_service": end("service", client=False),
        **{
            f"{name}_{side}": end(name, client=side == "client")
            for name in ("local", "raw")
            for side in ("client", "server")
        },
        "instance": pl.col("instance"),
        "middle": pl.col("middle"),
    }


def placed(views: pl.LazyFrame, boxes: pl.LazyFrame, held: pl.LazyFrame | None) -> pl.LazyFrame:
    """Add ``place``, where an observer stands.

    An interface's own address is in every record that it writes, as source or destination,
    because AWS puts the interface's primary address there even where the packet's is another.
    The one address common to all views of an observer is therefore its own. Where none is (it
    has addresses of both families), it is the one of the two that more of its views have; where
    two are (a single pair of addresses), it is the one that fewer observers know. The inventory
    and flow-direction come before both.

    Args:
        views: what `views` returns.
        boxes: ``observer`` and ``box`` (codes): interfaces known to pass traffic on, and
            their addresses.
        held: ``observer`` and ``address`` (codes): which interface holds which address, as far
            as the inventory tells; None without one.
    """
    near = {
        "near_client": pl.coalesce("raw_client", "client"),
        "near_server": pl.coalesce("raw_server", pl.col("server_end") // END),
    }
    observer, server = pl.col("where") // WORD, pl.col("server_end") // END
    named = views.with_columns(observer=observer, server=server, **near)
    times = collect(_times(named)).lazy()
    known = collect(named.join(_about(named, times, boxes), on="observer", how="left"))
    joined, torn = known.lazy(), pl.col("own").is_null()
    plain = joined.filter(~torn).with_columns(less=pl.lit(None, pl.UInt64))
    if known["own"].null_count():
        plain = pl.concat([plain, _torn(joined.filter(torn), times)])
    joined = _holding(plain, held)
    added = ["own", "less", "holder", "boxed", "holds_client", "holds_server"]
    return joined.with_columns(place=_place()).drop(*near, *added, "server")


def _times(named: pl.LazyFrame) -> pl.LazyFrame:
    """Return in how many views each observer has each address."""
    client = named.select("observer", address="near_client")
    other = named.filter(pl.col("near_client") != pl.col("near_server"))
    both = pl.concat([client, other.select("observer", address="near_server")])
    return both.group_by("observer", "address").agg(times=pl.len().cast(pl.Int64))


def _about(named: pl.LazyFrame, times: pl.LazyFrame, boxes: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``own``, the address that all views of an observer share, ``holder``, ``boxed``."""
    total = named.group_by("observer").agg(total=pl.len(), holder=pl.any("instance"))
    common = times.join(total, on="observer").filter(pl.col("times") >= pl.col("total"))
    own = common.group_by("observer").agg(
        own=pl.when(pl.len() == 1).then(pl.col("address").first())
    )
    known = boxes.group_by("observer").agg(boxed=pl.lit(value=True).first())
    about = total.select("observer", "holder").join(own, on="observer", how="left")
    return about.join(known, on="observer", how="left")


def _torn(named: pl.LazyFrame, times: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``less``: the own address of each pair at observers without one common address."""
    near = ("near_client", "near_server")
    spread = times.group_by("address").agg(spread=pl.len().cast(pl.Int64))
    for end in near:
        of = times.rename({"address": end, "times": f"times_{end}"})
        wide = spread.rename({"address": end, "spread": f"spread_{end}"})
        named = named.join(of, on=["observer", end], how="left").join(wide, on=end, how="left")
    more = pl.col("times_near_client") - pl.col("times_near_server")
    fewer = pl.col("spread_near_server") - pl.col("spread_near_client")
    sign = pl.when(more != 0).then(more).otherwise(fewer)
    less = pl.when(sign > 0).then("near_client").when(sign < 0).then("near_server")
    spare = [f"{name}_{end}" for name in ("times", "spread") for end in near]
    return named.with_columns(less=less).drop(spare)


def _holding(named: pl.LazyFrame, held: pl.LazyFrame | None) -> pl.LazyFrame:
    """Add whether the observer holds the client's and the server's address."""
    for side in ("client", "server"):
        name = f"holds_{side}"
        if held is None:
            named = named.with_columns(pl.lit(None, pl.Boolean).alias(name))
            continue
        holds = held.unique().with_columns(pl.lit(value=True).alias(name))
        keys = ["observer", side]
        named = named.join(holds.rename({"address": side}), on=keys, how="left")
    return named


def _directed() -> pl.Expr:
    """Return the address that flow-direction calls the interface's, where it names one."""
    client, server = (
        pl.col(f"local_{side}").fill_null(value=False) for side in ("client", "server")
    )
    near = pl.when(client & ~server).then("near_client").when(server & ~client).then("near_server")
    return near.otherwise(None)


@cache
def _place() -> pl.Expr:
    """Return where the observer stands: `CLIENT`, `SERVER`, `UNKNOWN` or `MIDDLE`."""
    passing = pl.any_horizontal("middle", "boxed").fill_null(value=False)
    # An instance's interface may hold further addresses (pods); its records name the first one.
    holder, *holds = (
        pl.col(name).fill_null(value=False) for name in ("holder", "holds_client", "holds_server")
    )
    own = pl.coalesce(_directed(), "own", "less")
    masked = pl.any_horizontal(
        pl.col("raw_client").is_not_null() & ~holds[0],
        pl.col("raw_server").is_not_null() & ~holds[1],
    )
    return (
        pl.when(passing | (masked & ~holder))
        .then(MIDDLE)
        .when(holds[0] & ~holds[1])
        .then(CLIENT)
        .when(holds[1] & ~holds[0])
        .then(SERVER)
        .when(own == pl.col("near_client"))
        .then(CLIENT)
        .when(own == pl.col("near_server"))
        .then(SERVER)
        .otherwise(UNKNOWN)
        .cast(pl.UInt8)
    )
