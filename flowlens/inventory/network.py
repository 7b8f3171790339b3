"""Tables of the network itself: address blocks, gateways and endpoints."""

import polars as pl

from flowlens.inventory.pick import (
    TAGS,
    TEXT,
    WHOLE,
    Shape,
    at,
    each,
    ids,
    struct,
    structs,
    tag,
)

__all__ = ["ELASTIC", "ENDPOINTS", "ENTRIES", "GATEWAYS", "LISTS", "PEERINGS", "SUBNETS", "VPCS"]

VPCS = Shape(
    "ec2.describe_vpcs",
    {
        "VpcId": TEXT,
        "OwnerId": TEXT,
        "CidrBlock": TEXT,
        "CidrBlockAssociationSet": structs("CidrBlock"),
        "Ipv6CidrBlockAssociationSet": structs("Ipv6CidrBlock"),
        "Tags": TAGS,
    },
    (
        pl.col("VpcId").alias("vpc_id"),
        pl.col("OwnerId").alias("owner_id"),
        pl.concat_list(
            pl.concat_list(pl.col("CidrBlock")).list.drop_nulls(),
            each("CidrBlockAssociationSet", "CidrBlock"),
            each("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock"),
        )
        .list.unique(maintain_order=True)
        .alias("cidrs"),
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
        "Ipv6CidrBlockAssociationSet": structs("Ipv6CidrBlock"),
        "Tags": TAGS,
    },
    (
        pl.col("SubnetId").alias("subnet_id"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("AvailabilityZoneId").alias("az_id"),
        pl.concat_list(
            pl.concat_list(pl.col("CidrBlock")).list.drop_nulls(),
            each("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock"),
        ).alias("cidrs"),
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
        "NatGatewayAddresses": structs("NetworkInterfaceId", "PrivateIp", "PublicIp"),
    },
    (
        pl.col("NatGatewayId").alias("nat_gateway_id"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("SubnetId").alias("subnet_id"),
        pl.col("State").alias("state"),
        pl.col("ConnectivityType").alias("connectivity"),
        ids("NatGatewayAddresses", "NetworkInterfaceId").alias("interfaces"),
        ids("NatGatewayAddresses", "PrivateIp").alias("addresses"),
        ids("NatGatewayAddresses", "PublicIp").alias("public_addresses"),
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


_SIDE = struct("VpcId", "OwnerId", "Region", CidrBlockSet=structs("CidrBlock"))
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
        each(at("RequesterVpcInfo.CidrBlockSet"), "CidrBlock").alias("requester_cidrs"),
        at("AccepterVpcInfo.VpcId").alias("accepter_vpc"),
        at("AccepterVpcInfo.Region").alias("accepter_region"),
        each(at("AccepterVpcInfo.CidrBlockSet"), "CidrBlock").alias("accepter_cidrs"),
    ),
)


ELASTIC = Shape(
    "ec2.describe_addresses",
    {"AllocationId": TEXT, "PublicIp": TEXT, "NetworkInterfaceId": TEXT, "InstanceId": TEXT},
    (
        pl.col("AllocationId").alias("allocation_id"),
        pl.col("PublicIp").alias("address"),
        pl.col("NetworkInterfaceId").alias("interface_id"),
        pl.col("InstanceId").alias("instance_id"),
    ),
)
