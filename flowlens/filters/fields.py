"""Which columns of a table a filter's field stands for, and what kind of value they hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from flowlens.tables import DESTINATION_KINDS, PATHS

__all__ = ["ALIASES", "CHOICES", "Field", "find", "names"]

Schema = Mapping[str, pl.DataType]

ADDRESSES = frozenset(
    {"srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr", "client", "server", "address"}
)
PORTS = frozenset({"srcport", "dstport", "server_port"})

#: Columns that hold one of a few words, in their order where there is one.
CHOICES: dict[str, tuple[str, ...]] = {
    "action": ("ACCEPT", "REJECT"),
    "destination_kind": DESTINATION_KINDS,
    "expected": ("yes", "no", "unknown"),
    "flow_direction": ("ingress", "egress"),
    "orientation": ("guess", "likely", "certain"),
    "path": PATHS,
    "severity": ("info", "low", "medium", "high", "critical"),
}
ORDERED = frozenset({"severity", "orientation"})

#: Short name -> the columns it stands for: the first group of which the table has any, any of them.
ALIASES: dict[str, tuple[tuple[str, ...], ...]] = {
    "account": (("account_id",),),
    "addr": (("srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr"), ("client", "server")),
    "az": (("az_id",),),
    "class": (("destination_kind",),),
    "direction": (("flow_direction",),),
    "domain": (("domains",),),
    "dport": (("dstport",), ("server_port",)),
    "dst": (("dstaddr", "pkt_dstaddr"), ("server",)),
    "eni": (("interface_id",), ("observers",), ("observer",)),
    "flags": (("tcp_flags",),),
    "fn": (("client_owner",), ("owner",), ("source",)),
    "instance": (("instance_id",),),
    "name": (("destination", "domains"),),
    "owner": (("client_owner", "server_owner"),),
    "port": (("srcport", "dstport"), ("server_port",)),
    "proto": (("protocol",),),
    "service": (("aws_service",), ("pkt_src_aws_service", "pkt_dst_aws_service")),
    "sport": (("srcport",),),
    "src": (("srcaddr", "pkt_srcaddr"), ("client",)),
    "status": (("log_status",),),
    "subnet": (("subnet_id",),),
    "time": (("start",), ("hour",), ("first_seen",)),
    "vpc": (("vpc_id",),),
}
#: Other spellings of the short names.
SPELLINGS = {
    "address": "addr", "daddr": "dst", "function": "fn", "host": "addr", "interface": "eni",
    "ip": "addr", "net": "addr", "saddr": "src",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a filter: the columns it may be found in and the kind of their values."""

    name: str
    kind: str  # address, port, protocol, number, time, choice, text
    columns: tuple[pl.Expr, ...]
    lists: bool = False
    choices: tuple[str, ...] = ()
    ordered: bool = False


def find(said: str, schema: Schema) -> tuple[Field, ...]:
    """Find what `said` stands for in a table; empty where the table has no such field.

    Several fields come back where a name covers columns of several kinds; any of them may match.
    """
    wanted = said.lower().replace("-", "_")
    real = _real(schema)
    if wanted in real:
        return (real[wanted],)
    for group in ALIASES.get(SPELLINGS.get(wanted, wanted), ()):
        present = tuple(real[name] for name in group if name in real)
        if present:
            return present
    return ()


def names(schema: Schema) -> list[str]:
    """List every name that works for a table, short ones first."""
    short = [name for name in (*ALIASES, *SPELLINGS) if find(name, schema)]
    return list(dict.fromkeys([*short, *_real(schema)]))


def _real(schema: Schema) -> dict[str, Field]:
    """Describe the columns, the fields of a `numbers` struct, and the sums of both directions."""
    found = {name: _field(name, dtype, pl.col(name)) for name, dtype in schema.items()}
    numbers = schema.get("numbers")
    if isinstance(numbers, pl.Struct):
        for inner in numbers.fields:
            column = pl.col("numbers").struct.field(inner.name)
            found[inner.name] = Field(inner.name, "number", (column,))
    for name in ("bytes", "packets"):
        sides = [found.get(f"{name}_{way}") for way in ("out", "in")]
        if name not in found and all(sides):
            both = [side.columns[0].fill_null(0) for side in sides if side]
            found[name] = Field(name, "number", (both[0] + both[1],))
    return found


def _field(name: str, dtype: pl.DataType, column: pl.Expr) -> Field:
    """Describe one column."""
    if isinstance(dtype, pl.List):
        if isinstance(dtype.inner, pl.Struct):
            column = column.list.eval(pl.element().struct.field("name"))
        return Field(name, "text", (column,), lists=True)
    for kind, known in _KINDS.items():
        if known(name, dtype):
            choices = CHOICES.get(name, ())
            return Field(name, kind, (column,), choices=choices, ordered=name in ORDERED)
    return Field(name, "text", (column,))


_KINDS: dict[str, Callable[[str, pl.DataType], bool]] = {
    "address": lambda name, _: name in ADDRESSES,
    "port": lambda name, _: name in PORTS,
    "protocol": lambda name, dtype: name == "protocol" and dtype.is_integer(),
    "choice": lambda name, _: name in CHOICES,
    "time": lambda _, dtype: isinstance(dtype, pl.Datetime),
    "number": lambda _, dtype: dtype.is_numeric(),
}
