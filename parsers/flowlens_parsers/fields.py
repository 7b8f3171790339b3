"""Every field of VPC flow logs v2 to v11 and transit gateway flow logs v2 to v6, once.

Sources: the "Flow log records" page of the Amazon VPC user guide and "Transit Gateway Flow Logs"
of the transit gateway guide. Dtypes hold what the documented domain allows; where AWS writes an
open set of words (services, reasons, statuses) the field stays text.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

__all__ = ["ADDRESSES", "DEFAULT", "FIELDS", "OBSERVERS", "OWN", "SCHEMA", "TIME", "Field", "known"]

TIME = pl.Datetime("ms", "UTC")


@dataclass(frozen=True, slots=True)
class Field:
    """A field as AWS names it, the column it becomes, and what its values mean."""

    name: str  # as in a header and a log format: account-id
    column: str  # as in a frame and in AWS's Parquet files: account_id
    dtype: pl.DataType
    unit: str  # "" where the value is a name, an id or a code
    vpc: int | None  # the version of VPC flow logs that brought it
    tgw: int | None  # the version of transit gateway flow logs that brought it
    null: str  # what '-' means
    text: str


_DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "address": pl.String(),
    "time": TIME,
    "u8": pl.UInt8(),
    "u16": pl.UInt16(),
    "u64": pl.UInt64(),
}

_NULLS = {
    "never": "is always there",
    "status": "only in NODATA and SKIPDATA records",
    "none": "does not apply or cannot be computed",
    "bytes": "NODATA, SKIPDATA, and rejects by VPC Block Public Access, which have no byte count",
    "eni": "the flow of a regional NAT gateway: see resource-id",
    "owner": "the interface is requester-managed or its instance is not yours",
    "flags": "the combination of flags is invalid",
    "path": "ingress, or no code applies",
    "ecs": "not an ECS task in awsvpc mode, or a task of another account",
    "why": "accepted, or rejected by a security group or network ACL",
    "tag": "untagged, not yours, or the flow log is younger than an hour",
    "hop": "the next hop has no interface, is elsewhere, or came from a TGW or NLB",
    "side": "the other side is a VPN, Direct Connect, peering or unknown",
}

# name, kind, unit, VPC version, TGW version, meaning of '-', text
_TABLE = """
version                     u8      -              2  2 never   highest version among the fields
account-id                  text    -              2  2 none    owner of the interface; or unknown
interface-id                text    -              2  - eni     interface that saw the flow
srcaddr                     address -              2  2 status  source; rewritten at middleboxes
dstaddr                     address -              2  2 status  destination; rewritten likewise
srcport                     u16     -              2  2 status  source port; 0 without ports
dstport                     u16     -              2  2 status  destination port; 0 without ports
protocol                    u8      IANA           2  2 status  protocol number
packets                     u64     packets        2  2 status  packets in the window, one direction
bytes                       u64     bytes          2  2 bytes   bytes in the window, one direction
start                       time    s-or-ms        2  2 never   first packet of the window
end                         time    s-or-ms        2  2 never   last packet of the window
action                      text    -              2  - status  ACCEPT or REJECT
log-status                  text    -              2  2 never   OK, NODATA or SKIPDATA
vpc-id                      text    -              3  - none    VPC of the interface
subnet-id                   text    -              3  - eni     subnet of the interface
instance-id                 text    -              3  - owner   instance of the interface
tcp-flags                   u8      FIN1,SYN2,RST4 3  3 flags   OR of flags; 18 is SYN-ACK
type                        text    -              3  3 status  IPv4, IPv6 or EFA
pkt-srcaddr                 address -              3  - status  source of the packet itself
pkt-dstaddr                 address -              3  - status  destination of the packet itself
region                      text    -              4  4 none    AWS region
az-id                       text    -              4  - none    availability zone id
sublocation-type            text    -              4  - none    wavelength, outpost or localzone
sublocation-id              text    -              4  - none    id of the sublocation
pkt-src-aws-service         text    -              5  5 none    AWS service of the source
pkt-dst-aws-service         text    -              5  5 none    AWS service of the destination
flow-direction              text    -              5  5 status  ingress or egress at the interface
traffic-path                u8      code           5  - path    how egress left: 1 local to 8 IGW
ecs-cluster-arn             text    -              7  - ecs     ECS cluster
ecs-cluster-name            text    -              7  - ecs     ECS cluster
ecs-container-instance-arn  text    -              7  - ecs     container instance; not on Fargate
ecs-container-instance-id   text    -              7  - ecs     container instance; not on Fargate
ecs-container-id            text    -              7  - ecs     runtime id of the first container
ecs-second-container-id     text    -              7  - ecs     runtime id of the second container
ecs-service-name            text    -              7  - ecs     ECS service
ecs-task-definition-arn     text    -              7  - ecs     task definition
ecs-task-arn                text    -              7  - ecs     task
ecs-task-id                 text    -              7  - ecs     task
reject-reason               text    -              8  - why     BPA, EC, or a word not known yet
resource-id                 text    -              9  - none    regional NAT gateway
encryption-status           u8      code           10 - none    0 none, 1 Nitro, 2 by port, 3 both
instance-tag                text    -              11 - tag     first instance tag, URL-encoded
instance-tag-2              text    -              11 - tag     second instance tag, URL-encoded
interface-tag               text    -              11 - tag     first interface tag, URL-encoded
interface-tag-2             text    -              11 - tag     second interface tag, URL-encoded
asg-tag                     text    -              11 - tag     first Auto Scaling group tag
asg-tag-2                   text    -              11 - tag     second Auto Scaling group tag
interface-type              text    -              11 - none    nat_gateway, vpc_endpoint, …
next-hop-interface-id       text    -              11 - hop     interface of the next hop
next-hop-subnet-id          text    -              11 - hop     subnet of the next hop
next-hop-az-id              text    -              11 - hop     zone of the next hop
next-hop-vpc-id             text    -              11 - hop     VPC of the next hop
next-hop-interface-type     text    -              11 - hop     as interface-type
resource-type               text    -              -  6 none    TransitGateway
tgw-id                      text    -              -  6 none    transit gateway
tgw-attachment-id           text    -              -  6 none    attachment that saw the flow
tgw-src-vpc-account-id      text    -              -  6 side    account of the source VPC
tgw-dst-vpc-account-id      text    -              -  6 side    account of the destination VPC
tgw-src-vpc-id              text    -              -  6 side    source VPC
tgw-dst-vpc-id              text    -              -  6 side    destination VPC
tgw-src-subnet-id           text    -              -  6 side    source subnet
tgw-dst-subnet-id           text    -              -  6 side    destination subnet
tgw-src-eni                 text    -              -  6 side    interface of the source attachment
tgw-dst-eni                 text    -              -  6 side    interface of the destination's
tgw-src-az-id               text    -              -  6 side    zone of the source attachment
tgw-dst-az-id               text    -              -  6 side    zone of the destination attachment
tgw-pair-attachment-id      text    -              -  6 none    attachment on the other side
packets-lost-no-route       u64     packets        -  6 status  dropped: no route
packets-lost-blackhole      u64     packets        -  6 status  dropped: blackhole route
packets-lost-mtu-exceeded   u64     packets        -  6 status  dropped: larger than the MTU
packets-lost-ttl-expired    u64     packets        -  6 status  dropped: TTL expired
"""


def _field(row: str) -> Field:
    name, kind, unit, vpc, tgw, null, text = row.split(maxsplit=6)
    return Field(
        name=name,
        column=name.replace("-", "_"),
        dtype=_DTYPES[kind],
        unit="address" if kind == "address" else unit.replace("-or-", " or ").strip("-"),
        vpc=None if vpc == "-" else int(vpc),
        tgw=None if tgw == "-" else int(tgw),
        null=_NULLS[null],
        text=text,
    )


FIELDS: tuple[Field, ...] = tuple(map(_field, _TABLE.strip().splitlines()))

#: Column -> dtype of every known field.
SCHEMA: dict[str, pl.DataType] = {field.column: field.dtype for field in FIELDS}

#: What flowlens itself adds to the records of a table that it has added up (`athena:` sources).
OWN: dict[str, pl.DataType] = {
    "flow_log": pl.String(),  # the flow log that wrote the records
    "merged": pl.UInt64(),  # records behind this one
}

#: Columns whose values must be addresses.
ADDRESSES: tuple[str, ...] = tuple(field.column for field in FIELDS if field.unit == "address")

#: The default format: what AWS writes when no format was chosen (VPC v2), in its order.
DEFAULT: tuple[str, ...] = tuple(field.column for field in FIELDS[:14])

#: Where a record was captured, best first (the second for regional NAT, the third for TGW).
OBSERVERS: tuple[str, ...] = ("interface_id", "resource_id", "tgw_attachment_id")


def known(columns: Iterable[str]) -> int:
    """Return how many of `columns` are fields that AWS documents.

    >>> known(["srcaddr", "interface_id", "colour"])
    2
    """
    return sum(column in SCHEMA for column in columns)
