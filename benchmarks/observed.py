"""What interfaces write down about connections: the records of a made capture, as numbers."""

import numpy as np
import polars as pl

from benchmarks.network import AWS, INBOUND, INSIDE, TCP, mixed

__all__ = ["WINDOW", "records_of"]

WINDOW = 60  # seconds
NEVER = pl.lit(value=False)
NEAR = ("near", "near", "far")  # the client's own interface


def records_of(connections: pl.DataFrame) -> pl.DataFrame:
    """Return what the interfaces write down about connections."""
    windows = _windows(connections).lazy()
    inbound, inside = pl.col("subnet") == INBOUND, pl.col("kind") == INSIDE
    refused = pl.col("refused")
    outbound = windows.filter(~inbound)
    inner = outbound.filter(pl.col("through") & ~refused)
    outer = inner.with_columns(port="outer")
    local, aws, internet = (pl.lit(code) for code in (1, 7, 8))
    path = pl.when(inside | pl.col("through")).then(local).when(pl.col("kind") == AWS).then(aws)
    views = (
        # A pair inside is let out by the client's interface and refused by the server's.
        _view(outbound, *NEAR, path=path.otherwise(internet), refused=refused & ~inside),
        _view(outbound.filter(inside), "far", "near", "far", path=local, refused=refused),
        _view(windows.filter(inbound), "near", "far", "near", path=internet, refused=refused),
        _view(inner, "nat", "near", "far", path=local, raw_server="nat"),
        _view(outer, "nat", "nat", "far", path=internet),
    )
    return pl.concat(map(_pair, views)).collect()


def _view(
    windows: pl.LazyFrame,
    holder: str,
    client: str,
    server: str,
    *,
    path: pl.Expr,
    refused: pl.Expr = NEVER,
    raw_server: str | None = None,
) -> pl.LazyFrame:
    """Say who holds the interface, what it takes for client and server, and how it sends.

    Args:
        windows: what `_windows` returns.
        holder: column of the interface's number; those of the addresses of both ends follow.
        client: who opens the connection.
        server: who answers.
        path: code of the way that what it sends takes.
        refused: whether this interface refused it.
        raw_server: the address that stands for the server's in this interface's records.
    """
    # Each interface notices the end of a window for itself.
    late = (pl.col(holder) != pl.col(client)).cast(pl.Int64)
    return windows.select(
        *("port", "service", "protocol", "start", "first", "last"),
        *("packets", "bytes", "packets_in", "bytes_in"),
        end=pl.col("end") + late,
        holder=holder,
        client=client,
        server=server,
        raw_server=raw_server or server,
        path=path,
        refused=refused,
        answered=~pl.col("refused"),
    )


def _pair(view: pl.LazyFrame) -> pl.LazyFrame:
    """Return a record for each direction, what was refused in the one only."""
    near = pl.col("holder") == pl.col("client")
    tcp = pl.col("protocol") == TCP
    closing = pl.col("last").cast(pl.Int32)
    flags = (pl.col("first").cast(pl.Int32), closing)
    sent = view.with_columns(
        out=pl.lit(value=True),
        egress=near,
        flags=pl.when(tcp).then(flags[0] * 2 + flags[1] * pl.col("answered")).otherwise(0),
    )
    got = view.filter("answered").with_columns(
        out=pl.lit(value=False),
        egress=~near,
        flags=pl.when(tcp).then(flags[0] * 18 + flags[1]).otherwise(0),
        packets=pl.col("packets_in"),
        bytes=pl.col("bytes_in"),
    )
    both = pl.concat([sent, got]).drop("packets_in", "bytes_in", "first", "last", "answered")
    return both.with_columns(path=pl.when("egress").then("path"))


def _windows(connections: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each capture window of each connection."""
    windows = connections["windows"].to_numpy()
    which = np.repeat(np.arange(len(windows)), windows)
    step = np.arange(len(which)) - np.repeat(np.cumsum(windows) - windows, windows)
    chance = mixed(connections["begin"].to_numpy()[which] * 65_536 + which, 9) + step
    chance = mixed(chance, 10)
    packets, replies = chance % 200 + 1, chance // 200 % 300 + 1
    start = connections["begin"].to_numpy()[which] + step * WINDOW + chance // 60_000 % 4
    more = {
        "start": start,
        "end": start + chance // 240_000 % (WINDOW - 5),
        "packets": packets,
        "bytes": packets * (40 + chance // 10**9 % 400),
        "packets_in": replies,
        "bytes_in": replies * (40 + chance // 10**12 % 1_400),
        "first": step == 0,
        "last": step == windows[which] - 1,
    }
    return connections[which].with_columns(**{name: pl.Series(some) for name, some in more.items()})
