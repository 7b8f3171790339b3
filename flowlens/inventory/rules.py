"""Tables of what lets traffic through and where it goes: routes, group rules, ACL entries."""

import polars as pl

from flowlens.inventory.pick import FLAG, TEXT, WHOLE, Shape, at, ids, struct, structs

__all__ = ["NACLS", "ROUTES", "RULES"]

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
ROUTES = Shape(
    "ec2.describe_route_tables",
    {
        "RouteTableId": TEXT,
        "VpcId": TEXT,
        "Associations": structs(
            "SubnetId", "GatewayId", Main=FLAG, AssociationState=struct("State")
        ),
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
        ids("Associations", "SubnetId").alias("subnets"),
        pl.col("Associations")
        .list.eval(pl.element().struct.field("Main"))
        .list.any()
        .fill_null(value=False)
        .alias("main"),
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
        "ReferencedGroupInfo": struct("GroupId", "VpcPeeringConnectionId"),
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
        pl.col("Description").alias("description"),
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
