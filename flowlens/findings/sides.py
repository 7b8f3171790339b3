"""Which side of the network an end is on, and who it stands for."""

import polars as pl

from flowlens.destinations.paths import private
from flowlens.findings.limits import Limits
from flowlens.words import SIGHTED

__all__ = [
    "ABOUT", "ANSWERED", "INSIDE", "LEARNT", "OURS", "OUTSIDE", "OUTSIDER", "REFUSED", "TCP", "UDP",
    "UNDECLARED", "about", "bare", "content", "silent",
]  # fmt: skip

TCP, UDP = 6, 17

#: Kinds of destination that are the network's own.
OWN = ("inside", "endpoint")

_OWNED = (pl.col("client_owner").list.len() > 0) | pl.col("client_kind").is_not_null()
_SEEN = pl.col("vantage") == "client"

#: An interface of ours, or else a private address, opened the conversation.
OURS = (
    _OWNED.fill_null(value=False)
    | _SEEN.fill_null(value=False)
    | private(pl.col("client")).fill_null(value=False)
)

_INTERNAL = pl.col("destination_kind").is_in(OWN).fill_null(value=False)

#: The server is an address of the network, by the inventory or because it is private.
INSIDE = _INTERNAL | private(pl.col("server")).fill_null(value=False)

#: The server is known, and not of the network.
OUTSIDE = pl.col("server").is_not_null() & ~INSIDE

#: Somebody who is not ours opened it towards the network.
OUTSIDER = ~OURS & INSIDE & pl.col("client").is_not_null()

#: The network refused it; a log without actions never says so.
REFUSED = (pl.col("action") == "REJECT").fill_null(value=False)

#: Nobody declared it, as far as that is known.
UNDECLARED = (pl.col("expected") != "yes").fill_null(value=True)

#: It is expected because the baseline had seen it; nobody declared it.
LEARNT = pl.all_horizontal(
    pl.col("why").str.starts_with(SIGHTED.partition("{}")[0]),
    pl.col("why").str.ends_with(SIGHTED.partition("{}")[2]),
).fill_null(value=False)

#: The server sent something back.
ANSWERED = ~REFUSED & (pl.col("packets_in") > 0).fill_null(value=False)

_KNOWN = (pl.col("client_owner").list.len() > 0).fill_null(value=False)

#: Who it is about: the candidate owners (a sorted list), or the address of a client that nobody is
#: known for.
ABOUT = pl.concat_str(
    _KNOWN.cast(pl.String),
    pl.when(_KNOWN)
    .then(pl.col("client_owner").list.join("\x1f"))
    .otherwise(pl.col("client").fill_null("")),
    separator="\x1f",
)


def bare(limits: Limits) -> pl.Expr:
    """Return the bytes of a packet without content: IPv6 has the longer header."""
    six = pl.col("server").str.contains(":", literal=True).fill_null(value=False)
    return pl.when(six).then(limits.header_six).otherwise(limits.header)


def content(limits: Limits) -> pl.Expr:
    """Return whether the server sent content: more than headers hold."""
    return pl.col("bytes_in") > bare(limits) * pl.col("packets_in")


def silent(limits: Limits) -> pl.Expr:
    """Return whether nothing was said: refused, never answered, or TCP of bare packets alone."""
    header = bare(limits)
    mute = (pl.col("bytes_in") <= header * pl.col("packets_in")) & (
        pl.col("bytes_out") <= header * pl.col("packets_out")
    )
    told = REFUSED | (pl.col("packets_in") == 0) | ((pl.col("protocol") == TCP) & mute)
    return told.fill_null(value=False)


def about(edges: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``about``, one text for each set of candidate owners or address without an owner."""
    return edges.with_columns(about=ABOUT)
