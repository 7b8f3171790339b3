"""Amazon Security Lake: flow logs as OCSF Network Activity (class 4001), JSON and Parquet.

The schema keeps the values of a record under other names ("VPC Flow Logs" among the mappings of
github.com/ocsf/examples): ``*_endpoint.ip`` are the packet's own addresses and srcaddr, dstaddr
stand in `intermediate_ips` where they differ; the interface is described on the destination for
ingress and on the source for egress; `boundary_id` is traffic-path + 3. activity_id differs
between producers, so the verdict is read from action and disposition. '-' stays text everywhere.
"""

from collections.abc import Iterable, Iterator, Mapping

import polars as pl
from polars.datatypes import DataTypeClass

from flowlens_parsers.batch import Batch, Layout, Options, rejects
from flowlens_parsers.cloudwatch import account, keys
from flowlens_parsers.columns import NOTHING, typed
from flowlens_parsers.errors import UNKNOWN
from flowlens_parsers.fields import FIELDS as _FIELDS
from flowlens_parsers.lines import refused
from flowlens_parsers.objects import numbered, objects
from flowlens_parsers.streams import Reader

__all__ = ["FIELDS", "SHAPE", "layout", "match", "nested", "read", "rows"]

#: Every object gives these: all that VPC flow logs have, as the unmapped part may hold any.
FIELDS: tuple[str, ...] = tuple(field.column for field in _FIELDS if field.vpc)

_TEXT = pl.String()
_ENDPOINT = pl.Struct(
    {
        **dict.fromkeys(("ip", "port", "svc_name", "interface_uid", "vpc_uid"), _TEXT),
        **dict.fromkeys(("subnet_uid", "instance_uid"), _TEXT),
        "intermediate_ips": pl.List(_TEXT),
    }
)
_CONNECTION = ("protocol_num", "protocol_ver", "tcp_flags", "direction", "direction_id")

#: The part of the class that flow logs fill. Leaves are text: writers disagree on types.
SHAPE: dict[str, pl.DataType] = {
    **dict.fromkeys(("class_uid", "action", "action_id", "disposition", "disposition_id"), _TEXT),
    **dict.fromkeys(("status_code", "time", "start_time", "end_time"), _TEXT),
    "cloud": pl.Struct(
        {"account": pl.Struct({"uid": _TEXT}), "account_uid": _TEXT, "region": _TEXT, "zone": _TEXT}
    ),
    "connection_info": pl.Struct(dict.fromkeys((*_CONNECTION, "boundary_id"), _TEXT)),
    "src_endpoint": _ENDPOINT,
    "dst_endpoint": _ENDPOINT,
    "traffic": pl.Struct({"packets": _TEXT, "bytes": _TEXT}),
    "metadata": pl.Struct({"product": pl.Struct({"version": _TEXT})}),
    "unmapped": _TEXT,
}

CLASS = "4001"

_PATHS = {
    "version": "metadata.product.version",
    "srcport": "src_endpoint.port",
    "dstport": "dst_endpoint.port",
    "protocol": "connection_info.protocol_num",
    "packets": "traffic.packets",
    "bytes": "traffic.bytes",
    "log_status": "status_code",
    "tcp_flags": "connection_info.tcp_flags",
    "type": "connection_info.protocol_ver",
    "pkt_srcaddr": "src_endpoint.ip",
    "pkt_dstaddr": "dst_endpoint.ip",
    "region": "cloud.region",
    "az_id": "cloud.zone",
    "pkt_src_aws_service": "src_endpoint.svc_name",
    "pkt_dst_aws_service": "dst_endpoint.svc_name",
}
#: What describes the interface that saw the flow, on whichever side it is.
_OWN = {
    "interface_id": "interface_uid",
    "vpc_id": "vpc_uid",
    "subnet_id": "subnet_uid",
    "instance_id": "instance_uid",
}
_WAYS = {
    **dict.fromkeys(("1", "inbound", "ingress"), "ingress"),
    **dict.fromkeys(("2", "outbound", "egress"), "egress"),
}
_VERDICTS = {
    **dict.fromkeys(("allowed", "accept"), "ACCEPT"),
    **dict.fromkeys(("denied", "blocked", "reject"), "REJECT"),
}
_CODES = {"1": "ACCEPT", "2": "REJECT"}
_OTHER = 99  # boundary_id: no traffic-path


def match(head: bytes, name: str) -> bool:
    """Say whether an object is OCSF in JSON.

    >>> match(b'{"class_uid": 4001, "time": 1}', "x"), match(b'{"message": "2 123"}', "x")
    (True, False)
    """
    return bool(keys(head) & {b"class_uid", b"src_endpoint", b"dst_endpoint"})


def nested(columns: Iterable[str]) -> bool:
    """Say whether the columns of a table are those of OCSF."""
    return not {"class_uid", "src_endpoint", "dst_endpoint"}.isdisjoint(columns)


def layout(reader: Reader, name: str, options: Options) -> Layout:
    """Return the columns that any OCSF object gives."""
    return Layout("ocsf", FIELDS)


def read(reader: Reader, name: str, options: Options) -> Iterator[Batch]:
    """Yield the records of JSON lines, an array, or ``{"Records": […]}``."""
    first = 1
    for pieces in objects(reader):
        frame, bad = numbered(pieces, SHAPE, first)
        yield account(_batch(frame, name, options), rejects(bad, name))
        first += len(pieces)


def rows(frames: Iterable[pl.DataFrame], name: str, options: Options) -> Iterator[Batch]:
    """Yield the records of tables with nested columns and `line`."""
    for frame in frames:
        yield _batch(frame, name, options)


def _batch(frame: pl.DataFrame, name: str, options: Options) -> Batch:
    """Map rows of class 4001; rows of another class are no flow logs."""
    kind = pl.coalesce(_at(frame.schema, "class_uid"), pl.lit(CLASS))
    other = frame.select("line", reason=pl.lit(UNKNOWN), text=kind).filter(pl.col("text") != CLASS)
    own = frame.filter(kind == CLASS)
    flows = own.select("line", *_columns(own))
    batch = typed(flows, name, options.columns)
    return account(batch, refused(other.with_columns(text="OCSF class " + pl.col("text")), name))


def _at(schema: Mapping[str, pl.DataType], path: str) -> pl.Expr:
    """Return the text at `path`, of a list its first; null for '-' and where there is none."""
    name, *inner = path.split(".")
    dtype: DataTypeClass | pl.DataType | None = schema.get(name)
    value = pl.col(name)
    for part in inner:
        parts = {f.name: f.dtype for f in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        dtype, value = parts.get(part), value.struct.field(part)
    if isinstance(dtype, pl.List):
        element = pl.element().cast(pl.String)
        return value.list.eval(element.filter(~element.is_in(NOTHING))).list.first()
    if isinstance(dtype, pl.Datetime):
        value = value.dt.epoch("ms")
    if dtype is None or dtype.is_nested():
        return pl.lit(None, pl.String)
    text = value.cast(pl.String)
    return pl.when(~text.is_in(NOTHING)).then(text)


def _columns(frame: pl.DataFrame) -> list[pl.Expr]:
    """Return an expression for each of `FIELDS`."""
    extra = _unmapped(frame)

    def at(path: str) -> pl.Expr:
        return _at(frame.schema, path)

    direction = at("connection_info.direction").str.to_lowercase()
    code = at("connection_info.direction_id").replace_strict(_WAYS, default=None)
    way = pl.coalesce(code, direction.replace_strict(_WAYS, default=None))
    way = pl.coalesce(way, extra.get("flow_direction", pl.lit(None, pl.String)))

    def own(part: str) -> pl.Expr:
        near, far = at(f"src_endpoint.{part}"), at(f"dst_endpoint.{part}")
        return pl.when(way == "ingress").then(pl.coalesce(far, near)).otherwise(near.fill_null(far))

    found = {column: at(path) for column, path in _PATHS.items()}
    found |= {column: own(part) for column, part in _OWN.items()}
    found |= {"action": _verdict(frame.schema), "flow_direction": way}
    for column, side in (("srcaddr", "src_endpoint"), ("dstaddr", "dst_endpoint")):
        found[column] = pl.coalesce(at(f"{side}.intermediate_ips"), at(f"{side}.ip"))
    found["account_id"] = pl.coalesce(at("cloud.account.uid"), at("cloud.account_uid"))
    found["start"] = pl.coalesce(at("start_time"), at("time"))
    found["end"] = pl.coalesce(at("end_time"), at("time"))
    boundary = at("connection_info.boundary_id").cast(pl.Int64, strict=False)
    found["traffic_path"] = pl.when(boundary.is_between(4, _OTHER - 1)).then(boundary - 3)
    none = pl.lit(None, pl.String)
    return [found.get(name, extra.get(name, none)).alias(name) for name in FIELDS]


def _verdict(schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """Return ACCEPT or REJECT, or the word that says something else."""
    words = [_at(schema, name) for name in ("action", "disposition")]
    codes = [_at(schema, name) for name in ("action_id", "disposition_id")]
    known = [word.str.to_lowercase().replace_strict(_VERDICTS, default=None) for word in words]
    known += [code.replace_strict(_CODES, default=None) for code in codes]
    return pl.coalesce(*known, *words)


def _unmapped(frame: pl.DataFrame) -> dict[str, pl.Expr]:
    """Return the fields found in the part without a place in OCSF.

    It comes as an object, a map, or a list of pairs; written as JSON, a name is in each of them
    followed by its value.
    """
    if "unmapped" not in frame.columns or not frame.height:
        return {}
    column = frame.select("unmapped")
    if column.dtypes[0] != pl.String:
        column = column.select(unmapped=pl.struct("unmapped").struct.json_encode())
    text = column.get_column("unmapped")
    names = [name for name in FIELDS if text.str.contains(f'"{name}"', literal=True).any()]
    value = r'"\s*(?:[:,]|,\s*"value"\s*:)\s*"?([^"\],}]*)'
    return {name: pl.lit(text.str.extract(f'"{name}{value}')) for name in names}
