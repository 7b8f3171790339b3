"""NAT gateways write one conversation twice: as the inner and as the outer leg.

The *inner leg* runs between the client and the gateway, the *outer leg* between the gateway
and the server. With ``pkt-*`` fields the inner leg carries both true addresses, so the outer
one is a copy. Without them (version 2) each leg hides one end: the inner leg shows the gateway
as the server, the outer leg as the client. They are put together where one client only is
possible; where all clients wrote the conversation down themselves, both legs are copies; the
rest stays as two, marked.
"""

import polars as pl

from flowlens.conversations.codes import END, HOUR, WORD, text
from flowlens.conversations.views import CLIENT, MIDDLE, merged
from flowlens.conversations.witnesses import PRIVATE
from flowlens.small import collect

__all__ = ["INNER", "OUTER", "boxes", "halves", "linked"]

INNER, OUTER = "nat inner", "nat outer"

#: What the two legs of one conversation share.
SHARED = ["where", "what", "service"]

#: What a client's own view of a conversation shares with an inner leg of it.
SEEN = ["client", "what", "service"]

#: What legs are compared with.
BESIDE = ["client", "server_end", "what", "where", "observer", "place", "last_seen"]

#: Observers whose name says that they pass traffic on.
PASSING = r"^(nat|tgw-attach)-"


def boxes(views: pl.LazyFrame, words: pl.Categorical, known: pl.LazyFrame | None) -> pl.LazyFrame:
    """Return ``observer`` and ``box`` (codes): what passes traffic on, and its NAT addresses.

    An interface that puts its own address in the place of the packet's destination, speaks to the
    same server itself, and is no instance's, is one; so is every gateway of the inventory, and a
    regional NAT gateway, whose addresses are the public ones that it shows as clients.

    Args:
        views: what `views.views` returns.
        words: the dictionary of the codes.
        known: ``observer`` and ``box`` as text, from the inventory; ``box`` is null where the
            gateway does not translate addresses.
    """
    views = views.with_columns(observer=pl.col("where") // WORD)
    holders = views.filter(pl.col("instance")).select("observer")
    # The outer leg beside it tells a gateway from a node that stands in for its pods.
    outer = views.select("observer", "server_end", raw_server="client")
    masking = (
        views.filter(pl.col("raw_server").is_not_null())
        .join(holders, on="observer", how="anti")
        .join(outer, on=["observer", "server_end", "raw_server"], how="semi")
    )
    # Only a NAT gateway shows its own public address as a client; the rest pass clients on.
    translates = text(pl.col("observer"), words).str.starts_with("nat-")
    public = translates & ~text(pl.col("client"), words).str.contains(PRIVATE)
    named = (
        views.select("observer", "client")
        .unique()
        .filter(text(pl.col("observer"), words).str.contains(PASSING))
        .select("observer", box=pl.when(public).then("client"))
    )
    parts = [masking.select("observer", box="raw_server"), named]
    if known is not None:
        parts.append(
            known.select(pl.col("observer", "box").cast(words).to_physical().cast(pl.UInt64))
        )
    return pl.concat(parts).unique()


def linked(placed: pl.LazyFrame, boxes: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Take away the copies among NAT legs, give outer legs their client; add ``leg``.

    Args:
        placed: what `views.placed` returns; it is read several times.
        boxes: what `boxes` returns.
        words: the dictionary of the codes.

    Returns:
        the views without copies, as `views.merged` has them; ``leg`` is null, or `INNER` or
        `OUTER` for half of a conversation whose other half is not clear.
    """
    nat = boxes.drop_nulls("box").unique()
    # Only gateways write legs down; of all others nothing is joined, and nothing merged.
    theirs = placed.join(nat, on="observer", how="semi")
    theirs = _marked(theirs.with_columns(server=pl.col("server_end") // END), nat)
    theirs = collect(theirs.drop("server")).lazy()
    half = pl.col("outer") != pl.col("inner")
    others = placed.join(nat, on="observer", how="anti")
    whole = pl.concat([others, theirs.filter(~half).drop("outer", "inner")])
    found = halves(theirs.filter(half).drop("inner"), whole, boxes, words)
    blank = whole.with_columns(leg=pl.lit(None, pl.String))
    return pl.concat([blank.select(found.collect_schema().names()), found])


def halves(
    legs: pl.LazyFrame, whole: pl.LazyFrame, boxes: pl.LazyFrame, words: pl.Categorical
) -> pl.LazyFrame:
    """Take away the copies among legs, and give outer ones their client; see `linked`.

    Args:
        legs: views of which one end is the gateway itself: where ``outer``, the client.
        whole: other views, of which `BESIDE` is looked at: those of the same gateways, and those
            of the clients of inner legs.
        boxes: what `boxes` returns.
        words: the dictionary of the codes.
    """
    nat = boxes.drop_nulls("box").select("observer").unique()
    columns = [name for name in legs.collect_schema().names() if name != "outer"]
    legs, own = (
        views.with_columns(server=pl.col("server_end") // END, service=pl.col("server_end") % END)
        for views in (legs, whole.select(BESIDE))
    )
    # Who knocks on the gateway from outside is no client behind it.
    behind = text(pl.col("client"), words).str.contains(PRIVATE).fill_null(value=False)
    inner, outer = legs.filter(~pl.col("outer") & behind), legs.filter("outer")
    strange = legs.filter(~pl.col("outer") & ~behind)
    spanned = _spanned(own.join(nat, on="observer", how="semi"))
    outer = outer.join(spanned, on=[*SHARED, "server"], how="anti")
    counted = _counted(spanned, own, inner)
    inner = inner.join(counted, on=[*SEEN, "observer"], how="left")
    pairs = inner.group_by(SHARED).agg(
        only=pl.when(pl.col("client").n_unique() == 1).then(pl.col("client").first()),
        copies=pl.col("counted").fill_null(value=False).all(),
    )
    outer = outer.join(pairs, on=SHARED, how="left").filter(
        pl.col("only").is_not_null() | ~pl.col("copies").fill_null(value=False)
    )
    joined = outer.filter(pl.col("only").is_not_null()).select(*SHARED, joined=pl.lit(value=True))
    inner = inner.join(joined.unique(), on=SHARED, how="left").filter(
        pl.col("counted").is_null() & ~(pl.col("joined").fill_null(value=False) & _single())
    )
    alone = pl.when(pl.col("only").is_null()).then(pl.lit(OUTER))
    told = [
        strange.select(*columns, leg=pl.lit(None, pl.String)),
        inner.select(*columns, leg=pl.lit(INNER)),
        outer.with_columns(
            client=pl.coalesce("only", "client"), place=pl.lit(MIDDLE, pl.UInt8)
        ).select(*columns, leg=alone),
    ]
    return merged(pl.concat(told), least=["place", "leg"], some=[])


def _spanned(views: pl.LazyFrame) -> pl.LazyFrame:
    """Let views whose last record reaches into the next hour stand there too."""
    reach = (pl.col("last_seen") + 1) // HOUR > pl.col("what") // WORD
    return pl.concat([views, views.filter(reach).with_columns(pl.col("what") + WORD)])


def _counted(through: pl.LazyFrame, views: pl.LazyFrame, inner: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``counted`` for inner legs that the client, or the same gateway, wrote in full.

    Args:
        through: the gateways' views of no leg, spanned.
        views: all views of no leg.
        inner: inner legs.
    """
    clients = inner.select("client").unique()  # few: what is left of the views is as small
    near = views.filter(pl.col("place") == CLIENT).join(clients, on="client", how="semi")
    own = inner.select(*SEEN, "observer").join(_spanned(near), on=SEEN, how="semi")
    same = inner.join(through, on=[*SEEN, "observer"], how="semi").select(*SEEN, "observer")
    return pl.concat([own, same]).unique().with_columns(counted=pl.lit(value=True))


def _single() -> pl.Expr:
    """True of inner legs that have no other client beside them."""
    return pl.col("client").n_unique().over(SHARED) == 1


def _marked(placed: pl.LazyFrame, nat: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``outer`` (the client is the gateway) and ``inner`` (the server is the gateway)."""
    yes = nat.with_columns(is_box=pl.lit(value=True))
    for name, end in (("outer", "client"), ("inner", "server")):
        mark = yes.rename({"box": end, "is_box": name})
        placed = placed.join(mark, on=["observer", end], how="left").with_columns(
            pl.col(name).fill_null(value=False)
        )
    return placed
