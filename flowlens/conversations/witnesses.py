"""What speaks for one end of a 5-tuple as the client, where flags do not settle it.

A *witness* is a number that is positive when it speaks for ``lo``:

========  ==========================================================================
port      which port looks more like a service (`services.weight`)
alone     only one side ever sent
order     which side sent first, where the log's whole seconds can tell
volume    the client of a datagram exchange sends no fewer packets, and stops first
habit     the role that each end plays in its other 5-tuples
place     the role that each address plays in all of its 5-tuples
shape     over its other 5-tuples, an end's peers look more like services than itself
reuse     one peer address comes back to the same end from several ports
inside    one address is private, the other public: what is inside calls out
========  ==========================================================================

Exchanging the ends changes the sign of each. Votes and port weights are integers, because a
sum must not depend on the order of rows.
"""

from functools import cache, lru_cache

import polars as pl

from flowlens.conversations.codes import END, text
from flowlens.conversations.services import weight

__all__ = ["PRIVATE", "signs", "witnesses"]

TCP = 6
WARM_UP = 350  # seconds: until then a first packet may belong to an older session (idle limit)
VOTE = 20  # a verdict counts this much as a vote; one side alone 12, order 10 or 5
SCANNER = 3.5  # tenths of weight by which a scanner's peers look more like services than itself

#: RFC 1918, RFC 6598, RFC 3927 and their IPv6 counterparts (RFC 4193, RFC 4291).
PRIVATE = (
    r"^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\."
    r"|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe[89ab])"
)

ENDS = ("votes", "cast", "count", "weights", "reuse", "place", "inside", "rank")


def signs(tuples: pl.LazyFrame, begin: int | None = None) -> pl.LazyFrame:
    """Add the witnesses that a 5-tuple gives by itself, and ``vote``, what it tells its ends.

    Args:
        tuples: what `roles.decided` returns.
        begin: the second at which the log begins; None where it is that of these 5-tuples.
    """
    return tuples.with_columns(**_own(begin)).with_columns(vote=_vote())


def witnesses(unclear: pl.LazyFrame, signed: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Add the witnesses that the other 5-tuples of both ends give, and ``rank``.

    Args:
        unclear: the rows of `signed` that are not clear yet.
        signed: all 5-tuples, from `signs`.
        words: the dictionary of the packed addresses.

    Returns:
        `unclear` with one column a name of `roles.WEIGHTS`, and ``rank``, which breaks a tie:
        positive where the address of lo sorts after that of hi, or it is one address and lo
        has the higher port.
    """
    wanted = pl.concat([unclear.select(end="lo"), unclear.select(end="hi")]).unique()
    ends = _ends(signed, wanted, words)
    for side in ("lo", "hi"):
        named = ends.rename({name: f"{name}_{side}" for name in ENDS})
        unclear = unclear.join(named, left_on=side, right_on="end", how="left")
    return unclear.with_columns(**_others())


@lru_cache(maxsize=1)  # expressions never change, and these are dear to build
def _own(begin: int | None) -> dict[str, pl.Expr]:
    """Return the witnesses that one 5-tuple gives by itself."""
    lo, hi = pl.col("first_lo"), pl.col("first_hi")
    both = lo.is_not_null() & hi.is_not_null()
    first = pl.min_horizontal(lo, hi)
    fresh = first > (first.min() if begin is None else begin) + WARM_UP
    alone = pl.when(both).then(0).when(lo.is_not_null()).then(1).otherwise(-1)
    order = pl.when(both & fresh).then(_sign(hi, lo)).otherwise(0)
    volume = _sign(pl.col("packets_lo"), pl.col("packets_hi"))
    volume += _sign(pl.col("last_hi"), pl.col("last_lo"))
    tcp = pl.col("lo") % 256 == TCP
    flagged = pl.any_horizontal("flagged_lo", "flagged_hi").fill_null(value=False)
    kinds = {"datagram": ~tcp, "flagged": tcp & flagged, "unflagged": tcp & ~flagged}
    return {
        "port": weight(_port("hi")) - weight(_port("lo")),
        **{f"alone_{kind}": pl.when(of).then(alone).otherwise(0) for kind, of in kinds.items()},
        **{f"order_{kind}": pl.when(of).then(order).otherwise(0) for kind, of in kinds.items()},
        "volume": pl.when(both & ~tcp).then(volume).otherwise(0),
    }


def _vote() -> pl.Expr:
    """Return what a 5-tuple tells about its ends: its verdict, or its two best witnesses."""
    alone = pl.col("alone_datagram") + pl.col("alone_unflagged")
    order = 10 * pl.col("order_datagram") + 5 * pl.col("order_unflagged")
    verdict = pl.col("verdict").cast(pl.Int64)
    return pl.when(verdict != 0).then(verdict * VOTE).otherwise(12 * alone + order).cast(pl.Int64)


def _ends(signed: pl.LazyFrame, wanted: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Sum up what the 5-tuples of the wanted ends tell: votes for client, peers, ports; `ENDS`."""
    halves = pl.concat(
        signed.select(
            end=end,
            peer=pl.col(peer) // END,
            vote=pl.col("vote") * sign,
            port=pl.col("port") * sign,
        )
        for end, peer, sign in (("lo", "hi", 1), ("hi", "lo", -1))
    )
    address = (pl.col("end") // END).alias("address")
    places = halves.group_by(address).agg(
        place=pl.sum("vote") / (pl.col("vote").abs().sum() + VOTE)
    )
    name = text(pl.col("address"), words)
    known = places.with_columns(
        inside=name.str.contains(PRIVATE).fill_null(value=False).cast(pl.Int8),
        rank=name.rank("dense").fill_null(0).cast(pl.Int64),
    )
    ends = (
        halves.join(wanted, on="end", how="semi")
        .group_by("end", "peer")
        .agg(pl.len().cast(pl.Int64), pl.sum("vote", "port"), cast=pl.col("vote").abs().sum())
        .group_by("end")
        .agg(
            votes=pl.sum("vote"),
            cast=pl.sum("cast"),
            count=pl.sum("len"),
            weights=pl.sum("port"),
            reuse=pl.sum("len") - pl.len(),
        )
    )
    return ends.with_columns(address).join(known, on="address", how="left").drop("address")


@cache
def _others() -> dict[str, pl.Expr]:
    """Return the witnesses that the other 5-tuples of both ends give."""

    def habit(side: str, sign: int) -> pl.Expr:
        cast = pl.col(f"cast_{side}") - pl.col("vote").abs() + VOTE
        return (pl.col(f"votes_{side}") - pl.col("vote") * sign) / cast

    def shape(side: str, sign: int) -> pl.Expr:
        count = pl.col(f"count_{side}")
        mean = (pl.col(f"weights_{side}") - pl.col("port") * sign) / count / 10
        return mean.clip(-4, 4) * (count.log(2) / 4).clip(0, 1)

    def reuse(side: str) -> pl.Expr:
        # A scanner comes back to one peer from one port too; but its peers' ports are services.
        mean = pl.col(f"weights_{side}") / pl.col(f"count_{side}")
        times = (pl.col(f"reuse_{side}") + 1).log(2).clip(0, 6)
        return pl.when(mean < SCANNER).then(times).otherwise(0.0)

    port = _port("lo").cast(pl.Int64) - _port("hi").cast(pl.Int64)
    rank = pl.col("rank_lo") - pl.col("rank_hi")
    return {
        "habit": habit("lo", 1) - habit("hi", -1),
        "place": pl.col("place_lo") - pl.col("place_hi"),
        "shape": shape("lo", 1) - shape("hi", -1),
        "reuse": reuse("hi") - reuse("lo"),
        "inside": pl.col("inside_lo") - pl.col("inside_hi"),
        "rank": pl.when(rank != 0).then(rank).otherwise(port),
    }


def _port(end: str) -> pl.Expr:
    return pl.col(end) % END // 256


def _sign(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    return pl.when(left > right).then(1).when(left < right).then(-1).otherwise(0)
