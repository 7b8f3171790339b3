"""D20: AWS services that are reached over the Internet although an endpoint serves them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens.findings.context import Context
from flowlens.findings.phrases import outcome, when, where, whom
from flowlens.findings.rows import finding, incidents, table
from flowlens.findings.severity import Factors, grade
from flowlens.findings.sides import OURS, REFUSED, about
from flowlens.small import collect
from flowlens.words import size

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["bypass"]

FEW = 3  # destinations that are a finding each
ROUTED = ("internet gateway", "nat")
ENDPOINT = ("gateway endpoint", "interface endpoint")
PLACE = ["about", "server_port", "protocol"]

#: The interface at which a client's records were counted.
FACE = pl.when(pl.col("vantage") == "client").then(pl.col("observer"))

#: The last word of an endpoint's service by the service of AWS's ranges, where they differ. Ranges
#: that several services share (AMAZON, EC2) name none.
#: https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
SERVICES = {
    "S3": "s3", "DYNAMODB": "dynamodb", "API_GATEWAY": "execute-api", "EBS": "ebs",
    "KINESIS_VIDEO_STREAMS": "kinesisvideo", "CODEBUILD": "codebuild",
}  # fmt: skip
LIVE = ("available", "Available")


def bypass(edges: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Find AWS services that are reached over the Internet although a VPC endpoint is there.

    An endpoint is there where the same logs show the same service reached through one: the
    service of the address (``pkt-dst-aws-service``) by way of an endpoint, in the same Region
    where that is known; or where the inventory has one for the service in the client's VPC, whether
    anybody uses it or not, and in the same Region.

    Technique: T1537 (transfer to a cloud account): a policy of the endpoint does not see it.

    It cannot see endpoints that nobody uses where there is no inventory, services whose addresses
    AWS's ranges do not tell apart, and another Region has none. Which endpoints there were at a
    time is known as the captures show it.

    Args:
        edges: a table of schema EDGES.
        context: the inventory and the byte limits.

    Returns:
        Rows of FINDINGS.
    """
    ours = edges.filter(OURS, pl.col("aws_service").is_not_null(), ~REFUSED)
    out = ours.filter(pl.col("path").is_in(ROUTED))
    used = ours.filter(pl.col("path").is_in(ENDPOINT)).select("aws_service", "region").unique()
    some = used.pipe(collect)
    doors = _doors(context.inventory)
    if some.is_empty() and doors.is_empty():
        return table([])
    served = some.lazy().with_columns(used=True)
    keys = ["aws_service", "region"]
    told = out.join(served, on=keys, how="left", nulls_equal=True).join(
        doors.lazy(), left_on=[FACE, *keys], right_on=["observer", *keys], how="left"
    )
    within = told.filter(pl.col("used").is_not_null() | pl.col("endpoints").is_not_null())
    listed = (
        about(within).drop_nulls("endpoints").group_by(PLACE)
        .agg(pl.col("endpoints").list.explode().unique().sort())
        .pipe(collect)
    )  # fmt: skip
    names = {row[:-1]: row[-1] for row in listed.iter_rows()}
    rows = incidents(within.drop("used", "endpoints"), several=FEW)
    return table([_direct(row, names.get(_place(row), []), context) for row in rows])


def _doors(inventory: "Inventory | None") -> pl.DataFrame:
    """Return the endpoints that serve an interface: by ``observer``, service and Region."""
    schema = {name: pl.String() for name in ("observer", "aws_service", "region")}
    if inventory is None:
        return pl.DataFrame(schema={**schema, "endpoints": pl.List(pl.String)})
    words = inventory.endpoints.filter(pl.col("state").is_in(LIVE)).select(
        "vpc_id", "endpoint_id", word=pl.col("service").str.split(".")
    )
    # com.amazonaws.REGION.SERVICE, or cn.com.amazonaws…; others are those of partners.
    plain = words.filter(pl.col("word").list.contains("amazonaws"))
    spelt = {name: service for service, name in SERVICES.items()}
    named = plain.select(
        "vpc_id",
        "endpoint_id",
        region=pl.col("word").list.get(-2, null_on_oob=True),
        aws_service=pl.col("word").list.last().replace_strict(spelt, default=None),
    )
    faces = inventory.interfaces.select("vpc_id", observer="interface_id").drop_nulls().unique()
    return (
        faces.join(named.drop_nulls(), on="vpc_id")
        .group_by(list(schema))
        .agg(endpoints=pl.col("endpoint_id").unique().sort())
    )


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the endpoints of a merged row are listed by."""
    return tuple(row[name] for name in PLACE)


def _direct(row: Mapping[str, Any], doors: Sequence[str], context: Context) -> dict[str, Any]:
    """Return a finding of a bypassed endpoint."""
    door = f"{' and '.join(doors)} of its VPC serves it" if doors else "a VPC endpoint serves it"
    text = (
        f"{whom(row)} reached {where(row)} over the Internet although {door}: "
        f"{size(row['bytes_out'])} out and {size(row['bytes_in'])} back {when(row)}, {outcome(row)}"
    )
    factors: Factors = [(0.3, "a mistake of routes more often than theft, paid by the byte")]
    return finding("bypass", row, text, grade(row, context, factors=factors), "T1537")
