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
        "vpc_id": "VpcId",
        "owner_id": "OwnerId",
        "cidrs": pl.concat_list(
            pl.concat_list(pl.col("CidrBlock")).list.drop_nulls(),
            held("CidrBlockAssociationSet", "CidrBlock", "CidrBlockState.State", _LIVE),
            _SIX,
        ).list.unique(maintain_order=True),
        "primary": "CidrBlock",
        "blocked": "BlockPublicAccessStates.InternetGatewayBlockMode",
        "name": tag("Name", column="Tags"),
    },
    {
        "CidrBlockAssociationSet": structs("CidrBlock", CidrBlockState=struct("State")),
        "Ipv6CidrBlockAssociationSet": _SIX_TYPE,
        "BlockPublicAccessStates": _BLOCKED,
        "Tags": TAGS,
    },
)


SUBNETS = Shape(
    "ec2.describe_subnets",
    {
        "subnet_id": "SubnetId",
        "vpc_id": "VpcId",
        "az_id": "AvailabilityZoneId",
        "cidrs": pl.concat_list(pl.concat_list(pl.col("CidrBlock")).list.drop_nulls(), _SIX),
        "blocked": "BlockPublicAccessStates.InternetGatewayBlockMode",
        "name": tag("Name", column="Tags"),
    },
    {
        "CidrBlock": TEXT,
        "Ipv6CidrBlockAssociationSet": _SIX_TYPE,
        "BlockPublicAccessStates": _BLOCKED,
        "Tags": TAGS,
    },
)


GATEWAYS = Shape(
    "ec2.describe_nat_gateways",
    {
        "nat_gateway_id": "NatGatewayId",
        "vpc_id": "VpcId",
        "subnet_id": "SubnetId",
        "state": "State",
        "connectivity": "ConnectivityType",
        "availability": "AvailabilityMode",
        "route_table_id": "RouteTableId",
        "interfaces": ids("NatGatewayAddresses", "NetworkInterfaceId"),
        "addresses": ids("NatGatewayAddresses", "PrivateIp"),
        "public_addresses": ids("NatGatewayAddresses", "PublicIp"),
        "mapped": pairs("NatGatewayAddresses", "PrivateIp", "PublicIp"),
    },
    {"NatGatewayAddresses": structs("NetworkInterfaceId", "PrivateIp", "PublicIp")},
)


ENDPOINTS = Shape(
    "ec2.describe_vpc_endpoints",
    {
        "endpoint_id": "VpcEndpointId",
        "type": "VpcEndpointType",
        "vpc_id": "VpcId",
        "service": "ServiceName",
        "state": "State",
        "policy": "PolicyDocument",
        "route_tables": "RouteTableIds",
        "subnets": "SubnetIds",
        "interfaces": "NetworkInterfaceIds",
        "groups": ids("Groups", "GroupId"),
        "names": ids("DnsEntries", "DnsName"),
    },
    {
        "RouteTableIds": pl.List(pl.String),
        "SubnetIds": pl.List(pl.String),
        "NetworkInterfaceIds": pl.List(pl.String),
        "Groups": structs("GroupId"),
        "DnsEntries": structs("DnsName"),
    },
)


LISTS = Shape(
    "ec2.describe_managed_prefix_lists",
    {
        "prefix_list_id": "PrefixListId",
        "name": "PrefixListName",
        "family": "AddressFamily",
        "max_entries": "MaxEntries",
        "owner_id": "OwnerId",
    },
    {"MaxEntries": WHOLE},
)


ENTRIES = Shape(
    "ec2.get_managed_prefix_list_entries",
    {"prefix_list_id": "Item", "cidrs": each("Entries", "Cidr")},
    {"Entries": structs("Cidr", "Description")},
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
        "peering_id": "VpcPeeringConnectionId",
        "state": "Status.Code",
        "requester_vpc": "RequesterVpcInfo.VpcId",
        "requester_region": "RequesterVpcInfo.Region",
        "requester_cidrs": _blocks("RequesterVpcInfo"),
        "accepter_vpc": "AccepterVpcInfo.VpcId",
        "accepter_region": "AccepterVpcInfo.Region",
        "accepter_cidrs": _blocks("AccepterVpcInfo"),
    },
    {"Status": struct("Code"), "RequesterVpcInfo": _SIDE, "AccepterVpcInfo": _SIDE},
)


ELASTIC = Shape(
    "ec2.describe_addresses",
    {
        "allocation_id": "AllocationId",
        "address": "PublicIp",
        "interface_id": "NetworkInterfaceId",
        "instance_id": "InstanceId",
        "private": "PrivateIpAddress",
    },
)


_DOORS = held("Attachments", "VpcId", "State", ("available", "attached"))
_ATTACHED = structs("VpcId", "State")
INTERNET_GATEWAYS = Shape(
    "ec2.describe_internet_gateways",
    {"gateway_id": "InternetGatewayId", "vpcs": _DOORS},
    {"Attachments": _ATTACHED},
)
EGRESS_ONLY = Shape(
    "ec2.describe_egress_only_internet_gateways",
    {"gateway_id": "EgressOnlyInternetGatewayId", "vpcs": _DOORS},
    {"Attachments": _ATTACHED},
)


BLOCKING = Shape(
    "ec2.describe_vpc_block_public_access_options", {"mode": "InternetGatewayBlockMode"}
)
EXCLUSIONS = Shape(
    "ec2.describe_vpc_block_public_access_exclusions",
    {
        "resource_id": pl.col("ResourceArn").str.extract(r"([^/]+)$", 1),
        "mode": "InternetGatewayExclusionMode",
        "state": "State",
    },
    {"ResourceArn": TEXT},
)
