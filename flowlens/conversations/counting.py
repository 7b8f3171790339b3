"""Views to conversations: one observer's figures are kept, the others' names with them."""

from functools import cache

import polars as pl

from flowlens.conversations.codes import END, HOUR, NOTHING, WORD, text
from flowlens.conversations.views import KEY
from flowlens.small import collect
from flowlens.tables import CONVERSATIONS, TIME

__all__ = ["PLACES", "SURE", "counted", "named", "spans", "with_action"]

PLACES = ("client", "server", "unknown", "middle")
SURE = ("guess", "likely", "certain")

#: A conversation over all its hours.
THREAD = ["client", "server_end", "action"]

MOST = 2**28 - 1  # packets are told apart up to here; above, the observer's name decides
LAST = 2**63  # a rank behind all others
WINDOW = 660  # seconds: the longest capture window, and how far its ends may be wrong
UNSURE = 60  # seconds by which a record's end may be wrong (user guide, start and end)
HOP = 2  # seconds from one observer to the next


def spans(views: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``on`` and ``off`` of each ``where``: when the flow log of an observer was on."""
    return views.group_by("where").agg(on=pl.min("first_seen"), off=pl.max("last_seen"))


def counted(views: pl.LazyFrame, spans: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Choose the best view of each conversation.

    The client's own interface comes first, then the server's, then one whose place is not
    known, then what passes traffic on; among equals a flow log that was on for all of it, then
    the one with the most packets over all hours, so that hours add up, then the observer's name.

    Args:
        views: placed views, with ``leg``; they are read several times.
        spans: what `spans` returns of all views, also of copies that are gone.
        words: the dictionary of the codes.

    Returns:
        ``row``, the place of one view for each `KEY`, and ``seen_by``: the codes of all its
        observers, or null where there is only the one.
    """
    told = views.select(
        *(*KEY, "where", "place", "first_seen", "last_seen"),
        action=pl.col("what") % WORD,
        packets=pl.col("packets_out") + pl.col("packets_in"),
    ).with_row_index("row")
    where = pl.col("where")
    # Two threads that share a hash only take the longer way.
    seen = told.with_columns(thread=pl.struct(THREAD).hash()).select(
        pl.all().exclude("thread"),
        several=where.min().over("thread") != where.max().over("thread"),
    )
    held = collect(seen)
    seen = held.lazy()
    alone = seen.filter(~pl.col("several")).select("row", seen_by=pl.lit(None, pl.List(pl.UInt64)))
    if not held["several"].any():
        return alone
    known = spans.with_columns(turn=_turn(words))
    ranked = seen.filter("several").join(known, on="where").with_columns(rank=_rank())
    ranked = collect(ranked.drop("on", "off", "turn", "several", "packets")).lazy()
    ranked = _moved(ranked)
    best = ranked.group_by(KEY).agg(
        row=pl.col("row").min_by("rank"), seen_by=(pl.col("where") // WORD).unique()
    )
    return pl.concat([alone, best.select("row", "seen_by")])


def _turn(words: pl.Categorical) -> pl.Expr:
    """Return the place of each observer and flow log in the order of their names."""
    observer = text(pl.col("where") // WORD, words).fill_null("")
    log = text(pl.col("where") % WORD, words).fill_null("")
    return pl.struct(observer.alias("observer"), log.alias("log")).rank("dense").cast(pl.UInt64)


@cache
def _rank() -> pl.Expr:
    """Return a number that is least for the best view of a conversation, and never the same."""
    late = pl.col("on") > pl.col("first_seen").min().over(KEY) + WINDOW
    early = pl.col("off") + WINDOW < pl.col("last_seen").max().over(KEY)
    packets = pl.col("packets").sum().over(*THREAD, "where")
    place = pl.col("place").cast(pl.UInt64) * 2 + (late | early).cast(pl.UInt64)
    return (place * (MOST + 1) + (MOST - packets.clip(0, MOST))) * WORD + pl.col("turn")


def _moved(ranked: pl.LazyFrame) -> pl.LazyFrame:
    """Give views to the neighbouring hour whose kept view holds their traffic already.

    Windows of two observers start at different seconds, so a record that starts before the full
    hour at one of them is two records, one in each hour, at the other.
    """
    best = ranked.join(ranked.group_by(KEY).agg(pl.min("rank")), on=[*KEY, "rank"])
    held = best.sort(*THREAD, "what").with_columns(step=_held())
    stays = _beside("step", 1) == 0, _beside("step", -1) == 0
    step = pl.col("step")
    back = pl.when((step == 1) & stays[0]).then(_beside("what", 1))
    to = back.when((step == -1) & stays[1]).then(_beside("what", -1))
    moves = held.select(*KEY, to=to).drop_nulls("to")
    moved = ranked.join(moves, on=KEY, how="left")
    return moved.with_columns(
        rank=pl.when(pl.col("to").is_null()).then("rank").otherwise(pl.lit(LAST, pl.UInt64)),
        what=pl.coalesce("to", "what"),
    ).drop("to")


@cache
def _held() -> pl.Expr:
    """Return 1 where the hour before holds a kept view's traffic, -1 where the next does, or 0."""

    def near(step: int) -> pl.Expr:
        here, there = pl.col("what") // WORD, _beside("what", step) // WORD
        apart = here.cast(pl.Int64) - there.cast(pl.Int64)
        return (apart == step) & (_beside("where", step) != pl.col("where"))

    place = pl.col("place")
    before = near(1) & (_beside("place", 1) <= place)
    before &= pl.col("last_seen") <= _beside("last_seen", 1) + UNSURE
    after = near(-1) & (_beside("place", -1) < place)
    after &= pl.col("first_seen") + HOP >= _beside("first_seen", -1)
    return pl.when(before).then(1).when(after).then(-1).otherwise(0)


def _beside(name: str, step: int) -> pl.Expr:
    """Return the column's value `step` hours with a kept view before, in the same thread.

    Rows are sorted by thread and hour.
    """
    same = pl.all_horizontal(pl.col(key) == pl.col(key).shift(step) for key in THREAD)
    return pl.when(same).then(pl.col(name).shift(step))


def with_action(views: pl.LazyFrame, accept: int, missing: int) -> pl.LazyFrame:
    """Give views without an action (transit gateways) the ACCEPT that an observer saw, any hour.

    Args:
        views: placed views.
        accept: the code of ``ACCEPT``.
        missing: the code of null.
    """
    ends = KEY[:2]
    action = pl.col("what") % WORD
    accepted = views.filter(action == accept).select(*ends, accepted=pl.lit(value=True)).unique()
    known = (
        pl.when((action == missing) & pl.col("accepted"))
        .then(pl.lit(accept, pl.UInt64))
        .otherwise(action)
    )
    return (
        views.join(accepted, on=ends, how="left")
        .with_columns(what=pl.col("what") - action + known)
        .drop("accepted")
    )


def named(views: pl.LazyFrame, kept: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Turn codes and seconds back into the conversations table.

    Args:
        views: placed views, with ``leg``; they are read several times.
        kept: what `counted` returns of them.
        words: the dictionary of the codes.
    """
    seen_by = pl.col("seen_by").list.eval(text(pl.element(), words).drop_nulls().sort())
    observer = text(pl.col("where") // WORD, words)
    alone = pl.when(observer.is_not_null()).then(pl.concat_list(observer))
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
        "observers": pl.coalesce(seen_by, alone, pl.lit([], pl.List(pl.String))),
    }
    shown = ordered(views, kept, words).with_columns(**columns)
    return shown.select(pl.col(name).cast(dtype) for name, dtype in CONVERSATIONS.items())


def ordered(views: pl.LazyFrame, kept: pl.LazyFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Take the kept views by hour, client, server, port, protocol and action.

    Texts go by their letters: sorting one integer of their ranks, and fetching each row once, is
    several times faster than sorting rows by texts. It has room for 2 ** 27 of them. Rows of a
    frame that is held are fetched without streaming, which would hand them on piece by piece.
    """
    chosen = collect(kept)
    rows = chosen["row"]
    ranks = words.categories.to_series().rank("dense").cast(pl.UInt128)
    most = len(ranks) + 1

    def turn(codes: pl.Expr) -> pl.Expr:
        return pl.lit(ranks).gather(pl.when(codes < NOTHING).then(codes)).fill_null(0)

    what, end = pl.col("what"), pl.col("server_end")
    by = (what // WORD).cast(pl.UInt128) * most + turn(pl.col("client"))
    by = ((by * most + turn(end // END)) * END + end % END) * most + turn(what % WORD)
    keys = views.select(pl.col(*KEY).gather(rows))
    order = keys.select(by.arg_sort()).collect(engine="in-memory").to_series()
    fetched = views.select(pl.all().gather(rows.gather(order))).collect(engine="in-memory")
    return fetched.with_columns(chosen["seen_by"].gather(order)).lazy()


def _word(number: pl.Expr, words: tuple[str, ...]) -> pl.Expr:
    return pl.lit(pl.Series(words)).gather(number)


def _time(seconds: pl.Expr) -> pl.Expr:
    """Return the time; 0 stands for one that no record had."""
    return pl.when(seconds > 0).then(seconds.cast(pl.Int64) * 1000).cast(TIME)
