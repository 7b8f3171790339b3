"""Tables of the network itself: address blocks, gateways and endpoints."""

import polars as pl

from flowlens.inventory.pick import (
    TAGS,
    TEXT,
    WHOLE,
    Shape,
    at,
    each,
    held,
    ids,
    pairs,
    struct,
    structs,
    tag,
)

__all__ = [
    "BLOCKING",
    "EGRESS_ONLY",
    "ELASTIC",
    "ENDPOINTS",
    "ENTRIES",
    "EXCLUSIONS",
    "GATEWAYS",
    "INTERNET_GATEWAYS",
    "LISTS",
    "PEERINGS",
    "SUBNETS",
    "VPCS",
]

# A block that was taken away stays in the answer for a while, in another state.
_LIVE = ("associated", "associating")
_SIX = held("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", "Ipv6CidrBlockState.State", _LIVE)
_SIX_TYPE = structs("Ipv6CidrBlock", Ipv6CidrBlockState=struct("State"))
_BLOCKED = struct("InternetGatewayBlockMode")

VPCS = Shape(
    "ec2.describe_vpcs",
    {
        "VpcId": TEXT,
        "OwnerId": TEXT,
        "CidrBlock": TEXT,
        "CidrBlockAssociationSet": structs("CidrBlock", CidrBlockState=struct("State")),
        "Ipv6CidrBlockAssociationSet": _SIX_TYPE,
        "BlockPublicAccessStates": _BLOCKED,
        "Tags": TAGS,
    },
    (
        pl.col("VpcId").alias("vpc_id"),
        pl.col("OwnerId").alias("owner_id"),
        pl.concat_list(
            pl.concat_list(pl.col("CidrBlock")).list.drop_nulls(),
            held("CidrBlockAssociationSet", "CidrBlock", "CidrBlockState.State", _LIVE),
            _SIX,
        )
        .list.unique(maintain_order=True)
        .alias("cidrs"),
        pl.col("CidrBlock").alias("primary"),
        at("BlockPublicAccessStates.InternetGatewayBlockMode").alias("blocked"),
        tag("Name", column="Tags").alias("name"),
    ),
)


SUBNETS = Shape(
    "ec2.describe_subnets",
    {
        "SubnetId": TEXT,
        "VpcId": TEXT,
        "AvailabilityZoneId": TEXT,
        "CidrBlock": TEXT,
        "Ipv6CidrBlockAssociationSet": _SIX_TYPE,
        "BlockPublicAccessStates": _BLOCKED,
        "Tags": TAGS,
    },
    (
        pl.col("SubnetId").alias("subnet_id"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("AvailabilityZoneId").alias("az_id"),
        pl.concat_list(
            pl.concat_list(pl.col("CidrBlock")).list.drop_nulls(),
            _SIX,
        ).alias("cidrs"),
        at("BlockPublicAccessStates.InternetGatewayBlockMode").alias("blocked"),
        tag("Name", column="Tags").alias("name"),
    ),
)


GATEWAYS = Shape(
    "ec2.describe_nat_gateways",
    {
        "NatGatewayId": TEXT,
        "VpcId": TEXT,
        "SubnetId": TEXT,
        "State": TEXT,
        "ConnectivityType": TEXT,
        "AvailabilityMode": TEXT,
        "RouteTableId": TEXT,
        "NatGatewayAddresses": structs("NetworkInterfaceId", "PrivateIp", "PublicIp"),
    },
    (
        pl.col("NatGatewayId").alias("nat_gateway_id"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("SubnetId").alias("subnet_id"),
        pl.col("State").alias("state"),
        pl.col("ConnectivityType").alias("connectivity"),
        pl.col("AvailabilityMode").alias("availability"),
        pl.col("RouteTableId").alias("route_table_id"),
        ids("NatGatewayAddresses", "NetworkInterfaceId").alias("interfaces"),
        ids("NatGatewayAddresses", "PrivateIp").alias("addresses"),
        ids("NatGatewayAddresses", "PublicIp").alias("public_addresses"),
        pairs("NatGatewayAddresses", "PrivateIp", "PublicIp").alias("mapped"),
    ),
)


ENDPOINTS = Shape(
    "ec2.describe_vpc_endpoints",
    {
        "VpcEndpointId": TEXT,
        "VpcEndpointType": TEXT,
        "VpcId": TEXT,
        "ServiceName": TEXT,
        "State": TEXT,
        "PolicyDocument": TEXT,
        "RouteTableIds": pl.List(pl.String),
        "SubnetIds": pl.List(pl.String),
        "NetworkInterfaceIds": pl.List(pl.String),
        "Groups": structs("GroupId"),
        "DnsEntries": structs("DnsName"),
    },
    (
        pl.col("VpcEndpointId").alias("endpoint_id"),
        pl.col("VpcEndpointType").alias("type"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("ServiceName").alias("service"),
        pl.col("State").alias("state"),
        pl.col("PolicyDocument").alias("policy"),
        pl.col("RouteTableIds").alias("route_tables"),
        pl.col("SubnetIds").alias("subnets"),
        pl.col("NetworkInterfaceIds").alias("interfaces"),
        ids("Groups", "GroupId").alias("groups"),
        ids("DnsEntries", "DnsName").alias("names"),
    ),
)


LISTS = Shape(
    "ec2.describe_managed_prefix_lists",
    {
        "PrefixListId": TEXT,
        "PrefixListName": TEXT,
        "AddressFamily": TEXT,
        "MaxEntries": WHOLE,
        "OwnerId": TEXT,
    },
    (
        pl.col("PrefixListId").alias("prefix_list_id"),
        pl.col("PrefixListName").alias("name"),
        pl.col("AddressFamily").alias("family"),
        pl.col("MaxEntries").alias("max_entries"),
        pl.col("OwnerId").alias("owner_id"),
    ),
)


ENTRIES = Shape(
    "ec2.get_managed_prefix_list_entries",
    {"Item": TEXT, "Entries": structs("Cidr", "Description")},
    (
        pl.col("Item").alias("prefix_list_id"),
        each("Entries", "Cidr").alias("cidrs"),
    ),
)


_SIDE = struct(
    "VpcId",
    "OwnerId",
    "Region",
    "CidrBlock",
    CidrBlockSet=structs("CidrBlock"),
    Ipv6CidrBlockSet=structs("Ipv6CidrBlock"),
)


def _blocks(side: str) -> pl.Expr:
    """Return the address blocks of one side of a peering."""
    return (
        pl.concat_list(
            pl.concat_list(at(f"{side}.CidrBlock")).list.drop_nulls(),
            each(at(f"{side}.CidrBlockSet"), "CidrBlock"),
            each(at(f"{side}.Ipv6CidrBlockSet"), "Ipv6CidrBlock"),
        )
        .list.unique(maintain_order=True)
        .fill_null(pl.lit([], dtype=pl.List(pl.String)))
    )


PEERINGS = Shape(
    "ec2.describe_vpc_peering_connections",
    {
        "VpcPeeringConnectionId": TEXT,
        "Status": struct("Code"),
        "RequesterVpcInfo": _SIDE,
        "AccepterVpcInfo": _SIDE,
    },
    (
        pl.col("VpcPeeringConnectionId").alias("peering_id"),
        at("Status.Code").alias("state"),
        at("RequesterVpcInfo.VpcId").alias("requester_vpc"),
        at("RequesterVpcInfo.Region").alias("requester_region"),
        _blocks("RequesterVpcInfo").alias("requester_cidrs"),
        at("AccepterVpcInfo.VpcId").alias("accepter_vpc"),
        at("AccepterVpcInfo.Region").alias("accepter_region"),
        _blocks("AccepterVpcInfo").alias("accepter_cidrs"),
    ),
)


ELASTIC = Shape(
    "ec2.describe_addresses",
    {
        "AllocationId": TEXT,
        "PublicIp": TEXT,
        "NetworkInterfaceId": TEXT,
        "InstanceId": TEXT,
        "PrivateIpAddress": TEXT,
    },
    (
        pl.col("AllocationId").alias("allocation_id"),
        pl.col("PublicIp").alias("address"),
        pl.col("NetworkInterfaceId").alias("interface_id"),
        pl.col("InstanceId").alias("instance_id"),
        pl.col("PrivateIpAddress").alias("private"),
    ),
)


_DOORS = held("Attachments", "VpcId", "State", ("available", "attached"))
_ATTACHED = structs("VpcId", "State")
INTERNET_GATEWAYS = Shape(
    "ec2.describe_internet_gateways",
    {"InternetGatewayId": TEXT, "Attachments": _ATTACHED},
    (pl.col("InternetGatewayId").alias("gateway_id"), _DOORS.alias("vpcs")),
)
EGRESS_ONLY = Shape(
    "ec2.describe_egress_only_internet_gateways",
    {"EgressOnlyInternetGatewayId": TEXT, "Attachments": _ATTACHED},
    (pl.col("EgressOnlyInternetGatewayId").alias("gateway_id"), _DOORS.alias("vpcs")),
)


BLOCKING = Shape(
    "ec2.describe_vpc_block_public_access_options",
    {"InternetGatewayBlockMode": TEXT},
    (pl.col("InternetGatewayBlockMode").alias("mode"),),
)
EXCLUSIONS = Shape(
    "ec2.describe_vpc_block_public_access_exclusions",
    {"ResourceArn": TEXT, "InternetGatewayExclusionMode": TEXT, "State": TEXT},
    (
        pl.col("ResourceArn").str.extract(r"([^/]+)$", 1).alias("resource_id"),
        pl.col("InternetGatewayExclusionMode").alias("mode"),
        pl.col("State").alias("state"),
    ),
)
