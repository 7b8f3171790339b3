"""Flows as people give them, turned into packets: distinct ones, in numbers."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from flowlens.errors import UsageError
from flowlens.reach.account import Account
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import Bools
from flowlens.reach.packets import ICMP, ICMP6, Packets, answer
from flowlens.reach.schema import FLOWS
from flowlens.words import PROTOCOLS

__all__ = ["Asked", "distinct", "tidy"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Distinct flows as packets, and the distinct texts of their addresses.

    ``reply`` tells which of them are answers; ``low`` has the last four bits of an IPv4 address at
    the other end, ``embedded`` the place of the IPv4 address inside one of NAT64; else -1.
    """

    packets: Packets
    reply: Bools
    low: Ints
    embedded: Ints


def tidy(flows: pl.DataFrame) -> pl.DataFrame:
    """Return flows with every column of `FLOWS` and no other; a missing one is unknown.

    Raises:
        UsageError: a column has values that cannot be what it stands for.
    """
    columns = []
    for name, dtype in FLOWS.items():
        if name not in flows.columns:
            columns.append(pl.lit(None, dtype=dtype).alias(name))
        elif dtype.is_integer():
            columns.append(_integer(name, flows.schema[name]).cast(dtype))
        elif flows.schema[name] == pl.Datetime("ms", "UTC") or name != "at":
            columns.append(pl.col(name).cast(dtype))
        else:
            columns.append(_moment(flows.schema[name]))
    try:
        frame = flows.select(columns)
    except pl.exceptions.PolarsError as exc:
        msg = f"flows: {str(exc).splitlines()[0][:120]!r}; expected the columns of FLOWS"
        raise UsageError(msg) from None
    _check(frame, "direction", ("egress", "ingress"))
    _check(frame, "role", ("initiate", "reply"))
    return frame.with_columns(pl.col("role").fill_null("initiate"))


def _integer(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column's integers: a negative one is none, a protocol may have its name."""
    column = pl.col(name)
    if name == "protocol" and dtype == pl.String:
        column = column.str.to_lowercase().replace({word: str(n) for n, word in PROTOCOLS.items()})
    if dtype == pl.String:
        column = column.cast(pl.Int64)
    return column if dtype == pl.Null else pl.when(column >= 0).then(column)


def _moment(dtype: pl.DataType) -> pl.Expr:
    """Return the times in UTC; one without a zone is UTC."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return pl.col("at").dt.replace_time_zone("UTC").cast(FLOWS["at"])
    if dtype == pl.String:
        return pl.col("at").str.to_datetime(time_zone="UTC").cast(FLOWS["at"])
    return pl.col("at").cast(FLOWS["at"])


def _check(frame: pl.DataFrame, name: str, words: tuple[str, ...]) -> None:
    odd = frame.filter(~pl.col(name).is_in(words))[name]
    if len(odd):
        msg = f"flows: {name} is {odd[0]!r:.40}; expected {' or '.join(words)}"
        raise UsageError(msg)


def distinct(frame: pl.DataFrame, account: Account) -> Asked:
    """Turn distinct flows into packets.

    Args:
        frame: from `tidy`, each flow once.
        account: whose places and interfaces count.
    """
    out = (frame["direction"] == "egress").fill_null(value=True).to_numpy()
    reply = (frame["role"] == "reply").to_numpy()
    enters = pl.when(pl.col("direction") == "ingress")
    own, _, _ = _places(frame.select(enters.then("dst").otherwise("src")).to_series(), account)
    far = frame.select(enters.then("src").otherwise("dst")).to_series()
    other, low, embedded = _places(far, account)
    protocol, source, target, kind, code = _numbers(
        frame.select("protocol", "src_port", "dst_port", "icmp_type", "icmp_code")
    )
    opens = out != reply
    kind = np.where(np.isin(protocol, (ICMP, ICMP6)), kind, -1)
    asked = answer(protocol, kind, back=True)
    kind = np.where(reply & (asked >= 0), asked, kind)
    packets = Packets(
        row=np.arange(frame.height),
        face=np.where(
            frame["interface_id"].is_null().to_numpy(), _holder(account, own), _face(frame, account)
        ),
        out=opens,
        own=own,
        other=np.where(frame["direction"].is_null().to_numpy(), -1, other),
        protocol=protocol,
        port=np.where(reply, source, target),
        back=np.where(reply, target, source),
        type=kind,
        code=code,
    )
    return Asked(packets, reply, low, embedded)


def _numbers(frame: pl.DataFrame) -> list[Ints]:
    """Return columns as whole numbers, -1 where a value is missing."""
    return [column.to_numpy() for column in frame.select(pl.all().cast(pl.Int64).fill_null(-1))]


def _face(frame: pl.DataFrame, account: Account) -> Ints:
    names = pl.Series(account.faces.ids.names, dtype=pl.String)
    known = pl.DataFrame({"interface_id": names, "n": np.arange(len(names))})
    asked = frame.select("interface_id")
    found = asked.join(known, on="interface_id", how="left", maintain_order="left")
    return _numbers(found.select("n"))[0]


def _holder(account: Account, own: Ints) -> Ints:
    """Return the one interface that holds an address, in whatever VPC."""
    return account.faces.anywhere.at(np.zeros_like(own), own)


def _places(texts: pl.Series, account: Account) -> tuple[Ints, Ints, Ints]:
    """Return place, last four bits of an IPv4 address, and place of an embedded IPv4 address."""
    names = texts.unique().drop_nulls()
    six = names.str.contains(":", literal=True)
    last = names.str.extract(r"\.(\d{1,3})$", 1).cast(pl.Int64, strict=False)
    (bits,) = _numbers(last.to_frame())
    table = pl.DataFrame(
        {
            "text": names,
            "place": account.atlas.locate(names),
            "low": np.where(six.to_numpy() | (bits < 0), -1, bits & 15),
            "embedded": _embedded(names, account),
        }
    )
    found = texts.alias("text").to_frame().join(table, on="text", how="left", maintain_order="left")
    place, low, embedded = _numbers(found.select("place", "low", "embedded"))
    return place, low, embedded


def _embedded(names: pl.Series, account: Account) -> Ints:
    """Return the place of the IPv4 address in the last 32 bits of a NAT64 address (RFC 6052)."""
    places = np.full(len(names), -1, np.int64)
    at = np.flatnonzero(names.str.to_lowercase().str.starts_with("64:ff9b:").to_numpy())
    inner = [account.atlas.inner(text) for text in names.gather(at).to_list()]
    if len(at):
        places[at] = account.atlas.locate(pl.Series(inner, dtype=pl.String))
    return places
