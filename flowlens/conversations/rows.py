"""Views as rows of integers and as frames, there and back."""

import numpy as np
import polars as pl

from flowlens.conversations.codes import NOTHING, WORD, column
from flowlens.conversations.legs import INNER, OUTER
from flowlens_parsers.tokens import Words

__all__ = [
    "CLIENT",
    "MARKS",
    "PLACE",
    "RAWS",
    "SEAT",
    "SERVER",
    "SETS",
    "TIMES",
    "VIEW",
    "WHAT",
    "WHERE",
    "framed",
    "placed",
    "rows",
    "sketched",
]

_NAMES = (
    *("client", "server_end", "what", "where", "bytes_out", "packets_out", "bytes_in"),
    *("packets_in", "records", "connections", "times", "raws", "service", "marks"),
)
_PLAIN = [name for name in _NAMES if name not in ("times", "raws", "service", "marks")]
VIEW = len(_NAMES)  # integers of a view

#: Where a view has what; a placed one has its seat instead of raw addresses, a chosen one the set
#: of its observers.
CLIENT, SERVER, WHAT, WHERE, TIMES, RAWS, MARKS = (
    _NAMES.index(name)
    for name in ("client", "server_end", "what", "where", "times", "raws", "marks")
)
SEAT = SETS = RAWS

#: Bits of the marks from which a view's place and its leg are kept.
PLACE, LEG = 16, 18
LEGS = pl.Series([None, INNER, OUTER], dtype=pl.String)


def framed(views: Words, columns: frozenset[str], words: pl.Categorical) -> pl.DataFrame:
    """Turn columns of views into a frame, null where no record told or a field is not there."""
    raw = pl.DataFrame([column(name, views[at]) for at, name in enumerate(_NAMES)])
    return raw.select(
        *_told(columns, words),
        raw_client=_raw(pl.col("raws") % WORD, columns),
        raw_server=_raw(pl.col("raws") // WORD, columns),
        local_client=_bit(4, given="flow_direction" in columns),
        local_server=_bit(5, given="flow_direction" in columns),
        instance=_bit(6, given="instance_id" in columns),
        middle=_bit(7, given="interface_type" in columns),
    )


def sketched(views: Words, columns: frozenset[str]) -> pl.LazyFrame:
    """Turn rows of views into what `legs.boxes` asks of them."""
    names = ("client", "server_end", "where", "raws", "marks")
    raw = pl.LazyFrame([column(name, views[:, _NAMES.index(name)]) for name in names])
    return raw.select(
        *names[:3],
        raw_server=_raw(pl.col("raws") // WORD, columns),
        instance=_bit(6, given="instance_id" in columns),
    )


def placed(views: Words, columns: frozenset[str], words: pl.Categorical) -> pl.DataFrame:
    """Turn columns of placed views into a frame; raw addresses are no longer among them."""
    raw = pl.DataFrame([column(name, views[at]) for at, name in enumerate(_NAMES)])
    marks = pl.col("marks")
    return raw.select(
        *_told(columns, words),
        place=(marks // 2**PLACE % 4).cast(pl.UInt8),
        leg=pl.lit(LEGS).gather(marks // 2**LEG % 4),
    )


def rows(views: pl.DataFrame) -> Words:
    """Turn a frame of placed views back into rows; none has a seat."""
    missing = pl.col("aws_service").to_physical().cast(pl.UInt64).fill_null(NOTHING)
    path = (pl.col("traffic_path").cast(pl.UInt64) + 1).fill_null(0)
    leg = pl.col("leg").replace_strict(LEGS, range(len(LEGS)), return_dtype=pl.UInt64)
    sure = pl.col("sure").cast(pl.UInt64)
    marks = sure * 5 + path * 2**8 + pl.col("place").cast(pl.UInt64) * 2**PLACE + leg * 2**LEG
    times = pl.col("first_seen") + pl.col("last_seen") * WORD
    flat = views.select(
        *_PLAIN, times=times, raws=pl.lit(0, pl.UInt64), service=missing, marks=marks
    )
    return np.column_stack([flat[name].to_numpy() for name in _NAMES])


def _told(columns: frozenset[str], words: pl.Categorical) -> list[pl.Expr]:
    times = pl.col("times")
    low, high = pl.col("marks") % 4, pl.col("marks") // 4 % 4
    path = pl.col("marks") // 2**8 % 2**8
    served = any(f"pkt_{end}_aws_service" in columns for end in ("src", "dst"))
    # One 5-tuple with flags shows who opens these; likely ones beside it agree.
    sure = pl.when((high == 2) & (low == 0)).then(1).otherwise(high).cast(pl.UInt8)
    given = pl.when("traffic_path" in columns, path > 0)
    service = _code(pl.col("service"), given=served).cast(pl.UInt32).cat.to(words)
    return [
        *map(pl.col, _PLAIN),
        (times % WORD).alias("first_seen"),
        (times // WORD).alias("last_seen"),
        sure.alias("sure"),
        given.then(path - 1).cast(pl.UInt8).alias("traffic_path"),
        service.alias("aws_service"),
    ]


def _bit(number: int, *, given: bool) -> pl.Expr:
    bit = pl.col("marks") // 2**number % 2 == 1
    return bit if given else pl.lit(None, pl.Boolean)


def _raw(code: pl.Expr, columns: frozenset[str]) -> pl.Expr:
    masked = any({f"{end}addr", f"pkt_{end}addr"} <= columns for end in ("src", "dst"))
    return _code(code, given=masked)


def _code(code: pl.Expr, *, given: bool) -> pl.Expr:
    return pl.when(given, code < NOTHING).then(code)
