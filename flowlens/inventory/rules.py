"""Tables of what lets traffic through and where it goes: routes, group rules, ACL entries."""

import polars as pl

from flowlens.inventory.pick import FLAG, TEXT, WHOLE, Shape, at, held, ids, struct, structs

__all__ = ["ACLS", "NACLS", "PERMISSIONS", "ROUTES", "RULES", "SECURITY_GROUPS", "TABLES"]

_ROUTE = pl.col("Routes").struct.field
_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
)
# An association that is not made yet, or not any more, counts for nothing (user guide of VPC,
# "Subnet route tables"; RouteTableAssociationState).
_MADE = ("Associations", "SubnetId", "AssociationState.State", ("associated",))
_SUBNETS = held(*_MADE).list.unique().list.sort()
_MAIN = (
    held("Associations", "Main", "AssociationState.State", ("associated",))
    .list.eval(pl.element().cast(pl.Boolean))
    .list.any()
    .fill_null(value=False)
)
_ASSOCIATIONS = structs("SubnetId", "GatewayId", Main=FLAG, AssociationState=struct("State"))
TABLES = Shape(
    "ec2.describe_route_tables",
    {"RouteTableId": TEXT, "VpcId": TEXT, "Associations": _ASSOCIATIONS},
    (
        pl.col("RouteTableId").alias("route_table_id"),
        pl.col("VpcId").alias("vpc_id"),
        _SUBNETS.alias("subnets"),
        _MAIN.alias("main"),
    ),
)
ROUTES = Shape(
    "ec2.describe_route_tables",
    {
        "RouteTableId": TEXT,
        "VpcId": TEXT,
        "Associations": _ASSOCIATIONS,
        "Routes": structs(
            "DestinationCidrBlock",
            "DestinationIpv6CidrBlock",
            "DestinationPrefixListId",
            "Origin",
            "State",
            *_TARGETS,
        ),
    },
    (
        pl.col("RouteTableId").alias("route_table_id"),
        pl.col("VpcId").alias("vpc_id"),
        _SUBNETS.alias("subnets"),
        _MAIN.alias("main"),
        pl.coalesce(_ROUTE("DestinationCidrBlock"), _ROUTE("DestinationIpv6CidrBlock")).alias(
            "cidr"
        ),
        _ROUTE("DestinationPrefixListId").alias("prefix_list_id"),
        pl.coalesce([_ROUTE(name) for name in _TARGETS]).alias("target"),
        _ROUTE("Origin").alias("origin"),
        _ROUTE("State").alias("state"),
    ),
    explode="Routes",
)


RULES = Shape(
    "ec2.describe_security_group_rules",
    {
        "SecurityGroupRuleId": TEXT,
        "GroupId": TEXT,
        "IsEgress": FLAG,
        "IpProtocol": TEXT,
        "FromPort": WHOLE,
        "ToPort": WHOLE,
        "CidrIpv4": TEXT,
        "CidrIpv6": TEXT,
        "PrefixListId": TEXT,
        "ReferencedGroupInfo": struct(
            "GroupId", "VpcPeeringConnectionId", "PeeringStatus", "VpcId", "UserId"
        ),
        "Description": TEXT,
    },
    (
        pl.col("SecurityGroupRuleId").alias("rule_id"),
        pl.col("GroupId").alias("group_id"),
        pl.col("IsEgress").alias("egress"),
        pl.col("IpProtocol").alias("protocol"),
        pl.col("FromPort").alias("from_port"),
        pl.col("ToPort").alias("to_port"),
        pl.coalesce("CidrIpv4", "CidrIpv6").alias("cidr"),
        pl.col("PrefixListId").alias("prefix_list_id"),
        at("ReferencedGroupInfo.GroupId").alias("referenced_group"),
        at("ReferencedGroupInfo.VpcPeeringConnectionId").alias("peering_id"),
        at("ReferencedGroupInfo.PeeringStatus").alias("peering_state"),
        pl.col("Description").alias("description"),
    ),
)


SECURITY_GROUPS = Shape(
    "ec2.describe_security_groups",
    {"GroupId": TEXT, "VpcId": TEXT, "OwnerId": TEXT, "GroupName": TEXT},
    (
        pl.col("GroupId").alias("group_id"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("OwnerId").alias("owner_id"),
        pl.col("GroupName").alias("name"),
    ),
)


_PERMISSIONS = structs(
    "IpProtocol",
    FromPort=WHOLE,
    ToPort=WHOLE,
    IpRanges=structs("CidrIp"),
    Ipv6Ranges=structs("CidrIpv6"),
    PrefixListIds=structs("PrefixListId"),
    UserIdGroupPairs=structs("GroupId", "VpcPeeringConnectionId", "PeeringStatus"),
)
#: The same rules as older tools capture them: without ids of their own, several in one.
PERMISSIONS = Shape(
    "ec2.describe_security_groups",
    {"GroupId": TEXT, "IpPermissions": _PERMISSIONS, "IpPermissionsEgress": _PERMISSIONS},
    (
        pl.col("GroupId").alias("group_id"),
        pl.col("IpPermissions").alias("ingress"),
        pl.col("IpPermissionsEgress").alias("egress"),
    ),
)


ACLS = Shape(
    "ec2.describe_network_acls",
    {
        "NetworkAclId": TEXT,
        "VpcId": TEXT,
        "IsDefault": FLAG,
        "Associations": structs("SubnetId"),
    },
    (
        pl.col("NetworkAclId").alias("nacl_id"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("IsDefault").alias("default"),
        ids("Associations", "SubnetId").alias("subnets"),
    ),
)


_ENTRY = pl.col("Entries").struct.field
NACLS = Shape(
    "ec2.describe_network_acls",
    {
        "NetworkAclId": TEXT,
        "VpcId": TEXT,
        "IsDefault": FLAG,
        "Associations": structs("SubnetId"),
        "Entries": structs(
            "Protocol",
            "RuleAction",
            "CidrBlock",
            "Ipv6CidrBlock",
            RuleNumber=WHOLE,
            Egress=FLAG,
            PortRange=pl.Struct({"From": WHOLE, "To": WHOLE}),
            IcmpTypeCode=pl.Struct({"Type": WHOLE, "Code": WHOLE}),
        ),
    },
    (
        pl.col("NetworkAclId").alias("nacl_id"),
        pl.col("VpcId").alias("vpc_id"),
        pl.col("IsDefault").alias("default"),
        ids("Associations", "SubnetId").alias("subnets"),
        _ENTRY("RuleNumber").alias("number"),
        _ENTRY("Egress").alias("egress"),
        _ENTRY("Protocol").alias("protocol"),
        _ENTRY("RuleAction").alias("action"),
        pl.coalesce(_ENTRY("CidrBlock"), _ENTRY("Ipv6CidrBlock")).alias("cidr"),
        _ENTRY("PortRange").struct.field("From").alias("from_port"),
        _ENTRY("PortRange").struct.field("To").alias("to_port"),
        _ENTRY("IcmpTypeCode").struct.field("Type").alias("icmp_type"),
        _ENTRY("IcmpTypeCode").struct.field("Code").alias("icmp_code"),
    ),
    explode="Entries",
)
