"""Tables of what holds an address: interfaces, and what they may belong to."""

import polars as pl

from flowlens.inventory.pick import (
    FLAG,
    NONE,
    TAGS,
    TEXT,
    Shape,
    at,
    each,
    ids,
    pairs,
    struct,
    structs,
    tag,
)

__all__ = ["DATABASES", "FUNCTIONS", "INSTANCES", "INTERFACES", "PROVIDED", "TASKS"]

INTERFACES = Shape(
    "ec2.describe_network_interfaces",
    {
        "NetworkInterfaceId": TEXT,
        "InterfaceType": TEXT,
        "Description": TEXT,
        "VpcId": TEXT,
        "SubnetId": TEXT,
        "OwnerId": TEXT,
        "RequesterId": TEXT,
        "RequesterManaged": FLAG,
        "SourceDestCheck": FLAG,
        "DenyAllIgwTraffic": FLAG,
        "Groups": structs("GroupId"),
        "PrivateIpAddress": TEXT,
        "PrivateIpAddresses": structs(
            "PrivateIpAddress", Association=struct("PublicIp", "CarrierIp")
        ),
        "Ipv6Addresses": structs("Ipv6Address"),
        "Ipv4Prefixes": structs("Ipv4Prefix"),
        "Ipv6Prefixes": structs("Ipv6Prefix"),
        "Association": struct("PublicIp", "CarrierIp"),
        "Attachment": struct("AttachmentId", "InstanceId", "InstanceOwnerId"),
        "Operator": struct("Principal", Managed=FLAG),
        "TagSet": TAGS,
    },
    (
        pl.col("NetworkInterfaceId").alias("interface_id"),
        pl.col("InterfaceType").alias("interface_type"),
        pl.col("Description").alias("description"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("SubnetId").alias("subnet_id"),
        pl.col("OwnerId").alias("owner_id"),
        pl.col("RequesterId").alias("requester_id"),
        pl.col("RequesterManaged").alias("requester_managed"),
        pl.col("SourceDestCheck").alias("source_dest_check"),
        pl.col("DenyAllIgwTraffic").alias("shut"),
        # No list at all is not the same as an empty one: a NAT gateway has no groups.
        pl.when(pl.col("Groups").is_not_null()).then(ids("Groups", "GroupId")).alias("groups"),
        pl.concat_list(
            pl.concat_list(pl.col("PrivateIpAddress")).list.drop_nulls(),
            each("PrivateIpAddresses", "PrivateIpAddress"),
            each("Ipv6Addresses", "Ipv6Address"),
        ).alias("addresses"),
        pl.concat_list(
            pl.concat_list(
                at("Association.PublicIp"), at("Association.CarrierIp")
            ).list.drop_nulls(),
            each("PrivateIpAddresses", "Association.PublicIp"),
            each("PrivateIpAddresses", "Association.CarrierIp"),
        ).alias("public_addresses"),
        # Traffic to the internet needs a public address of the very private one (user guide of
        # VPC, "Internet gateways").
        pl.concat_list(
            pairs("PrivateIpAddresses", "PrivateIpAddress", "Association.PublicIp"),
            pl.when(at("Association.PublicIp").is_not_null())
            .then(
                pl.concat_list(
                    pl.struct(
                        pl.col("PrivateIpAddress").alias("private"),
                        at("Association.PublicIp").alias("public"),
                    )
                )
            )
            .otherwise(pl.lit([], dtype=pl.List(pl.Struct({"private": TEXT, "public": TEXT})))),
        ).alias("mapped"),
        pl.concat_list(
            each("Ipv4Prefixes", "Ipv4Prefix"), each("Ipv6Prefixes", "Ipv6Prefix")
        ).alias("prefixes"),
        at("Attachment.AttachmentId").alias("attachment_id"),
        at("Attachment.InstanceId").alias("instance_id"),
        at("Attachment.InstanceOwnerId").alias("instance_owner_id"),
        pl.when(at("Operator.Managed")).then(at("Operator.Principal")).alias("operator"),
        tag("Name").alias("name"),
        tag("aws:lambda:capacity-provider").alias("provider"),
        tag("aws:lambda:networkConnectorName", "aws:lambda:networkConnectorId").alias("connector"),
    ),
)


_INSTANCE = pl.col("Instances").struct.field
INSTANCES = Shape(
    "ec2.describe_instances",
    {"Instances": structs("InstanceId", "VpcId", "SubnetId", Tags=TAGS)},
    (
        _INSTANCE("InstanceId").alias("instance_id"),
        _INSTANCE("VpcId").alias("vpc_id"),
        _INSTANCE("SubnetId").alias("subnet_id"),
        tag("Name", column=_INSTANCE("Tags")).alias("name"),
        tag("aws:lambda:capacity-provider", column=_INSTANCE("Tags")).alias("provider"),
    ),
    explode="Instances",
)


FUNCTIONS = Shape(
    "lambda.list_functions",
    {
        "FunctionName": TEXT,
        "FunctionArn": TEXT,
        "Version": TEXT,
        "VpcConfig": struct(
            "VpcId", SubnetIds=pl.List(pl.String), SecurityGroupIds=pl.List(pl.String)
        ),
        "CapacityProviderConfig": struct(
            LambdaManagedInstancesCapacityProviderConfig=struct("CapacityProviderArn")
        ),
    },
    (
        pl.col("FunctionName").alias("function"),
        pl.col("FunctionArn").alias("arn"),
        pl.col("Version").alias("version"),
        at("VpcConfig.VpcId").alias("vpc_id"),
        at("VpcConfig.SubnetIds").fill_null(NONE).list.unique().list.sort().alias("subnets"),
        at("VpcConfig.SecurityGroupIds").fill_null(NONE).list.unique().list.sort().alias("groups"),
        at(
            "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn"
        ).alias("provider"),
    ),
)


PROVIDED = Shape(
    "lambda.list_function_versions_by_capacity_provider",
    {"Item": TEXT, "CapacityProviderArn": TEXT, "FunctionVersions": structs("FunctionArn")},
    (
        pl.coalesce("CapacityProviderArn", "Item").alias("provider"),
        # arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION
        pl.col("FunctionVersions")
        .struct.field("FunctionArn")
        .str.split(":")
        .list.get(6, null_on_oob=True)
        .alias("function"),
    ),
    explode="FunctionVersions",
)


DATABASES = Shape(
    "rds.describe_db_instances",
    {
        "DBInstanceIdentifier": TEXT,
        "DBSubnetGroup": struct("VpcId", Subnets=structs("SubnetIdentifier")),
        "VpcSecurityGroups": structs("VpcSecurityGroupId"),
    },
    (
        pl.col("DBInstanceIdentifier").alias("database"),
        ids(at("DBSubnetGroup.Subnets"), "SubnetIdentifier").alias("subnets"),
        ids("VpcSecurityGroups", "VpcSecurityGroupId").alias("groups"),
    ),
)


_TASK = pl.col("tasks").struct.field
TASKS = Shape(
    "ecs.describe_tasks",
    {"Item": TEXT, "tasks": structs("taskArn", "group", attachments=structs("id"))},
    (
        _TASK("taskArn").alias("task"),
        # "service:NAME" or "family:NAME" (API reference of ECS Task)
        _TASK("group").str.replace(r"^(service|family):", "").alias("name"),
        each(_TASK("attachments"), "id").alias("attachments"),
    ),
    explode="tasks",
)
