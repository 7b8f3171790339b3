"""Small frames take Polars' in-memory engine, large ones its streaming engine.

The streaming engine keeps memory bounded and all cores busy, but each start of it costs a
millisecond or more, which is most of the time where rows are few. Both give the same rows; what
depends on their order is sorted, because the streaming engine promises none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import polars as pl

__all__ = ["ROWS", "collect", "ready", "sized"]

#: Rows up to which a frame is small.
ROWS = 1 << 14

_small = ContextVar("small", default=False)


@contextmanager
def sized(rows: int) -> Iterator[None]:
    """Tell `collect` how many rows its plans begin with.

    Args:
        rows: of the frame that the plans of this context are made of, and no others.
    """
    token = _small.set(rows <= ROWS)
    try:
        yield
    finally:
        _small.reset(token)


def collect(plan: pl.LazyFrame) -> pl.DataFrame:
    """Return the rows of a plan, by the engine that suits the frame it begins with.

    >>> with sized(2):
    ...     collect(pl.LazyFrame({"a": [1, 2]}).filter(pl.col("a") > 1)).rows()
    [(2,)]
    """
    return plan.collect(engine="in-memory" if _small.get() else "streaming")


def ready(plan: pl.LazyFrame) -> pl.DataFrame | None:
    """Return the rows of a plan that is used several times, None where they are too many to hold.

    >>> with sized(2):
    ...     ready(pl.LazyFrame({"a": [1, 2]}).filter(pl.col("a") > 1)).rows()
    [(2,)]
    >>> ready(pl.LazyFrame({"a": [1, 2]})) is None
    True
    """
    return collect(plan) if _small.get() else None
