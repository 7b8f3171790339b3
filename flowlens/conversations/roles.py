"""Who is the client of each 5-tuple, and how sure that is.

The *client* opened the conversation, the *server* answered. tcp-flags settle it for whoever
sent a SYN or a SYN-ACK, and a 5-tuple keeps its roles across windows, files and interfaces. For
the rest (UDP, connections older than the capture, formats without flags) the witnesses are
weighed and added up.
"""

import polars as pl

from flowlens.conversations.witnesses import signs, witnesses
from flowlens.small import collect

__all__ = ["OBVIOUS", "WEIGHTS", "clear", "decided", "roles", "tuples", "weighed"]

#: Difference of port weights (tenths) that needs no further witness: a privileged port against
#: one that is not registered, or a registered one against the ephemeral range.
OBVIOUS = 44
SURE = 2.0  # log-odds from which roles are called likely instead of guessed (7 to 1)

#: Log-odds for a unit of each witness. benchmarks/orientation.py fits them to sessions whose
#: client is known; these are the fit, rounded, and pulled towards each other where the made
#: traffic was easier than real traffic is.
WEIGHTS = {
    "port": 0.1,
    "alone_datagram": 3.0,
    "alone_unflagged": 1.2,
    "alone_flagged": 0.2,
    "order_datagram": 2.0,
    "order_unflagged": 1.0,
    "order_flagged": 0.2,
    "volume": 0.25,
    "habit": 4.0,
    "place": 2.0,
    "shape": 2.0,
    "reuse": 1.5,
    "inside": 0.7,
}


def roles(flows: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Return the client of each 5-tuple: ``lo``, ``hi``, ``client_lo``, ``sure``.

    Args:
        flows: what `flowlens.conversations.flows.flows` returns, all observers and hours; it
            is read several times.
        words: the dictionary of the packed addresses.

    Returns:
        one row a 5-tuple; ``client_lo`` says whether ``lo`` is the client; ``sure`` is 2
        (certain) where flags decided without contradiction, 1 (likely) where the witnesses
        add up to at least `SURE`, else 0 (guess).
    """
    held = collect(signs(decided(tuples(flows))))
    signed, settled = held.lazy(), held.select(clear().all()).item()
    verdict, port = pl.col("verdict"), pl.col("port")
    plain = signed.filter(clear()).select(
        *("lo", "hi"),
        client_lo=pl.when(verdict != 0).then(verdict > 0).otherwise(port > 0),
        sure=pl.when(verdict != 0).then(2).otherwise(1).cast(pl.UInt8),
    )
    if settled:
        return plain
    return pl.concat([plain, weighed(signed.filter(~clear()), signed, words)])


def clear() -> pl.Expr:
    """Say whether flags or ports alone settle a 5-tuple."""
    return (pl.col("verdict") != 0) | (pl.col("port").abs() >= OBVIOUS)


def weighed(open: pl.LazyFrame, signed: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Return the roles of 5-tuples that are not clear, by their witnesses; see `roles`.

    Args:
        open: the 5-tuples, some of `signed`.
        signed: what `witnesses.signs` returns of them and of all that share an address.
        words: the dictionary of the packed addresses.
    """
    told = witnesses(open, signed, words)
    score = pl.sum_horizontal(pl.col(name) * value for name, value in WEIGHTS.items())
    return told.select(
        *("lo", "hi"),
        client_lo=pl.when(score != 0).then(score > 0).otherwise(pl.col("rank") > 0),
        sure=(score.abs() >= SURE).cast(pl.UInt8),
    )


def tuples(flows: pl.LazyFrame) -> pl.LazyFrame:
    """Merge flows over observers, hours and actions: one row a 5-tuple."""
    sides = ("lo", "hi")
    return flows.group_by("lo", "hi").agg(
        *(pl.min(f"first_{side}") for side in sides),
        *(pl.max(f"last_{side}") for side in sides),
        *(pl.max(f"packets_{side}") for side in sides),
        *(pl.any(f"{name}_{side}") for name in ("syn", "syn_ack", "flagged") for side in sides),
    )


def decided(tuples: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``verdict``: 1 where flags say that lo is the client, -1 for hi, 0 where they do not."""
    lo = pl.any_horizontal("syn_lo", "syn_ack_hi").fill_null(value=False)
    hi = pl.any_horizontal("syn_hi", "syn_ack_lo").fill_null(value=False)
    return tuples.with_columns(verdict=lo.cast(pl.Int8) - hi.cast(pl.Int8))
