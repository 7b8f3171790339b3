"""Views to conversations: one observer's figures are kept, the others' names with them."""

import polars as pl

from flowlens.conversations.flows import END, HOUR, NOTHING, WORD, text
from flowlens.conversations.views import KEY
from flowlens.tables import CONVERSATIONS, TIME

__all__ = ["counted", "named", "with_action"]

PLACES = ("client", "server", "unknown", "middle")
SURE = ("guess", "likely", "certain")

MOST = 2**30 - 1  # packets are told apart up to here; above, the observer's name decides


def counted(views: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Keep the best view of each conversation.

    The client's own interface comes first, then the server's, then one whose place is not
    known, then what passes traffic on; among equals the view with the most packets (a flow log
    that covers only part of the hour has fewer), then the observer's name.

    Args:
        views: placed views, with ``leg``.
        words: the dictionary of the codes.

    Returns:
        one view for each `KEY`, and ``seen_by``: the codes of all its observers, or null where
        there is only the one.
    """
    seen = views.with_columns(several=pl.len().over(KEY) > 1)
    alone = seen.filter(~pl.col("several")).with_columns(seen_by=pl.lit(None, pl.List(pl.UInt64)))
    ranked = seen.filter("several").with_columns(rank=_rank(words))
    best = ranked.group_by(KEY).agg(
        rank=pl.min("rank"), seen_by=(pl.col("where") // WORD).implode()
    )
    kept = ranked.join(best, on=[*KEY, "rank"]).drop("rank")
    return pl.concat([alone, kept]).drop("several")


def _rank(words: pl.Categorical) -> pl.Expr:
    """Return a number that is least for the best view of a conversation, and never the same."""
    observer = text(pl.col("where") // WORD, words).fill_null("")
    log = text(pl.col("where") % WORD, words).fill_null("")
    turn = pl.struct(observer.alias("observer"), log.alias("log")).rank("dense")
    packets = (pl.col("packets_out") + pl.col("packets_in")).clip(0, MOST)
    standing = pl.col("place").cast(pl.UInt64) * (MOST + 1) + (MOST - packets)
    return standing * WORD + turn.cast(pl.UInt64)


def with_action(views: pl.LazyFrame, accept: int, missing: int) -> pl.LazyFrame:
    """Give views without an action (transit gateways) the ACCEPT that another observer saw.

    Args:
        views: placed views.
        accept: the code of ``ACCEPT``.
        missing: the code of null.
    """
    action = pl.col("what") % WORD
    key = [*KEY[:2], "hour"]
    hours = views.with_columns(hour=pl.col("what") // WORD)
    accepted = hours.filter(action == accept).select(*key, accepted="what").unique()
    known = pl.when(action == missing).then(pl.coalesce("accepted", "what")).otherwise("what")
    return (
        hours.join(accepted, on=key, how="left").with_columns(what=known).drop("accepted", "hour")
    )


def named(best: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Turn codes and seconds back into the conversations table.

    Args:
        best: what `counted` returns.
        words: the dictionary of the codes.
    """
    seen_by = text(pl.element(), words).drop_nulls().sort()
    observer = text(pl.col("where") // WORD, words)
    columns = {
        "hour": _time(pl.col("what") // WORD * HOUR),
        "observer": observer,
        "client": text(pl.col("client"), words),
        "server": text(pl.col("server_end") // END, words),
        "server_port": pl.col("server_end") % END // 256,
        "protocol": pl.col("server_end") % 256,
        "action": text(pl.col("what") % WORD, words),
        "first_seen": _time(pl.col("first_seen")),
        "last_seen": _time(pl.col("last_seen")),
        "orientation": _word(pl.col("sure"), SURE),
        "vantage": _word(pl.col("place"), PLACES),
        "observers": pl.coalesce(
            pl.col("seen_by").list.unique().list.eval(seen_by),
            pl.when(observer.is_not_null()).then(pl.concat_list(observer)),
            pl.lit([], pl.List(pl.String)),
        ),
    }
    shown = ordered(best, words).with_columns(**columns)
    return shown.select(pl.col(name).cast(dtype) for name, dtype in CONVERSATIONS.items())


def ordered(rows: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Sort by hour, client, server, port, protocol and action, each text by its letters.

    Sorting by the texts' ranks is several times faster than by the texts.
    """
    ranks = words.categories.to_series().rank("dense").cast(pl.UInt64)

    def turn(codes: pl.Expr) -> pl.Expr:
        return pl.lit(ranks).gather(pl.when(codes < NOTHING).then(codes)).fill_null(0)

    end = pl.col("server_end")
    return rows.sort(
        pl.col("what") // WORD * WORD + turn(pl.col("client")),
        turn(end // END) * END + end % END,
        turn(pl.col("what") % WORD),
    )


def _word(number: pl.Expr, words: tuple[str, ...]) -> pl.Expr:
    return number.replace_strict(dict(enumerate(words)), return_dtype=pl.String)


def _time(seconds: pl.Expr) -> pl.Expr:
    """Return the time; 0 stands for one that no record had."""
    return pl.when(seconds > 0).then(seconds.cast(pl.Int64) * 1000).cast(TIME)
