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
        "interface_id": "NetworkInterfaceId",
        "interface_type": "InterfaceType",
        "description": "Description",
        "vpc_id": "VpcId",
        "subnet_id": "SubnetId",
        "owner_id": "OwnerId",
        "requester_id": "RequesterId",
        "requester_managed": "RequesterManaged",
        "source_dest_check": "SourceDestCheck",
        "shut": "DenyAllIgwTraffic",
        # No list at all is not the same as an empty one: a NAT gateway has no groups.
        "groups": pl.when(pl.col("Groups").is_not_null()).then(ids("Groups", "GroupId")),
        "addresses": pl.concat_list(
            pl.concat_list(pl.col("PrivateIpAddress")).list.drop_nulls(),
            each("PrivateIpAddresses", "PrivateIpAddress"),
            each("Ipv6Addresses", "Ipv6Address"),
        ),
        "public_addresses": pl.concat_list(
            pl.concat_list(
                at("Association.PublicIp"), at("Association.CarrierIp")
            ).list.drop_nulls(),
            each("PrivateIpAddresses", "Association.PublicIp"),
            each("PrivateIpAddresses", "Association.CarrierIp"),
        ),
        # Traffic to the internet needs a public address of the very private one (user guide of
        # VPC, "Internet gateways").
        "mapped": pl.concat_list(
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
        ),
        "prefixes": pl.concat_list(
            each("Ipv4Prefixes", "Ipv4Prefix"), each("Ipv6Prefixes", "Ipv6Prefix")
        ),
        "attachment_id": "Attachment.AttachmentId",
        "instance_id": "Attachment.InstanceId",
        "instance_owner_id": "Attachment.InstanceOwnerId",
        "operator": pl.when(at("Operator.Managed")).then(at("Operator.Principal")),
        "name": tag("Name"),
        "provider": tag("aws:lambda:capacity-provider"),
        "connector": tag("aws:lambda:networkConnectorName", "aws:lambda:networkConnectorId"),
    },
    {
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
)


_INSTANCE = pl.col("Instances").struct.field
INSTANCES = Shape(
    "ec2.describe_instances",
    {
        "instance_id": "Instances.InstanceId",
        "vpc_id": "Instances.VpcId",
        "subnet_id": "Instances.SubnetId",
        "name": tag("Name", column=_INSTANCE("Tags")),
        "provider": tag("aws:lambda:capacity-provider", column=_INSTANCE("Tags")),
    },
    {"Instances": structs("InstanceId", "VpcId", "SubnetId", Tags=TAGS)},
    explode="Instances",
)


_MANAGED = "LambdaManagedInstancesCapacityProviderConfig"
FUNCTIONS = Shape(
    "lambda.list_functions",
    {
        "function": "FunctionName",
        "arn": "FunctionArn",
        "version": "Version",
        "vpc_id": "VpcConfig.VpcId",
        "subnets": at("VpcConfig.SubnetIds").fill_null(NONE).list.unique().list.sort(),
        "groups": at("VpcConfig.SecurityGroupIds").fill_null(NONE).list.unique().list.sort(),
        "provider": f"CapacityProviderConfig.{_MANAGED}.CapacityProviderArn",
    },
    {
        "VpcConfig": struct(
            "VpcId", SubnetIds=pl.List(pl.String), SecurityGroupIds=pl.List(pl.String)
        ),
        "CapacityProviderConfig": struct(**{_MANAGED: struct("CapacityProviderArn")}),
    },
)


PROVIDED = Shape(
    "lambda.list_function_versions_by_capacity_provider",
    {
        "provider": pl.coalesce("CapacityProviderArn", "Item"),
        # arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION
        "function": pl.col("FunctionVersions")
        .struct.field("FunctionArn")
        .str.split(":")
        .list.get(6, null_on_oob=True),
    },
    {"Item": TEXT, "CapacityProviderArn": TEXT, "FunctionVersions": structs("FunctionArn")},
    explode="FunctionVersions",
)


DATABASES = Shape(
    "rds.describe_db_instances",
    {
        "database": "DBInstanceIdentifier",
        "subnets": ids(at("DBSubnetGroup.Subnets"), "SubnetIdentifier"),
        "groups": ids("VpcSecurityGroups", "VpcSecurityGroupId"),
    },
    {
        "DBSubnetGroup": struct("VpcId", Subnets=structs("SubnetIdentifier")),
        "VpcSecurityGroups": structs("VpcSecurityGroupId"),
    },
)


_TASK = pl.col("tasks").struct.field
TASKS = Shape(
    "ecs.describe_tasks",
    {
        "task": "tasks.taskArn",
        # "service:NAME" or "family:NAME" (API reference of ECS Task)
        "name": _TASK("group").str.replace(r"^(service|family):", ""),
        "attachments": each(_TASK("attachments"), "id"),
    },
    {"tasks": structs("taskArn", "group", attachments=structs("id"))},
    explode="tasks",
)
